"""Let requests wait in line for the limits of their provider.

All requests with one key to one base URL share a gate. Only the first one in line looks at the limits, so the order is
that of asking, and a request that ends wakes one task. Nothing is handed over to a task that waits: each takes its own
place when it runs, so a cancelled wait loses no place.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import anyio

from kimi_async._errors import TransportError
from kimi_async._health import LimitHealth
from kimi_async._rate_limits import RateLimits
from kimi_async._reply._rates import Rates, Reservation

__all__ = ["Gate"]

_logger: Final = logging.getLogger("kimi_async")


class Gate:
    """The line of the requests with one key to one base URL.

    Attributes:
        rates: The limits.
    """

    def __init__(self) -> None:
        self.rates = Rates()
        self._line: OrderedDict[_Waiting, None] = OrderedDict()
        self._told = False
        self._closed = False

    def is_full(self, limits: RateLimits, now: float) -> bool:
        """Return whether a small request would have to wait."""
        return bool(self._line) or self.rates.delay(limits, 1, now) > 0.0

    def take(self, limits: RateLimits, tokens: int, now: float) -> Reservation | None:
        """Return the place of a request if it need not wait."""
        if self._line or self.rates.delay(limits, tokens, now) > 0.0:
            return None
        return self.rates.begin(limits, tokens, now)

    async def wait(
        self, limits: RateLimits, tokens: int, clock: Callable[[], float]
    ) -> Reservation:
        """Wait in line, and return the place of a request.

        Raises:
            TransportError: The client was closed meanwhile.
        """
        waiting = _Waiting()
        self._line[waiting] = None
        try:
            while not self._closed:
                delay = math.inf
                if next(iter(self._line)) is waiting:
                    delay = self.rates.delay(limits, tokens, clock())
                    if delay <= 0.0:
                        return self.rates.begin(limits, tokens, clock())
                with anyio.move_on_after(delay):
                    await waiting.turn.wait()
                waiting.turn = anyio.Event()
        finally:
            del self._line[waiting]
            self._wake()
        raise TransportError("the client was closed meanwhile", stage="waiting for a slot")

    def close(self) -> None:
        """Send away all requests that wait."""
        self._closed = True
        self._wake()

    def release(self) -> None:
        """Count a request as ended."""
        self.rates.in_flight -= 1
        self._wake()

    def forget(self) -> None:
        """Count a request as ended, after the event loop and all who waited have ended."""
        self.rates.in_flight -= 1

    def _wake(self) -> None:
        for first in self._line:
            first.turn.set()
            return

    def tell_reached(self, provider: str) -> None:
        """Log that the limit of a provider is reached, once."""
        if not self._told:
            self._told = True
            _logger.warning(
                "a rate limit of %s is reached for the first time: requests wait or go to the next provider",
                provider,
            )

    def health(self, limits: RateLimits, now: float) -> LimitHealth:
        """Return the limits as they are now."""
        rates = self.rates
        return LimitHealth(
            in_flight=rates.in_flight,
            waiting=len(self._line),
            concurrency=_known(rates.limit(limits)),
            requests_per_minute=_known(rates.requests.limit(limits.requests_per_minute)),
            tokens_per_minute=_known(rates.tokens.limit(limits.tokens_per_minute)),
            paused_for=rates.pause(now),
        )


def _known(limit: float) -> int | None:
    return None if limit == math.inf else int(limit)


class _Waiting:
    """A request in line; ``turn`` is set when it should look at the limits again."""

    __slots__ = ("turn",)

    def __init__(self) -> None:
        self.turn = anyio.Event()
