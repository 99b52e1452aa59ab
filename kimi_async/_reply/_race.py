"""Race two attempts for one reply; the attempt with the first output wins.

The first attempt runs in the task of the caller. The second one has a task of its own, which begins after a delay, so
a race that needs no second attempt costs one timer.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from msgspec import Struct

from kimi_async._errors import KimiError
from kimi_async._events import StreamEvent
from kimi_async._http._background import Later
from kimi_async._reply._attempt import Attempt

__all__ = ["Race", "Raced"]


class Raced(Struct, frozen=True):
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


class Race:
    """Starts one attempt, and a second one when the first has failed, or has had no output for some time.

    Args:
        first: The attempt that starts at once.
        make_second: Makes the second one. It gets the error of *first*, or ``None`` if *first* has not failed. It
            returns ``None`` to send no second request.
    """

    __slots__ = ("_crash", "_ended", "_first", "_make_second", "_second")

    def __init__(
        self, first: Attempt, make_second: Callable[[KimiError | None], Attempt | None]
    ) -> None:
        self._first = first
        self._make_second = make_second
        self._second: Attempt | None = None
        #: The attempts that have ended, in this order.
        self._ended: list[Raced] = []
        self._crash: BaseException | None = None

    async def run(self, after: float) -> Raced:
        """Run both; the second one starts *after* so many seconds, if the first one has not failed before.

        The loser is closed before this returns. An error that the second one raises, such as the end of its wait for a
        permit, changes nothing for the first one.

        Raises:
            SlotTimeout: *first* has waited too long for a permit, and no second attempt has brought output.
        """
        second = Later(after, self._run_second)
        refused: KimiError | None = None
        try:
            try:
                events = await self._first.start()
                # Nearly all races end here, and need no second attempt.
                if self._first.failure is None and second.cancel():
                    return Raced(self._first, events)
                self._note(self._first, events)
            except KimiError as error:
                refused = error
            if second.begun and self._winner() is None:
                await second.wait()
            await second.aclose()
            if not second.begun and self._first.failure is not None:
                await self._run_second()
        except GeneratorExit:
            second.close_soon()
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

    def _note(self, attempt: Attempt, events: list[StreamEvent]) -> None:
        if not attempt.stopped:
            self._ended.append(Raced(attempt, events))

    async def _run_second(self) -> None:
        """Make and start the second attempt, and stop the first one if the second one has won."""
        try:
            self._second = self._make_second(self._first.failure)
            if self._second is not None:
                self._note(self._second, await self._second.start())
        except KimiError:
            pass
        except (anyio.get_cancelled_exc_class(), GeneratorExit):
            raise
        except BaseException as error:
            # Misuse, such as a fake without more replies. Kept, because this may run in a task of its own.
            self._crash = error
        winner = self._winner()
        if self._crash is not None or (winner is not None and winner.attempt is self._second):
            self._first.stop()

    def _winner(self) -> Raced | None:
        """Return the result with the first output."""
        for each in self._ended:
            if each.attempt.failure is None:
                return each
        return None

    async def _close_loser(self, best: Raced) -> Raced:
        loser = self._second if best.attempt is self._first else self._first
        if loser is None:
            return best
        await loser.aclose()
        return Raced(best.attempt, best.events, loser)
