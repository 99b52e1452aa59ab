"""Count events of the last seconds; pure."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Window"]

#: A window is counted in so many parts, so that its cost does not grow with the number of events.
_PARTS: Final = 10


class Window:
    """The sum of the numbers that were added in the last *seconds*, to a tenth of them."""

    def __init__(self, seconds: float) -> None:
        self._part_seconds = seconds / _PARTS or 1.0
        #: Number and sum of each part, oldest first.
        self._parts: deque[list[float]] = deque()
        self._total = 0.0

    def add(self, number: float, now: float) -> None:
        """Add *number* at the time *now*, in seconds."""
        part = now // self._part_seconds
        if not self._parts or self._parts[-1][0] != part:
            self._parts.append([part, 0.0])
        self._parts[-1][1] += number
        self._total += number

    def take_back(self, number: float, at: float) -> None:
        """Take back *number* that was added at the time *at*, unless that time has left the window."""
        part = at // self._part_seconds
        for each in self._parts:
            if each[0] == part:
                each[1] -= number
                self._total -= number

    def total(self, now: float) -> float:
        """Return the sum at the time *now*."""
        oldest = now // self._part_seconds - _PARTS
        while self._parts and self._parts[0][0] <= oldest:
            self._total -= self._parts.popleft()[1]
        return self._total

    def clear(self) -> None:
        """Forget all numbers."""
        self._parts.clear()
        self._total = 0.0
