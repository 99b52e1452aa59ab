"""Race two attempts for one reply; the attempt with the first output wins.

The first attempt runs in the task of the caller. The second one has a task of its own, which begins after a delay, so
a race that needs no second attempt costs one timer.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from attrs import frozen

from kimi_async._errors import KimiError
from kimi_async._events import StreamEvent
from kimi_async._http._background import Background
from kimi_async._reply._attempt import Attempt

__all__ = ["Raced", "race"]


@frozen
class Raced:
    """The result of one attempt, or of a race of two.

    Attributes:
        attempt: The attempt with the first output, or else the one that failed last.
        events: Its events.
        loser: The attempt that was closed because the other one won, or that failed earlier; ``None`` if there was
            only one.
    """

    attempt: Attempt
    events: list[StreamEvent]
    loser: Attempt | None = None


async def race(
    first: Attempt,
    after: float,
    make_second: Callable[[KimiError | None], Attempt | None],
) -> Raced:
    """Start *first*; start a second attempt when *first* has failed, or has no output after the given seconds.

    The loser is cancelled and closed before this returns. An error that the second attempt raises, such as the end of
    its wait for a permit, changes nothing for the first one.

    Args:
        first: The attempt that starts at once.
        after: Seconds until the second one starts.
        make_second: Makes the second one. It gets the error of *first*, or ``None`` if *first* has not failed. It
            returns ``None`` to send no second request.

    Raises:
        SlotTimeout: *first* has waited too long for a permit, and no second attempt has brought output.
    """
    return await _Race(first, make_second).run(after)


class _Race:
    def __init__(
        self, first: Attempt, make_second: Callable[[KimiError | None], Attempt | None]
    ) -> None:
        self._first = first
        self._make_second = make_second
        self._second: Attempt | None = None
        #: The scope of the first attempt; the second one cancels it.
        self._scope = anyio.CancelScope()
        #: The attempts that have ended, in this order.
        self._ended: list[Raced] = []
        self._crash: Exception | None = None

    async def run(self, after: float) -> Raced:
        second = Background(self._run_second, after)
        refused: KimiError | None = None
        try:
            with self._scope:
                try:
                    await self._start(self._first)
                except KimiError as error:
                    refused = error
            if second.begun and self._winner() is None:
                await second.wait()
            await second.aclose()
            if not second.begun and self._first.failure is not None:
                await self._run_second()
        except GeneratorExit:
            second.cancel_soon()
            raise
        except BaseException:
            await second.aclose()
            raise
        if self._crash is not None:
            raise self._crash
        winner = self._winner()
        if winner is None and refused is not None:
            raise refused
        return await self._close_loser(winner or self._ended[-1])

    async def _start(self, attempt: Attempt) -> bool:
        """Start an attempt; return whether it has brought output."""
        events = await attempt.start()
        self._ended.append(Raced(attempt, events))
        return attempt.failure is None

    async def _run_second(self) -> None:
        """Make and start the second attempt, and end the first one if the second one has brought output."""
        try:
            self._second = self._make_second(self._first.failure)
            if self._second is not None and await self._start(self._second):
                self._scope.cancel()
        except KimiError:
            pass
        except Exception as error:
            # Misuse, such as a closed client. Kept, because this may run in a task of its own.
            self._crash = error
            self._scope.cancel()

    def _winner(self) -> Raced | None:
        """Return the result with the first output."""
        return next((each for each in self._ended if each.attempt.failure is None), None)

    async def _close_loser(self, best: Raced) -> Raced:
        loser = self._second if best.attempt is self._first else self._first
        if loser is None:
            return best
        await loser.aclose()
        return Raced(best.attempt, best.events, loser)
