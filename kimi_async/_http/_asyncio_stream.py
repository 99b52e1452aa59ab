"""The bytes of one connection on asyncio and uvloop.

The streams of anyio and httpcore hold a cancel scope around each read and write, which costs 25 us (CPython 3.13). Here
a wait is one future, all waits of a connection share one timer, and the event loop reports each event of an idle
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any, Final, cast, final

from kimi_async._http._asyncio_connect import open_socket
from kimi_async._http._stream import RECEIVE_BYTES, WRITE_BYTES, is_readable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncioStream", "connect"]

#: Reading pauses when so many bytes were received and not taken.
_MOST_RECEIVED: Final = 64 * 1024


async def connect(host: str, port: int) -> AsyncioStream:
    """Open a connection; nothing stays open when this is cancelled.

    Raises:
        OSError: No connection could be made.
    """
    loop = asyncio.get_running_loop()
    sock = await open_socket(host, port)
    try:
        _, stream = await loop.create_connection(lambda: AsyncioStream(loop), sock=sock)
    except BaseException:
        sock.close()
        raise
    return stream


@final
class AsyncioStream(asyncio.Protocol):
    """A :class:`~kimi_async._http._stream.Stream`; the event loop calls the methods of ``asyncio.Protocol``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport = cast("Any", None)
        self._received: list[bytes] = []
        self._size = 0
        self._is_reading = True
        #: Whether the host sends no more, or the connection is gone.
        self._is_over = False
        self._failure: OSError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: When the present wait is too long.
        self._deadline = 0.0
        self._is_full = False
        self._watcher: Callable[[], None] | None = None

    def watch(self, call: Callable[[], None] | None, /) -> None:
        """Have *call* called when the host sends something, or closes, while no read or write waits."""
        self._watcher = call

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BYTES)

    def data_received(self, data: bytes) -> None:
        """Keep *data* for the next read."""
        self._received.append(data)
        self._size += len(data)
        if self._size > _MOST_RECEIVED and self._is_reading:
            self._is_reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Take note that the host sends no more; keep the connection to send the rest of a request."""
        self._is_over = True
        self._wake()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the connection is gone."""
        self._is_over = True
        if self._failure is None and exc is not None:
            self._failure = ConnectionError(str(exc))
            self._rescue()
        self._forget_timer()
        self._wake()

    def _rescue(self) -> None:
        """Take the last bytes of a host that reset the connection: asyncio reads no more after a write has failed."""
        with contextlib.suppress(OSError), self._transport.get_extra_info("socket").dup() as sock:
            while data := sock.recv(RECEIVE_BYTES):
                self._received.append(data)

    def pause_writing(self) -> None:
        """Take note that the host does not read as fast as is written."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let a write return."""
        self._is_full = False
        self._wake(is_news=False)

    def _wake(self, *, is_news: bool = True) -> None:
        waiter = self._waiter
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(None)
        elif is_news and self._watcher is not None:
            self._watcher()

    @property
    def has_input(self) -> bool:
        """Whether a read would return at once."""
        return bool(self._received) or self._is_over

    @property
    def is_sending(self) -> bool:
        """Whether bytes that were written wait for the host, which still reads."""
        return self._is_full and not self._is_over

    def is_quiet(self) -> bool:
        """Return whether the host has sent nothing and has not closed."""
        if self.has_input:
            return False
        # Bytes that came in this turn of the loop are not known to it.
        return not is_readable(self._transport.get_extra_info("socket").fileno())

    async def read(self, seconds: float | None) -> bytes | None:
        """Return the next bytes, ``None`` when the host sends no more."""
        while not self._received:
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                return None
            await self._wait(seconds)
        data = self._received[0] if len(self._received) == 1 else b"".join(self._received)
        self._received.clear()
        self._size = 0
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send *data*; return early when the host sends something meanwhile."""
        self._transport.write(data)
        while self._is_full and not self.has_input:
            await self._wait(seconds)

    async def _wait(self, seconds: float | None) -> None:
        """Wait until something happens.

        Raises:
            TimeoutError: Nothing did in so many *seconds*.
        """
        waiter = self._waiter = self._loop.create_future()
        if seconds is None:
            self._deadline = math.inf
        else:
            self._deadline = self._loop.time() + seconds
            if self._timer is None or self._timer.when() > self._deadline:
                self._forget_timer()
                self._timer = self._loop.call_at(self._deadline, self._look_at_clock)
        try:
            await waiter
        finally:
            self._waiter = None

    def _look_at_clock(self) -> None:
        """End a wait that is too long; a timer of an earlier wait is set again."""
        self._timer = None
        if self._waiter is None or self._waiter.done() or self._deadline == math.inf:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look_at_clock)
        else:
            self._waiter.set_exception(TimeoutError())

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Close at once, without a word to the host; a read that waits fails."""
        if self._failure is None:
            self._failure = ConnectionAbortedError("the connection was closed here")
        self._is_over = True
        self._received.clear()
        self._watcher = None
        self._forget_timer()
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._transport.abort()
        self._wake()
