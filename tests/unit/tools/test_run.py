from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from fake_host import delta, sse
from paths import DATA
from run_tools import TOOLS, asked, echo, results, run_through, say
from typing_api import describe_run

import kimi_async as kimi
from kimi_async import Message, ToolCall, Usage
from kimi_async.testing import ErrorReply, FakeProvider, FakeToolCall, Recording, Reply
from kimi_async.tools import Deny, StepEnd, StepStart, ToolResult, tool

pytestmark = pytest.mark.anyio


REQUESTS = DATA / "requests" / "cloudsway"
ARGUMENTS = '{"location1": "北京", "location2": "上海"}'
DISTANCE = FakeToolCall("get_distance", ARGUMENTS)


# A run in its order


async def test_events_come_in_their_order() -> None:
    calls = [say("a"), say("b")]
    async with FakeProvider([Reply("Wait.", tool_calls=calls), Reply("Done.")]) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            async with client.run("Hi", tools=TOOLS) as run:
                events = [event async for event in run]
                result = await run.final()
    kinds = [type(event).__name__ for event in events]
    assert kinds[:2] == ["StepStart", "StreamStart"]
    middle = kinds.index("StreamEnd")
    assert kinds[middle + 1 : middle + 6] == [
        *("ToolResult", "ToolResult", "StepEnd", "StepStart", "StreamStart")
    ]
    assert kinds[-2:] == ["StreamEnd", "StepEnd"]
    assert [event.step for event in events if isinstance(event, (StepStart, StepEnd))] == [
        1,
        1,
        2,
        2,
    ]
    told = [event for event in events if isinstance(event, ToolResult)]
    assert [(each.call.arguments, each.content, each.status) for each in told] == [
        ('{"word": "a"}', "a", "ok"),
        ('{"word": "b"}', "b", "ok"),
    ]
    assert (result.text, result.stopped, result.pending) == ("Done.", "answer", ())
    assert [each.text for each in result.completions] == ["Wait.", "Done."]
    assert result.completion is result.completions[-1]
    assert [describe_run(event) for event in events].count("result echo ok") == 2


async def test_the_first_request_is_sent_on_entering_and_refused_there() -> None:
    async with FakeProvider([ErrorReply(401)]) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            run = client.run("Hi", tools=TOOLS)
            assert fake.requests == []
            with pytest.raises(kimi.AuthenticationError):
                await run.__aenter__()
            with pytest.raises(kimi.AuthenticationError):
                await run.final()


async def test_a_run_needs_no_block_around_it() -> None:
    async with FakeProvider([Reply(tool_calls=[say("a")]), Reply("Done.")]) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            run = client.run("Hi", tools=TOOLS)
            assert repr(run) == "<ToolRun new step=0>"
            assert await anext(run) == StepStart(1)
            assert (repr(run), fake.requests) == ("<ToolRun running step=1>", [])
            async with run:  # begun already: nothing is sent twice
                result = await run.final()
            assert (await run.final(), repr(run)) == (result, "<ToolRun ended step=2>")
            with pytest.raises(StopAsyncIteration):
                await anext(run)
            await run.aclose()
    assert len(fake.requests) == 2


async def test_without_tools_it_is_one_reply() -> None:
    async with FakeProvider([Reply("Hello!")]) as fake:
        result = await run_through(fake, tools=[])
    assert (result.text, result.stopped) == ("Hello!", "answer")
    assert result.messages == (kimi.user("Hi"), Message(role="assistant", content="Hello!"))


# Requests


@pytest.mark.parametrize("wire", ["stream", "json"], ids=["streamed", "whole"])
@pytest.mark.parametrize("name", ["acedata", "cloudsway", "moonshot", "compatible"])
async def test_a_call_is_sent_back_exactly_as_it_came(name: str, wire: kimi.Wire) -> None:
    first = Reply("我来计算。", tool_calls=[DISTANCE], reasoning="")
    async with FakeProvider([first, Reply("1000 公里")]) as fake:
        provider = getattr(fake, name)()
        async with kimi.AsyncKimi(provider, model="m") as client:
            run = client.run("计算", tools=TOOLS, wire=wire, tool_choice="auto")
            result = await run.final()
    for request in fake.requests:
        assert request.body["stream"] == (wire == "stream")
        assert request.body["tool_choice"] == "auto"
        assert request.body["tools"] == [each.to_wire() for each in TOOLS]
    question, said, answer = asked(fake, 2)
    assert question == {"role": "user", "content": "计算"}
    key = "reasoning" if name == "compatible" else "reasoning_content"
    assert (said["content"], said[key]) == ("我来计算。", "")
    call = {"name": "get_distance", "arguments": ARGUMENTS}
    assert said["tool_calls"] == [{"id": "get_distance:0", "type": "function", "function": call}]
    assert answer == {
        "role": "tool",
        "content": "北京-上海: 1000",
        "tool_call_id": "get_distance:0",
        "name": "get_distance",
    }
    assert [message.to_wire() for message in result.messages[:3]] == asked(fake, 2)
    assert result.messages[3] == Message(role="assistant", content="1000 公里")


async def test_documented_messages_are_sent_through_unchanged() -> None:
    documented: dict[str, Any] = json.loads((REQUESTS / "request_tool_result.json").read_bytes())
    async with FakeProvider([Recording("cloudsway/chat_after_tool")]) as fake:
        async with kimi.AsyncKimi(fake.cloudsway()) as client:
            run = client.run(documented["messages"], rewrite_tool_ids=True)
            result = await run.final()
    assert asked(fake, 1) == documented["messages"]
    assert [message.to_wire() for message in result.messages[:-1]] == documented["messages"]
    assert result.completion.usage == result.usage
    assert (result.stopped, fake.requests[0].body.get("tools")) == ("answer", None)


async def test_the_result_can_be_gone_on_with() -> None:
    script = [Reply(tool_calls=[say("a")]), Reply("A."), Reply("B.")]
    async with FakeProvider(script) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            first = await client.run("Hi", tools=TOOLS).final()
            await client.run([*first.messages, kimi.user("And?")], tools=TOOLS).final()
    assert [message["role"] for message in asked(fake, 3)] == [
        *("user", "assistant", "tool", "assistant", "user")
    ]


# Calls over the wire


@pytest.mark.parametrize("count", [2, 5])
async def test_calls_of_one_reply_run_side_by_side(count: int) -> None:
    """None of them ends before all have begun, and the last to begin ends first."""
    begun: list[int] = []
    events = [anyio.Event() for _ in range(count)]

    @tool
    async def meet(place: int) -> int:
        begun.append(place)
        if len(begun) == count:
            events[-1].set()
        await events[place].wait()
        if place:
            events[place - 1].set()
        return place

    calls = [FakeToolCall("meet", {"place": place}) for place in range(count)]
    async with FakeProvider([Reply(tool_calls=calls), Reply("Done.")]) as fake:
        await run_through(fake, tools=[meet])
    assert results(fake, 2) == [(f"meet:{place}", str(place)) for place in range(count)]


def piece(
    index: int | None,
    arguments: str | None = None,
    *,
    id: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    given = {"index": index, "id": id}
    return {
        **{key: value for key, value in given.items() if value is not None},
        "function": {key: value for key, value in function.items() if value is not None},
    }


ODD_STREAMS: dict[str, list[list[dict[str, Any]]]] = {
    "interleaved": [
        [piece(0, "", id="a", name="echo"), piece(1, "", id="b", name="echo")],
        [piece(1, '{"word":')],
        [piece(0, '{"word":')],
        [piece(0, '"x"}'), piece(1, '"y"}')],
    ],
    "no-index": [
        [piece(None, '{"word":', id="a", name="echo")],
        [piece(None, '"x"}')],
        [piece(None, '{"word":"y"}', id="b", name="echo")],
    ],
    "index-always-0": [
        [piece(0, '{"word":"x"}', id="a", name="echo")],
        [piece(0, '{"word":"y"}', id="b", name="echo")],
    ],
    "index-from-1": [
        [piece(1, '{"word":"x"}', id="a", name="echo")],
        [piece(2, '{"word":"y"}', id="b", name="echo")],
    ],
    "arguments-before-the-name": [
        [piece(0, '{"word":', id="a")],
        [piece(0, '"x"}', name="echo")],
        [piece(1, '{"word":"y"}', id="b", name="echo")],
    ],
}


@pytest.mark.parametrize("pieces", ODD_STREAMS.values(), ids=ODD_STREAMS)
@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
async def test_odd_streams_of_calls(pieces: list[list[dict[str, Any]]], reason: str) -> None:
    chunks = [delta(tool_calls=each) for each in pieces]
    body = sse(*chunks, delta(finish=reason), "[DONE]")
    async with FakeProvider([Recording(body), Reply("Done.")]) as fake:
        await run_through(fake)
    assert results(fake, 2) == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("call", "content"),
    [
        pytest.param(
            FakeToolCall("echo", '{"word": '),
            "error: the arguments of the tool call 'echo' do not fit: Expecting value: line 1 column 10 (char 9)",
            id="invalid-JSON",
        ),
        pytest.param(
            FakeToolCall("echo", {"word": 1}),
            "error: the arguments of the tool call 'echo' do not fit: Expected `str`, got `int` - at `$.word`",
            id="misfit",
        ),
        pytest.param(
            FakeToolCall("shout", {"word": "x"}),
            "error: there is no tool 'shout'; there are: echo, failing, get_distance, hanging",
            id="unknown",
        ),
        pytest.param(FakeToolCall("failing"), "error: not today", id="failing"),
        pytest.param(
            FakeToolCall("hanging"),
            "error: the tool 'hanging' did not end within 0.01 s",
            id="slow",
        ),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(call: FakeToolCall, content: str) -> None:
    script = [Reply(tool_calls=[call, say("b")]), Reply("Sorry.")]
    async with FakeProvider(script) as fake:
        result = await run_through(fake, tool_timeout=0.01)
    assert results(fake, 2) == [(f"{call.name}:0", content), ("echo:1", "b")]
    assert (result.text, result.stopped) == ("Sorry.", "answer")


async def test_a_denied_and_a_replaced_call() -> None:
    seen: list[str] = []

    async def approve(call: ToolCall) -> bool | Deny | ToolCall:
        word: str = call.parse()["word"]
        seen.append(word)
        if word == "c":
            return ToolCall(id=None, name="echo", arguments='{"word": "C"}')
        return Deny(reason="ask first") if word == "b" else word == "a"

    calls = [say("a"), say("b"), say("c"), say("d")]
    async with FakeProvider([Reply(tool_calls=calls), Reply("Done.")]) as fake:
        result = await run_through(fake, approve=approve)
    assert seen == ["a", "b", "c", "d"]
    assert results(fake, 2) == [
        ("echo:0", "a"),
        ("echo:1", "denied: ask first"),
        ("echo:2", "C"),
        ("echo:3", "denied: this call was not allowed"),
    ]
    assert asked(fake, 2)[1]["tool_calls"][2]["function"]["arguments"] == '{"word": "c"}'
    assert result.stopped == "answer"


async def test_a_denial_can_end_the_run() -> None:
    def approve(call: ToolCall) -> bool | Deny:
        return Deny(stop=True) if call.id == "echo:0" else True

    async with FakeProvider([Reply(tool_calls=[say("a"), say("b")])]) as fake:
        result = await run_through(fake, approve=approve)
    assert (result.stopped, len(fake.requests)) == ("denied", 1)
    assert [getattr(message, "content", None) for message in result.messages[2:]] == [
        "denied: this call was not allowed",
        "b",
    ]


CUT = sse(
    delta("Half", role="assistant", tool_calls=[piece(0, '{"word": "x"}', id="a", name="echo")]),
    delta(tool_calls=[piece(1, '{"wo', id="b", name="echo")]),
)


@pytest.mark.parametrize(
    ("reason", "stopped"),
    [("length", "length"), ("content_filter", "content_filter"), ("unexpected_state", "other")],
)
async def test_no_call_of_a_reply_that_was_cut_is_run(reason: str, stopped: str) -> None:
    async with FakeProvider([Recording(CUT + sse(delta(finish=reason), "[DONE]"))]) as fake:
        result = await run_through(fake)
    assert (result.stopped, len(fake.requests)) == (stopped, 1)
    assert result.messages == (kimi.user("Hi"), Message(role="assistant", content="Half"))
    assert len(result.completion.tool_calls) == 2


async def test_what_says_nothing_without_its_calls_is_left_out() -> None:
    call = delta(tool_calls=[piece(0, '{"wo', id="a", name="echo")], reasoning_content="Hm.")
    async with FakeProvider([Recording(sse(call, delta(finish="length"), "[DONE]"))]) as fake:
        result = await run_through(fake)
    assert result.messages == (kimi.user("Hi"),)


async def test_after_the_last_step_the_calls_still_run() -> None:
    script = [Reply(tool_calls=[say("a")]), Reply(tool_calls=[say("b")])]
    async with FakeProvider(script) as fake:
        result = await run_through(fake, max_steps=2)
    assert (result.stopped, len(fake.requests)) == ("max_steps", 2)
    assert [getattr(message, "role", None) for message in result.messages] == [
        *("user", "assistant", "tool", "assistant", "tool")
    ]


async def test_a_tool_that_was_only_described_is_left_to_the_caller() -> None:
    described = {"type": "function", "function": {"name": "ask_user", "parameters": {}}}
    calls = [FakeToolCall("ask_user"), say("b")]
    async with FakeProvider([Reply(tool_calls=calls)]) as fake:
        result = await run_through(fake, tools=[described, echo])
    (pending,) = result.pending
    assert (result.stopped, pending.id, pending.name) == ("tool_calls", "ask_user:0", "ask_user")
    assert [getattr(message, "tool_call_id", None) for message in result.messages[2:]] == ["echo:1"]


async def test_the_arguments_of_a_builtin_tool_are_its_result() -> None:
    """As Moonshot wants it for ``$web_search``, whose name no function can have."""
    builtin = {"type": "builtin_function", "function": {"name": "$web_search"}}
    call = FakeToolCall("$web_search", '{"query":  "kimi"}')
    async with FakeProvider([Reply(tool_calls=[call]), Reply("Found.")]) as fake:
        await run_through(fake, tools=[builtin, echo])
    assert results(fake, 2) == [("$web_search:0", '{"query":  "kimi"}')]
    assert fake.requests[0].body["tools"] == [builtin, echo.to_wire()]


# Ids


async def test_a_call_without_an_id_gets_one_for_the_request() -> None:
    nameless = [piece(0, '{"word": "x"}', name="echo"), piece(1, '{"word": "y"}', name="echo")]
    body = sse(delta(tool_calls=nameless), delta(finish="tool_calls"), "[DONE]")
    async with FakeProvider([Recording(body), Recording(body), Reply("Done.")]) as fake:
        result = await run_through(fake)
    assert results(fake, 3) == [("call_1", "x"), ("call_2", "y"), ("call_3", "x"), ("call_4", "y")]
    sent = [call["id"] for message in asked(fake, 3) for call in message.get("tool_calls", ())]
    assert sent == ["call_1", "call_2", "call_3", "call_4"]
    assert [call.id for call in result.completions[0].tool_calls] == [None, None]


@pytest.mark.parametrize(
    ("rewrite", "ids"),
    [
        (False, ["functions.echo:0", "functions.echo:1"] * 3),
        (
            True,
            [
                *("functions.echo:0", "functions.echo:1"),
                *("functions.echo:0-2", "functions.echo:1-2"),
                *("functions.echo:0-3", "functions.echo:1-3"),
            ],
        ),
    ],
    ids=["unchanged", "rewritten"],
)
async def test_ids_that_repeat_over_the_turns(rewrite: bool, ids: list[str]) -> None:
    """As K3 gives them (``docs/providers.md`` 6.3): each result stays with its own call."""
    turns = [
        Reply(
            tool_calls=[
                say(f"{turn}-0", id="functions.echo:0"),
                say(f"{turn}-1", id="functions.echo:1"),
            ],
            reasoning="",
        )
        for turn in range(3)
    ]
    async with FakeProvider([*turns, Reply("Done.")]) as fake:
        async with kimi.AsyncKimi(fake.moonshot(), model="kimi-k3") as client:
            run = client.run("Hi", tools=TOOLS, rewrite_tool_ids=rewrite)
            result = await run.final()
    words = [f"{turn}-{place}" for turn in range(3) for place in range(2)]
    assert results(fake, 4) == list(zip(ids, words, strict=True))
    calls = [call["id"] for message in asked(fake, 4) for call in message.get("tool_calls", ())]
    assert calls == ids
    assert [call.id for call in result.completions[1].tool_calls] == ids[:2]


async def test_ids_of_pending_calls_are_those_of_the_messages() -> None:
    described = {"type": "function", "function": {"name": "ask"}}
    calls = [FakeToolCall("ask", id="a"), say("x", id="b")]
    script = [Reply(tool_calls=[say("w", id="a")]), Reply(tool_calls=calls)]
    async with FakeProvider(script) as fake:
        result = await run_through(fake, tools=[described, echo], rewrite_tool_ids=True)
    assert [call.id for call in result.pending] == ["a-2"]


# Usage


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        pytest.param(
            [
                Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3, cached_tokens=0),
                Usage(prompt_tokens=4, completion_tokens=5, total_tokens=9, cached_tokens=7),
            ],
            Usage(prompt_tokens=5, completion_tokens=7, total_tokens=12, cached_tokens=7),
            id="summed",
        ),
        pytest.param(
            [
                Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3, reasoning_tokens=1),
                Usage(prompt_tokens=4, completion_tokens=5, total_tokens=9),
            ],
            Usage(prompt_tokens=5, completion_tokens=7, total_tokens=12),
            id="None-is-not-0",
        ),
        pytest.param([Usage(prompt_tokens=1), None], None, id="one-says-nothing"),
        pytest.param([None, None], None, id="nothing-said"),
    ],
)
async def test_usage_is_summed(usages: list[Usage | None], expected: Usage | None) -> None:
    first, second = usages
    script = [Reply(tool_calls=[say("a")], usage=first), Reply("Done.", usage=second)]
    async with FakeProvider(script) as fake:
        async with kimi.AsyncKimi(fake.moonshot(), model="m") as client:
            result = await client.run("Hi", tools=TOOLS).final()
    assert result.usage == expected
    assert [each.usage for each in result.completions] == usages
