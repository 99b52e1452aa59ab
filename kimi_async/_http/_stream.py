"""One connection as a stream of bytes, without or with TLS, on each event loop."""

from __future__ import annotations

import select
import ssl
import sys
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from kimi_async._http._event_loop import asyncio_loop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RECEIVE_BYTES", "WRITE_BYTES", "Stream", "is_readable", "open_stream"]

#: The most bytes that are received at once.
RECEIVE_BYTES: Final = 64 * 1024

#: A request is written in pieces of this many bytes. ``Timeouts.write`` bounds each piece, so it is the longest time
#: without progress, however large the request is.
WRITE_BYTES: Final = 64 * 1024


class Stream(Protocol):
    """The bytes under a connection."""

    def watch(self, call: Callable[[], None] | None, /) -> None:
        """Have *call* called when the host sends something, or closes, while no read or write waits."""
        ...

    @property
    def has_input(self) -> bool:
        """Whether a read would return at once."""
        ...

    @property
    def is_sending(self) -> bool:
        """Whether bytes that were written wait for the host, which still reads."""
        ...

    def is_quiet(self) -> bool:
        """Return whether the host has sent nothing and has not closed; asked between two requests."""
        ...

    async def read(self, seconds: float | None) -> bytes | None:
        """Return the next bytes, ``None`` when the host sends no more.

        Under TLS the received bytes may hold no content; then this is ``b""``.

        Raises:
            TimeoutError: Nothing was received in so many *seconds*.
            OSError: The connection broke, or was closed here.
        """
        ...

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send *data*; return early when the host sends something meanwhile.

        A connection that breaks raises nothing here, because the host may have answered before that.

        Raises:
            TimeoutError: The host did not take the bytes in so many *seconds*.
        """
        ...

    def close(self) -> None:
        """Close at once, without a word to the host; a read that waits fails. Idempotent."""
        ...


async def open_stream(
    host: str, port: int, tls: ssl.SSLContext | None, server_name: str, seconds: float | None
) -> Stream:
    """Open a connection, and agree on TLS where *tls* is given.

    Raises:
        TimeoutError: It took longer than *seconds*.
        OSError: No connection could be made.
    """
    with anyio.fail_after(seconds):
        stream = await _open_tcp(host, port)
        if tls is None:
            return stream
        from kimi_async._http._tls import TlsStream

        secured = TlsStream(stream, tls, server_name)
        try:
            await secured.shake_hands()
        except BaseException:
            stream.close()
            raise
        return secured


async def _open_tcp(host: str, port: int) -> Stream:
    if asyncio_loop() is None:
        from kimi_async._http import _trio_stream

        return await _trio_stream.connect(host, port)
    from kimi_async._http import _asyncio_stream

    return await _asyncio_stream.connect(host, port)


def is_readable(file: int) -> bool:
    """Return whether the socket with the descriptor *file* has something to read, or was closed by the host."""
    if sys.platform == "win32":
        return bool(select.select([file], [], [], 0)[0])
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))
