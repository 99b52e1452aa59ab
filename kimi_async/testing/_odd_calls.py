"""Oddities of the tool calls, and markup that a host left in the text. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import evolve

from kimi_async.testing._completion import Completion, FakeToolCall, ReplyChoice, dump
from kimi_async.testing._odd_chunks import choices_of
from kimi_async.testing._oddity import JSON, Change, Objects, Oddity, each

__all__ = ["CALL_ODDITIES"]


# Pieces of calls in the chunks. Only the first piece of a call has a type; it has no arguments.


def _pieces(chunk: JSON) -> Iterator[JSON]:
    """Return the tool calls of a body, or their pieces in a chunk."""
    for choice in choices_of(chunk):
        yield from choice["delta" if "delta" in choice else "message"].get("tool_calls") or ()


def _each_piece(change: Callable[[JSON], object]) -> Change:
    def changed(chunk: JSON) -> None:
        for piece in _pieces(chunk):
            change(piece)

    return each(changed)


def _firsts(chunks: Objects) -> dict[int, JSON]:
    """Return the first piece of each call by the index of the call."""
    return {
        piece["index"]: piece for chunk in chunks for piece in _pieces(chunk) if "type" in piece
    }


def _each_later(change: Callable[[JSON, JSON], object]) -> Change:
    """Return a change of each later piece of a call, which gets the first one too."""

    def changed(chunks: Objects) -> Objects:
        firsts = _firsts(chunks)
        for chunk in chunks:
            for piece in _pieces(chunk):
                if "type" not in piece:
                    change(piece, firsts[piece["index"]])
        return chunks

    return changed


def _drop(key: str) -> Callable[[JSON], object]:
    return lambda piece: piece.pop(key, None)


def _index_zero(piece: JSON) -> None:
    piece["index"] = 0


def _repeat_id(piece: JSON, first: JSON) -> None:
    piece["id"] = first["id"]


def _empty_id(piece: JSON, _first: JSON) -> None:
    piece["id"] = ""


def _repeat_name(piece: JSON, first: JSON) -> None:
    piece["function"]["name"] = first["function"]["name"]


def _empty_name(piece: JSON, _first: JSON) -> None:
    piece["function"]["name"] = ""


def _late_name(chunks: Objects) -> Objects:
    """Move the name of each call to its last piece."""
    lasts = {piece["index"]: piece for chunk in chunks for piece in _pieces(chunk)}
    for index, first in _firsts(chunks).items():
        lasts[index]["function"]["name"] = first["function"].pop("name")
    return chunks


def _functions_ids(piece: JSON) -> None:
    name, _, number = piece.get("id", "").rpartition(":")
    if name:
        piece["id"] = f"functions.{name}:{number}"


# Arguments


def _whole_arguments(chunks: Objects) -> Objects:
    firsts = _firsts(chunks)
    kept: Objects = []
    for chunk in chunks:
        later = [piece for piece in _pieces(chunk) if "type" not in piece]
        for piece in later:
            firsts[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        if not later:
            kept.append(chunk)
    return kept


def _single_characters(chunks: Objects) -> Objects:
    return [single for chunk in chunks for single in _characters(chunk)]


def _characters(chunk: JSON) -> Iterator[JSON]:
    """Split a chunk with a piece of arguments, which holds nothing else, into one for each character."""
    texts = [piece["function"]["arguments"] for piece in _pieces(chunk) if "type" not in piece]
    for character in "".join(texts):
        single = copy.deepcopy(chunk)
        for piece in _pieces(single):
            piece["function"]["arguments"] = character
        yield single
    if not texts:
        yield chunk


def _as_object(piece: JSON) -> None:
    piece["function"]["arguments"] = json.loads(piece["function"]["arguments"])


def _objects(chunks: Objects) -> Objects:
    return _each_piece(_as_object)(_whole_arguments(chunks))


# Texts of the reply


def _each_choice(
    change: Callable[[ReplyChoice], ReplyChoice],
) -> Callable[[Completion], Completion]:
    def changed(completion: Completion) -> Completion:
        return evolve(completion, choices=tuple(map(change, completion.choices)))

    return changed


def _double_encoded(choice: ReplyChoice) -> ReplyChoice:
    return evolve(choice, tool_calls=tuple(map(_doubled, choice.tool_calls)))


def _doubled(call: FakeToolCall) -> FakeToolCall:
    arguments: JSON = json.loads(call.arguments)
    return evolve(call, arguments={name: _as_text(value) for name, value in arguments.items()})


def _as_text(value: Any) -> Any:
    return dump(value) if isinstance(value, (dict, list)) else value


def _marked(
    before: str, call: Callable[[int, FakeToolCall], str], after: str
) -> Callable[[ReplyChoice], ReplyChoice]:
    def change(choice: ReplyChoice) -> ReplyChoice:
        if not choice.tool_calls:
            return choice
        calls = "".join(call(number, each) for number, each in enumerate(choice.tool_calls))
        text = f"{choice.content or ''}{before}{calls}{after}"
        return evolve(choice, content=text, tool_calls=(), finish_reason="stop")

    return change


def _k2_call(number: int, call: FakeToolCall) -> str:
    return (
        f"<|tool_call_begin|>functions.{call.name}:{number}"
        f"<|tool_call_argument_begin|>{call.arguments}<|tool_call_end|>"
    )


def _k3_call(number: int, call: FakeToolCall) -> str:
    arguments: JSON = json.loads(call.arguments)
    written = "".join(_k3_argument(name, value) for name, value in arguments.items())
    return f'<|open|>call tool="{call.name}" index="{number}"<|sep|>{written}<|close|>call<|sep|>'


def _k3_argument(name: str, value: Any) -> str:
    kind = "string" if isinstance(value, str) else "object"
    text = value if isinstance(value, str) else dump(value)
    return f'<|open|>argument key="{name}" type="{kind}"<|sep|>{text}<|close|>argument<|sep|>'


def _thinking_in_content(opening: str) -> Callable[[ReplyChoice], ReplyChoice]:
    def change(choice: ReplyChoice) -> ReplyChoice:
        if choice.reasoning is None:
            return choice
        text = f"{opening}{choice.reasoning}</think>{choice.content or ''}"
        return evolve(choice, content=text, reasoning=None)

    return change


def _streamed(name: str, effect: str, change: Change) -> Oddity:
    return Oddity(name=name, section="6.3", effect=effect, chunks=change)


def _both(name: str, effect: str, change: Change) -> Oddity:
    return Oddity(name=name, section="6.3", effect=effect, chunks=change, body=change)


def _text(
    name: str, section: str, effect: str, change: Callable[[ReplyChoice], ReplyChoice]
) -> Oddity:
    return Oddity(name=name, section=section, effect=effect, completion=_each_choice(change))


CALL_ODDITIES: Final = (
    _streamed("call-id-repeated", "every piece has the id of its call", _each_later(_repeat_id)),
    _streamed("call-id-empty", "later pieces have an empty id", _each_later(_empty_id)),
    _both(
        "call-id-functions",
        "ids begin with `functions.`",
        _each_piece(_functions_ids),
    ),
    _streamed(
        "call-name-repeated", "every piece has the name of its call", _each_later(_repeat_name)
    ),
    _streamed("call-name-empty", "later pieces have an empty name", _each_later(_empty_name)),
    _streamed("call-name-late", "the name comes after the arguments", _late_name),
    _streamed("arguments-whole", "all arguments come in one delta", _whole_arguments),
    _streamed(
        "arguments-by-character", "a delta for each character of the arguments", _single_characters
    ),
    Oddity(
        name="arguments-object",
        section="6.3",
        effect="the arguments are an object and not a text",
        chunks=_objects,
        body=_each_piece(_as_object),
    ),
    _both("call-id-missing", "calls have no id", _each_piece(_drop("id"))),
    _streamed("call-index-missing", "pieces of calls have no index", _each_piece(_drop("index"))),
    _streamed("call-index-zero", "every call has the index 0", _each_piece(_index_zero)),
    _text(
        "arguments-double-encoded",
        "6.3",
        "lists and objects in the arguments are texts of JSON",
        _double_encoded,
    ),
    _text(
        "tool-markers-k2",
        "6.3",
        "calls are left in the text, in the markup of Kimi K2",
        _marked("<|tool_calls_section_begin|>", _k2_call, "<|tool_calls_section_end|>"),
    ),
    _text(
        "tool-markers-k3",
        "9.4",
        "calls are left in the text, in the markup of Kimi K3",
        _marked("<|open|>tools<|sep|>", _k3_call, "<|close|>tools<|sep|>"),
    ),
    _text(
        "thinking-tags",
        "6.5",
        "the thinking is in the content, in `<think>`",
        _thinking_in_content("<think>"),
    ),
    _text(
        "thinking-end-tag",
        "6.5",
        "the thinking is in the content, before `</think>`",
        _thinking_in_content(""),
    ),
)
