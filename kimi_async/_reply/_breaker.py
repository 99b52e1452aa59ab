"""Decide whether a provider that failed gets requests now; pure."""

from __future__ import annotations

import math
from typing import Final, Literal

from kimi_async._policies import Breaker
from kimi_async._reply._window import Window

__all__ = ["BreakerState", "State"]

#: ``"half-open"``: the time is over, and one request may try.
State = Literal["closed", "open", "half-open"]

#: The part of the time that is random.
_JITTER: Final = 0.25
#: 2 to a higher power times any time is over every limit, and at some hundreds over what a float can hold.
_MOST_DOUBLINGS: Final = 60


class BreakerState:
    """The breaker of one model of one provider, or of one key.

    Attributes:
        due: When it lets a request through; 0 while it is closed.
    """

    def __init__(self, window: float) -> None:
        self._good = Window(window)
        self._bad = Window(window)
        self._in_a_row = 0
        self._times_open = 0
        self._probing = False
        self.due = 0.0

    def state(self, now: float) -> State:
        """Return the state at the time *now*."""
        if not self.due:
            return "closed"
        return "open" if now < self.due else "half-open"

    def allows(self, now: float) -> bool:
        """Return whether a request may be sent: always while it is closed, and one at a time while half-open."""
        return not self.due or (now >= self.due and not self._probing)

    def begin(self, now: float) -> bool:
        """Note that a request is sent; return whether it is the probe of a breaker that is half-open."""
        if self.state(now) == "half-open" and not self._probing:
            self._probing = True
            return True
        return False

    def drop(self) -> None:
        """Note that the probe ended without a result."""
        self._probing = False

    def succeed(self, now: float, *, probe: bool) -> bool:
        """Note a success; return whether it has closed the breaker."""
        if probe:
            self._close()
            return True
        if not self.due:
            self._in_a_row = 0
            self._good.add(1, now)
        return False

    def fail(self, breaker: Breaker, now: float, chance: float, *, probe: bool) -> bool:
        """Note a failure; return whether it has opened the breaker.

        Args:
            breaker: The rules.
            now: The time, in seconds.
            chance: A number from 0 to 1, for the jitter.
            probe: Whether it was the probe.
        """
        if self.due and not probe:
            return False  # a request of before
        self._in_a_row += 1
        self._bad.add(1, now)
        if probe or self._is_too_much(breaker, now):
            seconds = min(breaker.max_open, breaker.open_for * 2**self._times_open)
            self.open(now + seconds * (1 - _JITTER + 2 * _JITTER * chance))
            self._times_open = min(self._times_open + 1, _MOST_DOUBLINGS)
            return True
        return False

    def _is_too_much(self, breaker: Breaker, now: float) -> bool:
        if self._in_a_row >= breaker.consecutive:
            return True
        bad = self._bad.total(now)
        count = bad + self._good.total(now)
        return count >= breaker.minimum and count - bad < breaker.success_ratio * count

    def open(self, due: float) -> None:
        """Let nothing through until the time *due*."""
        self.due = due
        self._probing = False

    def _close(self) -> None:
        self.due = 0.0
        self._probing = False
        self._in_a_row = self._times_open = 0
        self._good.clear()
        self._bad.clear()

    def failures(self, now: float) -> tuple[int, int]:
        """Return the failures and all requests of the window."""
        bad = math.floor(self._bad.total(now))
        return bad, bad + math.floor(self._good.total(now))
