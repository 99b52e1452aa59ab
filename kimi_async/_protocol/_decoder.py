"""Decode the bytes of one response body into events and a message; pure.

Three facts mark the end of a reply: a finish reason for every choice, ``[DONE]``, and the end of the body. Only the
finish reasons decide whether the reply is complete:

========================  ===========================  =====================================
how the body ended        every choice has its reason  a choice has none
========================  ===========================  =====================================
``[DONE]``                complete                     interrupted; empty if without output
clean end                 complete                     the same; the last event still counts
connection lost           complete                     interrupted; ``TransportError``
error object, bad bytes   complete; kept as late       its error
========================  ===========================  =====================================

Some providers answer a stream request with JSON, or a JSON request with a stream; some send a wrong content type or
leading blanks. So the first byte that is not blank decides how the body is read; the request and the headers do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from attrs import evolve

from kimi_async._errors import (
    ConfigurationError,
    EmptyResponseError,
    KimiError,
    ProtocolError,
    StreamInterrupted,
    TransportError,
    over_limit,
)
from kimi_async._events import StreamEvent, UsageUpdate
from kimi_async._json_text import decode_object, is_deeper, objects_in
from kimi_async._models import ChatCompletion
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._protocol._chunk import Chunk, Done, ReplyParser
from kimi_async._protocol._error_words import reports_error, type_reports_error
from kimi_async._protocol._seam import Seam
from kimi_async._protocol._sse import STRAY, SSEDecoder, SSEEvent
from kimi_async._record import Usage
from kimi_async._settings import DEFAULT_LIMITS, Limits

__all__ = ["ReplyDecoder"]

#: Blanks and byte order marks before a body.
_PADDING: Final = rb"(?:\s|\xef\xbb\xbf)*+"
_PARTS_OF_A_BOM: Final = (b"", b"\xef", b"\xef\xbb")
#: JSON that could not be read, and a line of an event stream inside another: their words may be those of the model.
_PART_OF_A_REPLY: Final = rb"\s*([{}\[\]\"]|data:)"
#: The field name with which some servers send an error: ``error: {"code": 400, ...}``.
_ERROR_FIELD: Final = rb"(?i)\s*error:\s*(?=\S)"
#: So much is kept of lines that belong to no event.
_STRAY_BYTES: Final = 4096
#: The largest number of characters of a line in an error message.
_EXCERPT_CHARS: Final = 200


class ReplyDecoder:
    """A decoder for the body of one response, with the message so far at any time.

    The methods do not raise for the bytes of a body: ``failure`` holds the error, so that the events before it are not
    lost. A decoder does not need an event loop::

        decoder = kimi.ReplyDecoder(kimi.AceDataCloud())
        events = decoder.feed(body) + decoder.close()
        message = decoder.snapshot().message

    Args:
        provider: The provider that sent the body; it does not need a key.
        limits: The limits of size; :class:`~kimi_async.Limits` has the defaults.
        assembler: The message to continue; ``None`` begins a new one.
        seam: Fits the chunks to the message to continue.
        keep_wire: Whether to keep the server-sent events for ``take_wire()``.

    Raises:
        ConfigurationError: *provider* is not a provider.

    Attributes:
        assembler: The message so far.
        started: Whether this body has brought output: reasoning, content, refusal, a tool call or a finish reason.
        progressed: Whether the last call brought output.
        done: Whether ``[DONE]`` was read after the reply was complete; the rest of the body is then ignored.
        ended: Whether no more events will come.
        failure: The error that ended the reply before it was complete, or ``None``.
        late_error: An error that came after the reply was complete, or ``None``; the reply is still valid.
        chunks: The number of chunks that were read; 1 for a JSON body.
        usage: The token counts that this body reported last, or ``None``.
    """

    __slots__ = (
        "_head",
        "_last",
        "_last_decoded",
        "_limits",
        "_provider",
        "_read",
        "_seam",
        "_shallow",
        "_sse",
        "_stray",
        "_unread",
        "_whole",
        "_wire",
        "assembler",
        "chunks",
        "done",
        "ended",
        "failure",
        "late_error",
        "progressed",
        "started",
        "usage",
    )

    def __init__(
        self,
        provider: ReplyParser,
        limits: Limits = DEFAULT_LIMITS,
        assembler: MessageAssembler | None = None,
        *,
        seam: Seam | None = None,
        keep_wire: bool = False,
    ) -> None:
        if isinstance(provider, type) or not hasattr(provider, "parse_chunk"):
            raise ConfigurationError(
                f"ReplyDecoder needs a provider such as AceDataCloud(), not {type(provider).__name__}"
            )
        self._provider = provider
        self._limits = limits
        self._seam = seam
        if assembler is None:
            assembler = self._new_assembler()
        else:
            assembler.resume()
        self.assembler = assembler
        self.started = False
        self.progressed = False
        self.done = False
        self.ended = False
        self.failure: KimiError | None = None
        self.late_error: KimiError | None = None
        self.chunks = 0
        self.usage: Usage | None = None
        #: A text of at most so many bytes is too short for more levels of nesting than the limit.
        self._shallow = 2 * limits.nesting
        self._sse = SSEDecoder(limits.event_bytes, strays=True)
        #: The beginning of the body, until its format is known.
        self._head = b""
        #: The last line that is not a part of the reply; an error that ends the reply shows it.
        self._unread = b""
        #: The lines that belong to no event, since the last event.
        self._stray = b""
        self._whole = bytearray()
        self._wire: list[SSEEvent] | None = [] if keep_wire else None
        self._last: Chunk | None = None
        self._last_decoded: tuple[Chunk, Mapping[str, Any] | None] | None = None
        #: The way in which the next bytes are read. Not a bound method: it would hold the decoder in a circle, and
        #: only the garbage collector would free the reply.
        self._read: Callable[[ReplyDecoder, bytes, list[StreamEvent]], None] = ReplyDecoder._sniff

    def _new_assembler(self) -> MessageAssembler:
        provider = self._provider
        return MessageAssembler(
            provider.name,
            provider.tool_markers,
            self._limits,
            thinking_tags=provider.thinking_tags,
        )

    @property
    def begins_anew(self) -> bool:
        """Whether the body should continue a message, and began a new one."""
        return self._seam is not None and self._seam.begins_anew

    @property
    def complete(self) -> bool:
        """Whether at least one choice has begun, and every choice has its finish reason."""
        return self.assembler.complete

    @property
    def last_chunk(self) -> Mapping[str, Any] | None:
        """The last JSON object that was read, unknown keys included; ``None`` before the first."""
        last = self._last
        if last is None:
            return None
        if self._last_decoded is None or self._last_decoded[0] is not last:
            self._last_decoded = last, decode_object(last.data)
        return self._last_decoded[1]

    def snapshot(self) -> ChatCompletion:
        """Return the reply so far, with the raw body if that is one JSON object."""
        completion = self.assembler.snapshot()
        return evolve(completion, raw=self.last_chunk) if self._whole else completion

    def take_wire(self) -> list[SSEEvent]:
        """Return the server-sent events that were decoded since the last call."""
        taken, self._wire = self._wire or [], []
        return taken

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Decode *data*, the next bytes of the body, cut anywhere; return the events that they complete, in order.

        Bytes after the end of the reply are ignored.
        """
        events: list[StreamEvent] = []
        self.progressed = False
        if not self.ended and not self.done:
            try:
                self._read(self, data, events)
            except KimiError as error:
                self._fail(error, events)
        return events

    def close(self) -> list[StreamEvent]:
        """Note that the body has ended cleanly; return the events that its last bytes complete."""
        events: list[StreamEvent] = []
        self.progressed = False
        if not self.ended:
            try:
                if not self.done:
                    self._close_body(events)
                if not self.assembler.complete:
                    raise self._cut("the body ended")
                self._end(None, events)
            except KimiError as error:
                self._fail(error, events)
        return events

    def finish(self) -> list[StreamEvent]:
        """End a complete reply without reading more of its body; return its last events."""
        events: list[StreamEvent] = []
        self.progressed = False
        if not self.ended:
            self._end(None, events)
        return events

    def connection_lost(self, cause: str) -> list[StreamEvent]:
        """Note that the connection broke; return the last events of a complete reply.

        Args:
            cause: The type and text of the network error, for ``KimiError.cause``.
        """
        if self.complete:
            text = "the connection broke after the finish reason"
            return self.fail(StreamInterrupted(text, cause=cause))
        if self.started:
            text = "the connection broke before a finish reason came; the text that arrived is in .partial"
            return self.fail(StreamInterrupted(text + self._last_line(), cause=cause))
        text = "the connection broke before any output came" + self._last_line()
        return self.fail(TransportError(text, stage="waiting for the first output", cause=cause))

    def fail(self, error: KimiError) -> list[StreamEvent]:
        """End the reply with *error*, which is its failure, or a late error if the reply is complete."""
        events: list[StreamEvent] = []
        self.progressed = False
        if not self.ended:
            self._fail(error, events)
        return events

    def _fail(self, error: KimiError, events: list[StreamEvent]) -> None:
        if self.assembler.complete:
            self._end(error, events)
        else:
            self.ended, self.failure = True, error

    def _end(self, late_error: KimiError | None, events: list[StreamEvent]) -> None:
        self.ended = True
        if not self.done:
            events += self.assembler.close()
        self.late_error = late_error or self.assembler.failure

    def _cut(self, end: str) -> KimiError:
        """Return the error for a clean end before the reply was complete."""
        if self.started:
            return StreamInterrupted(
                f"{end} before a finish reason came; the text that arrived is in .partial"
                + self._last_line()
            )
        return EmptyResponseError(f"{end} before any output came{self._last_line()}")

    def _last_line(self) -> str:
        """Return the end of a message: the last line that is not a part of the reply, if there is one."""
        return (
            f"; the last line that could not be read is {self._excerpt()}" if self._unread else ""
        )

    def _excerpt(self) -> str:
        return repr(self._provider.excerpt_of(self._unread)[:_EXCERPT_CHARS])

    # From bytes to the events of the event stream, or to one JSON object

    def _sniff(self, data: bytes, events: list[StreamEvent]) -> None:
        begin = re.sub(_PADDING, b"", self._head + data, count=1)
        if begin in _PARTS_OF_A_BOM:
            self._head = begin
            return
        is_whole = begin[:1] in (b"{", b"[", b"<")
        self._read = ReplyDecoder._collect if is_whole else ReplyDecoder._decode
        self._read(self, begin, events)

    def _collect(self, data: bytes, _: list[StreamEvent]) -> None:
        self._whole += data
        if len(self._whole) > self._limits.body_bytes:
            raise over_limit("body_bytes", self._limits.body_bytes, "the body of the reply")

    def _decode(self, data: bytes, events: list[StreamEvent]) -> None:
        for event in self._sse.feed(data):
            self._take_event(event, events)
            if self.done:
                return

    def _close_body(self, events: list[StreamEvent]) -> None:
        if self._whole:
            self._take_whole(bytes(self._whole).strip(), events)
            return
        for event in self._sse.close():
            self._take_event(event, events, at_end=True)
        if self._unread and not self.chunks:
            raise ProtocolError(
                f"the body is neither an event stream nor JSON; its last line is {self._excerpt()}"
            )

    # From one event of the event stream to a chunk

    def _take_event(
        self, event: SSEEvent, events: list[StreamEvent], *, at_end: bool = False
    ) -> None:
        """Take one event; it may be empty, or of a type that is not ours."""
        data, kind = event.data, event.event
        if kind == STRAY:
            self._take_stray(data)
            return
        self._stray = b""
        if self._wire is not None:
            self._wire.append(event)
        if kind == "message":
            if data:
                self._take_data(data, events, at_end=at_end)
        elif type_reports_error(kind):
            raise self._provider.parse_error_object(self._not_too_deep(data))
        elif data.lstrip().startswith((b"{", b"[DONE]")):
            self._take_data(data, events, at_end=at_end)
        elif reports_error(data):
            raise self._provider.parse_error_object(data)

    def _take_data(self, data: bytes, events: list[StreamEvent], *, at_end: bool) -> None:
        if len(data) > self._shallow:
            self._not_too_deep(data)
        try:
            chunk = self._provider.parse_chunk(data)
        except ProtocolError as error:
            problem = error
        else:
            if not isinstance(chunk, Done):
                self._take_chunk(chunk, events)
            elif not at_end:
                self._take_done(events)
            return
        objects, rest = objects_in(data)
        parts = [*objects, rest] if rest else objects
        if objects and len(parts) > 1:
            # Several chunks in one event: a host left the blank lines out.
            for part in parts:
                self._take_data(part, events, at_end=at_end)
        elif data.strip():
            raise self._unreadable(data, problem, at_end=at_end)

    def _unreadable(self, data: bytes, problem: ProtocolError, *, at_end: bool) -> KimiError:
        """Return the error for data that is not a chunk."""
        self._note_unread(data)
        if at_end and decode_object(data) is None:
            return self._cut("the body ended inside an event,")
        return ProtocolError(f"{problem.message}: {self._excerpt()}")

    def _take_stray(self, line: bytes) -> None:
        """Note a line that belongs to no event; such lines on end are one text, for example a page or an error."""
        stray = self._stray = (self._stray + b"\n" + line).strip()[:_STRAY_BYTES]
        if stray.startswith(b"{") and line.rstrip().endswith(b"}"):
            # An error that a host sent as JSON, without the field name of an event.
            with suppress(ProtocolError):
                self._provider.parse_chunk(self._not_too_deep(stray))
        self._note_unread(line)
        self._unread = stray

    def _note_unread(self, line: bytes) -> None:
        """Note a line that is not a part of the reply; if it reports an error, raise that error."""
        self._unread = line
        if reports_error(line) and not re.match(_PART_OF_A_REPLY, line):
            field = re.match(_ERROR_FIELD, line)
            report = line[field.end() :] if field else line
            raise self._provider.parse_error_object(self._not_too_deep(report))

    def _take_whole(self, body: bytes, events: list[StreamEvent]) -> None:
        """Take a body that is one JSON object."""
        if self._wire is not None:
            self._wire.append(SSEEvent(body))
        chunk, rest = self._parse_whole(body)
        self._unread = rest
        self._take_chunk(chunk, events)
        if rest:
            raise ProtocolError(f"the body continues after its JSON object: {self._excerpt()}")

    def _parse_whole(self, body: bytes) -> tuple[Chunk, bytes]:
        """Return the reply in *body*, and the bytes after its JSON object."""
        self._unread = body
        if body.startswith(b"<"):
            raise ProtocolError(
                f"the body is neither an event stream nor JSON; it begins with {self._excerpt()}"
            )
        self._not_too_deep(body)
        try:
            return self._provider.parse_completion(body), b""
        except ProtocolError as error:
            problem = error.message
        objects, rest = objects_in(body)
        if len(objects) == 1 and rest:
            return self._parse_whole(objects[0])[0], rest
        if not objects and not body.endswith((b"}", b"]")):
            # The host ended its JSON too early, so the same request may succeed.
            raise EmptyResponseError(f"the body ended inside its JSON object: {self._excerpt()}")
        raise ProtocolError(f"{problem}: {self._excerpt()}")

    def _not_too_deep(self, data: bytes) -> bytes:
        if is_deeper(data, self._limits.nesting):
            raise over_limit("nesting", self._limits.nesting, "the JSON of the reply")
        return data

    # From a chunk to public events

    def _take_chunk(self, chunk: Chunk, events: list[StreamEvent]) -> None:
        self.chunks += 1
        self._last = chunk
        if chunk.usage is not None:
            self.usage = chunk.usage
        if self._seam is not None:
            chunk = self._across(self._seam, chunk)
        assembler = self.assembler
        made = assembler.feed(chunk)
        if made:
            events += made
            # Usage is not output of the model; it comes last, so it is the only event when it is the first.
            if type(made[0]) is not UsageUpdate:
                self.started = self.progressed = True
        elif assembler.holds:
            self.progressed = True
        if chunk.stray:
            self._unread = chunk.data
        if chunk.failed:
            raise self._provider.parse_error_object(chunk.data)
        if assembler.failure is not None:
            raise assembler.failure

    def _across(self, seam: Seam, chunk: Chunk) -> Chunk:
        """Return *chunk* as it fits to the message; a body that begins anew gets a new message."""
        was_open = seam.is_open
        chunk = seam.feed(chunk)
        if was_open and seam.begins_anew:
            self.assembler = self._new_assembler()
        return chunk

    def _take_done(self, events: list[StreamEvent]) -> None:
        if not self.assembler.complete:
            raise self._cut("the stream said [DONE]")
        events += self.assembler.close()
        self.done = True
