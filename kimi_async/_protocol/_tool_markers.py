"""Tool calls that a host has left in the text, between the marker tokens of the model; pure.

Kimi models write a call as text, and whoever serves them is to cut it out (``docs/providers.md`` 6.3)::

    <|tool_calls_section_begin|>
    <|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city":"Bonn"}<|tool_call_end|>
    <|tool_calls_section_end|>

Some hosts let it through, in the content or in the reasoning, cut at any place. The section is optional here, and is
also accepted in the singular, as servers do.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from kimi_async._protocol._chunk import ChunkChoice, ToolCallPiece, ToolMarkers

__all__ = ["MarkerFilter", "ToolMarkers"]


_CALL_BEGIN: Final = "<|tool_call_begin|>"
_ARGUMENTS_BEGIN: Final = "<|tool_call_argument_begin|>"
_CALL_END: Final = "<|tool_call_end|>"
_SECTION_BEGINS: Final = ("<|tool_calls_section_begin|>", "<|tool_call_section_begin|>")
_SECTION_ENDS: Final = ("<|tool_calls_section_end|>", "<|tool_call_section_end|>")
_MARKERS: Final = (_CALL_BEGIN, _ARGUMENTS_BEGIN, _CALL_END, *_SECTION_BEGINS, *_SECTION_ENDS)
#: Compiled at its first use, and kept by ``re``: hardly anybody has the text searched.
_MARKER: Final = "|".join(map(re.escape, _MARKERS))
#: ``functions.weather:0``; the whole of it is the id.
_ID: Final = r"(?s)(?:functions\.)?(?P<name>.+?)(?::\d+)?"


class MarkerFilter:
    """Takes the calls out of the text of one choice.

    A call is handed on when it is whole. Text that turns out to be none, and a call that is never finished, is given
    back as the text that it was.

    Args:
        parse: Whether the calls become tool calls, or are dropped.
    """

    __slots__ = ("_calls", "_content", "_finished", "_parse", "_reasoning")

    def __init__(self, *, parse: bool) -> None:
        self._parse = parse
        self._content = _Text(parse=parse)
        self._reasoning = _Text(parse=parse)
        self._calls = 0
        self._finished = False

    @property
    def held_content(self) -> str:
        """Text that may still become a call."""
        return self._content.held

    @property
    def held_reasoning(self) -> str:
        """The same of the reasoning."""
        return self._reasoning.held

    def feed(self, delta: ChunkChoice) -> ChunkChoice:
        """Give *delta* with the calls in place of their text; behind a finish reason nothing is held back."""
        self._finished = self._finished or delta.finish_reason is not None
        reasoning, calls = self._cleaned(self._reasoning, delta.reasoning)
        content, more = self._cleaned(self._content, delta.content)
        pieces = tuple(self._piece(call) for call in (*calls, *more))
        return msgspec.structs.replace(
            delta,
            content=content,
            reasoning=reasoning,
            tool_calls=delta.tool_calls + pieces,
        )

    def _cleaned(self, field: _Text, text: str | None) -> tuple[str | None, list[tuple[str, str]]]:
        cleaned, calls = ("", []) if text is None else field.feed(text)
        if self._finished:
            cleaned += field.close()
        return (cleaned if cleaned or text is not None else None), calls

    def _piece(self, call: tuple[str, str]) -> ToolCallPiece:
        """One whole call; an index that a call of the host's own has is no trouble, because the ids differ."""
        call_id, arguments = call
        matched = re.fullmatch(_ID, call_id)
        assert matched is not None
        index, self._calls = self._calls, self._calls + 1
        return ToolCallPiece(index, call_id, matched["name"], arguments, "function")


class _Text:
    """One field of text, in the pieces in which it comes."""

    __slots__ = ("_between", "_call", "_in_section", "_parse", "_tail")

    def __init__(self, *, parse: bool) -> None:
        self._parse = parse
        #: The pieces of the call that is being read.
        self._call: list[str] | None = None
        #: Text in a section that is in no call: blanks, if all is well.
        self._between: list[str] = []
        self._in_section = False
        #: The end of the text so far, when a marker may begin there.
        self._tail = ""

    @property
    def held(self) -> str:
        """What was neither given nor dropped."""
        if self._parse:
            return self._said_between() + "".join(self._call or ()) + self._tail
        return "" if self._in_section or self._call is not None else self._tail

    def close(self) -> str:
        """There is no more: give what was held back."""
        held = self.held
        self._call, self._between, self._tail = None, [], ""
        return held

    def _said_between(self) -> str:
        text = "".join(self._between)
        return "" if text.isspace() else text

    def feed(self, piece: str) -> tuple[str, list[tuple[str, str]]]:
        """Take a piece; give the text that is no call, and the calls, as id and arguments."""
        text = self._tail + piece
        given: list[str] = []
        calls: list[tuple[str, str]] = []
        begin = 0
        for marker in re.finditer(_MARKER, text):
            self._take(text[begin : marker.start()], given)
            self._mark(marker.group(), given, calls)
            begin = marker.end()
        end = _possible_marker(text, begin)
        self._take(text[begin:end], given)
        self._tail = text[end:]
        return "".join(given), calls

    def _take(self, text: str, given: list[str]) -> None:
        """Text between markers."""
        if self._call is not None:
            self._call.append(text)
        elif not self._in_section:
            given.append(text)
        elif self._parse:
            self._between.append(text)

    def _mark(self, marker: str, given: list[str], calls: list[tuple[str, str]]) -> None:
        if marker == _ARGUMENTS_BEGIN:
            if self._call is not None:
                self._call.append(marker)
            return
        given.append(self._said_between())
        self._between = []
        if self._call is not None:
            self._end_call(marker, given, calls)
        if marker == _CALL_BEGIN:
            self._call = [marker]
        elif marker != _CALL_END:
            self._in_section = marker in _SECTION_BEGINS

    def _end_call(self, marker: str, given: list[str], calls: list[tuple[str, str]]) -> None:
        """A marker that no call can hold: the call is whole if it is its end."""
        text = "".join(self._call or ())
        self._call = None
        if not self._parse:
            return
        head, begun, arguments = text.removeprefix(_CALL_BEGIN).partition(_ARGUMENTS_BEGIN)
        if marker == _CALL_END and begun and head.strip():
            calls.append((head.strip(), arguments.strip()))
        else:
            given.append(text + (marker if marker == _CALL_END else ""))


def _possible_marker(text: str, begin: int) -> int:
    """Where behind *begin* a marker begins that is not whole yet; the end of *text* if none does."""
    at = text.rfind("<", begin)
    if at >= 0 and any(marker.startswith(text[at:]) for marker in _MARKERS):
        return at
    return len(text)
