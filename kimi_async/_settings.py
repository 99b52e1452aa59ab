"""Settings that a client or a single call can carry."""

from __future__ import annotations

import math

from attrs import field, frozen

from kimi_async._errors import ConfigurationError

__all__ = ["Timeouts"]


def _positive_or_none(_: object, attribute: object, value: float | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        name = getattr(attribute, "name", "limit")
        raise ConfigurationError(
            f"Timeouts.{name} must be a number of seconds above 0, or None for no limit"
        )


@frozen(kw_only=True)
class Timeouts:
    """One limit for each way in which a reply can hang, in seconds; ``None`` is no limit.

    Before the first output ``connect``, ``write``, ``first_output`` and ``total`` run; from then on ``idle`` and
    ``progress``; after the last finish reason ``finish_grace``.

    Attributes:
        connect: TCP and TLS, each.
        write: One write of the request.
        first_output: From the begin of the request to the first reasoning, content, refusal, tool call or finish
            reason. For ``chat(stream=False)`` it covers the whole wait. A wait for a slot of ``max_concurrency``, which
            comes before, may take as long again.
        idle: No byte at all; comments count as bytes. Minutes, because the gateways are silent while a model writes a
            large tool call (``docs/providers.md`` 6.1).
        progress: No model output, whatever else arrives.
        finish_grace: Waiting for usage and ``[DONE]`` after the last finish reason. Running out of it ends the stream
            well: the reply is complete by then.
        total: All of it, every attempt and the wait for a slot included.

    Raises:
        ConfigurationError: A limit is not a positive number.
    """

    connect: float | None = field(default=10.0, validator=_positive_or_none)
    write: float | None = field(default=30.0, validator=_positive_or_none)
    first_output: float | None = field(default=300.0, validator=_positive_or_none)
    idle: float | None = field(default=300.0, validator=_positive_or_none)
    progress: float | None = field(default=300.0, validator=_positive_or_none)
    finish_grace: float | None = field(default=5.0, validator=_positive_or_none)
    total: float | None = field(default=None, validator=_positive_or_none)
