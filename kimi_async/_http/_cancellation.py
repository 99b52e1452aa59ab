"""Run work that a cancellation must not break in the middle.

A shield of anyio does not stop a second ``task.cancel()`` of asyncio (measured on 3.11 to 3.13). It would interrupt
the closing inside an HTTP client that is not ours, whose connection is then never closed. So on asyncio such a close
runs in a task of its own, awaited through ``asyncio.shield``. A request over such a client also runs in a task of its
own, which is cancelled once and no more. These are the tasks of this library that may outlive an await: strongly
referenced here and bounded in time. On trio, where cancellation is a state and not an event, a shielded scope is
enough.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from kimi_async._http._event_loop import asyncio_loop

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "close_shielded",
    "close_soon",
    "run_cancellable_once",
    "start_task",
]

#: Seconds after which a close that does not end is given up; a TLS peer that never answers must not hold a caller.
CLOSE_SECONDS: Final = 2.0

_logger: Final = logging.getLogger("kimi_async")
#: Keeps the tasks alive: the event loop itself holds them weakly.
_tasks: Final[set[asyncio.Task[Any]]] = set()

T = TypeVar("T")


async def run_cancellable_once(
    run: Callable[[], Coroutine[Any, Any, T]],
    *,
    discard: Callable[[T], Awaitable[None]],
    abandon: Callable[[], Awaitable[None]],
) -> T:
    """Return the result of *run*, and let it see at most one cancellation.

    Args:
        run: Awaited once.
        discard: Closes a result that the cancelled caller does not take.
        abandon: Closes everything that *run* has left open when it was cancelled.
    """
    if asyncio_loop() is None:
        try:
            return await run()
        except anyio.get_cancelled_exc_class():
            await close_shielded(abandon)
            raise
    import asyncio

    task = start_task(run())
    try:
        await asyncio.wait([task])
    except BaseException as error:
        task.cancel()
        leaving = start_task(_leave(task, discard, abandon))
        if not isinstance(error, GeneratorExit):  # a coroutine that is closed cannot wait
            with anyio.CancelScope(shield=True):
                await asyncio.wait([leaving], timeout=CLOSE_SECONDS)
        raise
    return task.result()


async def _leave(
    task: asyncio.Task[T],
    discard: Callable[[T], Awaitable[None]],
    abandon: Callable[[], Awaitable[None]],
) -> None:
    import asyncio

    await asyncio.wait([task])
    has_result = not task.cancelled() and task.exception() is None
    await _bounded(functools.partial(discard, task.result()) if has_result else abandon)


async def close_shielded(close: Callable[[], Awaitable[None]]) -> None:
    """Run *close* to its end or for two seconds, whatever happens to the caller; raises nothing of its own.

    A cancellation that arrives meanwhile is raised here, and the close continues without the caller.
    """
    if asyncio_loop() is not None:
        import asyncio

        # The scope keeps an anyio cancellation that is already under way from being raised again here; the shield of
        # asyncio keeps a second task.cancel() from reaching the close.
        with anyio.CancelScope(shield=True):
            await asyncio.shield(start_task(_bounded(close)))
    else:
        with anyio.CancelScope(shield=True):
            await _bounded(close)


def close_soon(
    close: Callable[[], Awaitable[None]], loop: asyncio.AbstractEventLoop | None
) -> None:
    """Run *close* on its own asyncio *loop*, without waiting for it; with ``None`` or a closed loop do nothing.

    For places that cannot await: a coroutine that is itself being closed, or a finalizer, which may run in any thread.
    On trio the HTTP client's own generators are finalized by trio.
    """
    if loop is not None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its sockets with it
            loop.call_soon_threadsafe(lambda: start_task(_bounded(close)))


def start_task(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run *work* in a task of asyncio that is kept alive until it ends."""
    import asyncio

    task = asyncio.get_running_loop().create_task(work, name="kimi_async")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


async def _bounded(close: Callable[[], Awaitable[None]]) -> None:
    with anyio.move_on_after(CLOSE_SECONDS):
        try:
            await close()
        except Exception as error:
            # The connection is gone either way, and the caller has a reply or an error to get.
            _logger.debug("closing a connection failed: %s", type(error).__name__)
