"""Settings that a client or a single call can carry."""

from __future__ import annotations

import math
from typing import Final

from attrs import fields, frozen

from kimi_async._errors import ConfigurationError

__all__ = ["DEFAULT_LIMITS", "Limits", "Timeouts"]


@frozen(kw_only=True)
class Timeouts:
    """One limit for each way in which a reply can hang, in seconds; ``None`` means no limit.

    While a reply waits for its turn ``slot`` runs; before the first output ``connect``, ``write`` and
    ``first_output``; from then on ``idle`` and ``progress``; after the last finish reason ``finish_grace``; and
    ``total`` all the time.

    Attributes:
        connect: TCP and TLS, each.
        write: The longest time without progress of the upload of a request.
        first_output: From the sending of a request to its first reasoning, content, refusal, tool call or finish
            reason; it begins anew with each attempt. With ``wire="json"`` it covers the whole wait.
        idle: Time without any byte; comments count as bytes. Minutes, because the gateways are silent while a model
            writes a large tool call.
        progress: Time without output of the model, whatever else arrives.
        finish_grace: The wait for usage and ``[DONE]`` after the last finish reason. When it runs out, the stream ends
            well: the reply is complete by then.
        slot: The wait for one of the ``max_concurrency`` replies in flight to end. Each of them has limits of its own,
            so the queue moves, and there is no limit by default.
        total: Everything, with all attempts and the wait for a slot.

    Raises:
        ConfigurationError: A limit is not a positive number.
    """

    connect: float | None = 10.0
    write: float | None = 30.0
    first_output: float | None = 300.0
    idle: float | None = 300.0
    progress: float | None = 300.0
    finish_grace: float | None = 5.0
    slot: float | None = None
    total: float | None = None

    # In place of a validator for each field, which attrs writes out: 0.4 ms of import time.
    def __attrs_post_init__(self) -> None:
        for each in fields(type(self)):
            if not _is_limit(getattr(self, each.name)):
                raise ConfigurationError(
                    f"Timeouts.{each.name} must be a number of seconds above 0, or None for no limit"
                )


def _is_limit(value: object) -> bool:
    """Whether *value* is a number of seconds to wait, or ``None``."""
    if value is None:
        return True
    return isinstance(value, (int, float)) and value is not True and 0 < value < math.inf


@frozen(kw_only=True)
class Limits:
    """How large the parts of a reply may get, so that no host can fill the memory.

    A part that is larger ends the reply with a :class:`~kimi_async.ProtocolError` that names the limit; what came
    before is in its ``partial``. How long the text of a reply may get is not limited here but by ``max_tokens``: all
    of it is kept, because the completion holds it.

    Attributes:
        event_bytes: The data of one event of a stream, and of one line of it, in bytes.
        body_bytes: A body that is one JSON object: a whole reply, or the list of models. A reply of a million tokens
            is below 8 MiB.
        error_body_bytes: The body of an error status. More of it is not read, and that is no error: the status and
            the beginning say enough.
        choices: Choices of one reply. OpenAI takes ``n`` up to 128.
        tool_calls: Tool calls of one choice.
        nesting: How deep the objects and arrays of one event or JSON body may lie in each other; a reply needs eight
            levels. Python itself stops at some hundreds, whatever is allowed here. Of an error body that lies deeper
            only the beginning is kept, as text.

    Raises:
        ConfigurationError: A limit is not a whole number from 1.
    """

    event_bytes: int = 8 * 1024 * 1024
    body_bytes: int = 32 * 1024 * 1024
    error_body_bytes: int = 64 * 1024
    choices: int = 128
    tool_calls: int = 1024
    nesting: int = 128

    def __attrs_post_init__(self) -> None:
        for each in fields(type(self)):
            value = getattr(self, each.name)
            if not isinstance(value, int) or value is True or value < 1:
                raise ConfigurationError(f"Limits.{each.name} must be a whole number from 1")


#: Frozen, so good as the default of an argument.
DEFAULT_LIMITS: Final = Limits()
