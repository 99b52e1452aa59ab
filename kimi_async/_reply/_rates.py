"""Compute when a request to one provider may be sent, and learn its limits; pure: the caller passes the time.

Every limit follows one rule. A refusal lowers it to seven tenths of the amount in use, but only once for the requests
that were sent before it was lowered. Successes raise it by a twentieth of the limit, and at least 1, for each round of
as many successes as the limit.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping
from typing import Final

from kimi_async._errors import RateLimitError
from kimi_async._providers._waits import seconds_of
from kimi_async._rate_limits import RateLimits
from kimi_async._record import Usage

__all__ = ["LearnedLimit", "MinuteLimit", "Rates", "Reservation", "TokenEstimate"]

#: A refused limit falls to this part of the amount in use (the page Rate limits and concurrency).
_LOWERED: Final = 0.7
_RAISED: Final = 0.05

#: The time for which an amount counts, in seconds: a minute, and a second for the way to the provider.
_MINUTE: Final = 61.0
#: Amounts of this many seconds are kept as one, so that the memory is bounded.
_TICK: Final = 0.1

#: The longest pause that a provider may ask of all requests, in seconds; a longer one only concerns the reply that was
#: refused.
_LONGEST_PAUSE: Final = 60.0

_TOKENS_PER_BYTE: Final = 0.25
_OUTPUT_TOKENS: Final = 1_024.0
#: The weight of one reply in the estimates.
_WEIGHT: Final = 0.1


class LearnedLimit:
    """A limit that refusals lower and successes raise.

    Attributes:
        value: The limit; ``None`` while nothing was refused.
    """

    __slots__ = ("_lowered_at", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        #: The number of the last request that was sent before the limit was lowered.
        self._lowered_at = 0

    def within(self, known: float) -> float:
        """Return the limit, at most *known* (``math.inf`` = no limit is known)."""
        return known if self.value is None else min(known, self.value)

    def lower(self, used: float, *, number: int, last: int) -> None:
        """Lower the limit after a refusal.

        Args:
            used: The amount that was in use.
            number: The number of the refused request.
            last: The number of the last request that was sent.
        """
        if number > self._lowered_at:
            self.value = max(1.0, float(math.floor(used * _LOWERED)))
            self._lowered_at = last

    def succeed(self, known: float) -> None:
        """Raise the limit a little after a success; at *known* it is forgotten."""
        if self.value is not None:
            self.value += max(1.0, self.value * _RAISED) / self.value
            if self.value >= known:
                self.value = None


class Spent:
    """An amount that counts until a moment."""

    __slots__ = ("amount", "until")

    def __init__(self, amount: int, until: float) -> None:
        self.amount = amount
        self.until = until

    def counts(self, now: float) -> bool:
        """Return whether it still counts. A moment that is further away is of the clock of another event loop."""
        return now < self.until <= now + _MINUTE + _TICK


class MinuteLimit:
    """The amounts of the last minute under a limit.

    Attributes:
        learned: The limit that refusals have taught.
        told: The limit that the provider told in a header, or ``None``.
    """

    __slots__ = ("_others", "_spent", "_total", "learned", "told")

    def __init__(self) -> None:
        self.learned = LearnedLimit()
        self.told: int | None = None
        self._spent: deque[Spent] = deque()
        self._total = 0
        #: The amount that others have spent, by the headers of the provider.
        self._others = Spent(0, 0.0)

    def limit(self, known: int | None) -> float:
        """Return the limit in use; ``math.inf`` = none."""
        # Each request asks several times; most providers have no limit of a minute, and told and taught none.
        if known is None and self.told is None and self.learned.value is None:
            return math.inf
        return self.learned.within(self.known(known))

    def known(self, given: int | None) -> float:
        """Return the lower one of the limit that is *given* and the limit that the provider told."""
        known = math.inf if given is None else given
        return known if self.told is None else min(known, self.told)

    def used(self, now: float) -> int:
        """Return the amount of the last minute."""
        spent = self._spent
        while spent and not spent[0].counts(now):
            self._total -= spent.popleft().amount
        return self._total + (self._others.amount if self._others.counts(now) else 0)

    def delay(self, amount: int, limit: float, now: float) -> float:
        """Return the seconds after which *amount* may fit; 0 = it fits. An amount over the limit needs all of it."""
        if min(amount, limit) <= limit - self.used(now):
            return 0.0
        counted = [each for each in (self._others, *self._spent) if each.counts(now)]
        return min(each.until for each in counted) - now

    def spend(self, amount: int, now: float) -> Spent:
        """Spend *amount*; the result is for :meth:`settle`."""
        until = math.ceil(now / _TICK) * _TICK + _MINUTE
        if not self._spent or self._spent[-1].until < until:
            self._spent.append(Spent(0, until))
        self._spent[-1].amount += amount
        self._total += amount
        return self._spent[-1]

    def settle(self, spent: Spent, difference: int) -> None:
        """Correct an amount that was spent, unless it no longer counts."""
        if spent in self._spent:
            spent.amount += difference
            self._total += difference

    def tell(self, limit: int | None, left: int, seconds: float, now: float) -> None:
        """Take the figures of the provider: its limit, the amount *left* and the *seconds* for which that holds."""
        self.told = limit or self.told
        if self.told is not None:
            self._others = Spent(0, 0.0)
            others = max(0, self.told - left - self.used(now))
            self._others = Spent(others, now + min(seconds, _MINUTE))


class TokenEstimate:
    """An estimate of the tokens of a request and its reply, which learns from the usage."""

    __slots__ = ("_output", "_per_byte")

    def __init__(self) -> None:
        self._per_byte = _TOKENS_PER_BYTE
        self._output = _OUTPUT_TOKENS

    def tokens(self, size: int, asked: int | None) -> int:
        """Return the estimate.

        Args:
            size: The bytes of the body of the request.
            asked: The output limit of the request. Providers count all of it before the reply (the page Providers,
                3.3). ``None`` takes the length of the replies before.
        """
        return math.ceil(size * self._per_byte) + (
            math.ceil(self._output) if asked is None else asked
        )

    def learn(self, size: int, usage: Usage) -> None:
        """Learn from the usage of a request with a body of *size* bytes."""
        if usage.prompt_tokens is not None and size:
            self._per_byte += _WEIGHT * (usage.prompt_tokens / size - self._per_byte)
        if usage.completion_tokens is not None:
            self._output += _WEIGHT * (usage.completion_tokens - self._output)


class Reservation:
    """The place of one request in the limits.

    Attributes:
        number: The number of the request, counted from 1.
        tokens: The tokens that are reserved.
        spent: Where they are reserved; ``None`` if no limit of tokens is known.
    """

    __slots__ = ("number", "spent", "tokens")

    def __init__(self, number: int, tokens: int, spent: Spent | None) -> None:
        self.number = number
        self.tokens = tokens
        self.spent = spent


class Rates:
    """The limits of one key at one provider: what is used, and what was learned.

    Attributes:
        in_flight: The requests in flight.
        concurrency: The limit of the requests in flight.
        requests: The requests of the last minute.
        tokens: The tokens of the last minute.
        estimate: Estimates tokens.
        paused_until: The time before which the provider wants no request.
    """

    __slots__ = (
        "_sent",
        "concurrency",
        "estimate",
        "in_flight",
        "paused_until",
        "requests",
        "tokens",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.concurrency = LearnedLimit()
        self.requests = MinuteLimit()
        self.tokens = MinuteLimit()
        self.estimate = TokenEstimate()
        self.paused_until = 0.0
        self._sent = 0

    def limit(self, limits: RateLimits) -> float:
        """Return the limit of the requests in flight that is in use; ``math.inf`` = none."""
        return self.concurrency.within(_or_none(limits.concurrency))

    def counts_tokens(self, limits: RateLimits) -> bool:
        """Return whether a limit of tokens is known."""
        return self.tokens.known(limits.tokens_per_minute) < math.inf

    def pause(self, now: float) -> float:
        """Return the seconds for which the provider wants no request."""
        left = self.paused_until - now
        # A time that is further away is of the clock of another event loop.
        return left if 0.0 < left <= _LONGEST_PAUSE else 0.0

    def delay(self, limits: RateLimits, tokens: int, now: float) -> float:
        """Return the seconds after which a request may be sent; 0 = now, ``math.inf`` = after another one has ended.

        Args:
            limits: The limits of the settings.
            tokens: The tokens of the request.
            now: The time.
        """
        if self.in_flight and self.in_flight + 1 > self.limit(limits):
            return math.inf
        delay = self.pause(now)
        if (limit := self.requests.limit(limits.requests_per_minute)) < math.inf:
            delay = max(delay, self.requests.delay(1, limit, now))
        if (limit := self.tokens.limit(limits.tokens_per_minute)) < math.inf:
            delay = max(delay, self.tokens.delay(tokens, limit, now))
        return delay

    def begin(self, limits: RateLimits, tokens: int, now: float) -> Reservation:
        """Count a request that is sent now."""
        self.in_flight += 1
        self._sent += 1
        if self.requests.known(limits.requests_per_minute) < math.inf:
            self.requests.spend(1, now)
        spent = self.tokens.spend(tokens, now) if self.counts_tokens(limits) else None
        return Reservation(self._sent, tokens, spent)

    def settle(self, reserved: Reservation, size: int, usage: Usage) -> None:
        """Replace the estimate by the real usage, and learn from it; *size* is the bytes of the request."""
        self.estimate.learn(size, usage)
        total = usage.total_tokens
        if total is None and usage.prompt_tokens is not None:
            total = usage.prompt_tokens + (usage.completion_tokens or 0)
        if total is not None and reserved.spent is not None:
            self.tokens.settle(reserved.spent, total - reserved.tokens)
            reserved.spent = None

    def succeeded(self, limits: RateLimits) -> None:
        """Raise the learned limits a little. A limit that is not used teaches nothing, so it stays."""
        if self.concurrency.value is not None and self.in_flight >= self.limit(limits) - 1.0:
            self.concurrency.succeed(_or_none(limits.concurrency))
        if self.requests.learned.value is not None:
            self.requests.learned.succeed(self.requests.known(limits.requests_per_minute))
        if self.tokens.learned.value is not None:
            self.tokens.learned.succeed(self.tokens.known(limits.tokens_per_minute))

    def refused(
        self, error: RateLimitError, reserved: Reservation, limits: RateLimits, now: float
    ) -> None:
        """Lower a limit after a request was refused; it still counts as in flight."""
        if error.retry_after is not None and error.retry_after <= _LONGEST_PAUSE:
            self.paused_until = max(now + error.retry_after, now + self.pause(now))
        minutes = [
            (minute, known)
            for minute, known in self._minutes(limits)
            if minute.known(known) < math.inf
        ]
        if is_concurrency(error) or not minutes:
            self.concurrency.lower(self.in_flight - 1, number=reserved.number, last=self._sent)
            return
        for minute, known in minutes:
            used = minute.limit(known)
            minute.learned.lower(used, number=reserved.number, last=self._sent)

    def _minutes(self, limits: RateLimits) -> tuple[tuple[MinuteLimit, int | None], ...]:
        return (
            (self.requests, limits.requests_per_minute),
            (self.tokens, limits.tokens_per_minute),
        )

    def told(self, headers: Mapping[str, str], now: float) -> None:
        """Take the limits in the headers of a response, names in lower case.

        Headers with a unit (``x-ratelimit-limit-requests``) tell a limit for each minute. Those without a unit (the
        page Providers, 3.1) only say that nothing is left, and for how long.
        """
        if headers.get("x-ratelimit-remaining") == "0":
            seconds = _seconds(headers.get("x-ratelimit-reset"))
            if seconds is not None and seconds <= _LONGEST_PAUSE:
                self.paused_until = now + seconds
        for name, minute in (("requests", self.requests), ("tokens", self.tokens)):
            left = _count(headers.get("x-ratelimit-remaining-" + name))
            if left is not None:
                limit = _count(headers.get(f"x-ratelimit-limit-{name}"))
                seconds = _seconds(headers.get(f"x-ratelimit-reset-{name}"))
                minute.tell(limit, left, _MINUTE if seconds is None else seconds, now)


def is_concurrency(error: RateLimitError) -> bool:
    """Return whether a refusal means too many requests at once, and not too many in a time."""
    # Ace Data Cloud uses the code for nothing else (the page Providers, 1.1); Moonshot says it in words (3.5).
    return error.code == "rate_limited" or "concurren" in error.message.lower()


def _or_none(limit: int | None) -> float:
    return math.inf if limit is None else limit


def _count(text: str | None) -> int | None:
    """Return the whole number in a header; a longer one than any limit tells nothing."""
    return int(text) if text is not None and re.fullmatch(r"\d{1,15}", text, re.ASCII) else None


def _seconds(text: str | None) -> float | None:
    """Return the seconds in a header: ``"12"``, ``"1.5"`` or ``"6m20.5s"``."""
    return None if text is None else seconds_of(text)
