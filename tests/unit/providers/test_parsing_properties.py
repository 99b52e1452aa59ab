"""Any JSON is a chunk, an error object or refused, and no text is lost."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from attrs import asdict
from hypothesis import example, given
from hypothesis import strategies as st
from json_strategies import anything, chunks, texts
from parsed_chunks import Reader, as_json, each_reader, parse_chunk
from parsing_cases import (
    JSON,
    at,
    choice,
)

from kimi_async._errors import ProtocolError
from kimi_async._finish_reasons import said_reason
from kimi_async._json_text import decode_object
from kimi_async._protocol._chunk import Chunk, ChunkChoice, ToolCallPiece
from kimi_async._providers._fast_path import parse_fast
from kimi_async._providers._parsing import parse_any, parse_completion
from kimi_async.testing import recording


def values_in(value: object) -> Iterator[object]:
    """Every value of a JSON document, at any depth."""
    yield value
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from values_in(inner)


def is_there(given: object, values: list[object]) -> bool:
    """Whether a reading may give this: a value that is there, a value as JSON, or texts that are there, joined."""
    if not isinstance(given, str):
        return given is None or given in values
    # Halves of surrogate pairs are kept for their other halves; the values have U+FFFD in their places.
    given = re.sub("[\ud800-\udfff]", "\ufffd", given)
    leaves = {str(value) for value in values} | {as_sent(value) for value in values}
    return given in leaves or is_joined(given, {leaf for leaf in leaves if leaf})


def as_sent(value: object) -> str:
    return msgspec.json.encode(value).decode()


def is_joined(text: str, parts: set[str]) -> bool:
    return not text or any(
        is_joined(text[len(part) :], parts) for part in parts if text.startswith(part)
    )


def given_in(chunk: Chunk) -> Iterator[object]:
    """Every text and count of a chunk."""
    yield from (chunk.id, chunk.model, chunk.created)
    if chunk.usage is not None:
        yield from asdict(chunk.usage).values()
    for said in chunk.choices:
        yield from (said.content, said.reasoning, said.refusal, said.finish_reason)
        for call in said.tool_calls:
            yield from (call.id, call.name, call.arguments, call.type)


def read_or_refuse(read: Reader, data: bytes) -> None:
    """Read, or be refused by the documented error; nothing is read that is not there."""
    try:
        chunk = read(data)
    except ProtocolError:
        return
    if isinstance(chunk, Chunk):
        values = [*values_in(decode_object(chunk.data))]
        assert all(is_there(given, values) for given in given_in(chunk))


@each_reader
@given(raw=chunks | anything)
@example(raw=at(delta={"content": [{"text": "a"}, {"text": "b"}]}))
@example(raw=at(message={"tool_calls": [{"function": {"arguments": {"a": 1}}}]}))
@example(raw={"error": "no"})
@example(raw=at(delta={"reasoning_details": [{"text": "a"}, 5]}) | {"usage": {"total_tokens": 3}})
def test_any_json_is_read_or_refused(read: Reader, raw: object) -> None:
    read_or_refuse(read, as_json(raw))


def assert_read_alike(data: bytes) -> None:
    """The general path accepts every chunk of the fast path and gives the same result."""
    usual = parse_fast(data)
    assert usual is None or usual == parse_any(data)


@given(raw=chunks | anything)
@example(raw=at(delta={"reasoning_content": "", "reasoning": "a"}))
@example(raw=at(delta={"reasoning_content": "", "reasoning": ""}))
@example(raw=at(delta={"reasoning": ""}))
@example(raw=at(delta={"reasoning_details": [{"text": "a"}]}))
@example(raw=at(delta={"content": "a"}, usage={"total_tokens": 3}))
@example(raw=at(delta={"content": "a"}, index=2, finish_reason="", logprobs={}))
@example(raw=at(delta={"content": "a"}, index=-1))
@example(
    raw=at(delta={"tool_calls": [{"index": 0, "id": "", "type": "", "function": {"name": ""}}]})
)
@example(raw=at(delta={"tool_calls": [{"index": 0}, {"function": None}]}))
@example(raw=at(delta={"content": "a"}) | {"id": "", "model": "", "created": 1.0})
@example(raw=at(delta={"content": "a"}) | {"error": {"message": "no"}})
def test_the_quick_reading_says_the_same(raw: object) -> None:
    assert_read_alike(as_json(raw))


@given(raw=chunks, place=st.integers(0, 200), cut=st.integers(0, 3), junk=st.binary(max_size=3))
def test_the_quick_reading_says_the_same_of_damaged_chunks(
    raw: object, place: int, cut: int, junk: bytes
) -> None:
    data = as_json(raw)
    with contextlib.suppress(ProtocolError):  # see the next test
        assert_read_alike(data[:place] + junk + data[place + cut :])


def test_a_value_that_nobody_asks_for_may_be_beyond_reading() -> None:
    data = b'{"choices": [{"delta": {"content": "a"}}], "odds": 1e999}'
    expected = Chunk(None, None, None, (choice(content="a"),), None, data)
    assert (parse_chunk(data), parse_any(data)) == (expected, expected)
    data = data.replace(b"1e999", b"1" * 9_000)
    assert parse_chunk(data) == msgspec.structs.replace(expected, data=data)
    with pytest.raises(ProtocolError):
        parse_any(data)


@pytest.mark.parametrize("name", ["acedata/stream_reasoning_ko", "acedata/stream_reasoning_ja"])
def test_what_hosts_send_is_read_quickly(name: str) -> None:
    lines = [line.removeprefix(b"data: ") for line in recording(name).splitlines()[::2]]
    slow = [line for line in lines if parse_fast(line) is None]
    assert slow == lines[-2:]  # usage and [DONE]


@each_reader
@given(data=st.binary())
def test_any_bytes_are_read_or_refused(read: Reader, data: bytes) -> None:
    read_or_refuse(read, data)


@each_reader
@given(raw=chunks, at=st.integers(0, 200), cut=st.integers(0, 3), junk=st.binary(max_size=3))
def test_any_damage_is_read_or_refused(
    read: Reader, raw: object, at: int, cut: int, junk: bytes
) -> None:
    data = as_json(raw)
    read_or_refuse(read, data[:at] + junk + data[at + cut :])


def test_nesting_at_the_limit_of_the_interpreter() -> None:
    for depth in range(1, 1_200, 3):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        data = b'{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":%b}}]}}]}' % nested
        with suppress(ProtocolError):
            assert parse_chunk(data) is not None


words = st.none() | st.text(min_size=1)
pieces = st.builds(ToolCallPiece, st.integers(0, 3), words, words, st.none() | st.text(), words)
whole_choices = st.builds(
    ChunkChoice,
    st.integers(0, 3),
    *[st.none() | st.text()] * 3,
    st.lists(pieces, max_size=3).map(tuple),
    words.map(lambda word: word and said_reason(word)),
    st.none() | st.dictionaries(texts, anything, max_size=2),
)


def as_wire(said: ChunkChoice, key: str) -> JSON:
    wire: JSON = msgspec.to_builtins(said)
    calls = [
        {"function": {"name": call.pop("name"), "arguments": call.pop("arguments")}, **call}
        for call in wire.pop("tool_calls")
    ]
    beside = {name: wire.pop(name) for name in ("index", "finish_reason", "logprobs")}
    wire["reasoning_content"] = wire.pop("reasoning")
    return {**beside, key: {**wire, "tool_calls": calls}}


@pytest.mark.parametrize(("read", "key"), [(parse_chunk, "delta"), (parse_completion, "message")])
@given(
    said=st.lists(whole_choices, max_size=3),
    head=st.tuples(words, words, st.none() | st.integers()),
)
def test_what_is_as_it_should_be_is_read_whole(
    read: Reader, key: str, said: list[ChunkChoice], head: tuple[Any, Any, Any]
) -> None:
    raw: JSON = dict(zip(("id", "model", "created"), head, strict=True))
    raw["choices"] = [as_wire(choice, key) for choice in said]
    assert read(as_json(raw)) == Chunk(*head, tuple(said), None, as_json(raw))
