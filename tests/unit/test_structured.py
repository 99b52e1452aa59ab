"""Structured output: the request, the value, repairs, and partial values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from fake_host import FakeHost
from structured_answers import (
    ADA,
    ADAPTERS,
    BY_SCHEMA,
    FORMATS,
    JSON_MODE,
    SCHEMA,
    WRONG,
    Struct,
    client_of,
)

import kimi_async as kimi
from kimi_async import OutputError, tools
from kimi_async.testing import ErrorReply, FakeProvider, FakeToolCall, Reply
from kimi_async.testing._completion import dump

pytestmark = pytest.mark.anyio


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


WORDS = (
    "Answer with one JSON object and nothing else: no other text, no Markdown fence. It must fit this JSON Schema:\n"
    + msgspec.json.encode(SCHEMA).decode()
)
RIGHT = Reply(dump(ADA))
PROBLEM = "Expected `int`, got `str` - at `$.age`"
AGAIN = (
    f"This answer does not fit: {PROBLEM}.\n"
    "Answer again with the whole JSON, corrected, and nothing else."
)


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
        ({"into": (int,)}, "no JSON Schema can be made: into= is not a type"),
        ({"into": ClassVar[int]}, "no JSON Schema can be made: into= is not a type"),
        ({"into": ""}, "no JSON Schema can be made: into= is not a type"),
        ({"into": "\ud800"}, "no JSON Schema can be made: into= is not a type"),
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
        *("value", "class", "two-structs", "tuple", "class-var", "no-name", "no-utf-8"),
        *("format", "negative", "text", "no-message"),
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
