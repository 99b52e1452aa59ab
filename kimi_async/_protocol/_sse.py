"""Decode bytes into server-sent events, in linear time and bounded memory, wherever the reads are cut; pure.

The algorithm is the standard's, on bytes:
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
CR, LF and the colon are never part of a longer UTF-8 sequence, so nothing is decoded but types and
ids, and the data goes to the JSON decoder as bytes.

The rules of this file:

- A line is read when its end has arrived. Until then it waits in ``_tail``.
- A line ends at its CR; ``_after_cr`` remembers that a LF coming next belongs to it.
- ``_data``, ``_type`` and ``_retry`` belong to the block being read; a blank line resets them.
- ``_at_start`` promises that none of these is set, so that only a line in progress may wait. Then
  plain events are read without going through the state. It may be false without need, which only
  costs time.
- Data so far and the line in progress together stay within the limit. Lines with their end and the
  tail are tested alike, so the cuts decide when an error is noticed, and never whether.

Why not the decoder of httpx-sse 0.4.3: it has no size limit, takes a byte order mark for a part of
the first field name, makes events of blocks without data, and reads text. Fed the same bytes
through an incremental UTF-8 decoder (events of 200 bytes, CPython 3.13, 2026-11-22, us of CPU for
each event): one event a read 2.4, here 0.8; each event cut in two 3.4, here 2.7; a hundred events a
read 1.7, here 0.7. In front of it httpx would also need ``aiter_text``, about 3 us for each read.
"""

from __future__ import annotations

from typing import final

import msgspec

from kimi_async._errors import over_limit

__all__ = ["STRAY", "SSEDecoder", "SSEEvent"]

#: The type of the events that ``strays=True`` gives; no event of a stream has it.
STRAY = ""

_BOM = b"\xef\xbb\xbf"
# Lines are split from pieces of this size: a list of all the lines of a mocked body of 200 MB,
# or of the output of a decompressor for a few KB, may be ten times that size. Sockets give 64 KiB.
_PIECE_BYTES = 64 * 1024
# The names that the standard knows; a comment has none.
_FIELDS = frozenset((b"", b"data", b"event", b"id", b"retry"))
# Eighteen digits always fit 64 bits; int() itself raises ValueError past 4,300.
_RETRY_MAX_DIGITS = 18


# A Struct costs 0.1 us where a frozen attrs class takes 0.7 (CPython 3.13); it never leaves the library.
class SSEEvent(msgspec.Struct, frozen=True, gc=False):
    """One server-sent event.

    Attributes:
        data: The unchanged values of the ``data`` lines, joined by LF; may be empty.
        event: The type; ``"message"``, the standard's default, when it was empty or not given.
        id: The last event id, given with this event or with one before it; ``""`` if there is none.
        retry: The reconnection time that this event's own block gave, in milliseconds, or ``None``.
    """

    data: bytes
    event: str = "message"
    id: str = ""
    retry: int | None = None

    @property
    def text(self) -> str:
        """``data`` as text; bytes that are not UTF-8 become U+FFFD, as the standard says."""
        return self.data.decode("utf-8", "replace")


@final
class SSEDecoder:
    """A decoder for one event stream; the cuts between reads do not change its events and errors.

    An event is returned with the byte that completes it. Each byte is looked at a fixed
    number of times, and memory stays within a small multiple of the limit, beside the bytes and
    events of one ``feed()``.

    Two rules differ from the standard or are not part of it: a ``retry`` of more than 18 digits is
    ignored, and a ``retry`` in a block without data is dropped with the event type. An ``id`` stays
    and belongs to the next event.

    Args:
        max_event_bytes: The limit for the data of an event (with one byte more for each of its
            lines) together with the line in progress of any kind. The type and the last event id
            are lines, so the limit covers them too. A byte order mark is not counted.
        strays: Whether to return an event of the type :data:`STRAY` for a line that the standard
            ignores and that is not a comment (plain text, a field with another name).
    """

    __slots__ = (
        "_after_cr",
        "_at_start",
        "_closed",
        "_data",
        "_head",
        "_id",
        "_limit",
        "_plain_limit",
        "_retry",
        "_strays",
        "_tail",
        "_too_large",
        "_type",
    )

    def __init__(self, max_event_bytes: int, *, strays: bool = False) -> None:
        self._strays = strays
        self._limit = max_event_bytes
        self._plain_limit = min(max_event_bytes, _PIECE_BYTES)
        self._head: bytes | None = b""  # None once the place for a byte order mark has been passed
        self._tail = bytearray()
        self._data: bytes | bytearray | None = None
        self._type = ""
        self._id = ""
        self._retry: int | None = None
        self._after_cr = False
        self._at_start = False
        self._too_large = False
        self._closed = False

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Decode the next bytes.

        Args:
            data: The next bytes of the body, cut anywhere; may be empty.

        Returns:
            The events that are complete now, in order.

        Raises:
            ProtocolError: An event is over the limit. If *data* completes events before it, this
                call returns them, and the next call raises. Every later call raises too.
            RuntimeError: The decoder was closed.
        """
        # Whole events of one data line each, at the start of a block: 1.2 us for the only one of its
        # read, 0.9 among others; the general way takes 2.6 to 3 (CPython 3.13). find(), because
        # `in` looks for an int first and costs ten times as much.
        if self._head is not None and not self._closed:
            data = self._without_bom(self._head + data)
            self._at_start = self._head is None
        if not self._at_start or (self._tail and data.find(b"\n\n") < 0):
            return self._feed_any(data)  # a tail that only grows must not be copied each time
        if self._tail:
            data = bytes(self._tail + data)
            self._tail.clear()
        if len(data) > self._plain_limit or data.find(b"\r") >= 0:
            return self._feed_any(data)
        head, _, rest = data.rpartition(b"\n\n")
        blocks = [head]
        if head.find(b"\n") >= 0:
            blocks = head.split(b"\n\n")
            if head.count(b"\n") != 2 * (len(blocks) - 1):
                return self._feed_any(data)  # a line more in some block
        events: list[SSEEvent] = []
        for block in blocks:
            if not block.startswith(b"data:"):
                return self._feed_any(data)
            value = block[6:] if block.startswith(b"data: ") else block[5:]
            events.append(SSEEvent(value, "message", self._id))
        if rest:
            self._read(rest, events)
            self._note_state()
        return events

    def _feed_any(self, data: bytes) -> list[SSEEvent]:
        if self._closed:
            raise RuntimeError("feed() after close(): the event stream has ended")
        events: list[SSEEvent] = []
        for start in range(0, len(data), _PIECE_BYTES):
            if self._too_large:
                break
            self._read(data[start : start + _PIECE_BYTES], events)
        self._note_state()
        if self._too_large and not events:
            raise over_limit("event_bytes", self._limit, "an event of the stream")
        return events

    def close(self) -> list[SSEEvent]:
        """End the stream. Another call does nothing.

        Returns:
            The last event, if it lacks its line end or its blank line, and before it the line in
            progress if that is a stray one. The standard drops such an event. Here the caller
            decides, because only the caller knows whether the body ended cleanly.

        Raises:
            ProtocolError: An event was over the limit.
        """
        if self._closed:
            return []
        # The first LF ends the line in progress, or belongs to a CR before it; the second is the
        # blank line. Together they complete at most one event.
        events = self.feed(b"\n\n")
        self._closed = True
        self._at_start = False
        return events

    def _note_state(self) -> None:
        self._at_start = not (
            self._head is not None
            or self._data is not None
            or self._type
            or self._retry is not None
            or self._after_cr
            or self._too_large
        )

    def _without_bom(self, head: bytes) -> bytes:
        """Return the first bytes without a byte order mark; a part of one is held back."""
        if _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _read(self, piece: bytes, events: list[SSEEvent]) -> None:
        """Read the complete lines of a piece, which is not empty, and keep the rest of it."""
        near_limit = self._is_over(len(self._tail) + len(piece))  # else no line needs a test
        lines = piece.splitlines()  # unlike str, bytes are split at CR, LF and CRLF only
        if self._after_cr and piece.startswith(b"\n"):
            del lines[0]
        self._after_cr = piece.endswith(b"\r")
        rest = b"" if piece.endswith((b"\n", b"\r")) else lines.pop()
        if lines and self._tail:
            self._tail += lines[0]
            lines[0] = bytes(self._tail)
            self._tail.clear()
        for line in lines:
            if near_limit and self._is_over(len(line)):
                self._too_large = True
                return
            if line:
                self._read_field(line, events)
            else:
                self._end_block(events)
        self._tail += rest
        self._too_large = near_limit and self._is_over(len(self._tail))

    def _is_over(self, line_bytes: int) -> bool:
        """Return whether a line of this length takes the event over the limit."""
        data_bytes = 0 if self._data is None else len(self._data) + 1
        return data_bytes + line_bytes > self._limit

    def _read_field(self, line: bytes, events: list[SSEEvent]) -> None:
        # A comment is a field without a name. It is ignored, like a field with an unknown name.
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add_data(value)
        elif name == b"event":
            self._type = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_MAX_DIGITS:
            self._retry = int(value)
        elif self._strays and name not in _FIELDS:
            events.append(SSEEvent(line, STRAY))

    def _add_data(self, value: bytes) -> None:
        if self._data is None:
            self._data = value
            return
        # Not a list of values, which for short lines is many times the size that the limit counts.
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += value

    def _end_block(self, events: list[SSEEvent]) -> None:
        if self._data is not None:
            event = SSEEvent(bytes(self._data), self._type or "message", self._id, self._retry)
            events.append(event)
        self._data = None
        self._type = ""
        self._retry = None
