"""From bytes to events, for any reply and any reads, without an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import kimi_async as kimi
from kimi_async import AceDataCloud, Cloudsway, Provider, ReplyDecoder
from kimi_async.testing import FakeToolCall, RenderContext, Reply, Send

ADAPTERS: Sequence[Provider] = (AceDataCloud("key"), Cloudsway("key", "path"))

texts = st.none() | st.text(max_size=40)
calls = st.builds(
    FakeToolCall,
    st.text("abc_", min_size=1, max_size=5),
    st.sampled_from(["{}", "", '{"a": "北京"}', "[1, 2]", "not json", '{"half": ']),
    id=st.none() | st.text("abc:0", min_size=1, max_size=6),
)
replies = st.builds(
    Reply,
    texts,
    texts,
    refusal=st.none() | st.text(max_size=10),
    tool_calls=st.lists(calls, max_size=3),
    finish_reason=st.sampled_from([None, "stop", "length", "content_filter", "odd"]),
    chunk_chars=st.integers(1, 7),
)


def body_of(reply: Reply, provider: Provider, *, stream: bool = True) -> bytes:
    """The bytes that the provider would send."""
    wire: Any = provider.name
    steps = reply.render(RenderContext(provider=wire, stream=stream)).steps
    return b"".join(step.data for step in steps if isinstance(step, Send))


def read(
    provider: Provider, reads: Iterable[bytes]
) -> tuple[list[object], kimi.ChatCompletion, kimi.KimiError | None]:
    """All that comes of a body in these reads: events, the reply, and the error that ended it."""
    decoder = ReplyDecoder(provider)
    events: list[object] = [event for data in reads for event in decoder.feed(data)]
    events += decoder.close()
    return events, decoder.snapshot(), decoder.failure or decoder.late_error


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """*body* cut at *places*, counted from either end."""
    at = sorted({place % (len(body) + 1) for place in places})
    return [body[start:end] for start, end in zip([0, *at], [*at, len(body)], strict=True)]


@pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)
@given(reply=replies, places=st.lists(st.integers(0, 10**6), max_size=12))
def test_any_split_of_any_stream_gives_the_same_events(
    provider: Provider, reply: Reply, places: list[int]
) -> None:
    body = body_of(reply, provider)
    events, completion, error = read(provider, [body])
    assert error is None
    assert read(provider, cut(body, places)) == (events, completion, None)


@pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)
@given(reply=replies)
def test_streamed_and_unstreamed_replies_are_equal(provider: Provider, reply: Reply) -> None:
    _, streamed, _ = read(provider, [body_of(reply, provider)])
    _, unstreamed, error = read(provider, [body_of(reply, provider, stream=False)])
    assert error is None
    assert evolve(unstreamed, usage=streamed.usage) == streamed
    assert (unstreamed.usage is None) is (streamed.usage is None)


@pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)
@given(reply=replies, at=st.integers(0, 10**6))
def test_what_came_before_a_cut_is_the_beginning_of_the_whole(
    provider: Provider, reply: Reply, at: int
) -> None:
    body = body_of(reply, provider)
    whole, _, _ = read(provider, [body])
    part, _, _ = read(provider, [body[: at % len(body)]])
    assert whole[: len(part)] == part


@given(
    body=st.binary(max_size=200)
    | st.text('data:{}[] \r\n"choices', max_size=80).map(str.encode)
    | st.lists(st.sampled_from([b"data: ", b"{", b"}", b"\n\n", b'"error":', b"[DONE]", b"1"])).map(
        b"".join
    ),
    places=st.lists(st.integers(0, 10**6), max_size=4),
)
def test_arbitrary_bytes_give_events_or_documented_errors(body: bytes, places: list[int]) -> None:
    events, completion, error = read(ADAPTERS[0], cut(body, places))
    assert isinstance(error, kimi.ProtocolError | kimi.APIError | None)
    whole_events, whole, whole_error = read(ADAPTERS[0], [body])
    assert (events, completion, str(error)) == (whole_events, whole, str(whole_error))
