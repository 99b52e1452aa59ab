"""TLS over any stream of bytes.

The TLS of anyio and httpcore gives each record by itself. The TLS of asyncio loses the records before a broken one, and
that of uvloop may log an error when a handshake is cancelled. Here all records that arrived together are read together.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from kimi_async._http._stream import Stream

__all__ = ["TlsStream"]

#: The most bytes of one record (RFC 8446, section 5.1).
_RECORD_BYTES: Final = 16 * 1024

#: httpcore offers the same without HTTP/2.
_PROTOCOLS: Final = ["http/1.1"]


@final
class TlsStream:
    """A :class:`~kimi_async._http._stream.Stream` over another one.

    A host that closes the connection without the good-bye of TLS has ended it, as httpx sees it too.
    """

    def __init__(self, stream: Stream, context: ssl.SSLContext, server_name: str) -> None:
        context.set_alpn_protocols(_PROTOCOLS)
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self._is_over = False
        self._failure: ssl.SSLError | None = None

    def watch(self, call: Callable[[], None] | None, /) -> None:
        """Have *call* called when the host sends something, or closes, while no read or write waits."""
        self._stream.watch(call)

    @property
    def has_input(self) -> bool:
        """Whether a read would return at once."""
        return self._is_over or self._failure is not None or self._stream.has_input

    @property
    def is_sending(self) -> bool:
        """Whether bytes that were written wait for the host, which still reads."""
        return self._stream.is_sending

    def is_quiet(self) -> bool:
        """Return whether the host has sent nothing and has not closed."""
        return not self._is_over and self._failure is None and self._stream.is_quiet()

    async def shake_hands(self) -> None:
        """Agree on keys, and check the certificate.

        Raises:
            OSError: The handshake failed; ``ssl.SSLError`` is one.
        """
        while not self._has_agreed():
            await self._flush(None)
            await self._receive(None)
        await self._flush(None)

    def _has_agreed(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def read(self, seconds: float | None) -> bytes | None:
        """Return the content of all records that were received, ``None`` when the host sends no more."""
        if not self._is_over and self._failure is None:
            await self._receive(seconds)
            content = self._decrypt()
            await self._flush(seconds)  # an answer to a change of keys
            if content:
                return content
        if self._failure is not None:
            raise self._failure
        return None if self._is_over else b""

    async def _receive(self, seconds: float | None) -> None:
        data = await self._stream.read(seconds)
        if data is None:
            self._incoming.write_eof()
        else:
            self._incoming.write(data)

    def _decrypt(self) -> bytes:
        records: list[bytes] = []
        try:
            while data := self._tls.read(_RECORD_BYTES):
                records.append(data)
            self._is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLEOFError:
            self._is_over = True
        except ssl.SSLError as error:
            self._failure = error
        return b"".join(records)

    async def write(self, data: bytes, seconds: float | None) -> None:
        """Send *data*; return early when the host sends something meanwhile."""
        if data:
            self._tls.write(data)
        await self._stream.write(self._outgoing.read(), seconds)

    async def _flush(self, seconds: float | None) -> None:
        if self._outgoing.pending:
            await self._stream.write(self._outgoing.read(), seconds)

    def close(self) -> None:
        """Close at once, without a word to the host; a read that waits fails."""
        self._stream.close()
