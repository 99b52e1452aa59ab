"""No host can fill the memory: a value over a limit is cut or raises an error that names the limit."""

from __future__ import annotations

import copy
import json
import pickle
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from attrs import frozen
from fake_host import ACE, FakeHost, delta, sse
from hypothesis import given
from hypothesis import strategies as st
from json_strategies import anything

import kimi_async as kimi
from kimi_async import ReplyDecoder
from kimi_async._json_text import is_deeper
from kimi_async._protocol._sse import SSEDecoder
from kimi_async._settings import Limits

pytestmark = pytest.mark.anyio

KIB = 1024
MIB = 1024 * KIB
#: A piece that a test of 200 MB sends again and again, so that it needs no memory of its own.
PIECE = b"x" * (64 * KIB)
SAID = sse(delta("half an ans"))

#: Slow tests that do not depend on the event loop.
on_one_loop = pytest.mark.parametrize("anyio_backend", ["asyncio"])


def many(read: bytes, total: int = 200 * MIB) -> Iterator[bytes]:
    """The same read until the total is reached."""
    return repeat(read, total // len(read))


@frozen(kw_only=True)
class Huge:
    """A body without measure: its reads, which limit ends it, and at how many bytes."""

    reads: Callable[[], Iterable[object]]
    limit: str
    bound: int
    partial: str | None = None


HUGE: dict[str, Huge] = {
    "an-event-of-200-mb": Huge(
        reads=lambda: chain([SAID, b"data: "], many(PIECE)),
        limit="event_bytes",
        bound=8 * MIB,
        partial="half an ans",
    ),
    "an-event-of-200-mb-of-short-lines": Huge(
        reads=lambda: chain([SAID], many((b"data: " + b"x" * 1017 + b"\n") * 64)),
        limit="event_bytes",
        bound=8 * MIB,
        partial="half an ans",
    ),
    "a-comment-of-200-mb": Huge(
        reads=lambda: chain([SAID, b": "], many(PIECE)),
        limit="event_bytes",
        bound=8 * MIB,
        partial="half an ans",
    ),
    "a-body-without-line-ends": Huge(reads=lambda: many(PIECE), limit="event_bytes", bound=8 * MIB),
    "a-json-body-without-end": Huge(
        reads=lambda: chain([b'{"id":"'], many(PIECE)), limit="body_bytes", bound=32 * MIB
    ),
    "html-without-end": Huge(
        reads=lambda: chain([b"<html>"], many(PIECE)), limit="body_bytes", bound=32 * MIB
    ),
    "choices-without-end": Huge(
        reads=lambda: (choice(index) for index in range(100_000)),
        limit="choices",
        bound=MIB,
        partial="a",
    ),
    "tool-calls-without-end": Huge(
        reads=lambda: (calls(call(index)) for index in range(100_000)),
        limit="tool_calls",
        bound=MIB,
        partial="",
    ),
}


def choice(index: int) -> bytes:
    """One event, for a choice of its own."""
    return sse(json.dumps({"choices": [{"index": index, "delta": {"content": "a"}}]}))


def call(index: int) -> dict[str, Any]:
    return {"index": index, "function": {"name": "f", "arguments": "{}"}}


def calls(*pieces: dict[str, Any]) -> bytes:
    return sse(delta(tool_calls=pieces))


@on_one_loop
@pytest.mark.parametrize("huge", HUGE.values(), ids=HUGE)
async def test_what_is_too_large_ends_with_its_limit_and_with_flat_memory(huge: Huge) -> None:
    host = FakeHost(huge.reads())
    stream = host.client().stream("Hi")
    tracemalloc.start()
    try:
        with pytest.raises(kimi.ProtocolError) as caught:
            async for _ in stream:
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * huge.bound
    error = caught.value
    value = getattr(Limits(), huge.limit)
    assert (error.limit, error.retryable) == (huge.limit, False)
    assert f"the limit '{huge.limit}' of {value} " in str(error)
    assert f"Limits({huge.limit}=...)" in str(error)
    assert (error.partial and error.partial.text) == huge.partial
    assert error.record.outcome == "error"
    (body,) = host.bodies
    assert body.closed == 1
    assert body.read < 1100  # it was left, not read to its end


MANY: dict[str, tuple[str, bytes]] = {
    "choices": (
        "choices",
        sse(
            json.dumps(
                {"choices": [{"index": i, "delta": {"content": "a"}} for i in range(100_000)]}
            )
        ),
    ),
    "tool-calls": ("tool_calls", calls(*map(call, range(100_000)))),
    "tool-calls-without-index": (
        "tool_calls",
        calls(*({"id": f"c{i}", "function": {"name": "f"}} for i in range(100_000))),
    ),
}


@on_one_loop
@pytest.mark.parametrize(("limit", "body"), MANY.values(), ids=MANY)
async def test_of_too_many_in_one_event_the_first_are_kept(limit: str, body: bytes) -> None:
    with pytest.raises(kimi.ProtocolError) as caught:
        await FakeHost([body]).client().chat("Hi")
    partial = caught.value.partial
    assert caught.value.limit == limit
    assert partial is not None
    kept = partial.choices if limit == "choices" else partial.choices[0].message.tool_calls
    assert len(kept) == getattr(Limits(), limit)


def nested(levels: int) -> str:
    """A chunk with so many levels of arrays below the object."""
    return '{"choices":[],"x":' + "[" * levels + "]" * levels + "}"


DEEP: dict[str, Callable[[str], Iterable[object]]] = {
    "a-chunk": lambda deep: [SAID, sse(deep)],
    "an-error-event": lambda deep: [SAID, b"event: error\ndata: " + deep.encode() + b"\n\n"],
    "a-json-body": lambda deep: [deep.encode()],
    "a-chunk-cut-short": lambda deep: [SAID, sse(deep[:-1000])],
}


@pytest.mark.parametrize("reads", DEEP.values(), ids=DEEP)
async def test_what_lies_too_deep_is_not_decoded(reads: Callable[[str], Iterable[object]]) -> None:
    with pytest.raises(kimi.ProtocolError, match="the limit 'nesting' of 128"):
        await FakeHost(reads(nested(100_000))).client().chat("Hi")


async def test_an_error_body_that_lies_too_deep_is_kept_as_text() -> None:
    host = FakeHost([b'{"error":' * 900 + b'"used_up"' + b"}" * 900])
    host.status = 403
    with pytest.raises(kimi.PermissionDeniedError) as caught:
        await host.client().chat("Hi")
    assert caught.value.body == ('{"error":' * 900)[:300]
    for twin in (copy.deepcopy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert twin.body == caught.value.body


async def test_what_is_as_deep_as_allowed_can_be_copied() -> None:
    body = nested(127).replace(
        '"choices":[]', '"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]'
    )
    reply = await FakeHost([body.encode()]).client().chat("Hi", wire="json")
    assert copy.deepcopy(reply).raw == pickle.loads(pickle.dumps(reply)).raw == json.loads(body)


async def test_brackets_in_a_text_are_no_nesting() -> None:
    text = '[{"\\' * 10_000
    reads = [sse(delta(text), delta(finish="stop"))]
    assert (await FakeHost(reads).client().chat("Hi")).text == text


def depth_of(value: object) -> int:
    inside = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inside is None else 1 + max(map(depth_of, inside), default=0)


@given(anything, st.integers(1, 6))
def test_depth_is_that_of_the_value(value: object, levels: int) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert is_deeper(text.encode(), levels) is (depth_of(value) > levels)


@given(
    st.lists(st.sampled_from(["[", "]", "{", "}", '"', "\\", "a"])).map("".join), st.integers(1, 3)
)
def test_any_bytes_have_a_depth(text: str, levels: int) -> None:
    """The decoder refuses bytes that are not JSON, and the check of the depth stays fast."""
    assert is_deeper(text.encode(), levels) in {True, False}
    assert not is_deeper(b'"' + b'\\"' * 100_000 + text.encode().replace(b"[", b""), 100_000)


async def test_an_endless_error_body_is_cut() -> None:
    reads = chain([b'{"error":{"code":"used_up","message":"no"}}', b" " * (64 * KIB)], many(PIECE))
    for limits, said in ((Limits(), "no"), (Limits(error_body_bytes=9), '{"error":')):
        host = FakeHost(reads)
        host.status = 403
        with pytest.raises(kimi.APIError) as caught:
            await host.client(limits=limits).chat("Hi")
        (body,) = host.bodies
        assert caught.value.message == said
        assert body.read < 10
        assert body.closed == 1
        reads = chain([b'{"error":{"code":"used_up","message":"no"}}'], many(PIECE))


def one_byte_reads() -> Callable[[], None]:
    decoder = SSEDecoder(Limits().event_bytes)
    reads = [b"%c" % byte for byte in b"data: {}\n\n"]

    def feed() -> None:
        for read in reads:
            decoder.feed(read)

    return feed


def tiny_events() -> Callable[[], None]:
    decoder = ReplyDecoder(ACE)
    read = b"data:\n\n" * 100
    return lambda: decoder.feed(read).clear()


@pytest.mark.timeout(
    240
)  # it takes 2 s, and many times that where coverage is measured on a busy machine
@pytest.mark.parametrize(
    ("make", "times"), [(one_byte_reads, 100_000), (tiny_events, 10_000)], ids=["reads", "events"]
)
def test_a_million_of_the_smallest_leave_nothing_behind(
    make: Callable[[], Callable[[], None]], times: int
) -> None:
    feed = make()
    for _ in range(times):
        feed()
    tracemalloc.start()
    try:
        for _ in range(100):
            feed()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 8 * KIB


@pytest.mark.parametrize("index", [10**9, 10**30])
async def test_a_huge_index_costs_no_more_than_a_small_one(index: int) -> None:
    """It is a name and no place in a list."""
    tracemalloc.start()
    try:
        reads = [
            sse(
                json.dumps({"choices": [{"index": index, "delta": {"tool_calls": [call(index)]}}]})
            ),
            sse(json.dumps({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})),
        ]
        reply = await FakeHost(reads).client().chat("Hi")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
    assert [choice.index for choice in reply.choices] == [index]
    assert [made.name for made in reply.choices[0].message.tool_calls] == ["f"]


async def test_the_limits_are_those_of_the_call_before_those_of_the_client() -> None:
    host = FakeHost(*[[sse(delta("a, and more"), delta(finish="stop"))]] * 4)
    small, large = Limits(event_bytes=20), Limits()
    client = host.client(limits=small)
    for limited in (client, host.client().with_options(limits=small)):
        with pytest.raises(kimi.ProtocolError, match="the limit 'event_bytes' of 20 "):
            await limited.chat("Hi")
        assert (await limited.chat("Hi", limits=large)).text == "a, and more"


@on_one_loop
async def test_the_length_of_a_reply_is_the_caller_s() -> None:
    """``max_tokens`` bounds it; all of it is kept, in pieces and not in copies."""
    piece = sse(*[delta("x" * 1000)] * 10)
    reads = chain(repeat(piece, 1000), [sse(delta(finish="stop"))])
    reply = await FakeHost(reads).client().chat("Hi")
    assert len(reply.text) == 10_000_000
