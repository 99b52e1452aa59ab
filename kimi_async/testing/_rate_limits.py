"""The rate limits of a fake: the requests refused with status 429, and the headers that tell the limits. Pure."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import field, frozen, validators

from kimi_async.testing._checks import is_typed
from kimi_async.testing._completion import dump
from kimi_async.testing._script import ErrorReply
from kimi_async.testing._wire import ProviderName

__all__ = ["FakeRateLimits", "RateLimiter"]

_MINUTE: Final = 60.0

Pairs = tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class FakeRateLimits:
    """The limits of a fake, over all of its requests; ``None`` = no limit.

    A request over a limit is refused with status 429, in the words of its provider, and uses up no reply of the script.
    ``FakeRateLimits(concurrency=20)`` is the limit of Ace Data Cloud (the page Providers, 1.1).

    Attributes:
        concurrency: How many requests may be in flight.
        requests_per_minute: How many requests may begin within 60 seconds.
        tokens_per_minute: How many tokens may be asked for within 60 seconds. A request asks for one token for each 4
            bytes of its body, and for its output limit (``max_tokens`` or ``max_completion_tokens``).
    """

    concurrency: int | None = field(
        default=None, validator=validators.optional([is_typed(int), validators.ge(1)])
    )
    requests_per_minute: int | None = field(
        default=None, validator=validators.optional([is_typed(int), validators.ge(1)])
    )
    tokens_per_minute: int | None = field(
        default=None, validator=validators.optional([is_typed(int), validators.ge(1)])
    )


class _Window:
    """The amounts of the last 60 seconds, under a limit."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._spent: deque[tuple[float, int]] = deque()

    def left(self, now: float) -> int:
        """Return how much may still be spent."""
        while self._spent and self._spent[0][0] <= now - _MINUTE:
            self._spent.popleft()
        return self.limit - sum(amount for _, amount in self._spent)

    def spend(self, now: float, amount: int) -> None:
        """Spend *amount*."""
        self._spent.append((now, amount))

    def reset(self, now: float) -> float:
        """Return the seconds until the oldest amount counts no more, rounded up to a millisecond."""
        seconds = self._spent[0][0] + _MINUTE - now if self._spent else 0.0
        return math.ceil(seconds * 1000) / 1000


class RateLimiter:
    """The state of the limits of one fake.

    Attributes:
        in_flight: How many accepted requests are not finished.
    """

    def __init__(self, limits: FakeRateLimits) -> None:
        self.in_flight = 0
        self._concurrency = limits.concurrency
        self._windows: dict[Callable[[Mapping[str, Any]], int], _Window] = {}
        if limits.requests_per_minute is not None:
            self._windows[_one] = _Window("requests", limits.requests_per_minute)
        if limits.tokens_per_minute is not None:
            self._windows[_tokens] = _Window("tokens", limits.tokens_per_minute)

    def refusal(
        self, body: Mapping[str, Any], provider: ProviderName, now: float
    ) -> ErrorReply | None:
        """Return the refusal of a request, or accept and count it."""
        if self._concurrency is not None and self.in_flight >= self._concurrency:
            return _too_many_at_once(provider, self._concurrency)
        for amount, window in self._windows.items():
            # A request that is larger than the whole limit needs an empty window.
            if window.left(now) < min(amount(body), window.limit):
                return _too_many(provider, window, now)
        for amount, window in self._windows.items():
            window.spend(now, amount(body))
        self.in_flight += 1
        return None

    def finish(self, is_accepted: bool) -> None:
        """Count a request as finished, if it was accepted."""
        self.in_flight -= is_accepted

    def headers(self, now: float) -> Pairs:
        """Return the headers that tell the limits; those of Moonshot have no unit (the page Providers, 3.1)."""
        pairs: list[tuple[str, str]] = []
        for window in self._windows.values():
            figures = {
                "limit": window.limit,
                "remaining": max(0, window.left(now)),
                "reset": f"{window.reset(now):g}",
            }
            endings = (f"-{window.name}",) if pairs else ("", f"-{window.name}")
            pairs += [
                (f"x-ratelimit-{name}{ending}", str(figure))
                for ending in endings
                for name, figure in figures.items()
            ]
        return tuple(pairs)


def _one(_body: Mapping[str, Any]) -> int:
    return 1


def _tokens(body: Mapping[str, Any]) -> int:
    asked = body.get("max_completion_tokens") or body.get("max_tokens")
    return len(json.dumps(body)) // 4 + (max(asked, 0) if isinstance(asked, int) else 0)


def _too_many_at_once(provider: ProviderName, limit: int) -> ErrorReply:
    if provider == "acedata":
        # Byte for byte as documented: it has no trace id (the page Providers, 1.1).
        message = "Concurrency limit exceeded for this token."
        error = {"code": "rate_limited", "message": message}
        return ErrorReply(429, body=dump({"success": False, "error": error}))
    message = f"Your account reached max concurrency: {limit}"
    return ErrorReply(429, message=message)


def _too_many(provider: ProviderName, window: _Window, now: float) -> ErrorReply:
    seconds = f"{window.reset(now):g}"
    # Moonshot says it only in its words (the page Providers, 9.4).
    waits = {} if provider == "moonshot" else {"retry-after": seconds}
    message = (
        f"Your account reached the limit of {window.limit} {window.name} per minute, "
        f"please try again after {seconds} seconds"
    )
    return ErrorReply(429, message=message, headers=waits)
