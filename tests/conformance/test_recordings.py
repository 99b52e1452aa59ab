"""Recordings of the providers give the same message, wherever the reads are cut."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import httpx
import msgspec
import pytest
from fake_host import ACE, FakeHost

import kimi_async as kimi
from kimi_async import AsyncKimi, Cloudsway, ReplyDecoder
from kimi_async.testing import Cuts, FakeProvider, Recording, recording

pytestmark = pytest.mark.anyio

STREAMS = ["acedata/stream_reasoning_ko", "acedata/stream_reasoning_ja"]
USAGE = kimi.Usage(prompt_tokens=9, completion_tokens=135, total_tokens=144)


def read_by_hand(body: bytes) -> kimi.Message:
    """Return the content of the recording, read without any of the code under test."""
    deltas = [
        msgspec.json.decode(line[6:])["choices"][0]["delta"]
        for line in body.splitlines()
        if line.startswith(b"data: {") and b'"choices": []' not in line
    ]
    return kimi.Message(
        role="assistant",
        content="".join(delta.get("content", "") for delta in deltas),
        reasoning_content="".join(delta.get("reasoning_content", "") for delta in deltas),
    )


def check(completion: kimi.ChatCompletion, body: bytes) -> None:
    assert completion.message == read_by_hand(body)
    assert completion.finish_reason == "stop"
    assert completion.usage == USAGE
    assert USAGE.cached_tokens is None
    assert completion.id == "chatcmpl-952dd5e75583c4d1"


@pytest.mark.parametrize("name", STREAMS)
async def test_over_a_transport_whole_and_byte_by_byte(name: str) -> None:
    body = recording(name)
    for reads in ([body], [body[at : at + 1] for at in range(len(body))]):
        check(await FakeHost(reads).client().chat("Hi"), body)


@pytest.mark.timeout(300)  # 6,600 replies each, which one event loop is enough for
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", STREAMS)
async def test_over_a_transport_with_each_single_cut(name: str) -> None:
    body = recording(name)
    cuts = range(1, len(body))
    client = FakeHost([body], *([body[:at], body[at:]] for at in cuts)).client()
    whole = [event async for event in client.stream("Hi")]
    for _ in cuts:
        assert [event async for event in client.stream("Hi")] == whole


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("cuts", [None, "whole", "bytes"])
async def test_over_a_socket(name: str, cuts: Cuts) -> None:
    async with FakeProvider([Recording(name, cuts=cuts)]) as fake:
        async with AsyncKimi(
            fake.acedata(), model="kimi-k2.5", retries=kimi.Retries.none()
        ) as client:
            check(await client.chat("Hi"), recording(name))


def completion_of(name: str) -> kimi.ChatCompletion:
    body = recording(name)
    provider = Cloudsway("key", "path") if name.startswith("cloudsway") else ACE
    client = FakeHost([body]).client(provider)

    async def chat() -> kimi.ChatCompletion:
        return await client.chat("Hi", wire="json")

    return anyio.run(chat)


def test_the_tool_call_of_cloudsway() -> None:
    completion = completion_of("cloudsway/chat_tool_call")
    (call,) = completion.tool_calls
    assert (call.id, call.name) == ("get_distance:0", "get_distance")
    assert call.parse() == {"location1": "北京", "location2": "上海"}
    assert completion.text == "我来帮您计算北京和上海之间的直线距离。"
    assert (completion.finish_reason, completion.message.reasoning_content) == ("tool_calls", None)
    assert completion.model == "kimi-k2-0711-preview"
    assert completion.usage == kimi.Usage(prompt_tokens=83, completion_tokens=33, total_tokens=116)


@pytest.mark.fact("2.3/messages-1-partial")
@pytest.mark.parametrize(
    ("name", "begins", "thinks", "tokens", "cached"),
    [
        ("cloudsway/chat_after_tool", "根据计算", "用户询问北京", 317, 0),
        ("cloudsway/chat_json_object", "{\n    ", None, 244, None),
        ("cloudsway/chat_partial", "你好", "用户用中文", 344, 0),
        ("acedata/chat_hello", " Hello!", " The user", 193, None),
        ("acedata/chat_hello_ja", "こんにちは", "ユーザー", 193, None),
        ("acedata/chat_multi_turn", " I'm Kimi", " The user", 263, None),
    ],
)
def test_bodies(
    name: str, begins: str, thinks: str | None, tokens: int, cached: int | None
) -> None:
    completion = completion_of(name)
    raw = msgspec.json.decode(recording(name))
    message = raw["choices"][0]["message"]
    assert completion.raw == raw
    assert completion.text == message["content"]
    assert completion.text.startswith(begins)
    assert completion.message.reasoning_content == message["reasoning_content"]
    assert completion.reasoning.startswith(thinks or "")
    assert completion.tool_calls == ()
    assert completion.outcome == "complete"
    assert completion.usage is not None
    assert (completion.usage.total_tokens, completion.usage.cached_tokens) == (tokens, cached)


@pytest.mark.fact("1.5/500-api-error")
async def test_the_error_body_of_ace_data_cloud() -> None:
    host = FakeHost(httpx.Response(500, content=recording("acedata/error_500_api_error")))
    with pytest.raises(kimi.ServerError, match="fetch failed") as caught:
        await host.client().chat("Hi")
    assert caught.value.code == "api_error"
    assert caught.value.trace_id == "2cf86e86-22a4-46e1-ac2f-032c0f2a4e89"
    assert "2cf86e86-22a4-46e1-ac2f-032c0f2a4e89" in str(caught.value)


@pytest.mark.parametrize("name", [*STREAMS, "cloudsway/stream_tool_call"])
def test_the_one_line_that_is_the_whole_of_it(name: str) -> None:
    """Pure from bytes to message: no loop, no socket, no client."""
    decoder = ReplyDecoder(ACE)
    events = decoder.feed(recording(name)) + decoder.close()
    assert _texts(events, kimi.ContentDelta) == decoder.snapshot().text
    assert _texts(events, kimi.ReasoningDelta) == decoder.snapshot().reasoning
    assert decoder.complete


def _texts(
    events: Iterable[kimi.StreamEvent], kind: type[kimi.ContentDelta | kimi.ReasoningDelta]
) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))
