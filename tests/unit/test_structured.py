"""Structured output: the request, the value, repairs, and partial values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from fake_host import USAGE, FakeHost, break_at_once, delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, OutputError, Provider, structured, tools
from kimi_async.structured import Parsed
from kimi_async.testing import ErrorReply, FakeProvider, FakeToolCall, FakeTransport, Reply
from kimi_async.testing._completion import dump

pytestmark = pytest.mark.anyio


class Struct(msgspec.Struct):
    name: str
    age: int


class Other(msgspec.Struct):
    name: str


@attrs.frozen
class Attrs:
    name: str
    age: int


@dataclass
class Data:
    name: str
    age: int


class Typed(TypedDict):
    name: str
    age: int


class Model(pydantic.BaseModel):
    name: str
    age: Annotated[int, pydantic.Field(ge=0)]


ADA: dict[str, Any] = {"name": "Ada", "age": 36}
SCHEMA = {
    "title": "Struct",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
WORDS = (
    "Answer with one JSON object and nothing else: no other text, no Markdown fence. It must fit this JSON Schema:\n"
    + msgspec.json.encode(SCHEMA).decode()
)
RIGHT = Reply(dump(ADA))
WRONG = Reply('{"name": "Ada", "age": "old"}', "Hm.")
PROBLEM = "Expected `int`, got `str` - at `$.age`"
AGAIN = (
    f"This answer does not fit: {PROBLEM}.\n"
    "Answer again with the whole JSON, corrected, and nothing else."
)


def without_json_mode(fake: FakeProvider) -> Provider:
    provider = fake.compatible()
    return attrs.evolve(provider, capabilities=provider.capabilities.override(json_object=False))


ADAPTERS: dict[str, Callable[[FakeProvider], Provider]] = {
    "acedata": lambda fake: fake.acedata(),
    "cloudsway": lambda fake: fake.cloudsway(),
    "moonshot": lambda fake: fake.moonshot(),
    "compatible": lambda fake: fake.compatible(),
    "without-json-mode": without_json_mode,
}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
JSON_MODE = {"type": "json_object"}
FORMATS = {
    "acedata": BY_SCHEMA,
    "cloudsway": JSON_MODE,
    "moonshot": BY_SCHEMA,
    "compatible": JSON_MODE,
    "without-json-mode": None,
}


def client_of(fake: FakeProvider, provider: str = "acedata") -> AsyncKimi:
    return AsyncKimi(ADAPTERS[provider](fake), model="kimi-k3")


def opening(provider: str) -> list[dict[str, Any]]:
    """Return the message with the schema that is sent before the question."""
    return [] if FORMATS[provider] is BY_SCHEMA else [{"role": "system", "content": WORDS}]


# Requests


@pytest.mark.parametrize("wire", ["stream", "json"], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", ADAPTERS)
async def test_the_schema_goes_where_the_model_takes_it(provider: str, wire: kimi.Wire) -> None:
    async with FakeProvider([RIGHT]) as fake, client_of(fake, provider) as client:
        parsed = await client.parse("Who?", into=Struct, wire=wire, seed=7)
        (request,) = fake.requests
    assert parsed.value == Struct("Ada", 36)
    assert request.body.get("response_format") == FORMATS[provider]
    assert request.body["messages"] == [*opening(provider), {"role": "user", "content": "Who?"}]
    assert (request.body["stream"], request.body["seed"]) == (wire == "stream", 7)


LISTED = {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
DYNAMIC = {"role": "system", "tools": []}


@pytest.mark.parametrize(
    ("messages", "first"),
    [
        ([kimi.user("Hi")], WORDS),
        ([kimi.system("Be brief."), kimi.user("Hi")], f"Be brief.\n\n{WORDS}"),
        ([{"role": "system", "content": "Be brief."}], f"Be brief.\n\n{WORDS}"),
        ([LISTED], [{"type": "text", "text": "Be brief."}, {"type": "text", "text": WORDS}]),
        (
            [kimi.system([{"type": "text", "text": "Be brief."}])],
            [{"type": "text", "text": "Be brief."}, {"type": "text", "text": WORDS}],
        ),
        ([DYNAMIC, kimi.user("Hi")], WORDS),
        ([kimi.user("Hi"), kimi.system("Be brief.")], WORDS),
    ],
    ids=["none", "value", "dict", "parts", "value-of-parts", "says-nothing", "not-in-front"],
)
async def test_words_go_into_the_leading_system_message(messages: Any, first: object) -> None:
    async with FakeProvider([RIGHT]) as fake, client_of(fake, "cloudsway") as client:
        before = list(messages)
        await client.parse(messages, into=Struct, checks="off")
        sent = fake.requests[0].body["messages"]
    assert sent[0] == {"role": "system", "content": first}
    assert messages == before
    is_longer = first != WORDS
    assert len(sent) == len(messages) + (not is_longer)


# Values


@pytest.mark.parametrize(
    ("into", "answer", "value"),
    [
        (Struct, ADA, Struct("Ada", 36)),
        (Attrs, ADA, Attrs("Ada", 36)),
        (Data, ADA, Data("Ada", 36)),
        (Typed, ADA, ADA),
        (Model, ADA, Model(name="Ada", age=36)),
        (dict, ADA, ADA),
        (dict[str, int], {"a": 1}, {"a": 1}),
    ],
    ids=["struct", "attrs", "dataclass", "typed-dict", "pydantic", "dict", "dict-of-ints"],
)
async def test_types_of_objects(into: type[Any], answer: object, value: object) -> None:
    async with FakeProvider([Reply(dump(answer))]) as fake, client_of(fake) as client:
        parsed = await client.parse("Who?", into=into)
        schema = fake.requests[0].body["response_format"]["json_schema"]["schema"]
    assert (parsed.value, type(parsed.value)) == (value, type(value))
    assert schema["type"] == "object"
    assert "value" not in schema.get("properties", {})


@pytest.mark.parametrize(
    ("into", "answer", "value", "schema"),
    [
        (int, 3, 3, {"type": "integer"}),
        (list[int], [1, 2], [1, 2], {"type": "array", "items": {"type": "integer"}}),
        (Literal["a", "b"], "a", "a", {"type": "string", "enum": ["a", "b"]}),
        (int | None, None, None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (
            list[Struct],
            [ADA],
            [Struct("Ada", 36)],
            {"type": "array", "items": {"$ref": "#/$defs/Struct"}},
        ),
        (
            Model | None,
            ADA,
            Model(name="Ada", age=36),
            {"anyOf": [tools.moonshot_schema(Model.model_json_schema()), {"type": "null"}]},
        ),
    ],
    ids=["int", "list", "literal", "optional", "list-of-structs", "optional-model"],
)
@pytest.mark.parametrize("provider", ["acedata", "cloudsway"])
async def test_other_types_are_wrapped(
    into: Any, answer: object, value: object, schema: dict[str, Any], provider: str
) -> None:
    script = [Reply(dump({"value": answer}))]
    async with FakeProvider(script) as fake, client_of(fake, provider) as client:
        assert (await client.parse("Which?", into=into)).value == value
        body = fake.requests[0].body
    asked = (
        body["response_format"]["json_schema"]["schema"]
        if provider == "acedata"
        else msgspec.json.decode(body["messages"][0]["content"].partition("\n")[2])
    )
    inner = dict(asked["properties"]["value"])
    inner.pop("title", None)
    assert (inner, asked["required"]) == (schema, ["value"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"into": object()}, "no JSON Schema can be made"),
        ({"into": FakeHost}, "no JSON Schema can be made"),
        ({"into": Struct | FakeHost}, "no JSON Schema can be made"),
        ({"into": Struct, "response_format": JSON_MODE}, "leave it out"),
        ({"into": Struct, "repairs": -1}, "repairs must be a whole number from 0, not -1"),
        ({"into": Struct, "repairs": "1"}, "repairs must be a whole number from 0, not '1'"),
        ({"into": Struct, "messages": []}, "at least one message"),
        ({"into": Struct, "temprature": 1}, "did you mean 'temperature'"),
        ({"into": Struct, "wire": 1}, 'wire must be "stream" or "json"'),
        (
            {"into": Struct, "messages": [kimi.assistant("{", partial=True)]},
            "not for the rest of a prefix",
        ),
    ],
    ids=[
        *("value", "class", "two-structs", "format", "negative", "text", "no-message"),
        *("misspelled", "stream", "partial"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    changes: dict[str, Any], message: str
) -> None:
    host = FakeHost()
    given: dict[str, Any] = {"messages": "Hi", **changes}
    with pytest.raises(kimi.ConfigurationError, match=message):
        await host.client().parse(**given)
    assert host.requests == []


# Repairs


@pytest.mark.parametrize("wire", ["stream", "json"], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", ADAPTERS)
async def test_an_answer_that_does_not_fit_is_shown_to_the_model(
    provider: str, wire: kimi.Wire
) -> None:
    async with FakeProvider([WRONG, RIGHT]) as fake, client_of(fake, provider) as client:
        parsed = await client.parse([kimi.user("Who?")], into=Struct, wire=wire, max_tokens=99)
        first, second = (request.body for request in fake.requests)
    assert parsed.value == Struct("Ada", 36)
    assert [each.error for each in parsed.rounds] == [PROBLEM, None]
    assert [each.completion.text for each in parsed.rounds] == [WRONG.content, RIGHT.content]
    assert parsed.completion is parsed.rounds[-1].completion
    assert parsed.usage == kimi.Usage(prompt_tokens=18, completion_tokens=24, total_tokens=42)
    key = "reasoning" if provider in {"compatible", "without-json-mode"} else "reasoning_content"
    assert second.pop("messages") == [
        *first.pop("messages"),
        {"role": "assistant", "content": WRONG.content, key: "Hm."},
        {"role": "user", "content": AGAIN},
    ]
    assert second == first


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("No idea.", "Expecting value: line 1 column 1 (char 0)"),
        ('{"name": "Ada"}', "Object missing required field `age`"),
        ("[]", "Expected `object`, got `array`"),
        ("", "Expecting value: line 1 column 1 (char 0)"),
    ],
    ids=["prose", "missing", "array", "empty"],
)
async def test_what_the_model_is_told(answer: str, problem: str) -> None:
    async with FakeProvider([Reply(answer), RIGHT]) as fake, client_of(fake) as client:
        parsed = await client.parse("Who?", into=Struct)
        *_, told = fake.requests[1].body["messages"]
    assert parsed.rounds[0].error == problem
    assert told["content"].startswith(f"This answer does not fit: {problem}.\n")
    # A message that says nothing would be refused.
    said = [message["role"] for message in fake.requests[1].body["messages"]]
    assert said == (["user", "assistant", "user"] if answer else ["user", "user"])


@pytest.mark.parametrize("repairs", [0, 1, 3])
async def test_repairs_end(repairs: int) -> None:
    async with FakeProvider([WRONG] * (repairs + 1)) as fake, client_of(fake) as client:
        with pytest.raises(OutputError) as caught:
            await client.parse("Who?", into=Struct, repairs=repairs)
    assert len(fake.requests) == repairs + 1
    error = caught.value
    assert error.message == f"the reply is not what was asked for: {PROBLEM}"
    assert error.text == WRONG.content
    assert error.partial is not None
    assert error.partial.text == WRONG.content
    assert error.record is error.partial.record
    assert error.provider == "acedata"
    assert (error.__cause__, error.__context__) == (None, None)


NO_ANSWERS = {
    "length": (Reply('{"name": "A', finish_reason="length"), "the output limit cut it"),
    "length-behind-it": (Reply(dump(ADA), finish_reason="length"), "the output limit cut it"),
    "content-filter": (Reply("{", finish_reason="content_filter"), "a content filter stopped it"),
    "refusal": (Reply(refusal="No."), "the model refused"),
    "budget": (Reply(None, "Hm.", finish_reason="length"), "used up by thinking"),
    "only-thinking": (Reply(None, "Hm."), "there is no answer, only thinking"),
    "tool": (Reply("{}", tool_calls=[FakeToolCall("f", {})]), "the model called a tool"),
    "other": (Reply(dump(ADA), finish_reason="tired"), "the unknown reason 'tired'"),
}


@pytest.mark.parametrize(("reply", "message"), NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_a_reply_that_is_no_answer_is_not_repaired(reply: Reply, message: str) -> None:
    async with FakeProvider([reply, reply]) as fake, client_of(fake) as client:
        with pytest.raises(OutputError, match=message) as caught:
            await client.parse("Who?", into=Struct)
        assert len(fake.requests) == 1
        async with client.stream_parse("Who?", into=Struct) as stream:
            with pytest.raises(OutputError, match=message):
                await stream.final()
    assert caught.value.text == (reply.content or "")
    assert caught.value.partial is not None
    assert caught.value.partial.finish_reason == reason_of(reply)


def reason_of(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


async def test_a_request_that_fails_is_no_round() -> None:
    async with FakeProvider([WRONG, ErrorReply(401)]) as fake, client_of(fake) as client:
        with pytest.raises(kimi.AuthenticationError):
            await client.parse("Who?", into=Struct)


async def test_the_request_is_checked_once() -> None:
    """The answer of the model is sent back unchanged, and the caller was already warned about the messages."""
    async with FakeProvider([WRONG, RIGHT]) as fake, client_of(fake) as client:
        with pytest.warns(kimi.KimiWarning, match="stop-limit") as caught:
            await client.parse("Who?", into=Struct, stop=list("abcde"))
    assert (len(fake.requests), len(caught)) == (2, 1)


# Partial values


@pytest.mark.parametrize("provider", ADAPTERS)
async def test_values_grow(provider: str) -> None:
    async with FakeProvider([Reply(dump(ADA), "Hm.")]) as fake, client_of(fake, provider) as client:
        async with client.stream_parse("Who?", into=Struct) as stream:
            assert repr(stream) == "<ParsedStream of <ChatStream running>>"
            values = [dict(value) async for value in stream]
            parsed = await stream.final()
            assert await stream.final() == parsed
        assert stream.stream.record is not None
    assert values[0] == {}
    assert {"name": "Ada"} in values
    assert values[-1] == ADA
    assert parsed.value == Struct("Ada", 36)
    assert [each.error for each in parsed.rounds] == [None]
    assert (parsed.completion.reasoning, parsed.usage) == ("Hm.", parsed.completion.usage)
    assert fake.requests[0].body.get("response_format") == FORMATS[provider]


def streamed(*pieces: str, finish: str = "stop") -> bytes:
    return sse(*map(delta, pieces), delta(finish=finish), USAGE, "[DONE]")


@pytest.mark.parametrize("provider", ["acedata", "cloudsway"])
async def test_a_fence_around_the_whole_answer_is_taken_off(provider: str) -> None:
    script = [Reply(f"```json\n{dump(ADA)}\n```\n"), Reply(f"\n```\n{dump({'value': 3})}```")]
    async with FakeProvider(script) as fake, client_of(fake, provider) as client:
        parsed = await client.parse("Who?", into=Struct, repairs=0)
        assert (parsed.value, len(parsed.rounds)) == (Struct("Ada", 36), 1)
        async with client.stream_parse("How many?", into=int) as stream:
            shown = [value async for value in stream]
            assert (await stream.final()).value == 3
    assert set(shown) == {3}


@pytest.mark.parametrize(
    ("into", "pieces", "values"),
    [
        (
            Struct,
            ("``", '`json\n{"name": "`', "`", 'a", ', '"age": 3}\n``', "`\n"),
            ["", "", "``a", "``a", "``a"],
        ),
        (list[str], ('{"val', 'ue": ', '["a', 'b"', "]}"), [["a"], ["ab"], ["ab"]]),
        (int, ('{"value": 1', "2", "}"), [12]),
        (int | None, ('{"value": ', "null", "}"), [None, None]),
        (Struct, (" ", '{"name": "\\ud83d', '\\ude00"', ', "age": 3}'), ["", "😀", "😀"]),
    ],
    ids=["fence", "list", "number", "null", "blank-and-half-an-emoji"],
)
async def test_only_what_is_certain_is_shown(
    into: Any, pieces: tuple[str, ...], values: list[Any]
) -> None:
    stream = FakeHost([streamed(*pieces)]).client().stream_parse("Hi", into=into)
    assert stream.value is None
    seen: list[Any] = []
    async for value in stream:
        assert value is stream.value
        match value:
            case {"name": name}:
                seen.append(name)
            case list():
                seen.append(list(value))
            case _:
                seen.append(value)
    assert seen == values


async def test_another_choice_is_not_shown() -> None:
    other = '{"choices":[{"index":1,"delta":{"content":"no JSON"},"finish_reason":"stop"}]}'
    body = sse(other, delta(dump(ADA)), delta(finish="stop"))
    stream = FakeHost([body]).client().stream_parse("Hi", into=Struct)
    assert [value async for value in stream] == [ADA]


async def test_events_come_in_place_of_values() -> None:
    body = sse(delta(reasoning_content="Hm."), delta('{"name": "A'), delta('da", "age": 36}'))
    host = FakeHost([body, streamed()])
    async with host.client().stream_parse("Hi", into=Struct) as stream:
        seen = [
            (type(event).__name__, dict(stream.value or {}))
            async for event in stream.events()
            if isinstance(event, (kimi.ReasoningDelta, kimi.ContentDelta))
        ]
        parsed = await stream.final()
    assert seen == [
        ("ReasoningDelta", {}),
        ("ContentDelta", {"name": "A"}),
        ("ContentDelta", ADA),
    ]
    assert parsed.value == Struct("Ada", 36)


async def test_values_and_events_take_from_one_stream() -> None:
    host = FakeHost([streamed('{"name": "A', 'da", ', '"age": 36}')])
    async with host.client().stream_parse("Hi", into=Struct) as stream:
        await break_at_once(stream)
        await break_at_once(stream.events())
        assert stream.value == {"name": "Ada"}
        assert (await stream.final()).value == Struct("Ada", 36)
        assert [value async for value in stream] == []


@pytest.mark.parametrize("events", [False, True], ids=["values", "events"])
async def test_text_that_no_json_begins_like(events: bool) -> None:
    host = FakeHost([streamed('{"name": ', "Ada")])
    async with host.client().stream_parse("Hi", into=Struct) as stream:
        for _ in range(2):
            with pytest.raises(OutputError, match="expected a value at character 9") as caught:
                async for _ in stream.events() if events else stream:
                    pass
            assert caught.value.text == '{"name": Ada'
            assert caught.value.partial is not None
            assert caught.value.provider == "acedata"
        with pytest.raises(OutputError, match="Expecting value") as caught:
            await stream.final()
        assert caught.value.text == '{"name": Ada'
    assert len(host.requests) == 1


async def test_a_value_that_does_not_fit_is_not_repaired_in_a_stream() -> None:
    async with FakeProvider([WRONG]) as fake, client_of(fake) as client:
        async with client.stream_parse("Who?", into=Struct) as stream:
            values = [dict(value) async for value in stream]
            with pytest.raises(OutputError, match="Expected `int`, got `str`") as caught:
                await stream.final()
    assert values[-1] == {"name": "Ada", "age": "old"}
    assert caught.value.text == WRONG.content
    assert len(fake.requests) == 1


async def test_a_stream_that_breaks_says_so() -> None:
    cut = Reply(dump(ADA), cut_after=2, end="reset")
    async with FakeProvider([cut]) as fake, client_of(fake) as client:
        async with client.stream_parse("Who?", into=Struct) as stream:
            with pytest.raises(kimi.StreamInterrupted):
                async for _ in stream:
                    pass
            with pytest.raises(kimi.StreamInterrupted):
                await stream.final()


async def test_leaving_gives_the_connection_back() -> None:
    host = FakeHost([streamed('{"name": "A', 'da", ', '"age": 36}')])
    client = host.client()
    async with client.stream_parse("Hi", into=Struct) as stream:
        await break_at_once(stream)
        assert client.in_flight == 1
    await stream.aclose()
    assert (client.in_flight, host.bodies[0].closed) == (0, 1)
    assert stream.stream.record is not None
    assert stream.stream.record.outcome == "cancelled"


async def test_nothing_is_sent_until_it_is_read_and_bad_questions_are_refused_at_once() -> None:
    host = FakeHost([streamed(dump(ADA))])
    client = host.client()
    with pytest.raises(kimi.ConfigurationError, match="no JSON Schema"):
        client.stream_parse("Hi", into=FakeHost)
    stream = client.stream_parse("Hi", into=Struct)
    assert host.requests == []
    assert (await stream.final()).value == Struct("Ada", 36)


def test_a_parsed_value_is_a_value() -> None:
    completion = kimi.ChatCompletion(provider="acedata")
    one = Parsed(value=1, completion=completion, rounds=(), usage=None)
    assert one == Parsed(value=1, completion=completion, rounds=(), usage=None)
    assert "rounds" not in repr(one)
    assert structured.ParseRound(completion) == structured.ParseRound(completion, None)


async def test_a_growing_value_begins_anew_after_a_restart() -> None:
    whole = Reply('{"name": "Ada", "age": 36}', chunk_chars=4)
    cut = Reply('{"name": "Bob", "age": 1}', chunk_chars=4, cut_after=5, end="reset")
    fake = FakeTransport([cut, whole])
    client = fake.client(retries=kimi.Retries(), on_interrupt="restart")
    stream = client.stream_parse("Who?", into=Struct)
    seen = [str(value) async for value in stream]
    assert (await stream.final()).value == Struct("Ada", 36)
    assert any("Bob" in each for each in seen)
    assert "Bob" not in seen[-1]
