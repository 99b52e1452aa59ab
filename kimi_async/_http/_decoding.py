"""Decompress the body of a response: some hosts compress it, although each request asks for ``identity``.

A mebibyte on the wire can hold a gibibyte. So the body is decompressed here and not by the HTTP client, in pieces of a
bounded size, and each piece is read, counted and limited like one read of a plain body. Other encodings than gzip and
deflate, and two encodings at once, are refused: nobody asked for them, and the standard library cannot decompress them
piece by piece.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final, NoReturn, Protocol, final

import anyio

from kimi_async._errors import ProtocolError

__all__ = ["READ_BYTES", "decoded"]

#: The most bytes that one read of a body gives, and so the most that is worked on before other tasks have their turn.
#: A socket gives up to 64 KiB, which is 1,400 small chunks and 12 ms of work (CPython 3.13).
READ_BYTES: Final = 16 * 1024

#: The names by which the registry of HTTP knows them (https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1).
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_DEFLATE: Final = "deflate"
_PLAIN: Final = frozenset({"identity", ""})

#: The ``wbits`` of zlib: with the header of gzip, with that of zlib, and with none.
_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
_ZLIB_WBITS: Final = zlib.MAX_WBITS
_RAW_WBITS: Final = -zlib.MAX_WBITS


def decoded(body: AsyncIterator[bytes], content_encoding: str) -> AsyncIterator[bytes]:
    """Return *body* without its content encoding.

    Args:
        body: The reads as the host sent them.
        content_encoding: The response header; several headers of that name are joined by commas.

    Returns:
        *body* itself where it is not encoded. Its first read raises ``ProtocolError`` where the encoding is refused,
        and a read raises ``zlib.error`` where the compressed data is broken.
    """
    codings = [name.strip().lower() for name in content_encoding.split(",")]
    applied = [name for name in codings if name not in _PLAIN]
    if not applied:
        return body
    if len(applied) == 1 and (applied[0] in _GZIP or applied[0] == _DEFLATE):
        return _Inflated(body, is_gzip=applied[0] in _GZIP)
    return _Refused(content_encoding)


@final
class _Refused:
    """A body that cannot be read."""

    def __init__(self, content_encoding: str) -> None:
        self._content_encoding = content_encoding

    def __aiter__(self) -> _Refused:
        return self

    async def __anext__(self) -> NoReturn:
        await anyio.lowlevel.checkpoint()
        raise ProtocolError(
            f"the body has the content encoding {self._content_encoding[:100]!r}; the request asked for 'identity', "
            "and only 'gzip' or 'deflate', one of them and once, is read in its place"
        )


class _Decompressor(Protocol):
    """The part of zlib's decompression object that is used here."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


@final
class _Inflated:
    """A body in gzip or deflate, decompressed; each read gives at most :data:`READ_BYTES`."""

    def __init__(self, body: AsyncIterator[bytes], *, is_gzip: bool) -> None:
        self._body = body
        self._is_gzip = is_gzip
        #: ``None`` before the first byte and after the end of a member of a gzip file, of which there may be several.
        self._zlib: _Decompressor | None = None
        self._data = b""
        #: Whether zlib may hold more output of the data that it has taken.
        self._holds_more = False

    def __aiter__(self) -> _Inflated:
        return self

    async def __anext__(self) -> bytes:
        while True:
            while self._data or self._holds_more:
                # A bomb gives a thousand pieces for each read of the body.
                await anyio.lowlevel.checkpoint()
                if piece := self._inflate():
                    return piece
            try:
                self._data = await anext(self._body)
            except StopAsyncIteration:
                if self._zlib is not None:
                    raise zlib.error("the compressed data ends before its end mark") from None
                raise

    def _inflate(self) -> bytes:
        """Return the next piece; nothing where zlib needs more data for it."""
        inflating = self._zlib = self._zlib or self._begin()
        piece = inflating.decompress(self._data, READ_BYTES)
        self._data = inflating.unconsumed_tail
        self._holds_more = len(piece) == READ_BYTES
        if inflating.eof:
            self._zlib, self._data, self._holds_more = None, inflating.unused_data, False
        return piece

    def _begin(self) -> _Decompressor:
        if self._is_gzip:
            return zlib.decompressobj(_GZIP_WBITS)
        # "deflate" means zlib, and some hosts leave its header out. Its first byte names the method, 8, in the low
        # half; without the header it would begin with a block that is stored and padded with ones, which no
        # compressor writes.
        has_header = self._data[0] & 0x0F == 8
        return zlib.decompressobj(_ZLIB_WBITS if has_header else _RAW_WBITS)
