"""Replies that break after their first output; tests/faults/test_cuts.py breaks them at every place."""

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


class Shown:
    """The text that a caller shows; a restart takes it back."""

    def __init__(self) -> None:
        self.restarts = 0
        self.thought = self.text = ""

    def show(self, event: kimi.StreamEvent) -> None:
        match event:
            case kimi.StreamRestarted():
                self.restarts += 1
                self.thought = self.text = ""
            case kimi.ReasoningDelta(text=text):
                self.thought += text
            case kimi.ContentDelta(text=text):
                self.text += text
            case _:
                pass


async def read_text(stream: ChatStream) -> tuple[list[str], kimi.StreamInterrupted]:
    """Return the pieces of the text, and the error at their end."""
    pieces: list[str] = []
    with pytest.raises(kimi.StreamInterrupted) as caught:
        async for piece in stream.text_deltas():
            pieces.append(piece)
    return pieces, caught.value


HELLO = "Hello, dear reader of these lines, how are you?"
IN_PARTS = kimi.assistant([{"type": "text", "text": "Dear "}], partial=True)
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
    assert error.partial is not None
    assert error.partial.text == "".join(pieces) != ""
    assert error.cause is not None
    assert error.cause.startswith(cause)
    assert (error.record.outcome, len(fake.requests)) == ("interrupted", 1)


@pytest.mark.parametrize("way", ["continue", "restart"])
async def test_text_that_arrives_with_the_break_is_not_shown_twice(way: OnInterrupt) -> None:
    text_and_error = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n' + BUSY
    thought = Faulty(Reply(None, "Let me greet."), Insert(text_and_error, after_event=-3))
    shown = Shown()
    async for event in opened(FakeTransport([thought, Reply(HELLO)]), way):
        shown.show(event)
    stream = opened(FakeTransport([thought, Reply(HELLO)]), way)
    pieces = [piece async for piece in stream.text_deltas()]
    assert shown.text == "".join(pieces) == HELLO


async def test_server_sent_events_are_those_of_one_response() -> None:
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=4, end="reset")])
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
        (Reply(HELLO), {"said": [kimi.user("Hi"), IN_PARTS]}),
    ],
    ids=[
        *("json", "json-in-the-body", "n", "k3", "reasoning", "tool-call", "refusal", "short"),
        "prefix-in-parts",
    ],
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


@pytest.mark.parametrize("own_end", [HELLO[-12:], "welcome!"], ids=["same", "other"])
@pytest.mark.parametrize("again", [False, True], ids=["without-it", "with-it"])
@pytest.mark.parametrize("repeats", [False, True], ids=["new-text", "repeats-it"])
async def test_a_host_that_begins_anew_after_the_prefix_of_the_caller_doubles_no_text(
    repeats: bool, again: bool, own_end: str
) -> None:
    begun = "Dear reader, "
    first, second = begun * repeats + HELLO, begun * again + HELLO[:-12] + own_end
    fake = FakeTransport([Reply(first, cut_after=-4, end="reset"), Reply(second)])
    stream = opened(fake, "continue", said=[kimi.user("Hi"), kimi.assistant(begun, partial=True)])
    shown = Shown()
    async for event in stream:
        shown.show(event)
    assert len(fake.requests) == 2
    assert stream.snapshot.full_text == begun + HELLO[:-12] + own_end
    assert stream.snapshot.text == shown.text


@pytest.mark.parametrize("cut", [2, 3], ids=["inside-it", "after-it"])
async def test_too_short_a_text_after_a_repeated_prefix_is_not_continued(cut: int) -> None:
    begun = "Dear reader, "
    fake = FakeTransport([Reply(begun + "Hel", cut_after=cut, end="reset"), Reply(HELLO)])
    stream = opened(fake, "auto", said=[kimi.user("Hi"), kimi.assistant(begun, partial=True)])
    assert (await stream.final()).full_text == begun + HELLO
    assert fake.requests[1].body == fake.requests[0].body


@pytest.mark.parametrize("way", ["restart", "continue"])
async def test_the_prefix_is_treated_as_by_the_provider_that_began_the_reply(
    way: OnInterrupt,
) -> None:
    begun, anew = "Dear reader, ", "Good day to you, I am Kimi and here to help."
    broken = ErrorReply(402) if way == "restart" else Reply(anew, cut_after=-4, end="reset")
    first, second = FakeTransport(broken, host="a.test"), FakeTransport(Reply(anew), host="b.test")
    providers: list[kimi.Provider] = [first.moonshot(), second.cloudsway()]
    if way == "continue":
        providers = [first.cloudsway(), second.moonshot()]
    client = first.client(
        second, provider=providers, model="kimi-k2.6", retries=kimi.Retries(), checks="off"
    )
    reply = await client.chat([kimi.user("Hi"), kimi.assistant(begun, partial=True)])
    assert (reply.full_text, reply.prefix_honoured) == (anew, False)
    sent = second.requests[0].body["messages"][-1]["content"]
    assert anew.startswith(sent) or sent == begun


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
        ([Reply(None, "Hm", cut_after=0, end="reset"), ErrorReply(401)], ""),
        ([given_up("reader", 5, 2), ErrorReply(401)], "reader"),
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
    assert partial.text == "Hello, dear " + begins
    assert partial.usage == (counted(12, 5) if begins else counted(7, 3))
    assert (partial.usage, record.usage_origin) == (record.usage, "partial")
    assert record.attempts[0].usage == counted(7, 3)


@pytest.mark.parametrize("way", ["auto", "continue"])
async def test_a_reply_restarts_when_its_prefix_is_refused(way: OnInterrupt) -> None:
    cut, refused = evolve(Reply(HELLO), cut_after=-4, end="reset"), ErrorReply(400)
    fake = FakeTransport([cut, refused, ErrorReply(500), Reply("Hello again")])
    reply = await opened(fake, way).final()
    assert reply.text == "Hello again"
    bodies = [request.body for request in fake.requests]
    assert bodies[1] != bodies[0] == bodies[2] == bodies[3]


async def test_a_view_of_the_text_ends_when_its_prefix_is_refused() -> None:
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=-4, end="reset"), ErrorReply(400)])
    pieces, error = await read_text(opened(fake, "continue"))
    assert error.partial is not None
    assert error.partial.text == "".join(pieces)
    assert len(fake.requests) == 2


async def test_an_error_that_would_come_again_is_raised() -> None:
    fake = FakeTransport([evolve(Reply(HELLO), cut_after=4, end="reset"), ErrorReply(401)])
    with pytest.raises(kimi.StreamInterrupted):
        await opened(fake, "auto").final()
    assert len(fake.requests) == 2


async def test_a_reply_that_the_host_gave_up_is_continued() -> None:
    fake = FakeTransport([Reply(HELLO[:20], finish_reason="error"), Reply(HELLO[20:])])
    reply = await opened(fake, "auto").final()
    assert (reply.text, reply.finish_reason) == (HELLO, "stop")
