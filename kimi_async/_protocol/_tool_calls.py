"""Assemble the tool calls of one choice from their pieces; pure, and a part of the assembler.

A piece belongs to a call by index *and* id, never by its position; see ``ToolCallAssembler._known``.
"""

from __future__ import annotations

import json

import msgspec

from kimi_async._errors import ProtocolError, over_limit
from kimi_async._events import StreamEvent, ToolCallDone, ToolCallStart, tool_call_delta
from kimi_async._messages import ToolCall
from kimi_async._protocol._chunk import ToolCallPiece
from kimi_async._protocol._halves import HalfJoiner
from kimi_async._protocol._partial_json import GrowingText

__all__ = ["ToolCallAssembler"]


class PendingCall:
    """One tool call under construction."""

    __slots__ = (
        "done",
        "growing",
        "halves",
        "id",
        "index",
        "name",
        "pieces",
        "started",
        "type",
        "wire_index",
    )

    def __init__(self, index: int, wire_index: int | str | None) -> None:
        self.index = index
        #: The provider's name for it, if it has given one.
        self.wire_index = wire_index
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
        """Keep the first name; a different one before any arguments is its next piece (Providers 6.3).

        Some hosts repeat the name so far in front of that piece.
        """
        if call.name is None or (not call.started and name.startswith(call.name)):
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

    def without_repeated(self, piece: ToolCallPiece) -> ToolCallPiece:
        """Return a whole call without the arguments with which it repeats its pieces."""
        call = self._known(piece)
        said = "" if call is None else "".join(call.pieces)
        arguments = piece.arguments and piece.arguments.removeprefix(said)
        return msgspec.structs.replace(piece, arguments=arguments or None)

    def _slot_for(self, piece: ToolCallPiece) -> PendingCall:
        """Return the call that *piece* belongs to, or begin one."""
        call = self._known(piece)
        if call is None:
            return self._begin(piece.index)
        if call.wire_index is None and piece.index is not None:
            call.wire_index = piece.index
            self._at_index[piece.index] = call
        return call

    def _known(self, piece: ToolCallPiece) -> PendingCall | None:
        """Return the call that *piece* continues; ``None`` if it begins one.

        With an index: the call at that index with that id; or the last call at that index, if the piece or that call
        has no id. A different id at a used index is a new call, because some hosts number every parallel call 0
        (Providers 6.3); but without a name it is the next piece of a host that makes an id for each.

        Without an index: the call with that id, else a new call. Without either, the last call continues, unless the
        piece names a tool again and the last call already is whole.
        """
        last = self._last
        if piece.index is not None:
            at_index = self._at_index.get(piece.index)
            if at_index is None:
                return self._begun_without_index(piece)
            if piece.id is None or at_index.id in (None, piece.id):
                return at_index
            known = self._by_index_and_id.get((piece.index, piece.id))
            return at_index if known is None and _lacks_a_name(piece, at_index) else known
        if piece.id is not None:
            return self._by_id.get(piece.id)
        return None if last is None or _is_another(piece.name, last) else last

    def _begun_without_index(self, piece: ToolCallPiece) -> PendingCall | None:
        """Return the call that *piece* continues under the first index that the provider gives it."""
        call = self._last if piece.name is None else None
        if piece.id is not None:
            call = self._by_id.get(piece.id)
        return None if call is None or call.wire_index is not None else call

    def _begin(self, wire_index: int | str | None) -> PendingCall:
        if len(self._calls) >= self._most:
            raise over_limit("tool_calls", self._most, "the number of tool calls")
        index = wire_index
        if not isinstance(index, int) or index < 0 or index in self._calls:
            index = self._next_index
        call = self._calls[index] = PendingCall(index, wire_index)
        self._next_index = max(self._next_index, index + 1)
        if wire_index is not None:
            self._at_index[wire_index] = call
        return call

    def _name_by_id(self, call: PendingCall, wire_index: int | str | None, call_id: str) -> None:
        call.id = call_id
        self._by_id.setdefault(call_id, call)
        if wire_index is not None:
            self._by_index_and_id.setdefault((wire_index, call_id), call)


def _is_another(name: str | None, last: PendingCall) -> bool:
    """Return whether a piece with this name, and without index and id, begins another call than *last*."""
    return name is not None and last.started and (name != last.name or last.looks_whole())


def _lacks_a_name(piece: ToolCallPiece, last: PendingCall) -> bool:
    """Return whether a piece with an id of its own must belong to *last*, because it could not begin a call."""
    begins = (piece.arguments or "").lstrip().startswith(("{", "["))
    is_next = begins and last.looks_whole()
    return piece.name is None and last.name is not None and not is_next
