"""One table of conversations for every provider and every form of a reply.

As a stream, as one JSON body, as events put together, and in reads of one byte. The wires differ as their documentation
does: thinking under one key, under two, or only under ``reasoning``; usage in a chunk of its own, inside the finished
choice, or in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from attrs import evolve
from fake_host import FakeHost

import kimi_async as kimi
from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    Cloudsway,
    Moonshot,
    OpenAICompatible,
    Provider,
    ReplyDecoder,
)
from kimi_async.testing import (
    FakeProvider,
    FakeToolCall,
    ProviderName,
    RenderContext,
    Reply,
    ReplyChoice,
)

pytestmark = pytest.mark.anyio

ADAPTERS: dict[ProviderName, Callable[[FakeProvider], Provider]] = {
    "acedata": FakeProvider.acedata,
    "cloudsway": FakeProvider.cloudsway,
    "moonshot": FakeProvider.moonshot,
    "openai": FakeProvider.compatible,
}

#: The same without a server, for tests that only read.
READERS: dict[ProviderName, Provider] = {
    "acedata": AceDataCloud("test-key"),
    "cloudsway": Cloudsway("test-key", "test-endpoint"),
    "moonshot": Moonshot("test-key"),
    "openai": OpenAICompatible("test-key", "https://openai.test/v1"),
}

each_provider = pytest.mark.parametrize("name", ADAPTERS)

CALL = FakeToolCall(
    "get_distance", '{"location1": "北京", "location2": "上海"}', id="get_distance:0"
)

USAGE = kimi.Usage(
    prompt_tokens=9, completion_tokens=5, total_tokens=14, cached_tokens=0, reasoning_tokens=3
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
    "full-usage": Reply("Hi", usage=USAGE),
    "several-choices": Reply(
        choices=[ReplyChoice("one", "hm"), ReplyChoice(None, tool_calls=[CALL])]
    ),
}

#: The outcome of a finish reason, if it has another name; with several choices, the last one is the worst.
OUTCOMES = {"stop": "complete", "unexpected_state": "other"}

each_conversation = pytest.mark.parametrize(
    "reply",
    [pytest.param(evolve(reply, id="c1"), id=name) for name, reply in CONVERSATIONS.items()],
)


@pytest.mark.fact("6.3/k3-ids-repeat-over-turns")
@each_provider
@each_conversation
async def test_every_way_of_asking_gives_the_same_completion(
    reply: Reply, name: ProviderName
) -> None:
    async with (
        FakeProvider([reply] * 4) as fake,
        AsyncKimi(ADAPTERS[name](fake), model="kimi-k3", retries=kimi.Retries.none()) as client,
    ):
        whole = await client.chat("Hi")
        unstreamed = await client.chat("Hi", wire="json")
        async with client.stream("Hi") as stream:
            events = [event async for event in stream]
            final = await stream.final()
        text = "".join([text async for text in client.stream("Hi").text_deltas()])
    assert whole == unstreamed == final
    check(whole, reply, name)
    assert text == whole.text
    worst = said(reply)[-1].reason
    for completion in (whole, unstreamed, final):
        assert outcome_of(completion) == OUTCOMES.get(worst, worst)
    assert events == [*by_hand(body_of(reply, name), name), kimi.StreamEnd(final)]


@each_provider
@each_conversation
def test_reads_of_one_byte_give_the_same_events(reply: Reply, name: ProviderName) -> None:
    """Without a loop and a client, which would take a minute for all of them."""
    body = body_of(reply, name)
    bytewise = [body[at : at + 1] for at in range(len(body))]
    assert by_hand(body, name) == by_hand(body, name, bytewise)


@each_provider
async def test_reads_of_one_byte_give_the_same_completion(name: ProviderName) -> None:
    reply = Reply(" 我来帮您计算", "생각 👋🏽", tool_calls=[CALL])
    body = body_of(reply, name)
    reads = [body[at : at + 1] for at in range(len(body))]
    check(await FakeHost(reads).client(READERS[name]).chat("Hi"), reply, name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("moonshot", USAGE, id="inside the choice"),
        pytest.param("openai", None, id="nowhere"),
    ],
)
async def test_usage_where_nobody_asked_for_it(
    name: ProviderName, expected: kimi.Usage | None
) -> None:
    """Moonshot's place for it, without the last chunk that says the same again."""
    unasked = {"stream_options": {"include_usage": False}}
    async with (
        FakeProvider([Reply("Hi", usage=USAGE)]) as fake,
        AsyncKimi(ADAPTERS[name](fake), model="kimi-k3", retries=kimi.Retries.none()) as client,
    ):
        assert (await client.chat("Hi", extra_body=unasked)).usage == expected


def said(reply: Reply) -> tuple[ReplyChoice, ...]:
    return reply.choices or (reply._choice(),)


def outcome_of(completion: kimi.ChatCompletion) -> str:
    return completion.record.outcome


def body_of(reply: Reply, name: ProviderName) -> bytes:
    return reply.render(RenderContext(provider=name, model="kimi-k3")).body


def by_hand(
    body: bytes, name: ProviderName, reads: Iterable[bytes] | None = None
) -> list[kimi.StreamEvent]:
    """Return the events of a body, read only by the pure parts; *reads* are its pieces, if there are several."""
    decoder = ReplyDecoder(READERS[name])
    fed = [decoder.feed(read) for read in reads or [body]]
    return [event for events in [*fed, decoder.close()] for event in events]


def check(completion: kimi.ChatCompletion, reply: Reply, name: ProviderName) -> None:
    assert completion.provider == name
    assert len(completion.choices) == len(said(reply))
    assert completion.usage == reply.usage
    for choice, wanted in zip(completion.choices, said(reply), strict=True):
        message = choice.message
        assert (message.content or "") == (wanted.content or "")
        assert message.reasoning_content == wanted.reasoning
        assert message.refusal == wanted.refusal
        assert [(call.id, call.name, call.arguments) for call in message.tool_calls] == [
            (call.id, call.name, call.arguments) for call in wanted.tool_calls
        ]
        cut = wanted.finish_reason in {"length", "content_filter"}
        assert all(call.complete is not cut for call in message.tool_calls)
        assert choice.finish_reason == wanted.reason
