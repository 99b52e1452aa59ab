"""One table of conversations that every adapter passes, over every way a reply can come.

As a stream, as one JSON body, as events put together, and in reads of one byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve
from fakes import FakeHost

import kimi_async as kimi
from kimi_async import AsyncKimi, ChatAdapter
from kimi_async.testing import Asked, FakeProvider, FakeToolCall, Reply, ReplyChoice, Send

pytestmark = pytest.mark.anyio

CALL = FakeToolCall(
    "get_distance", '{"location1": "北京", "location2": "上海"}', id="get_distance:0"
)

CONVERSATIONS = {
    "answer": Reply("Hello! How can I help?"),
    "thinking": Reply(" Hi 👋🏽 there", " Someone said hello.\n\nI answer. "),
    "thinking-empty": Reply("Hi", ""),
    "thinking-alone": Reply(None, "I think and think", finish_reason="length"),
    "nothing": Reply(None),
    "empty": Reply(""),
    "korean": Reply("안녕하세요! 어떻게 도와드릴까요", "생각", chunk_chars=1),
    "refusal": Reply(None, refusal="I can't help with that."),
    "tool-call": Reply("我来帮您计算", tool_calls=[CALL]),
    "tool-call-without-content": Reply(None, "which tool?", tool_calls=[CALL]),
    "tool-call-without-arguments": Reply(None, tool_calls=[FakeToolCall("now", "", id="now:0")]),
    "parallel-tool-calls": Reply(
        None,
        tool_calls=[CALL, FakeToolCall("f", "{}", id="f:1"), FakeToolCall("f", "[1]", id="f:2")],
    ),
    "tool-calls-of-one-id": Reply(
        None, tool_calls=[FakeToolCall("f", "{}", id="x"), FakeToolCall("g", "{}", id="x")]
    ),
    "length": Reply("half an ans", finish_reason="length"),
    "cut-tool-call": Reply(
        None, tool_calls=[FakeToolCall("f", '{"a": ', id="f:0")], finish_reason="length"
    ),
    "content-filter": Reply("I", finish_reason="content_filter"),
    "unknown-finish-reason": Reply("so?", finish_reason="unexpected_state"),
    "no-usage": Reply("Hi", usage=None),
    "full-usage": Reply(
        "Hi",
        usage=kimi.Usage(
            prompt_tokens=9,
            completion_tokens=5,
            total_tokens=14,
            cached_tokens=0,
            reasoning_tokens=3,
        ),
    ),
    "several-choices": Reply(
        choices=[ReplyChoice("one", "hm"), ReplyChoice(None, tool_calls=[CALL])]
    ),
}


def adapters(fake: FakeProvider) -> Iterable[ChatAdapter]:
    return fake.acedata(), fake.cloudsway()


@pytest.mark.parametrize(
    "reply", [pytest.param(reply, id=name) for name, reply in CONVERSATIONS.items()]
)
async def test_every_way_of_asking_gives_the_same_completion(reply: Reply) -> None:
    async with FakeProvider([reply] * 8) as fake:
        for adapter in adapters(fake):
            async with AsyncKimi(adapter, model="kimi-k2.5") as client:
                whole = await client.chat("Hi")
                unstreamed = await client.chat("Hi", stream=False)
                async with client.stream("Hi") as stream:
                    events = [event async for event in stream]
                    final = await stream.final()
                text = "".join([text async for text in client.stream("Hi").text_deltas()])
            assert whole == unstreamed == final
            _check(whole, reply, adapter)
            assert text == whole.text
            assert whole.record is not None
            assert whole.record.outcome == ("tool_calls" if reply.choices else whole.outcome)
            cut = [event async for event in _byte_by_byte(reply, adapter)]
            assert _comparable(cut) == _comparable(events)


def _byte_by_byte(reply: Reply, adapter: ChatAdapter) -> kimi.ChatStream:
    """The same reply in reads of one byte; without a socket, which would take a minute for all of them."""
    wire: Any = adapter.name
    answer = evolve(reply, cuts="bytes").render(Asked(provider=wire, model="kimi-k2.5"))
    reads = [step.data for step in answer.steps if isinstance(step, Send)]
    return FakeHost(reads).client(adapter).stream("Hi")


def _comparable(events: Iterable[kimi.StreamEvent]) -> list[object]:
    """Events without the ids that the fake counts up from request to request."""
    return [
        evolve(event, id=None) if isinstance(event, kimi.StreamStart) else event for event in events
    ]


def _check(completion: kimi.ChatCompletion, reply: Reply, adapter: ChatAdapter) -> None:
    said = reply.choices or (reply._choice(),)
    assert completion.provider == adapter.name
    assert len(completion.choices) == len(said)
    for choice, wanted in zip(completion.choices, said, strict=True):
        message = choice.message
        assert (message.content or "") == (wanted.content or "")
        assert message.reasoning_content == wanted.reasoning
        assert message.refusal == wanted.refusal
        assert [(call.id, call.name, call.arguments) for call in message.tool_calls] == [
            (call.id, call.name, call.arguments) for call in wanted.tool_calls
        ]
        cut = wanted.finish_reason in {"length", "content_filter"}
        assert all(call.complete is not cut for call in message.tool_calls)
        default = "tool_calls" if wanted.tool_calls else "stop"
        assert choice.finish_reason == (wanted.finish_reason or default)
    if completion.usage is None:
        assert reply.usage is None
    else:
        assert reply.usage is not None
        assert completion.usage.total_tokens == reply.usage.total_tokens
        assert completion.usage.cached_tokens == reply.usage.cached_tokens
