"""Compute the time that is left of each limit of ``Timeouts``; pure: the caller passes the time.

A cancel scope for each read would cost 25 to 35 us, more than all other work for a chunk. So the read timeout of the
HTTP client ends most reads, at no extra cost: it is the longer of ``first_output`` and ``idle``. A scope is opened only
for a read that must end earlier. With the default limits, no read of a flowing stream needs a scope.

``progress`` and ``finish_grace`` count the time that reads wait, not the time that the caller takes between events.
"""

from __future__ import annotations

import math

from kimi_async._errors import (
    FirstOutputTimeout,
    IdleTimeout,
    KimiTimeoutError,
    ProgressTimeout,
    SlotTimeout,
    TotalTimeout,
)
from kimi_async._settings import Timeouts

__all__ = ["Deadlines"]


class Deadlines:
    """The limits of one attempt.

    Args:
        timeouts: The limits.
        started: The time at which the reply began, by the event loop's clock; ``total`` counts from it.
    """

    __slots__ = (
        "_complete",
        "_idle",
        "_progress",
        "_total_at",
        "_waited",
        "longest_read",
        "timeouts",
    )

    def __init__(self, timeouts: Timeouts, started: float) -> None:
        self.timeouts = timeouts
        self._idle = _or_never(timeouts.idle)
        #: The longest time that any read may take, in seconds.
        self.longest_read = max(_or_never(timeouts.first_output), self._idle)
        self._progress = _or_never(timeouts.progress)
        self._total_at = started + _or_never(timeouts.total)
        #: Seconds waited in reads since the last output, or since the finish reason.
        self._waited = 0.0
        self._complete = False

    @property
    def read_timeout(self) -> float | None:
        """The read timeout for the HTTP client, in seconds; ``None`` means without a limit."""
        return None if self.longest_read == math.inf else self.longest_read

    @property
    def end(self) -> float:
        """When ``total`` runs out, by the event loop's clock; infinity without a limit."""
        return self._total_at

    def until_first_output(self, now: float) -> float:
        """Return the seconds that an attempt that begins *now* may take until its first output."""
        return min(_or_never(self.timeouts.first_output), self._total_at - now)

    def until_permit(self, now: float) -> float:
        """Return the seconds that a wait for a permit that begins *now* may take."""
        return min(_or_never(self.timeouts.slot), self._total_at - now)

    def for_read(self, now: float) -> float:
        """Return the seconds that the next read may take; 0 or less when a limit has run out."""
        left = self._total_at - now
        if self._complete:
            return min(left, _or_never(self.timeouts.finish_grace) - self._waited)
        return min(left, self._idle, self._progress - self._waited)

    def note_wait(self, seconds: float) -> None:
        """Note that a read took *seconds*."""
        self._waited += seconds

    def note_read(self, *, output: bool, complete: bool) -> None:
        """Note whether the last read brought *output*, and whether every choice now has its finish reason (*complete*).

        ``finish_grace`` applies while *complete* is true; another choice may still begin.
        """
        if output or complete is not self._complete:
            self._complete, self._waited = complete, 0.0

    def error(self, begun: float, *, started: bool) -> KimiTimeoutError:
        """Return the error of a read that began at *begun*; *started*: after the first output."""
        return self.read_error(begun) if started else self.first_output_error(begun)

    def first_output_error(self, begun: float) -> KimiTimeoutError:
        """Return the error for an attempt that began at *begun* and took too long until its first output."""
        stage = "waiting for the first output"
        first_output = _or_never(self.timeouts.first_output)
        if self._total_at - begun <= first_output:
            return TotalTimeout(self.timeouts.total or 0.0, stage=stage)
        return FirstOutputTimeout(first_output, stage=stage)

    def slot_error(self) -> KimiTimeoutError:
        """Return the error for a wait for a permit that took as long as :meth:`until_permit` allowed."""
        limits = _or_never(self.timeouts.slot), _or_never(self.timeouts.total)
        return SlotTimeout(min(limits), stage="waiting for a slot")

    def read_error(self, begun: float) -> KimiTimeoutError:
        """Return the error for a read that began at *begun* and took as long as :meth:`for_read` allowed."""
        stage = "streaming"
        progress_left = self._progress - self._waited
        if self._total_at - begun <= min(self._idle, progress_left):
            return TotalTimeout(self.timeouts.total or 0.0, stage=stage)
        if progress_left < self._idle:
            return ProgressTimeout(self._progress, stage=stage)
        return IdleTimeout(self._idle, stage=stage)


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
