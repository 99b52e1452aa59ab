"""Find the content and the end of the body of an HTTP/1.1 response; pure.

h11 reads the heads, for which it is exact and fast enough. For a body it takes 15 us for each chunk (CPython 3.13), and
a host that streams sends each event as a chunk. So plain chunks are read here, all chunks of one read together.
Everything else that a chunked body may hold (an extension, a trailer, a broken frame) is given to h11, which then reads
the rest of that body: nothing that h11 refuses is accepted here.

Bytes after the end of a body belong to no request (https://www.rfc-editor.org/rfc/rfc9112#name-persistence). They stay
visible as ``surplus``, so that the connection is closed and they reach no other reply.
"""

from __future__ import annotations

import re
from typing import Final, final

import h11

__all__ = ["HEAD_BYTES", "Framing", "framing_of"]

#: The most bytes of a head, of a line before a chunk, or of the trailers; httpcore has the same bound.
HEAD_BYTES: Final = 100 * 1024

#: The line before a chunk, without an extension. h11 accepts more digits, and no host sends them.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
#: The beginning of that line, whose rest has not arrived yet.
_BEGUN_SIZE_LINE: Final = re.compile(rb"[0-9A-Fa-f]{0,15}\r?")
_LINE_END: Final = b"\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"

_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Framing:
    """A body that ends with its connection; the base of the bodies that say where they end.

    Attributes:
        ended: Whether the whole body was read.
        surplus: Whether bytes came after its end.
        failure: How the host broke the framing; ``None`` = it did not. :meth:`feed` has returned the content before it.
    """

    __slots__ = ("ended", "failure", "surplus")

    def __init__(self) -> None:
        self.ended = False
        self.surplus = False
        self.failure: str | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the content in *data*, the next bytes of the connection; it may be empty."""
        return data

    def close(self) -> None:
        """Note that the host sends nothing more."""
        self.ended = True


def framing_of(method: bytes, response: h11.Response) -> Framing:
    """Return the framing of the body of *response* (RFC 9112, section 6.3).

    Args:
        method: The method of the request.
        response: The head; h11 has refused lengths that contradict each other and codings that it does not know.
    """
    if method == b"HEAD" or response.status_code in (204, 304):
        return _Counted(0)
    length: int | None = None
    for name, value in response.headers:
        if name == b"transfer-encoding":
            return _Chunked()
        if name == b"content-length":
            length = int(value)
    return Framing() if length is None else _Counted(length)


@final
class _Counted(Framing):
    """A body of a known length."""

    __slots__ = ("_left", "_length")

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = self._left = length
        self.ended = not length

    def feed(self, data: bytes) -> bytes:
        left, self._left = self._left, self._left - len(data)
        if self._left > 0:
            return data
        self.ended, self.surplus = True, self._left < 0
        return data[:left]

    def close(self) -> None:
        self.failure = (
            "peer closed connection without sending complete message body "
            f"(received {self._length - self._left} bytes, expected {self._length})"
        )


@final
class _Chunked(Framing):
    """A body in chunks (RFC 9112, section 7.1)."""

    __slots__ = ("_by_h11", "_held", "_left", "_line_end")

    def __init__(self) -> None:
        super().__init__()
        #: The bytes of the current chunk that have not arrived yet.
        self._left = 0
        #: The part of the line end after that chunk that has not arrived yet.
        self._line_end = b""
        #: The beginning of a size line or of the last chunk, whose rest has not arrived yet.
        self._held = b""
        #: Reads the rest of the body, after something that is not a plain chunk.
        self._by_h11: h11.Connection | None = None

    def feed(self, data: bytes) -> bytes:
        if self._by_h11 is not None:
            return self._read_by_h11(self._by_h11, data)
        if self._held:
            data, self._held = self._held + data, b""
        content: list[bytes] = []
        at = self._end_chunk(data, 0, content)
        while self._is_between_chunks():
            line = _SIZE_LINE.match(data, at)
            size = 0 if line is None else int(line[1], 16)
            if line is None or not size:
                self._read_other(data[at:], content)
                break
            start = line.end()
            if data.startswith(_LINE_END, start + size):
                content.append(data[start : start + size])
                at = start + size + 2
            else:
                self._left, self._line_end = size, _LINE_END
                at = self._end_chunk(data, start, content)
        return b"".join(content)

    def _is_between_chunks(self) -> bool:
        return not self._left and not self._line_end and self.failure is None

    def _end_chunk(self, data: bytes, at: int, content: list[bytes]) -> int:
        """Read the rest of the chunk that has begun, and return the place in *data* after it."""
        if self._left:
            part = data[at : at + self._left]
            content.append(part)
            self._left -= len(part)
            at += len(part)
        if self._line_end and not self._left:
            end = data[at : at + len(self._line_end)]
            if not self._line_end.startswith(end):
                self.failure = f"malformed chunk footer: {end!r} (expected {self._line_end!r})"
            self._line_end = self._line_end[len(end) :]
            at += len(end)
        return at

    def _read_other(self, rest: bytes, content: list[bytes]) -> None:
        """Read the last chunk, the beginning of a chunk, or anything that is not a plain chunk."""
        if rest.startswith(_LAST_CHUNK):
            self.ended, self.surplus = True, len(rest) > len(_LAST_CHUNK)
        elif _BEGUN_SIZE_LINE.fullmatch(rest) or _LAST_CHUNK.startswith(rest):
            self._held = rest
        else:
            self._by_h11 = _reader_of_chunks()
            content.append(self._read_by_h11(self._by_h11, rest))

    def _read_by_h11(self, reader: h11.Connection, data: bytes) -> bytes:
        content: list[bytes] = []
        try:
            reader.receive_data(data)
            while isinstance(event := reader.next_event(), h11.Data):
                content.append(bytes(event.data))
            if isinstance(event, h11.EndOfMessage):
                self.ended, self.surplus = True, bool(reader.trailing_data[0])
        except h11.RemoteProtocolError as error:
            self.failure = str(error)
        return b"".join(content)

    def close(self) -> None:
        self.failure = (
            "peer closed connection without sending complete message body (incomplete chunked read)"
        )


def _reader_of_chunks() -> h11.Connection:
    """Return a connection of h11 that expects chunks next."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    reader.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(_CHUNKED_HEAD)
    reader.next_event()
    return reader
