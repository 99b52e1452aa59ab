"""Chunks and bodies are parsed; any other bytes raise one documented error."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from parsed_chunks import READERS, Reader, as_json, each_reader, parse_chunk
from parsing_cases import (
    CALLS,
    CHOICES,
    COUNTED,
    DAMAGED,
    ERROR_OBJECTS,
    HEADS,
    JSON,
    NO_ERROR,
    NO_OBJECT,
    NOTHING,
    SAID,
    STRAY,
    USAGE_PLACES,
    USAGES,
    WRONG,
    at,
    choice,
    piece,
)
from paths import DATA

from kimi_async import AceDataCloud, Cloudsway, Moonshot, OpenAICompatible, Provider
from kimi_async._errors import APIError, ProtocolError
from kimi_async._messages import ToolCall
from kimi_async._protocol._chunk import DONE, Chunk, ChunkChoice, Done, ToolCallPiece
from kimi_async._providers._parsing import parse_any, parse_completion
from kimi_async._record import Usage
from kimi_async.testing import recording

ADAPTERS: list[Provider] = [
    AceDataCloud("key"),
    Cloudsway("key", "path"),
    Moonshot("key"),
    OpenAICompatible("key", "https://h"),
]


STREAMS = DATA / "streams"

each_provider = pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)


def chunk(raw: JSON, *choices: ChunkChoice, usage: Usage | None = None) -> Chunk:
    return Chunk(None, None, None, choices, usage, as_json(raw))


@pytest.mark.fact(
    "1.4/message-content-message-refusal",
    "1.4/message-reasoning-content-message-reasoning",
    "1.4/message-tool-calls",
    "1.4/delta-role",
    "1.4/delta-reasoning-content-delta-reasoning",
    "1.4/delta-content",
    "2.4/message-reasoning-content",
    "2.4/message-function-call",
    "2.4/message-tool-calls",
    "2.4/message-reasoning-details",
    "2.4/message-refusal-annotations-images",
    "3.4/message-content-delta-content",
    "3.4/reasoning-content",
    "6.2/reasoning-details-array-beside-the",
)
@pytest.mark.parametrize(
    ("read", "key"),
    [
        (parse_chunk, "delta"),
        (parse_chunk, "message"),  # whole messages in a stream
        (parse_completion, "message"),
        (parse_completion, "delta"),
    ],
)
@pytest.mark.parametrize("other", [{}, {"delta": None, "message": None}], ids=["alone", "null"])
@pytest.mark.parametrize(("said", "expected"), SAID.values(), ids=SAID)
def test_what_is_said(
    read: Reader, key: str, other: JSON, said: JSON, expected: ChunkChoice
) -> None:
    raw = at(**other | {key: said})
    in_message = bool(said) and (read, key) == (parse_chunk, "message")
    expected = msgspec.structs.replace(expected, in_message=in_message)
    assert read(as_json(raw)) == chunk(raw, expected)


def test_the_usual_key_wins_over_the_other_one() -> None:
    raw = at(delta={"content": "a"}, message={"content": "b"})
    assert parse_chunk(as_json(raw)) == chunk(raw, choice(content="a"))
    assert parse_completion(as_json(raw)) == chunk(raw, choice(content="b"))


@pytest.mark.fact(
    "2.4/message-tool-calls",
    "3.4/tool-calls",
    "6.3/all-arguments-in-one-delta",
    "6.3/index-missing",
    "6.3/ids-functions-name-idx-must",
    "6.3/invalid-or-cut-json-arguments",
    "6.3/nested-values-double-encoded",
    "6.3/arguments-as-object-not-string",
)
@pytest.mark.parametrize(("calls", "expected"), CALLS.values(), ids=CALLS)
def test_tool_calls(calls: list[JSON], expected: tuple[ToolCallPiece, ...]) -> None:
    raw = at(delta={"tool_calls": calls})
    assert parse_chunk(as_json(raw)) == chunk(raw, choice(calls=expected))


@pytest.mark.parametrize(
    ("read", "key"),
    [(parse_chunk, "message"), (parse_completion, "message"), (parse_completion, "delta")],
)
@pytest.mark.parametrize(("calls", "expected"), CALLS.values(), ids=CALLS)
def test_in_a_whole_message_the_place_of_a_call_stands_for_a_missing_index(
    read: Reader, key: str, calls: list[JSON], expected: tuple[ToolCallPiece, ...]
) -> None:
    placed = tuple(
        msgspec.structs.replace(piece, index=place if piece.index is None else piece.index)
        for place, piece in enumerate(expected)
    )
    raw = at(**{key: {"tool_calls": calls}})
    in_message = (read, key) == (parse_chunk, "message")
    assert read(as_json(raw)) == chunk(raw, choice(calls=placed, in_message=in_message))


@pytest.mark.fact(
    "1.4/choices-finish-reason",
    "1.4/choices-logprobs",
    "1.4/finish-placement",
    "2.4/choices-native-finish-reason",
    "2.4/logprobs",
    "3.4/finish-reason",
)
@pytest.mark.parametrize(("choices", "expected"), CHOICES.values(), ids=CHOICES)
def test_choices(choices: list[JSON], expected: tuple[ChunkChoice, ...]) -> None:
    raw = {"choices": choices}
    assert parse_chunk(as_json(raw)) == chunk(raw, *expected)


@pytest.mark.fact(
    "1.4/usage-prompt-tokens-details",
    "1.4/usage-completion-tokens-details",
    "2.4/usage-completion-tokens-details",
    "2.4/usage-prompt-tokens-details",
    "3.4/usage",
)
@each_reader
@pytest.mark.parametrize(("usage", "expected"), USAGES.values(), ids=USAGES)
def test_usage(read: Reader, usage: object, expected: Usage | None) -> None:
    raw = {"choices": [], "usage": usage}
    assert read(as_json(raw)) == chunk(raw, usage=expected)


@pytest.mark.fact(
    "1.3/stream-options-include-usage",
    "1.4/usage",
    "3.4/usage",
    "6.2/usage-only-in-choices-0",
    "6.2/choices-missing-null-or",
)
@pytest.mark.parametrize("raw", USAGE_PLACES.values(), ids=USAGE_PLACES)
def test_the_place_of_usage(raw: JSON) -> None:
    empty = [choice(place) for place in range(len(raw.get("choices") or []))]
    assert parse_chunk(as_json(raw)) == chunk(raw, *empty, usage=Usage(**COUNTED))


@pytest.mark.fact(
    "1.4/id",
    "1.4/system-fingerprint",
    "2.4/id",
    "2.4/logprobs",
    "2.4/service-tier-system-fingerprint",
    "3.4/id",
)
@each_reader
@pytest.mark.parametrize(("head", "expected"), HEADS.values(), ids=HEADS)
def test_head(
    read: Reader, head: JSON, expected: tuple[str | None, str | None, int | None]
) -> None:
    raw = {**head, "choices": []}
    assert read(as_json(raw)) == Chunk(*expected, (), None, as_json(raw))


@pytest.mark.fact("6.1/blank-padding-before-a-json")
@each_reader
@pytest.mark.parametrize(("data", "content"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_character_loses_nothing_else(read: Reader, data: bytes, content: str) -> None:
    chunk = read(data)
    assert isinstance(chunk, Chunk)
    assert chunk.choices == (choice(content=content),)


@each_provider
@pytest.mark.parametrize("data", [b"[DONE]", b" [DONE]", b"[DONE] \r\n"])
def test_done(provider: Provider, data: bytes) -> None:
    assert provider.parse_chunk(data) is DONE


def refusal(read: Callable[[bytes], object], data: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        read(data)
    return caught.value.message


@each_provider
@pytest.mark.parametrize("data", NO_OBJECT.values(), ids=NO_OBJECT)
def test_what_is_no_object_is_refused_without_being_quoted(provider: Provider, data: bytes) -> None:
    problem = f"is not a JSON object ({len(data)} bytes)"
    assert refusal(provider.parse_chunk, data) == f"an event of the stream {problem}"
    assert refusal(provider.parse_completion, data) == f"the body of the reply {problem}"


@each_provider
@pytest.mark.parametrize(("raw", "place", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_refused_without_being_quoted(
    provider: Provider, raw: JSON, place: str, problem: str
) -> None:
    expected = f"{place} of the reply should be {problem}"
    assert refusal(provider.parse_chunk, as_json(raw)) == expected


@pytest.mark.parametrize("body", [{}, {"choices": None}, {"choices": {}}, {"choices": ""}], ids=str)
def test_a_body_without_choices_is_refused(body: JSON) -> None:
    problem = "the body of the reply holds neither choices nor an error"
    assert refusal(parse_completion, as_json(body)) == problem
    assert refusal(parse_completion, b"[DONE]").endswith("is not a JSON object (6 bytes)")


@pytest.mark.parametrize("raw", ERROR_OBJECTS.values(), ids=ERROR_OBJECTS)
def test_an_error_object_is_neither_chunk_nor_body(raw: JSON) -> None:
    assert [read(as_json(raw)) for read in READERS] == [None, None]


@pytest.mark.fact("6.4/data-error-under-200-object")
@each_provider
@pytest.mark.parametrize("raw", ERROR_OBJECTS.values(), ids=ERROR_OBJECTS)
def test_an_error_object_is_raised_by_the_adapter(provider: Provider, raw: JSON) -> None:
    for read in (provider.parse_chunk, provider.parse_completion):
        with pytest.raises(APIError) as caught:
            read(as_json(raw))
        assert (caught.value.status, caught.value.body) == (200, raw)
        assert caught.value.provider == provider.name


@pytest.mark.parametrize(
    "raw",
    [
        at(delta={"content": "a"}, finish_reason="stop") | {"error": {"message": "no"}},
        at(delta={"content": "a"}, finish_reason="stop", error={"message": "no"}),
    ],
    ids=["beside-the-choices", "in-a-choice"],
)
def test_an_error_beside_text_is_a_chunk_that_has_failed(raw: JSON) -> None:
    """The text is kept, no choice is finished, and the error can be read from the same object."""
    for read in READERS:
        said = read(as_json(raw))
        assert isinstance(said, Chunk)
        assert (said.choices, said.failed) == ((choice(content="a"),), True)
        assert ADAPTERS[0].parse_error_object(said.data).message == "no"


HALF = (
    b'{"choices":[{"delta":{"content":"a\\ud83d","tool_calls":[{"function":{"arguments":%b}}]}}]}'
)


@each_reader
def test_a_half_of_a_character_is_kept_for_its_other_half(read: Reader) -> None:
    said = read(HALF.replace(b"%b", b'"\\ud83d"'))
    assert isinstance(said, Chunk)
    (cut,) = said.choices
    assert (cut.content, cut.tool_calls[0].arguments, cut.has_halves) == ("a\ud83d", "\ud83d", True)


@each_reader
def test_a_half_of_a_character_in_arguments_that_are_an_object(read: Reader) -> None:
    said = read(HALF.replace(b"%b", b'{"a": "\\ud83d"}'))
    assert isinstance(said, Chunk)
    assert said.choices[0].tool_calls[0].arguments == '{"a":"\ud83d"}'


def test_a_half_of_a_character_elsewhere_is_one_replacement_character() -> None:
    data = b'{"id":"\\ud83d","choices":[{"delta":{},"finish_reason":"\\udca5","logprobs":{"a":"\\ud83d"}}]}'
    said = parse_any(data)
    assert isinstance(said, Chunk)
    (cut,) = said.choices
    assert (said.id, cut.finish_reason, cut.logprobs) == ("\ufffd", "\ufffd", {"a": "\ufffd"})


@pytest.mark.parametrize("digits", ["6", "-0", "1.50", "1E5", "0.0", "12345678901234567890"])
def test_a_number_instead_of_a_text_is_its_digits_as_sent(digits: str) -> None:
    for beside in ("1", "NaN"):  # the second one is not JSON, and hosts send it
        data = f'{{"choices":[{{"delta":{{"content":{digits},"odd":{beside}}}}}]}}'.encode()
        said = parse_any(data)
        assert isinstance(said, Chunk)
        assert said.choices == (choice(content=digits),)


@pytest.mark.parametrize("beside", NO_ERROR.values(), ids=NO_ERROR)
def test_choices_are_read_beside_what_is_no_error(beside: JSON) -> None:
    raw = at(delta={"content": "a"}) | beside
    assert parse_chunk(as_json(raw)) == chunk(raw, choice(content="a"))


@pytest.mark.parametrize("raw", NOTHING.values(), ids=NOTHING)
def test_an_object_that_says_nothing_is_an_empty_chunk(raw: JSON) -> None:
    assert parse_chunk(as_json(raw)) == chunk(raw)


@pytest.mark.parametrize("raw", STRAY.values(), ids=STRAY)
def test_an_object_that_is_no_chunk_is_told_from_one(raw: JSON) -> None:
    assert parse_chunk(as_json(raw)) == msgspec.structs.replace(chunk(raw), stray=True)


@pytest.mark.parametrize("holder", ["delta", "message"])
def test_an_error_inside_a_delta_is_a_choice_that_has_failed(holder: str) -> None:
    raw = at(**{holder: {"content": "a", "error": {"message": "no"}}}, finish_reason="stop")
    said = choice(content="a", in_message=holder == "message")
    expected = msgspec.structs.replace(chunk(raw, said), failed=True)
    assert parse_chunk(as_json(raw)) == expected


# Whole replies.


def counts(prompt: int, completion: int, cached: int | None = None) -> Usage:
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        cached_tokens=cached,
    )


def stream(provider: Provider, body: bytes) -> list[Chunk | Done]:
    """Read the events of a stream, each of which has one ``data:`` line."""
    return [provider.parse_chunk(line.removeprefix(b"data: ")) for line in body.splitlines()[::2]]


STREAMED: dict[str, list[ChunkChoice | Usage]] = {
    "acedata_k2.5": [
        choice(content=""),
        choice(content=" Hi", reasoning="ok. "),
        choice(content="!", finish="stop"),
        counts(3, 2),
    ],
    "acedata_k3": [
        choice(reasoning="ok"),
        choice(content="Hi"),
        choice(finish="stop"),
        counts(3, 2),
    ],
    "moonshot_tool_call": [
        choice(calls=(piece(0, "f", "", id="call_1", type="function"),)),
        choice(calls=(piece(0, None, "{}"),)),
        choice(finish="tool_calls"),
        counts(3, 2, cached=0),
        counts(3, 2, cached=0),
    ],
}


@pytest.mark.fact("1.4/object-created-model", "1.4/system-fingerprint", "3.4/tool-calls")
@each_provider
@pytest.mark.parametrize(("name", "expected"), STREAMED.items(), ids=STREAMED)
def test_synthetic_streams(
    provider: Provider, name: str, expected: list[ChunkChoice | Usage]
) -> None:
    said: list[ChunkChoice | Usage] = []
    *chunks, done = stream(provider, (STREAMS / f"{name}.sse").read_bytes())
    for chunk in chunks:
        assert isinstance(chunk, Chunk)
        raw = json.loads(chunk.data)
        assert (chunk.id, chunk.model) == (raw["id"], raw["model"])
        said += chunk.choices
        said += [] if chunk.usage is None else [chunk.usage]
    assert said == expected
    assert done is DONE


@pytest.mark.parametrize(
    ("name", "content", "thought"),
    [
        (
            "acedata/stream_reasoning_ko",
            " 안녕하세요! 어떻게 도와드릴까요 오늘?",
            (" 그 사용자가 ", " 도와드릴까요. ", 324),
        ),
        (
            "acedata/stream_reasoning_ja",
            " こんにちは!どのようにお手伝い できますか?",
            (" それ ユーザーが", "できるか。 ", 299),
        ),
    ],
)
def test_recorded_streams(name: str, content: str, thought: tuple[str, str, int]) -> None:
    *chunks, done = stream(ADAPTERS[0], recording(name))
    said: list[ChunkChoice] = []
    for chunk in chunks:
        assert isinstance(chunk, Chunk)
        head = (chunk.id, chunk.model, chunk.created)
        assert head == ("chatcmpl-952dd5e75583c4d1", "kimi-k2.5", 1770992031)
        assert chunk.usage == (counts(9, 135) if chunk is chunks[-1] else None)
        said += chunk.choices
    reasoning = "".join(choice.reasoning or "" for choice in said)
    begin, end, _ = thought
    assert (reasoning[: len(begin)], reasoning[-len(end) :], len(reasoning)) == thought
    assert "".join(choice.content or "" for choice in said) == content
    assert said[0] == choice(content="")
    assert [choice.finish_reason for choice in said] == [None] * 15 + ["stop"]
    assert done is DONE


@pytest.mark.fact(
    "1.4/message-reasoning-content-message-reasoning",
    "2.4/choices-message-content",
    "2.4/choices-finish-reason",
    "2.4/service-tier-system-fingerprint",
    "2.4/usage-cache-creation-input-tokens",
)
@each_provider
@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("acedata/chat_hello", counts(9, 184)),
        ("acedata/chat_hello_ja", counts(9, 184)),
        ("acedata/chat_multi_turn", counts(28, 235)),
        ("cloudsway/chat_after_tool", counts(59, 258, cached=0)),
        ("cloudsway/chat_partial", counts(87, 257, cached=0)),
        ("cloudsway/chat_json_object", counts(212, 32)),
    ],
)
def test_recorded_bodies(provider: Provider, name: str, usage: Usage) -> None:
    raw = json.loads(recording(name))
    message = raw["choices"][0]["message"]
    said = choice(content=message["content"], reasoning=message["reasoning_content"], finish="stop")
    expected = Chunk(raw["id"], raw["model"], raw["created"], (said,), usage, recording(name))
    assert provider.parse_completion(recording(name)) == expected


@pytest.mark.fact("2.4/message-tool-calls", "2.4/choices-finish-reason")
def test_recorded_tool_call() -> None:
    body = ADAPTERS[1].parse_completion(recording("cloudsway/chat_tool_call"))
    called = piece(
        0,
        "get_distance",
        '{"location1": "北京", "location2": "上海"}',
        id="get_distance:0",
        type="function",
    )
    content = "我来帮您计算北京和上海之间的直线距离。"
    assert body.choices == (choice(content=content, calls=(called,), finish="tool_calls"),)
    assert (body.id, body.model) == ("chatcmpl-68770593a58dcb3e99966225", "kimi-k2-0711-preview")
    assert (body.created, body.usage) == (1752630675, counts(83, 33))
    call = ToolCall(id=called.id, name="get_distance", arguments=called.arguments or "")
    assert call.parse() == {"location1": "北京", "location2": "上海"}
