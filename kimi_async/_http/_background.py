"""A task that runs beside the caller, on asyncio and trio: at once, or after some seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio

from kimi_async._http._cancellation import asyncio_loop, loop_caller, start_task

if TYPE_CHECKING:
    import asyncio

__all__ = ["Background"]


class Background:
    """Runs *work* in a task of its own, until it ends or is cancelled.

    Args:
        work: It handles its own errors: nobody gets an exception that it raises.
        after: Seconds until it begins; it does not begin if it is cancelled before. ``None`` = it begins at once.

    Attributes:
        begun: Whether *work* has begun.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], after: float | None = None) -> None:
        self.begun = False
        self._work = work
        self._after = after
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._call_soon = loop_caller()
        self._timer: asyncio.TimerHandle | None = None
        loop = asyncio_loop()
        if loop is None:
            from contextvars import copy_context

            from trio.lowlevel import spawn_system_task

            spawn_system_task(self._run, after or 0.0, context=copy_context())
        elif after is None:
            self._start()
        else:
            # A timer that is cancelled costs 3 us of CPU time, and a task that sleeps 100 us.
            self._timer = loop.call_later(after, self._start)

    def _start(self) -> None:
        self._timer = None
        start_task(self._run())

    async def _run(self, sleep: float = 0.0) -> None:
        try:
            with self._scope:
                if sleep:
                    await anyio.sleep(sleep)
                if self._after is None or not self._scope.cancel_called:
                    self.begun = True
                    await self._work()
        finally:
            self._ended.set()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._ended.wait()

    def cancel_soon(self) -> None:
        """Cancel it from any thread, or from a finalizer; does nothing after the event loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._call_soon(self._cancel)

    def _cancel(self) -> None:
        self._scope.cancel()
        if self._timer is not None:
            self._timer.cancel()

    async def aclose(self) -> None:
        """Cancel it, and wait until it has ended."""
        self._cancel()
        if self._timer is None:
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
