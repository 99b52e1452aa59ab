"""Assemble the tool calls of one choice from their pieces; pure, and a part of the assembler.

A piece belongs to a call by index *and* id, never by its position; see ``ToolCallAssembler._slot_for``.
"""

from __future__ import annotations

import json

from kimi_async._errors import ProtocolError, over_limit
from kimi_async._events import StreamEvent, ToolCallDone, ToolCallStart, tool_call_delta
from kimi_async._messages import ToolCall
from kimi_async._protocol._chunk import ToolCallPiece
from kimi_async._protocol._halves import HalfJoiner
from kimi_async._protocol._partial_json import GrowingText

__all__ = ["ToolCallAssembler"]


class PendingCall:
    """One tool call under construction."""

    __slots__ = ("done", "growing", "halves", "id", "index", "name", "pieces", "started", "type")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id: str | None = None
        self.name: str | None = None
        self.type: str | None = None
        self.pieces: list[str] = []
        self.growing = GrowingText(self.pieces)
        self.halves: HalfJoiner | None = None
        #: Whether ``ToolCallStart`` was returned, and whether ``ToolCallDone`` was.
        self.started = False
        self.done = False

    def looks_whole(self) -> bool:
        """Return whether the arguments so far are one complete JSON value.

        The last piece is examined first, because joining all pieces for each piece would take quadratic time.
        """
        if not self.pieces or not self.pieces[-1].rstrip().endswith(("}", "]")):
            return False
        try:
            json.loads("".join(self.pieces), strict=False)
        except (ValueError, RecursionError):
            return False
        return True

    def snapshot(self) -> ToolCall:
        return ToolCall(
            id=self.id,
            name=self.name or "",
            arguments="".join(self.pieces),
            complete=self.done,
            type=self.type or "function",
        )


class ToolCallAssembler:
    """The tool calls of one choice."""

    __slots__ = (
        "_at_index",
        "_by_id",
        "_by_index_and_id",
        "_calls",
        "_last",
        "_most",
        "_next_index",
        "has_halves",
    )

    def __init__(self, most: int) -> None:
        self._most = most
        #: Whether a chunk brought halves of characters.
        self.has_halves = False
        #: By the index in the events. Not a list, because an index of a billion must cost no more than one of 0.
        self._calls: dict[int, PendingCall] = {}
        self._next_index = 0
        self._last: PendingCall | None = None
        #: By the provider's names: the last call begun at an index, and the first one with an id.
        self._at_index: dict[int | str, PendingCall] = {}
        self._by_index_and_id: dict[tuple[int | str, str], PendingCall] = {}
        self._by_id: dict[str, PendingCall] = {}

    def feed(self, piece: ToolCallPiece, choice: int, events: list[StreamEvent]) -> None:
        call = self._last = self._slot_for(piece)
        if call.done:
            if piece.arguments:
                raise ProtocolError(
                    "a tool call continued after the finish reason that declared it complete"
                )
            return
        if call.id is None and piece.id is not None:
            self._name_by_id(call, piece.index, piece.id)
        if call.type is None:
            call.type = piece.type
        if piece.name is not None:
            self._take_name(call, piece.name)
        if piece.arguments is None and not call.pieces:
            return  # before the arguments, the next piece may bring more of the name
        arguments = piece.arguments or ""
        if self.has_halves:
            call.halves = call.halves or HalfJoiner()
            arguments = call.halves.join(arguments)
        self._append(call, arguments, choice, events)

    def _append(
        self, call: PendingCall, arguments: str, choice: int, events: list[StreamEvent]
    ) -> None:
        if arguments:
            call.pieces.append(arguments)
        if not call.started:
            self._start(call, choice, events)
        elif arguments:
            events.append(tool_call_delta(call.index, arguments, choice, call.growing))

    @staticmethod
    def _take_name(call: PendingCall, name: str) -> None:
        """Keep the first name; a different one before any arguments is its next piece (Providers 6.3)."""
        if call.name is None:
            call.name = name
        elif not call.started and name != call.name:
            call.name += name

    @staticmethod
    def _start(call: PendingCall, choice: int, events: list[StreamEvent]) -> None:
        """Add the start of *call* after its name has arrived; a call without a name has no events."""
        if call.name is not None:
            call.started = True
            events.append(ToolCallStart(call.index, call.id, call.name, choice))
            held = "".join(call.pieces)
            if held:
                events.append(tool_call_delta(call.index, held, choice, call.growing))

    def end(self, choice: int, events: list[StreamEvent], *, complete: bool) -> None:
        """End the calls of a choice at its finish reason, which says whether they are *complete* or may be cut."""
        for call in self._ordered():
            if call.done:
                continue
            self._append(call, call.halves.close() if call.halves else "", choice, events)
            if not complete:
                continue
            if call.name is None:
                raise ProtocolError("a tool call was finished without ever getting a name")
            call.done = True
            events.append(ToolCallDone(call.snapshot(), choice))

    def snapshot(self) -> tuple[ToolCall, ...]:
        return tuple(call.snapshot() for call in self._ordered())

    def _ordered(self) -> list[PendingCall]:
        return [self._calls[index] for index in sorted(self._calls)]

    def _slot_for(self, piece: ToolCallPiece) -> PendingCall:
        """Return the call that *piece* belongs to, or begin one.

        With an index: the call at that index with that id; or the last call at that index, if the piece or that call
        has no id. A different id at a used index is a new call, because some hosts number every parallel call 0
        (Providers 6.3).

        Without an index: the call with that id, else a new call. Without either, the last call continues, unless the
        piece names a tool again and the last call already is whole.
        """
        if piece.index is not None:
            last = self._at_index.get(piece.index)
            if last is None or (piece.id is not None and last.id not in (None, piece.id)):
                known = self._by_index_and_id.get((piece.index, piece.id or ""))
                return known or self._begin(piece.index)
            return last
        if piece.id is not None:
            return self._by_id.get(piece.id) or self._begin(None)
        last = self._last
        if last is None or (piece.name is not None and _is_another(piece.name, last)):
            return self._begin(None)
        return last

    def _begin(self, wire_index: int | str | None) -> PendingCall:
        if len(self._calls) >= self._most:
            raise over_limit("tool_calls", self._most, "the number of tool calls")
        index = wire_index
        if not isinstance(index, int) or index < 0 or index in self._calls:
            index = self._next_index
        call = self._calls[index] = PendingCall(index)
        self._next_index = max(self._next_index, index + 1)
        if wire_index is not None:
            self._at_index[wire_index] = call
        return call

    def _name_by_id(self, call: PendingCall, wire_index: int | str | None, call_id: str) -> None:
        call.id = call_id
        self._by_id.setdefault(call_id, call)
        if wire_index is not None:
            self._by_index_and_id.setdefault((wire_index, call_id), call)


def _is_another(name: str, last: PendingCall) -> bool:
    """Return whether a piece with this name, and without index and id, begins another call than *last*."""
    return last.started and (name != last.name or last.looks_whole())
