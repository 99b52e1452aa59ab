"""Scripts in JSON, and the replies of a fake without a script."""

from __future__ import annotations

import json
from typing import Any

import pytest

import kimi_async as kimi
from kimi_async.testing import (
    Break,
    ContentType,
    Drip,
    DrippingHeaders,
    ErrorReply,
    Exponential,
    FakeRateLimits,
    FakeToolCall,
    FakeTransport,
    Faulty,
    HtmlPage,
    Insert,
    Latency,
    LogNormal,
    MissingDone,
    NoHeaders,
    OversizedEvent,
    RawReply,
    Recording,
    Reply,
    ReplyChoice,
    SlowHeaders,
    Stall,
    Uniform,
    script_from_json,
)
from kimi_async.testing._anything import answer_anything

pytestmark = pytest.mark.anyio

REPLIES: list[tuple[Any, Any]] = [
    ("Hello!", Reply("Hello!")),
    (
        {"reply": {"content": "Hi", "reasoning": "Hm.", "pace": 0.5, "chunk_chars": 2}},
        Reply("Hi", "Hm.", pace=0.5, chunk_chars=2),
    ),
    (
        {"reply": {"tool_calls": [{"name": "f", "arguments": {"a": 1}, "id": "f:0"}]}},
        Reply(tool_calls=[FakeToolCall("f", {"a": 1}, id="f:0")]),
    ),
    (
        {"reply": {"choices": [{"content": "A"}, {"tool_calls": [{"name": "f"}]}]}},
        Reply(choices=(ReplyChoice("A"), ReplyChoice(tool_calls=(FakeToolCall("f"),)))),
    ),
    (
        {"reply": {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}},
        Reply(usage=kimi.Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)),
    ),
    ({"reply": {"usage": None}}, Reply(usage=None)),
    (
        {"error": {"status": 429, "code": "c", "headers": {"retry-after": "2"}}},
        ErrorReply(429, "c", headers={"retry-after": "2"}),
    ),
    (
        {"raw": {"body": "data: x\n\n", "status": 201, "headers": {"a": "b"}}},
        RawReply("data: x\n\n", 201, headers={"a": "b"}),
    ),
    ({"recording": "acedata/stream_reasoning_ko"}, Recording("acedata/stream_reasoning_ko")),
    (
        {"recording": {"body": "cloudsway/stream_tool_call", "pace": 1}},
        Recording("cloudsway/stream_tool_call", pace=1),
    ),
    (
        {
            "reply": {"content": "Hi"},
            "faults": [
                {"break": {"after_event": 2, "end": "hangup"}},
                {"stall": {"seconds": 5}},
                {"drip": {"data": ": hi\n\n", "every": 1}},
                {"insert": {"data": "data: x\n\n"}},
                {"oversized_event": {"size_bytes": 100}},
                {"missing_done": {}},
                {"slow_headers": {"seconds": 1}},
                {"dripping_headers": {"times": 2}},
                {"no_headers": {"end": "reset"}},
                {"content_type": {"content_type": "a/b"}},
                {"html_page": {"status": 504}},
            ],
        },
        Faulty(
            Reply("Hi"),
            Break(after_event=2, end="hangup"),
            Stall(seconds=5),
            Drip(b": hi\n\n", every=1),
            Insert(b"data: x\n\n"),
            OversizedEvent(size_bytes=100),
            MissingDone(),
            SlowHeaders(1),
            DrippingHeaders(times=2),
            NoHeaders("reset"),
            ContentType("a/b"),
            HtmlPage(504),
        ),
    ),
]


def test_replies_as_json() -> None:
    text = json.dumps({"replies": [written for written, _ in REPLIES], "repeat": False})
    assert script_from_json(text).script == [reply for _, reply in REPLIES]


def test_settings_as_json() -> None:
    loaded = script_from_json(
        b"""{
        "models": ["kimi-k3"],
        "answers_as": "moonshot",
        "oddities": ["no-done"],
        "honours_prefix": true,
        "rate_limits": {"concurrency": 20},
        "latency": {
            "headers": {"uniform": {"low": 0, "high": 1}},
            "first": {"log_normal": {"median": 1, "p95": 5}},
            "between": {"exponential": {"mean": 0.1}},
            "seed": 5
        }
        }"""
    )
    assert loaded.options == {
        "models": ["kimi-k3"],
        "answers_as": "moonshot",
        "oddities": ["no-done"],
        "honours_prefix": True,
        "rate_limits": FakeRateLimits(concurrency=20),
        "latency": Latency(
            headers=Uniform(0, 1), first=LogNormal(1, 5), between=Exponential(0.1), seed=5
        ),
    }
    assert script_from_json('{"latency": {"first": 2}}').options == {"latency": Latency(first=2)}


async def test_a_script_starts_again_at_its_end() -> None:
    loaded = script_from_json('{"replies": ["One", "Two"]}')
    client = FakeTransport(loaded.script, **loaded.options).client()
    texts = [(await client.chat("Hi")).text for _ in range(3)]
    assert texts == ["One", "Two", "One"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "the script is not JSON"),
        ("[]", "the script must be an object, not list"),
        ('{"replies": {}}', "replies must be a list, not dict"),
        ('{"replies": [5]}', r"replies\[0\] must be an object, not int"),
        ('{"replies": [{}]}', r"replies\[0\] is an object with one key of reply, error, raw"),
        ('{"replies": [{"reply": {}, "error": {}}]}', r"replies\[0\] is an object with one key"),
        (
            '{"replies": [{"reply": {"text": "Hi"}}]}',
            r"replies\[0\]\.reply has no field 'text'; .*content",
        ),
        (
            '{"replies": [{"reply": {"content": 5}}]}',
            r"replies\[0\]\.reply: content of Reply must be str",
        ),
        (
            '{"replies": [{"reply": {"tool_calls": [{}]}}]}',
            r"replies\[0\]\.reply\.tool_calls\[0\]: .*'name'",
        ),
        ('{"replies": [{"recording": "none"}]}', r"replies\[0\]\.recording: .*no recording 'none'"),
        (
            '{"replies": [{"reply": {}, "faults": ["stall"]}]}',
            r"replies\[0\]\.faults\[0\] is an object",
        ),
        (
            '{"replies": [{"reply": {}, "faults": [{"insert": {"data": 5}}]}]}',
            r"faults\[0\]\.insert\.data must be a text, not int",
        ),
        ('{"latency": {"first": {"normal": 1}}}', "latency.first is an object with one key"),
        ('{"rate_limits": {"concurrency": 0}}', "^rate_limits: "),
        ('{"replys": []}', "the script has no field 'replys'; there are .*replies, repeat"),
        ('{"port": 80}', "the script has no field 'port'"),
        ('{"repeat": "no"}', "repeat of ScriptFile must be True or False, not str"),
        ('{"oddities": "crlf"}', "oddities must be a sequence of str or Oddity, not str"),
        ('{"oddities": ["crfl"]}', "no oddity 'crfl'"),
        ('{"models": [5]}', r"models\[0\] must be str or ModelInfo, not int"),
        ('{"replies": [{"error": {}}]}', r"replies\[0\]\.error: .*'status'"),
        pytest.param("[" * 100_000, "the script is not JSON", id="deep"),
        (
            '{"replies": [{"reply": {}, "faults": [{"break": {"end": "x"}}]}]}',
            r"faults\[0\]\.break: end of Break must be 'finish' or .*, not 'x'",
        ),
    ],
)
def test_a_script_that_is_wrong_names_the_place(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        script_from_json(text)


# Without a script

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer"},
                "tags": {"type": "array"},
                "place": {"type": "object"},
            },
        },
    },
}
BARE: dict[str, Any] = {"type": "function", "function": {"name": "stop"}}
SCHEMA: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"b": {}}}},
}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "Hello from the fake provider. Your request has 1 message."),
        ({"response_format": {"type": "json_object"}}, "{}"),
        ({"response_format": SCHEMA}, '{"b": "example"}'),
        ({"response_format": {"type": "json_schema"}}, "{}"),
        ({"tools": [{}]}, "Hello from the fake provider. Your request has 1 message."),
        (
            {"tools": [TOOL], "tool_choice": "none"},
            "Hello from the fake provider. Your request has 1 message.",
        ),
    ],
)
async def test_any_request_gets_a_text(params: dict[str, Any], expected: str) -> None:
    client = FakeTransport(answer_anything).client(checks="off")
    assert (await client.chat("Hi", **params)).text == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 5}, 5),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": ["null", "string"]}, None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "number"}}}, 1.5),
        ({"$ref": "#/$defs/B"}, "example"),
        ({"$ref": "#/$defs/A/type/b", "$defs": {"A": {"type": "number"}}}, "example"),
        ({"$ref": "#"}, None),
        (5, "example"),
    ],
)
async def test_any_schema_gets_an_example(schema: Any, expected: object) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    client = FakeTransport(answer_anything).client(checks="off")
    reply = await client.chat("Hi", response_format=wanted)
    assert json.loads(reply.text) == expected


async def test_a_request_with_tools_gets_a_call_and_then_a_text() -> None:
    client = FakeTransport(answer_anything).client()
    reply = await client.chat("Hi", tools=[TOOL])
    assert reply.tool_calls[0].parse() == {
        "city": "example",
        "unit": "celsius",
        "days": 1,
        "tags": [],
        "place": {},
    }
    result = kimi.tool_result(reply.tool_calls[0], "sunny")
    reply = await client.chat([kimi.user("Hi"), reply.message, result], tools=[TOOL])
    assert reply.text == "Hello from the fake provider. Your request has 3 messages."
    reply = await client.chat("Hi", tools=[BARE])
    assert [(call.name, call.arguments) for call in reply.tool_calls] == [("stop", "{}")]
