"""The body of a success: an event stream or one JSON object, told apart by what it holds; pure.

Providers answer a stream request with JSON and the reverse, with the wrong content type and with padding in front
(``docs/providers.md`` 6.1), so the first byte that is not blank decides, and neither the request nor a header.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from kimi_async._errors import ProtocolError, over_limit
from kimi_async._json_text import is_deeper
from kimi_async._protocol._chunk import Chunk, Done, ReplyParser
from kimi_async._protocol._sse import SSEDecoder, SSEEvent
from kimi_async._settings import DEFAULT_LIMITS, Limits

__all__ = ["BodyReader"]

#: How much of a body that is no reply is looked at.
_HEAD_BYTES: Final = 1024
_BOM: Final = b"\xef\xbb\xbf"
#: How an event stream can begin: with a comment, or with a field that has a value or stands alone in its line.
_EVENT_STREAM: Final = rb":|(data|event|id|retry)([:\r\n]|$)"


class BodyReader:
    """Reads one body, whatever form it has.

    Args:
        provider: Reads chunks and bodies.
        wire: Where the events of the stream are also put, as they came; ``None`` keeps none.
        limits: How large an event or a JSON body may be, and how deep.
    """

    __slots__ = ("_decoder", "_head", "_limits", "_provider", "_shallow", "_whole", "_wire", "feed")

    def __init__(
        self, provider: ReplyParser, wire: deque[SSEEvent] | None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._provider = provider
        self._wire = wire
        self._limits = limits
        #: So many bytes cannot hold both sides of more brackets than may be.
        self._shallow = 2 * limits.nesting
        self._decoder = SSEDecoder(limits.event_bytes)
        #: The beginning of the body, until it has shown what it is.
        self._head: bytes | None = b""
        self._whole = bytearray()
        #: Takes bytes; gives the chunks that they complete, each before the next is looked at. Raises :class:`APIError`
        #: for an error object, and :class:`ProtocolError` for what is no event stream, no JSON, or too large.
        self.feed: Callable[[bytes], Iterator[Chunk | Done]] = self._sniff

    @property
    def is_whole(self) -> bool:
        """Whether the body is one object, and no event stream."""
        return bool(self._whole)

    def close(self) -> Iterator[Chunk | Done]:
        """The body has ended cleanly: give what its last bytes hold; raises like :attr:`feed`.

        Gives nothing at all for a body without content.
        """
        if self._whole:
            yield self._read_whole()
            return
        tail = self._decoder.close()
        chunk = None if tail is None else self._read(tail)
        if chunk is not None:
            yield chunk
        head = (self._head or b"").removeprefix(_BOM).strip()
        if head and not re.match(_EVENT_STREAM, head):
            raise self._no_reply(head)

    def _sniff(self, data: bytes) -> Iterator[Chunk | Done]:
        head = (self._head or b"") + data
        begin = head.removeprefix(_BOM).lstrip()
        if _BOM.startswith(begin):
            self._head = (
                begin  # nothing but blanks so far, which mean nothing, or half a byte order mark
            )
            return
        if begin[:1] in (b"{", b"[", b"<"):
            self.feed = self._collect
        else:
            self.feed, self._head = self._decode, b""
        yield from self.feed(head)

    def _collect(self, data: bytes) -> Iterator[Chunk | Done]:
        self._whole += data
        if len(self._whole) > self._limits.body_bytes:
            raise over_limit("body_bytes", self._limits.body_bytes, "the body of the reply")
        return iter(())

    def _decode(self, data: bytes) -> Iterator[Chunk | Done]:
        if self._head is not None:
            self._head = (self._head + data)[:_HEAD_BYTES]
        return filter(None, map(self._read, self._decoder.feed(data)))

    def _read(self, event: SSEEvent) -> Chunk | Done | None:
        """The chunk of one event, if it holds one: an event may be empty, or of a type that is none of ours."""
        if self._wire is not None:
            self._wire.append(event)
        data = event.data
        if event.event == "error":
            raise self._provider.parse_error(200, {}, self._not_too_deep(data), now=0.0)
        if data and (event.event == "message" or data.lstrip().startswith((b"{", b"[DONE]"))):
            self._head = None
            if len(data) > self._shallow:
                self._not_too_deep(data)
            return self._provider.parse_chunk(data)
        return None

    def _read_whole(self) -> Chunk:
        body = bytes(self._whole).strip()
        if body.removeprefix(_BOM).lstrip().startswith(b"<"):
            raise self._no_reply(body)
        if self._wire is not None:
            self._wire.append(SSEEvent(body))
        return self._provider.parse_completion(self._not_too_deep(body))

    def _not_too_deep(self, data: bytes) -> bytes:
        if is_deeper(data, self._limits.nesting):
            raise over_limit("nesting", self._limits.nesting, "the JSON of the reply")
        return data

    def _no_reply(self, body: bytes) -> ProtocolError:
        begin = self._provider.excerpt_of(body[:_HEAD_BYTES])
        return ProtocolError(
            f"the body is neither an event stream nor JSON; it begins with {begin!r}"
        )
