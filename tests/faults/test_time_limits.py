"""The timeout that ends each wait, to the second, with the default limits: in virtual time, without a socket."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from attrs import frozen

import kimi_async as kimi
from kimi_async import Timeouts
from kimi_async.testing import (
    Drip,
    DrippingHeaders,
    ErrorReply,
    FakeToolCall,
    FakeTransport,
    Faulty,
    MissingDone,
    Reply,
    ScriptedReply,
    SlowHeaders,
    Stall,
    virtual_time,
)

pytestmark = pytest.mark.anyio

BEFORE = "waiting for the first output"
#: On the wire: the role, "Hello ", "there" and the finish reason, the token counts, [DONE].
HELLO = Reply("Hello there", chunk_chars=6)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


@frozen(kw_only=True)
class Late:
    """A reply that a limit ends."""

    reply: ScriptedReply = HELLO
    error: type[kimi.KimiTimeoutError]
    stage: str = "streaming"
    seconds: float
    at: float | None = None  # where it is not the limit itself
    partial: str | None = None
    timeouts: Timeouts = Timeouts()
    wire: kimi.Wire = "stream"
    connect: float | None = 0.0
    write: float | None = 0.0


def before_output(error: type[kimi.KimiTimeoutError], seconds: float, **more: Any) -> Late:
    return Late(error=error, seconds=seconds, stage=more.pop("stage", BEFORE), **more)


def after_hello(error: type[kimi.KimiTimeoutError], seconds: float, **more: Any) -> Late:
    return Late(error=error, seconds=seconds, partial=more.pop("partial", "Hello "), **more)


LATE = {
    "no-connection": before_output(kimi.ConnectTimeout, 10, connect=None, stage="connecting"),
    "request-not-taken": before_output(kimi.WriteTimeout, 30, write=None, stage="sending"),
    "no-answer": before_output(kimi.FirstOutputTimeout, 300, reply=Faulty(HELLO, SlowHeaders())),
    "endless-headers": before_output(
        kimi.FirstOutputTimeout, 300, reply=Faulty(HELLO, DrippingHeaders(1))
    ),
    "comments-before-output": before_output(
        kimi.FirstOutputTimeout, 300, reply=Faulty(HELLO, Drip(every=15, after_event=0))
    ),
    "all-that-comes-before-output-together": before_output(
        kimi.FirstOutputTimeout,
        300,
        connect=9,
        write=29,
        reply=Faulty(HELLO, SlowHeaders(200), Stall(200, after_event=1)),
    ),
    "one-body": before_output(
        kimi.FirstOutputTimeout, 300, reply=Faulty(HELLO, Stall(at_byte=1)), wire="json"
    ),
    "silence": after_hello(kimi.IdleTimeout, 300, reply=Faulty(HELLO, Stall(after_event=2))),
    "silence-after-slow-output": after_hello(
        kimi.IdleTimeout,
        300,
        reply=Faulty(HELLO, Stall(100, after_event=1), Stall(after_event=2)),
        at=400,
    ),
    "comments-for-ever": after_hello(
        kimi.ProgressTimeout, 300, reply=Faulty(HELLO, Drip(every=7, after_event=2))
    ),
    "comments-that-hit-the-limit": after_hello(
        kimi.ProgressTimeout, 300, reply=Faulty(HELLO, Drip(every=15, after_event=2))
    ),
    "an-empty-event-each-second": after_hello(
        kimi.ProgressTimeout,
        300,
        reply=Faulty(HELLO, Drip(Drip.EMPTY_EVENT, every=1, after_event=2)),
    ),
    "comments-and-then-silence": after_hello(
        kimi.ProgressTimeout,
        300,
        reply=Faulty(HELLO, Drip(every=50, times=2, after_event=2), Stall(after_event=4)),
    ),
    "total-before-output": before_output(
        kimi.TotalTimeout, 2, reply=Faulty(HELLO, SlowHeaders()), timeouts=Timeouts(total=2)
    ),
    "total-while-connecting": before_output(
        kimi.TotalTimeout, 2, connect=None, timeouts=Timeouts(total=2)
    ),
    "total-in-silence": after_hello(
        kimi.TotalTimeout,
        2,
        reply=Faulty(HELLO, Stall(after_event=2)),
        timeouts=Timeouts(total=2),
    ),
    "total-over-slow-reads": after_hello(
        kimi.TotalTimeout,
        100,
        reply=Reply("One two three four five", chunk_chars=4, pace=30),
        partial="One two thre",
        timeouts=Timeouts(total=100),
    ),
    "total-over-comments": after_hello(
        kimi.TotalTimeout,
        100,
        reply=Faulty(HELLO, Drip(every=0.75, after_event=2)),
        timeouts=Timeouts(total=100),
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in LATE.items()])
async def test_a_limit_ends_a_wait_to_the_second(case: Late) -> None:
    fake = FakeTransport([case.reply], connect=case.connect, write=case.write)
    with pytest.raises(case.error) as caught:
        await fake.client(timeouts=case.timeouts).chat("Hi", wire=case.wire)
    error = caught.value
    assert type(error) is case.error
    assert (error.stage, error.seconds) == (case.stage, case.seconds)
    assert (error.partial and error.partial.text) == case.partial
    assert anyio.current_time() == (case.seconds if case.at is None else case.at)
    assert (error.record.outcome, error.record.ended_after) == ("timeout", anyio.current_time())
    assert (fake.active_requests, fake.lost_connections) == (0, 1)


@frozen(kw_only=True)
class Whole:
    """A reply that is whole in spite of its waits."""

    reply: ScriptedReply
    at: float
    usage: bool = True
    kept_alive: bool = True
    timeouts: Timeouts = Timeouts()
    wire: kimi.Wire = "stream"


FOR_EVER = Timeouts(first_output=None, idle=None, progress=None)
CALL = FakeToolCall("write_file", {"text": "x" * 4000})
TALK = Reply("Hello there", tool_calls=[CALL], chunk_chars=500)

WHOLE = {
    "finish-reason-and-open-socket": Whole(
        reply=Faulty(HELLO, Stall(after_event=-2)), at=5, usage=False, kept_alive=False
    ),
    "no-done-and-open-socket": Whole(
        reply=Faulty(HELLO, MissingDone(), Stall()), at=5, kept_alive=False
    ),
    "comments-within-the-grace": Whole(
        reply=Faulty(HELLO, MissingDone(), Drip(every=0.75)), at=5, kept_alive=False
    ),
    "usage-within-the-grace": Whole(reply=Faulty(HELLO, Stall(4, after_event=-2)), at=4),
    "open-socket-after-done": Whole(reply=Faulty(HELLO, Stall()), at=0.5, kept_alive=False),
    "trickle-after-done": Whole(
        reply=Faulty(HELLO, Drip(b":", every=0.125)), at=0.5, kept_alive=False
    ),
    "flood-after-done": Whole(
        reply=Faulty(HELLO, Drip(b"x" * 1000, every=0)), at=0, kept_alive=False
    ),
    "silence-before-a-large-call": Whole(reply=Faulty(TALK, Stall(180, after_event=2)), at=180),
    "silence-within-a-large-call": Whole(
        reply=Faulty(TALK, Stall(180, after_event=2), Stall(180, after_event=4)), at=360
    ),
    "slow-to-begin": Whole(
        reply=Faulty(HELLO, SlowHeaders(140), Stall(150, after_event=1)), at=290
    ),
    "one-body-that-takes-long": Whole(reply=Faulty(HELLO, SlowHeaders(290)), at=290, wire="json"),
    "an-hour-of-silence": Whole(
        reply=Faulty(HELLO, Stall(3600, after_event=2)), at=3600, timeouts=FOR_EVER
    ),
    "a-day-of-comments": Whole(
        reply=Faulty(HELLO, Drip(every=60, times=1440, after_event=2)), at=86400, timeouts=FOR_EVER
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in WHOLE.items()])
async def test_a_reply_survives_the_waits_that_its_limits_allow(case: Whole) -> None:
    fake = FakeTransport([case.reply])
    reply = await fake.client(timeouts=case.timeouts).chat("Hi", wire=case.wire)
    assert reply.text == "Hello there"
    assert [call.complete for call in reply.tool_calls] == [True] * len(reply.tool_calls)
    assert (reply.finish_reason, reply.usage is not None) == (
        "tool_calls" if reply.tool_calls else "stop",
        case.usage,
    )
    assert anyio.current_time() == case.at
    assert (fake.active_requests, fake.lost_connections) == (0, 0 if case.kept_alive else 1)


async def test_the_body_of_an_error_is_waited_for_five_seconds() -> None:
    fake = FakeTransport([Faulty(ErrorReply(401), Stall(at_byte=10))])
    with pytest.raises(kimi.AuthenticationError):
        await fake.client().chat("Hi")
    assert anyio.current_time() == 5


async def test_a_list_of_models_that_never_comes() -> None:
    fake = FakeTransport(models=Faulty(ErrorReply(200, "x"), Stall(at_byte=10)))
    with pytest.raises(kimi.FirstOutputTimeout):
        await fake.client().models()
    assert (anyio.current_time(), fake.lost_connections) == (300, 1)


async def test_time_that_the_caller_takes_counts_against_no_limit_but_the_total() -> None:
    fake = FakeTransport([HELLO, HELLO])
    client = fake.client()
    async with client.stream("Hi") as stream:
        async for _ in stream:
            await anyio.sleep(1000)
    assert (await stream.final()).text == "Hello there"
    begun = anyio.current_time()
    with pytest.raises(kimi.TotalTimeout) as caught:
        async with client.stream("Hi", timeouts=Timeouts(total=1500)) as stream:
            async for _ in stream:
                await anyio.sleep(1000)
    assert anyio.current_time() - begun == 2000
    assert caught.value.partial is not None
    assert (caught.value.seconds, caught.value.partial.text) == (1500, "Hello ")
