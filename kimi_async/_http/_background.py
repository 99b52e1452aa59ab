"""Run a task beside the caller, at once or after some seconds, on asyncio and trio."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from kimi_async._http._cancellation import start_task
from kimi_async._http._event_loop import asyncio_loop, loop_caller

if TYPE_CHECKING:
    import asyncio

__all__ = ["Background", "Later"]


class Background:
    """Runs *work* at once, in a task of its own, until it ends or is cancelled.

    Args:
        work: It handles its own errors: nobody gets an exception that it raises.
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._call_soon = loop_caller()
        if asyncio_loop() is not None:
            start_task(self._run())
        else:
            from contextvars import copy_context

            from trio.lowlevel import spawn_system_task

            spawn_system_task(self._run, context=copy_context())

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._work()
        finally:
            self._ended.set()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._ended.wait()

    def cancel_soon(self) -> None:
        """Cancel it from any thread, or from a finalizer; does nothing after the event loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._call_soon(self._scope.cancel)

    async def aclose(self) -> None:
        """Cancel it, and wait until it has ended."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()


class Later:
    """Runs *work* in a task of its own after some seconds, unless it is closed before.

    On asyncio it is only a timer until then, which costs 3 us of CPU time; a task that sleeps costs 100 us.

    Args:
        seconds: The time until then.
        work: As for :class:`Background`.

    Attributes:
        begun: Whether *work* has begun.
    """

    __slots__ = ("_closed", "_seconds", "_task", "_timer", "_work", "begun")

    def __init__(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        self.begun = False
        self._work = work
        self._seconds = seconds
        self._closed = False
        self._task: Background | None = None
        self._timer: asyncio.TimerHandle | None = None
        loop = asyncio_loop()
        if loop is None:
            self._task = Background(self._sleep)
        else:
            self._timer = loop.call_later(seconds, self._start)

    def _start(self) -> None:
        self._timer = None
        # In a task, because anyio finds no event loop in a callback of a timer.
        start_task(self._begin())

    async def _begin(self) -> None:
        self._task = Background(self._run)

    async def _sleep(self) -> None:
        await anyio.sleep(self._seconds)
        await self._run()

    async def _run(self) -> None:
        if not self._closed:  # it may have been closed just before
            self.begun = True
            await self._work()

    def cancel(self) -> bool:
        """Cancel the timer; return whether nothing has begun, and nothing must be waited for."""
        if self._timer is None:
            return False
        self._timer.cancel()
        return True

    async def wait(self) -> None:
        """Wait until *work* has ended, after it has begun."""
        assert self._task is not None
        await self._task.wait()

    def close_soon(self) -> None:
        """Close it from code that cannot await, in any thread."""
        self._closed = True
        if self._task is not None:
            self._task.cancel_soon()

    async def aclose(self) -> None:
        """Cancel it, and wait until its task has ended."""
        self._closed = True
        self.cancel()
        if self._task is not None:
            await self._task.aclose()
