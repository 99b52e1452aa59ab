"""A task that runs beside the caller, on asyncio and trio, for work between two calls of the caller."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Awaitable, Callable

import anyio

from kimi_async._http._cancellation import asyncio_loop, loop_caller, start_task

__all__ = ["Background"]


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
            from trio.lowlevel import spawn_system_task

            spawn_system_task(self._run, context=contextvars.copy_context())

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._work()
        finally:
            self._ended.set()

    def cancel_soon(self) -> None:
        """Cancel it from any thread, or from a finalizer; does nothing after the event loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._call_soon(self._scope.cancel)

    async def aclose(self) -> None:
        """Cancel it, and wait until it has ended."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._ended.wait()
