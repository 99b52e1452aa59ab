"""Race two attempts for one reply; the attempt with the first output wins."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from attrs import frozen

from kimi_async._errors import KimiError
from kimi_async._events import StreamEvent
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

    The loser is cancelled and closed before this returns.

    Args:
        first: The attempt that starts at once.
        after: Seconds until the second one starts.
        make_second: Makes the second one. It gets the error of *first*, or ``None`` if *first* has not failed. It
            returns ``None`` to send no second request.
    """
    runners = [first]
    ended: list[Raced] = []
    first_ended = anyio.Event()
    crash: list[Exception] = []

    async def run(attempt: Attempt) -> None:
        try:
            events = await attempt.start()
        except Exception as error:
            # Not a KimiError but misuse, such as a closed client. Kept, because a task group would wrap it.
            crash.append(error)
            group.cancel_scope.cancel()
            return
        ended.append(Raced(attempt, events))
        first_ended.set()
        if attempt.failure is None:
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(run, first)
        with anyio.move_on_after(after):
            await first_ended.wait()
        has_won = group.cancel_scope.cancel_called
        second = None if has_won else make_second(first.failure)
        if second is not None:
            runners.append(second)
            group.start_soon(run, second)
    if crash:
        raise crash[0]
    best = next((each for each in ended if each.attempt.failure is None), ended[-1])
    for attempt in runners:
        if attempt is not best.attempt:
            await attempt.aclose()
            return Raced(best.attempt, best.events, attempt)
    return best
