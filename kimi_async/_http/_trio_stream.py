"""The bytes of one connection on trio."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, final

import anyio
import trio

from kimi_async._http._stream import RECEIVE_BYTES, WRITE_BYTES, is_readable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TrioStream", "connect"]


async def connect(host: str, port: int) -> TrioStream:
    """Open a connection; nothing stays open when this is cancelled.

    Raises:
        OSError: No connection could be made.
    """
    error: BaseException
    try:
        return TrioStream((await trio.open_tcp_stream(host, port)).socket)
    except BaseExceptionGroup as group:
        error = group
    # A nursery makes a group of a cancellation, but code that asks for a cancellation means the plain one.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    try:
        raise error
    finally:
        # Its traceback holds this frame, and only the garbage collector would free the two.
        del error


@final
class TrioStream:
    """A :class:`~kimi_async._http._stream.Stream`.

    trio reports nothing of a socket that nobody waits for, so a watcher is never called. ``is_quiet()`` looks at the
    socket before the next request.
    """

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._socket = sock
        #: The bytes that were written and that the system has not taken yet.
        self._unsent = b""
        self._is_broken = False

    def watch(self, _call: Callable[[], None] | None, /) -> None:
        """Do nothing: trio reports nothing of a socket that nobody waits for."""

    @property
    def has_input(self) -> bool:
        """Whether a read would return at once."""
        return self._is_broken or is_readable(self._socket.fileno())

    @property
    def is_sending(self) -> bool:
        """Whether bytes that were written wait for the host, which still reads."""
        return bool(self._unsent)

    def is_quiet(self) -> bool:
        """Return whether the host has sent nothing and has not closed."""
        return not self.has_input

    async def read(self, seconds: float | None) -> bytes | None:
        """Return the next bytes, ``None`` when the host sends no more."""
        with anyio.fail_after(seconds):
            try:
                return await self._socket.recv(RECEIVE_BYTES) or None
            except trio.ClosedResourceError:
                pass
        raise ConnectionAbortedError("the connection was closed here")

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send *data*; return early when the host sends something meanwhile."""
        self._unsent += data
        with anyio.fail_after(seconds):
            if len(self._unsent) < WRITE_BYTES:
                await self._send()
                return
            # Not a nursery of trio, for the same reason.
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._stop_when_readable, tasks.cancel_scope)
                await self._send()
                tasks.cancel_scope.cancel()

    async def _send(self) -> None:
        try:
            while self._unsent:
                sent = await self._socket.send(self._unsent)
                self._unsent = self._unsent[sent:]
        except (OSError, trio.ClosedResourceError):
            self._is_broken = True
            self._unsent = b""

    async def _stop_when_readable(self, scope: anyio.CancelScope) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            await trio.lowlevel.wait_readable(self._socket)
        scope.cancel()

    def close(self) -> None:
        """Close at once, without a word to the host; a read that waits fails."""
        self._is_broken = True
        self._socket.close()
