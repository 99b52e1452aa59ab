"""Race two attempts for one reply; the attempt with the first output wins."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from kimi_async._events import StreamEvent
from kimi_async._reply._attempt import Attempt

__all__ = ["race"]


async def race(
    first: Attempt, after: float, make_second: Callable[[], Attempt]
) -> tuple[Attempt, list[StreamEvent]]:
    """Start *first*; start a second attempt when *first* has failed, or has no output after the given seconds.

    The loser is cancelled and closed before this returns. When both fail, the one that failed last is returned.

    Args:
        first: The attempt that starts at once.
        after: Seconds until the second one starts.
        make_second: Makes the second one.

    Returns:
        The winner and its events.
    """
    runners = [first]
    ended: list[tuple[Attempt, list[StreamEvent]]] = []
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
        ended.append((attempt, events))
        first_ended.set()
        if attempt.failure is None:
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(run, first)
        with anyio.move_on_after(after):
            await first_ended.wait()
        runners.append(make_second())
        group.start_soon(run, runners[1])
    if crash:
        raise crash[0]
    winner, events = next((pair for pair in ended if pair[0].failure is None), ended[-1])
    for attempt in runners:
        if attempt is not winner:
            await attempt.aclose()
    return winner, events
