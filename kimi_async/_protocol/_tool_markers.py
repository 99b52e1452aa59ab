"""Take the tool calls in the markup of the model out of the text, where a host has left them; pure.

Kimi models write a call as text, and the server that runs them has to cut it out (see the page Providers, section 6.3).
Some hosts let it through, in the content or in the reasoning, cut at any place. There are two grammars. Kimi K2
writes::

    <|tool_calls_section_begin|>
    <|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{"city":"Bonn"}<|tool_call_end|>
    <|tool_calls_section_end|>

and Kimi K3, where ``<|sep|>`` may be missing::

    <|open|>tools<|sep|>
    <|open|>call tool="weather" index="1"<|sep|>
    <|open|>argument key="city" type="string"<|sep|>Bonn<|close|>argument<|sep|>
    <|close|>call<|sep|><|close|>tools<|sep|>

The section is optional here, and K2's is also accepted in the singular, as servers do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from kimi_async._protocol._chunk import ChunkChoice, ToolCallPiece

__all__ = ["MarkerFilter"]

#: The part of a marker in a text: it begins or ends a section or a call, belongs inside a call, or means nothing here.
Role: TypeAlias = Literal["section", "section-end", "call", "call-end", "inside", "stray"]


class MarkedCall(Struct, frozen=True):
    """One call that was read from the text."""

    id: str | None
    name: str
    arguments: str


class Grammar(Struct, frozen=True):
    """The markup of one model.

    Attributes:
        marker: A regular expression for one marker.
        unfinished: One for the end of a text that may be the beginning of a marker.
        role_of: Returns the role of a marker.
        read: Reads the text of one call, from its first marker to its last one; ``None`` if it is not a call.
    """

    marker: str
    unfinished: str
    role_of: Callable[[str], Role]
    read: Callable[[str], MarkedCall | None]


def _prefixes_of(*words: str) -> str:
    """Return a regular expression for each beginning of the words."""
    begins = {word[:length] for word in words for length in range(1, len(word))}
    return "|".join(map(re.escape, sorted(begins, key=len, reverse=True)))


# Kimi K2

_CALL_BEGIN: Final = "<|tool_call_begin|>"
_ARGUMENTS_BEGIN: Final = "<|tool_call_argument_begin|>"
_CALL_END: Final = "<|tool_call_end|>"
_K2_ROLES: Final[Mapping[str, Role]] = {
    "<|tool_calls_section_begin|>": "section",
    "<|tool_call_section_begin|>": "section",
    "<|tool_calls_section_end|>": "section-end",
    "<|tool_call_section_end|>": "section-end",
    _CALL_BEGIN: "call",
    _CALL_END: "call-end",
    _ARGUMENTS_BEGIN: "inside",
}
#: ``functions.weather:0``; the whole of it is the id.
_K2_ID: Final = r"(?s)(?:functions\.)?(?P<name>.+?)(?::\d+)?"


def _read_k2(text: str) -> MarkedCall | None:
    text = text.removeprefix(_CALL_BEGIN).removesuffix(_CALL_END)
    head, begun, arguments = text.partition(_ARGUMENTS_BEGIN)
    named = re.fullmatch(_K2_ID, head.strip())
    if not begun or named is None:
        return None
    return MarkedCall(head.strip(), named["name"], arguments.strip())


# Kimi K3

# Bounded everywhere, so that a text that only begins like a tag is not held back for long.
_K3_HEAD: Final = r"<\|(?:open|close)\|>\s{0,8}"
_K3_FIELDS: Final = r'(?:\s{1,8}\w{1,64}="[^"]{0,256}"){0,8}'
_K3_TAG: Final = rf"{_K3_HEAD}\w{{1,64}}{_K3_FIELDS}(?:\s{{0,8}}<\|sep\|>)?"
#: A tag without its end: a name that may go further, a field in progress, or a part of ``<|sep|>``.
_K3_UNFINISHED: Final = (
    rf"{_prefixes_of('<|open|>', '<|close|>')}|{_K3_HEAD}(?:\w{{1,64}}{_K3_FIELDS}"
    rf'(?:\s{{0,8}}(?:{_prefixes_of("<|sep|>")})?|\s{{1,8}}\w{{1,64}}(?:=(?:"[^"]{{0,256}})?)?))?'
)
_K3_ROLES: Final[Mapping[str, Role]] = {
    "open tools": "section",
    "close tools": "section-end",
    "open call": "call",
    "close call": "call-end",
    "open argument": "inside",
    "close argument": "inside",
}


def _k3_kind(tag: str) -> str:
    """Return ``open call`` for ``<|open|>call tool="f"<|sep|>``."""
    words = re.findall(r"\w+", tag)
    return " ".join(words[:2])


def _k3_role_of(tag: str) -> Role:
    return _K3_ROLES.get(_k3_kind(tag), "stray")


def _k3_fields(tag: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', tag))


def _read_k3(text: str) -> MarkedCall | None:
    first, *tags, last = re.finditer(_K3_TAG, text)
    fields = _k3_fields(first.group())
    name = fields.get("tool") or fields.get("name")
    if not name:
        return None
    if not tags:
        body = text[first.end() : last.start()].strip()
        return (
            MarkedCall(fields.get("id"), name, body or "{}") if _is_object(body or "{}") else None
        )
    members: list[str] = []
    for begin, end in zip(tags[::2], [*tags[1::2], first], strict=False):
        argument = _k3_fields(begin.group())
        kinds = (_k3_kind(begin.group()), _k3_kind(end.group()))
        if kinds != ("open argument", "close argument") or "key" not in argument:
            return None
        value = _k3_value(text[begin.end() : end.start()], argument.get("type"))
        members.append(f"{json.dumps(argument['key'], ensure_ascii=False)}:{value}")
    return MarkedCall(fields.get("id"), name, f"{{{','.join(members)}}}")


def _k3_value(text: str, kind: str | None) -> str:
    """Return the value of an argument as JSON: the text that was written, unless it is a string or not JSON."""
    if kind != "string" and _is_json(text):
        return text.strip()
    return json.dumps(text, ensure_ascii=False)


def _is_object(text: str) -> bool:
    return text.startswith("{") and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


GRAMMARS: Final = (
    Grammar(
        "|".join(map(re.escape, _K2_ROLES)),
        _prefixes_of(*_K2_ROLES),
        _K2_ROLES.__getitem__,
        _read_k2,
    ),
    Grammar(_K3_TAG, _K3_UNFINISHED, _k3_role_of, _read_k3),
)
#: Compiled at its first use, and kept by ``re``: hardly any program has the text searched.
_MARKER: Final = "|".join(f"({grammar.marker})" for grammar in GRAMMARS)
_UNFINISHED: Final = "|".join(grammar.unfinished for grammar in GRAMMARS)


class MarkerFilter:
    """Takes the calls out of the text of one choice.

    A call is handed on when it is complete. Text that turns out not to be a call, and a call that is never finished,
    are given back as the text that they were.

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
    def holds(self) -> bool:
        """Whether text is held back."""
        return self._content.holds or self._reasoning.holds

    @property
    def held_content(self) -> str:
        """Text that may still become a call."""
        return self._content.held

    @property
    def held_reasoning(self) -> str:
        """The same of the reasoning."""
        return self._reasoning.held

    def feed(self, delta: ChunkChoice) -> ChunkChoice:
        """Return *delta* with the calls in place of their text; after a finish reason nothing is held back."""
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

    def _cleaned(self, field: _Text, text: str | None) -> tuple[str | None, list[MarkedCall]]:
        cleaned, calls = field.feed(text or "", final=self._finished)
        return (cleaned if cleaned or text is not None else None), calls

    def _piece(self, call: MarkedCall) -> ToolCallPiece:
        """Return one whole call, under an index that no call of the host's own has."""
        self._calls += 1
        return ToolCallPiece(
            f"in the text {self._calls}", call.id, call.name, call.arguments, "function"
        )


class _Text:
    """One field of text, in the pieces in which it comes."""

    __slots__ = ("_between", "_call", "_grammar", "_in_section", "_parse", "_tail")

    def __init__(self, *, parse: bool) -> None:
        self._parse = parse
        #: The pieces of the call that is being read, and its grammar.
        self._call: list[str] | None = None
        self._grammar = GRAMMARS[0]
        #: Text in a section that is in no call: blanks, if all is well.
        self._between: list[str] = []
        self._in_section = False
        #: The end of the text so far, when a marker may begin there.
        self._tail = ""

    @property
    def holds(self) -> bool:
        return self._call is not None or bool(self._between or self._tail)

    @property
    def held(self) -> str:
        """The text that was neither given nor dropped."""
        if self._parse:
            return self._said_between() + "".join(self._call or ()) + self._tail
        return "" if self._in_section or self._call is not None else self._tail

    def _said_between(self) -> str:
        text = "".join(self._between)
        return "" if text.isspace() else text

    def feed(self, piece: str, *, final: bool) -> tuple[str, list[MarkedCall]]:
        """Take a piece; return the text that is not a call, and the calls. Nothing is held back when it is the last."""
        text = self._tail + piece
        unfinished = None if final else re.search(rf"(?:{_UNFINISHED})\Z", text)
        end = len(text) if unfinished is None else unfinished.start()
        given: list[str] = []
        calls: list[MarkedCall] = []
        begin = 0
        for marker in re.finditer(_MARKER, text[:end]):
            self._take(text[begin : marker.start()], given)
            self._mark(marker.group(), GRAMMARS[(marker.lastindex or 1) - 1], given, calls)
            begin = marker.end()
        self._take(text[begin:end], given)
        self._tail = text[end:]
        if final:
            given.append(self.held)
            self._call, self._between = None, []
        return "".join(given), calls

    def _take(self, text: str, given: list[str]) -> None:
        """Take text between markers."""
        if self._call is not None:
            self._call.append(text)
        elif not self._in_section:
            given.append(text)
        elif self._parse:
            self._between.append(text)

    def _mark(
        self, marker: str, grammar: Grammar, given: list[str], calls: list[MarkedCall]
    ) -> None:
        role = grammar.role_of(marker)
        if self._call is not None and (role == "inside" or grammar is not self._grammar):
            self._call.append(marker)
            return
        if role == "inside":
            return
        given.append(self._said_between())
        self._between = []
        if self._call is not None:
            self._end_call(marker, role, given, calls)
        if role == "call":
            self._call, self._grammar = [marker], grammar
        elif role.startswith("section"):
            self._in_section = role == "section"

    def _end_call(self, marker: str, role: Role, given: list[str], calls: list[MarkedCall]) -> None:
        """End the call at a marker that no call can hold; the call is complete if that is its end."""
        text = "".join(self._call or ()) + (marker if role == "call-end" else "")
        self._call = None
        if not self._parse:
            return
        call = self._grammar.read(text) if role == "call-end" else None
        if call is None:
            given.append(text)
        else:
            calls.append(call)
