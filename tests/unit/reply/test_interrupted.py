"""Replies that break after their first output, cut at every place, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

import kimi_async as kimi
from kimi_async import ChatStream
from kimi_async._configuration import OnInterrupt
from kimi_async.testing import (
    ErrorReply,
    FakeToolCall,
    FakeTransport,
    Faulty,
    Insert,
    Reply,
    ScriptedReply,
    virtual_time,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


def opened(
    fake: FakeTransport,
    way: OnInterrupt,
    *,
    model: str = "kimi-k2.6",
    said: Any = "Hi",
    **params: Any,
) -> ChatStream:
    """Return a stream of Moonshot's, whose K2 models continue a prefix."""
    client = fake.client(
        provider=fake.moonshot(),
        model=model,
        retries=kimi.Retries(),
        on_interrupt=way,
        checks="off",
    )
    return client.stream(said, **params)


#: Without a repetition, so that a wrong seam cannot hide.
TEXT = "".join(f"{number} and " for number in range(100, 173))
THOUGHT = "".join(f"{number}?" for number in range(100, 150))
WHOLE = Reply(TEXT, THOUGHT, chunk_chars=4)
#: Every cut of the reply of 200 events: 50 of reasoning, 146 of content, the others before and after them.
CUTS = range(202)


@pytest.fixture
def cuts(anyio_backend: tuple[str, dict[str, Any]]) -> range:
    """Every cut on asyncio. The rules do not depend on the event loop, so trio gets some."""
    return CUTS if anyio_backend[0] == "asyncio" else CUTS[::20]


def fake_of(cut: int, *, honours: bool) -> FakeTransport:
    """Return a host that breaks the first reply; one in ten comes event by event, which is slower to test."""
    broken, whole = evolve(WHOLE, cut_after=cut, end="reset"), evolve(WHOLE, cuts="whole")
    if cut % 10:
        broken = evolve(broken, cuts="whole")
    return FakeTransport([broken, whole], honours_prefix=honours)


class Shown:
    """The events that a caller got; a restart takes back those before it."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.restarts = 0
        self.forget()

    def forget(self) -> None:
        self.thought = self.text = ""
        self.finishes = 0

    def show(self, event: kimi.StreamEvent) -> None:
        self.kinds.append(type(event).__name__)
        match event:
            case kimi.StreamRestarted():
                self.restarts += 1
                self.forget()
            case kimi.StreamContinued(kept=kept):
                assert kept == len(self.text)
            case kimi.ReasoningDelta(text=text):
                self.thought += text
            case kimi.ContentDelta(text=text):
                self.text += text
            case kimi.Finish():
                self.finishes += 1
            case _:
                pass


async def read(stream: ChatStream, shown: Shown) -> kimi.StreamInterrupted | None:
    """Show the events, and return the error at their end."""
    try:
        async for event in stream:
            shown.show(event)
    except kimi.StreamInterrupted as error:
        return error
    return None


async def read_text(stream: ChatStream) -> tuple[list[str], kimi.StreamInterrupted | None]:
    pieces: list[str] = []
    try:
        async for piece in stream.text_deltas():
            pieces.append(piece)
    except kimi.StreamInterrupted as error:
        return pieces, error
    return pieces, None


def check_whole(reply: kimi.ChatCompletion) -> None:
    assert (reply.text, reply.reasoning, reply.finish_reason) == (TEXT, THOUGHT, "stop")
    assert reply.record is not None
    assert reply.record.outcome == "complete"


@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize("way", ["auto", "continue", "restart"])
async def test_a_whole_reply_is_exact_after_any_cut(
    way: OnInterrupt, honours: bool, cuts: range
) -> None:
    for cut in cuts:
        fake = fake_of(cut, honours=honours)
        stream = opened(fake, way)
        reply = await stream.final()
        check_whole(reply)
        assert reply.record is not None
        assert len(reply.record.attempts) == len(fake.requests)
        if len(fake.requests) == 2:
            assert (reply.usage, reply.record.usage_origin) == (reply.record.usage, "partial")


@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize("way", ["continue", "restart"])
async def test_a_stream_is_exact_after_any_cut(
    way: OnInterrupt, honours: bool, cuts: range
) -> None:
    continued = 0
    for cut in cuts:
        fake, shown = fake_of(cut, honours=honours), Shown()
        stream = opened(fake, way)
        async for event in stream:
            shown.show(event)
        assert (shown.text, shown.thought, shown.finishes) == (TEXT, THOUGHT, 1)
        check_whole(await stream.final())
        times = shown.kinds.count("StreamContinued")
        assert times + shown.restarts <= shown.kinds.count("AttemptFailed") <= 1
        prefix = fake.requests[-1].body["messages"][1:]
        assert len(prefix) == times
        for message in prefix:
            assert message["partial"] is True
            assert TEXT.startswith(message["content"])
            assert message["reasoning_content"] == THOUGHT
        continued += times
    assert (continued > 0) == (way == "continue")


@pytest.mark.parametrize("way", ["auto", "raise"])
async def test_a_seen_stream_raises_with_all_that_was_shown(way: OnInterrupt, cuts: range) -> None:
    broken = 0
    for cut in cuts:
        fake, shown = fake_of(cut, honours=True), Shown()
        stream = opened(fake, way)
        error = await read(stream, shown)
        broken += error is not None
        partial = stream.snapshot if error is None else error.partial
        assert error is None or len(fake.requests) == 1
        assert partial is not None
        assert (partial.text, partial.reasoning or "") == (shown.text, shown.thought)
        assert error is not None or partial.text == TEXT
    assert broken > len(cuts) // 2


@pytest.mark.parametrize("way", ["auto", "continue", "restart"])
async def test_text_that_was_shown_is_not_taken_back(way: OnInterrupt, cuts: range) -> None:
    whole = 0
    for cut in cuts:
        stream = opened(fake_of(cut, honours=True), way)
        pieces, error = await read_text(stream)
        partial = stream.snapshot if error is None else error.partial
        assert partial is not None
        assert partial.text == "".join(pieces) != ""
        assert error is not None or partial.text == TEXT
        whole += error is None
    # A reply is whole if it broke before the content or after the finish reason, or was continued.
    assert whole >= (len(cuts) - 2 if way == "continue" else 2)


HELLO = "Hello, dear reader of these lines, how are you?"
BUSY = b'data: {"error": {"type": "engine_overloaded_error", "message": "busy"}}\n\n'


@pytest.mark.parametrize("way", ["continue", "restart"])
@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (evolve(Reply(HELLO), cut_after=-4, end="stall"), "IdleTimeout: the limit 'idle' ran out"),
        (Faulty(Reply(HELLO), Insert(BUSY, after_event=-4)), "OverloadedError: busy"),
    ],
    ids=["timeout", "error"],
)
async def test_a_view_of_the_text_ends_a_restart_as_interrupted(
    broken: ScriptedReply, cause: str, way: OnInterrupt
) -> None:
    fake = FakeTransport([broken, Reply(HELLO)])
    pieces, error = await read_text(opened(fake, way, model="kimi-k3"))
    assert error is not None
    assert error.partial is not None
    assert error.partial.text == "".join(pieces) != ""
    assert error.cause is not None
    assert error.cause.startswith(cause)
    assert (error.record and error.record.outcome, len(fake.requests)) == ("interrupted", 1)


async def test_server_sent_events_are_those_of_one_response() -> None:
    fake = fake_of(100, honours=True)
    with pytest.raises(kimi.StreamInterrupted):
        async for _ in opened(fake, "continue").sse():
            pass
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("broken", "params"),
    [
        (Reply(HELLO), {"response_format": {"type": "json_object"}}),
        (Reply(HELLO), {"extra_body": {"response_format": {"type": "json_object"}}}),
        (Reply(HELLO), {"n": 2}),
        (Reply(HELLO, model="m"), {"model": "kimi-k3"}),
        (Reply(None, "a thought that is long enough"), {}),
        (Reply(HELLO, tool_calls=[FakeToolCall("f", '{"a": 12345678901234}')]), {}),
        (Reply(None, refusal="I will not answer this"), {}),
        (Reply("Hello", chunk_chars=1), {}),
    ],
    ids=["json", "json-in-the-body", "n", "k3", "reasoning", "tool-call", "refusal", "short"],
)
async def test_a_reply_that_cannot_be_continued_restarts(
    broken: Reply, params: dict[str, Any]
) -> None:
    fake = FakeTransport([evolve(broken, cut_after=-4, end="reset"), Reply(HELLO)])
    shown = Shown()
    async for event in opened(fake, "continue", **params):
        shown.show(event)
    assert (shown.text, shown.restarts) == (HELLO, 1)
    assert fake.requests[1].body == fake.requests[0].body


async def test_text_as_format_can_be_continued() -> None:
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=-4, end="reset"), Reply(HELLO)])
    stream = opened(fake, "continue", response_format={"type": "text"})
    kinds = [type(event).__name__ async for event in stream]
    assert ("StreamContinued" in kinds, stream.snapshot.text) == (True, HELLO)


async def test_a_continuation_that_begins_anew_is_a_restart() -> None:
    other = "Hello, dear reader of these lines, welcome!"
    fake = FakeTransport(
        [evolve(Reply(HELLO), cut_after=-4, end="reset"), Reply(other, "Thought.")]
    )
    shown, stream = Shown(), opened(fake, "continue")
    async for event in stream:
        shown.show(event)
    assert (shown.text, shown.thought, shown.restarts) == (other, "Thought.", 1)
    assert (stream.snapshot.text, stream.snapshot.reasoning) == (other, "Thought.")


async def test_a_view_of_the_text_ends_when_a_continuation_begins_anew() -> None:
    other = "Hello, dear reader of these lines, welcome!"
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=-4, end="reset"), Reply(other)])
    pieces, error = await read_text(opened(fake, "continue"))
    assert error is not None
    assert error.partial is not None
    assert HELLO.startswith("".join(pieces))
    assert error.partial.text == "".join(pieces)
    assert [attempt.outcome for attempt in error.attempts] == ["interrupted", "cancelled"]


@pytest.mark.parametrize("honours", [True, False])
async def test_the_prefix_of_the_caller_is_a_part_of_the_prefix(honours: bool) -> None:
    begun = "Dear reader, "
    first = Reply(HELLO if honours else begun + HELLO, cut_after=5, end="reset")
    fake = FakeTransport([first, Reply(begun + HELLO)], honours_prefix=honours)
    stream = opened(fake, "auto", said=[kimi.user("Hi"), kimi.assistant(begun, partial=True)])
    reply = await stream.final()
    assert reply.full_text == begun + HELLO
    (_, sent) = fake.requests[1].body["messages"]
    assert (sent["partial"], (begun + HELLO).startswith(sent["content"])) == (True, True)
    assert len(sent["content"]) > len(begun)


def counted(prompt: int, completion: int) -> kimi.Usage:
    return kimi.Usage(
        prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
    )


def given_up(text: str, prompt: int, completion: int) -> Reply:
    """Return a reply that the host gives up after its text; its last chunk reports the usage."""
    return Reply(text, finish_reason="error", usage=counted(prompt, completion))


async def test_when_nothing_helps_the_break_is_raised() -> None:
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=4, end="reset"), ErrorReply(500)] * 2)
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await opened(fake, "auto").final()
    assert caught.value.partial is not None
    assert caught.value.partial.text
    assert [attempt.outcome for attempt in caught.value.attempts] == [
        *("interrupted", "error", "error"),
    ]


@pytest.mark.parametrize(
    ("second", "begins"),
    [
        ([ErrorReply(500), ErrorReply(500)], ""),
        ([Reply(None, "Hm", cut_after=0, end="reset"), ErrorReply(400)], ""),
        ([given_up("reader", 5, 2), ErrorReply(400)], "reader"),
    ],
    ids=["refused", "silent", "broken"],
)
@pytest.mark.parametrize("way", ["auto", "continue"])
async def test_a_continuation_that_fails_keeps_the_text_and_the_usage(
    way: OnInterrupt, second: list[ScriptedReply], begins: str
) -> None:
    fake = FakeTransport([given_up("Hello, dear ", 7, 3), *second])
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await opened(fake, way).final()
    partial, record = caught.value.partial, caught.value.record
    assert partial is not None
    assert record is not None
    assert partial.text == "Hello, dear " + begins
    assert partial.usage == (counted(12, 5) if begins else counted(7, 3))
    assert (partial.usage, record.usage_origin) == (record.usage, "partial")
    assert record.attempts[0].usage == counted(7, 3)


async def test_an_error_that_would_come_again_is_raised() -> None:
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=4, end="reset"), ErrorReply(401)])
    with pytest.raises(kimi.StreamInterrupted):
        await opened(fake, "auto").final()
    assert len(fake.requests) == 2


async def test_a_reply_that_the_host_gave_up_is_continued() -> None:
    fake = FakeTransport([Reply(HELLO[:20], finish_reason="error"), Reply(HELLO[20:])])
    reply = await opened(fake, "auto").final()
    assert (reply.text, reply.finish_reason) == (HELLO, "stop")
