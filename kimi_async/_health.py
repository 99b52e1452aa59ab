"""The health of the providers of a client, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

__all__ = ["BreakerHealth", "LimitHealth", "ProviderHealth"]


class BreakerHealth(Struct, frozen=True, kw_only=True):
    """The breaker of one model of one provider.

    Attributes:
        state: ``"closed"``: requests pass. ``"open"``: they go to the next provider. ``"half-open"``: the next one is
            a test.
        failures: The failures of the window (:class:`~kimi_async.Breaker`).
        requests: All requests of the window that count.
        opens_in: Seconds until a request is let through; 0 unless the breaker is open.
    """

    state: Literal["closed", "open", "half-open"]
    failures: int
    requests: int
    opens_in: float


class LimitHealth(Struct, frozen=True, kw_only=True):
    """The rate limits of one key at one provider, as they are now.

    The limits are those in use: the lowest of :class:`~kimi_async.RateLimits`, the headers of the provider, and the
    lessons of its refusals.

    Attributes:
        in_flight: The requests in flight.
        waiting: The requests that wait for the limits.
        concurrency: The most requests in flight; ``None`` = no limit is known.
        requests_per_minute: The most requests of a minute; ``None`` = no limit is known.
        tokens_per_minute: The most tokens of a minute; ``None`` = no limit is known.
        paused_for: The seconds for which the provider wants no request.
    """

    in_flight: int
    waiting: int
    concurrency: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    paused_for: float


class ProviderHealth(Struct, frozen=True, kw_only=True):
    """The health of one provider, as the requests of this client saw it.

    Attributes:
        isolated: Whether ``client.isolate()`` took it out.
        models: The breaker of each model that was asked for, by the name that is sent.
        limits: The rate limits; ``None`` if the provider has none, or a limiter of yours.
    """

    isolated: bool
    models: Mapping[str | None, BreakerHealth]
    limits: LimitHealth | None = None

    def __hash__(self) -> int:
        # Without the breakers: a dict has no hash.
        return hash((self.isolated, self.limits))

    @property
    def available(self) -> bool:
        """Whether it gets requests for at least one model, or was not asked yet."""
        open_ones = [each.state == "open" for each in self.models.values()]
        return not self.isolated and not (open_ones and all(open_ones))
