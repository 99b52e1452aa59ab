"""The limits of time and of size, for a client or for one call."""

from __future__ import annotations

import sys
from typing import Final, TypeGuard

from attrs import fields, frozen

from kimi_async._errors import ConfigurationError

__all__ = ["DEFAULT_LIMITS", "Limits", "Timeouts", "is_seconds"]


@frozen(kw_only=True)
class Timeouts:
    """One limit for each wait of a reply, in seconds; ``None`` removes the limit.

    ``slot`` applies while a reply waits for its turn. ``connect``, ``write`` and ``first_output`` apply before the
    first output, ``idle`` and ``progress`` after it, and ``finish_grace`` after the last finish reason. ``total``
    applies all the time.

    Attributes:
        connect: The time for the TCP connection, and the same time again for TLS.
        write: The longest time in which the upload of a request makes no progress.
        first_output: The time from sending a request to its first reasoning, content, refusal, tool call or finish
            reason. It starts again with each attempt. With ``wire="json"`` it covers the whole wait.
        idle: The longest time without any byte; comments count as bytes. The default is some minutes, because the
            gateways are silent while a model writes a large tool call.
        progress: The longest time without output of the model, even if other bytes arrive.
        finish_grace: The wait for usage and ``[DONE]`` after the last finish reason. When it runs out, the stream
            ends without an error, because the reply is complete.
        slot: The wait until one of the ``max_concurrency`` replies in flight ends. Each of those replies has its own
            limits, so the default is ``None``.
        total: The time for the whole reply, with all attempts and the wait for a slot.

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

    # Not a validator for each field: attrs generates code for each, which takes 0.4 ms at import.
    def __attrs_post_init__(self) -> None:
        for each in fields(type(self)):
            value = getattr(self, each.name)
            if value is not None and not is_seconds(value):
                raise ConfigurationError(
                    f"Timeouts.{each.name} must be a number of seconds above 0, or None for no limit"
                )


def is_seconds(value: object) -> TypeGuard[float]:
    """Return whether *value* is a number above 0 that a clock can count: neither infinite nor over every float."""
    return isinstance(value, (int, float)) and value is not True and 0 < value <= sys.float_info.max


@frozen(kw_only=True)
class Limits:
    """The largest sizes of the parts of a reply, so that no host can fill the memory.

    A larger part ends the reply with a :class:`~kimi_async.ProtocolError` that names the limit; the output before it
    is in its ``partial``. These limits do not cover the length of the text of a reply, which the completion keeps;
    ``max_tokens`` limits that.

    Attributes:
        event_bytes: The data of one event of a stream, and of one line of it, in bytes.
        body_bytes: A body that is one JSON object: a complete reply, or the list of models. A reply of a million tokens
            is smaller than 8 MiB.
        error_body_bytes: The body of an error status. The rest of a longer body is not read, and this is not an error:
            the status and the beginning are enough.
        choices: The choices of one reply. OpenAI accepts ``n`` up to 128.
        tool_calls: The tool calls of one choice.
        nesting: The levels of objects and arrays in one event or JSON body; a reply needs eight. Python itself stops at
            some hundreds, even if a larger number is set here. Of an error body with more levels, only the beginning
            is kept, as text.

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


#: The default of an argument; this is safe, because the value is frozen.
DEFAULT_LIMITS: Final = Limits()
