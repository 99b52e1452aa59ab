"""The seam between a reply and its plan, driven by plans of these tests, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from exit_actions import Watcher

import kimi_async as kimi
from kimi_async import ChatStream, Limits, ReplyDecoder, Timeouts
from kimi_async._configuration import ClientSettings
from kimi_async._http._transport import Transport
from kimi_async._reply._attempts import Call
from kimi_async._reply._plan import (
    Continue,
    Decision,
    Failed,
    Hedge,
    Plan,
    PlanState,
    Raise,
    Restart,
    Send,
)
from kimi_async._reply._reply import Reply as InnerReply
from kimi_async._reply._shared import SharedState
from kimi_async._request._params import chat_request
from kimi_async._wire import ChatRequest
from kimi_async.testing import (
    ErrorReply,
    FakeTransport,
    Faulty,
    Reply,
    ScriptError,
    SlowHeaders,
    recording,
    virtual_time,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


Decide = Callable[[tuple[Failed, ...], PlanState], Decision]


def plan_of(decide: Decide) -> Plan:
    def plan(
        request: ChatRequest,
        history: tuple[Failed, ...],
        state: PlanState,
        now: float,
        chance: float,
    ) -> Decision:
        assert request.model == "kimi-k3"
        assert now >= 0.0
        assert 0.0 <= chance <= 1.0
        return decide(history, state)

    return plan


class Driven:
    """One stream over a fake of both resellers, with the plan of a test."""

    def __init__(self, fake: FakeTransport, plan: Plan) -> None:
        self.records: list[kimi.ReplyRecord] = []
        self.watcher = Watcher()
        self.a, self.b = fake.acedata(), fake.cloudsway()
        request = chat_request("Hi", {}, model="kimi-k3", wire="stream")
        self.transport = Transport(httpx.AsyncClient(transport=fake))
        self.reply = InnerReply(
            Call(
                request=request,
                plan=plan,
                settings=ClientSettings(
                    providers=(self.a, self.b),
                    model=None,
                    timeouts=Timeouts(),
                    limits=Limits(),
                    max_concurrency=1,
                    on_complete=self.records.append,
                    headers={},
                    checks="off",
                    hooks=[self.watcher.begin],
                    hedge_after=3.0,
                ),
                first=self.a,
                wire_request=self.a.build_request(request),
                headers={},
                transport=self.transport,
                shared=SharedState(),
            )
        )
        self.stream = ChatStream(self.reply)


def slow(text: str, seconds: float) -> Faulty:
    return Faulty(Reply(text), SlowHeaders(seconds))


def asked(fake: FakeTransport) -> list[str]:
    return [request.path.split("/")[1] for request in fake.requests]


def second_provider(history: tuple[Failed, ...], state: PlanState) -> Decision:
    return Send(provider=state.providers[len(history)], after=2.0 * len(history))


async def test_a_second_provider_answers_when_the_first_one_fails() -> None:
    fake = FakeTransport([ErrorReply(500), Reply("Hello")])
    driven = Driven(fake, plan_of(second_provider))
    events = [event async for event in driven.stream]
    failed, start = events[:2]
    assert isinstance(failed, kimi.AttemptFailed)
    assert (failed.provider, failed.error.status, failed.delay, failed.attempt) == (
        *("acedata", 500, 2.0, 1),
    )
    assert isinstance(start, kimi.StreamStart)
    assert (start.provider, driven.stream.snapshot.text) == ("cloudsway", "Hello")
    assert asked(fake) == ["acedata", "cloudsway"]
    assert anyio.current_time() >= 2.0
    assert (fake.active_requests, driven.transport.limiter.taken) == (0, 0)
    (record,) = driven.records
    tried = [(attempt.provider, attempt.outcome) for attempt in record.attempts]
    assert (record.provider, tried) == (
        "cloudsway",
        [("acedata", "error"), ("cloudsway", "complete")],
    )


async def test_events_reach_the_caller_only_after_the_first_output() -> None:
    """The first answer broke before any output: nothing of it is seen."""
    fake = FakeTransport([Reply("never seen", cut_after=0, end="reset"), Reply("Hello")])
    driven = Driven(fake, plan_of(second_provider))
    assert (await driven.stream.final()).text == "Hello"
    assert driven.stream.snapshot.provider == "cloudsway"


async def test_the_plan_is_told_what_happened() -> None:
    seen: list[tuple[tuple[Failed, ...], PlanState]] = []

    def decide(history: tuple[Failed, ...], state: PlanState) -> Decision:
        seen.append((history, state))
        return Raise(history[-1].error) if history else Send(provider=state.providers[1])

    fake = FakeTransport([Reply("Hello, you!", cut_after=2, end="reset")])
    driven = Driven(fake, plan_of(decide))
    with pytest.raises(kimi.StreamInterrupted) as caught:
        async for _ in driven.stream:
            pass
    (_, before), (history, after) = seen
    assert (before.seen, before.partial, after.seen) == (False, None, True)
    assert after.partial is not None
    assert after.partial.content == "Hello, y"
    assert [(each.provider, each.error, each.started) for each in history] == [
        (driven.b, caught.value, True)
    ]
    assert (caught.value.provider, caught.value.stage) == ("cloudsway", "streaming")


async def test_a_restart_begins_a_new_message() -> None:
    def decide(history: tuple[Failed, ...], state: PlanState) -> Decision:
        providers = state.providers
        return Restart(provider=providers[1]) if history else Send(provider=providers[0])

    fake = FakeTransport([Reply("Hello, you!", cut_after=2, end="reset"), Reply("Good day!")])
    driven = Driven(fake, plan_of(decide))
    events = [event async for event in driven.stream]
    kinds = [type(event).__name__ for event in events]
    failed = kinds.index("AttemptFailed")
    assert kinds[failed : failed + 3] == ["AttemptFailed", "StreamRestarted", "StreamStart"]
    reply = await driven.stream.final()
    assert (reply.text, reply.provider) == ("Good day!", "cloudsway")
    assert asked(fake) == ["acedata", "cloudsway"]


async def test_a_continuation_is_read_into_the_same_message() -> None:
    def decide(history: tuple[Failed, ...], state: PlanState) -> Decision:
        if not history:
            return Send(provider=state.providers[0])
        assert state.partial is not None
        prefix = kimi.assistant(str(state.partial.content), partial=True)
        return Continue(provider=state.providers[0], prefix=prefix)

    fake = FakeTransport([Reply("Hello, you!", cut_after=2, end="reset"), Reply("ou!")])
    driven = Driven(fake, plan_of(decide))
    events = [event async for event in driven.stream]
    texts = [event.text for event in events if isinstance(event, kimi.ContentDelta)]
    assert "".join(texts) == driven.stream.snapshot.text == "Hello, you!"
    kinds = [type(event).__name__ for event in events]
    assert [kinds.count(kind) for kind in ("StreamStart", "Finish", "ContentDone")] == [1, 1, 1]
    assert kimi.StreamContinued("acedata", len("Hello, y")) in events
    assert fake.requests[1].body["messages"][1:] == [
        {"role": "assistant", "content": "Hello, y", "partial": True}
    ]


def hedged(history: tuple[Failed, ...], state: PlanState) -> Decision:
    if history:
        return Raise(history[-1].error)
    return Send(provider=state.providers[0], hedge=Hedge(providers=state.providers[1:], after=3.0))


@pytest.mark.parametrize(
    ("first", "second", "winner", "at"),
    [
        (Reply("A"), Reply("B"), "acedata", 0.0),
        (slow("A", 60), slow("B", 1), "cloudsway", 4.0),
        (slow("A", 4), slow("B", 60), "acedata", 4.0),
        (ErrorReply(500), slow("B", 1), "cloudsway", 1.0),
    ],
    ids=["no-hedge-is-needed", "the-second-is-faster", "the-first-is-faster", "the-first-fails"],
)
async def test_of_two_attempts_the_first_output_wins(
    first: Any, second: Any, winner: str, at: float
) -> None:
    fake = FakeTransport([first, second])
    driven = Driven(fake, plan_of(hedged))
    begun = anyio.current_time()
    async with driven.stream as stream:
        assert anyio.current_time() - begun == pytest.approx(at, abs=0.01)
        assert fake.active_requests == 1, "the loser is closed at once"
        reply = await stream.final()
    driven.watcher.check(reply.record)
    assert (reply.provider, reply.text) == (winner, "A" if winner == "acedata" else "B")
    assert fake.active_requests == 0


async def test_of_two_attempts_that_fail_the_last_error_goes_to_the_plan() -> None:
    fake = FakeTransport([ErrorReply(500), ErrorReply(429)])
    with pytest.raises(kimi.RateLimitError) as caught:
        await Driven(fake, plan_of(hedged)).stream.final()
    assert caught.value.provider == "cloudsway"
    assert fake.active_requests == 0


@pytest.mark.parametrize(
    ("status", "kind"), [(429, kimi.RateLimitError), (400, kimi.BadRequestError)]
)
async def test_an_error_that_a_hedge_would_not_help_starts_none(status: int, kind: type) -> None:
    fake = FakeTransport([ErrorReply(status)])
    driven = Driven(fake, plan_of(hedged))
    with pytest.raises(kind):
        await driven.stream.final()
    assert asked(fake) == ["acedata"]
    assert anyio.current_time() < 3.0


async def test_the_failure_before_a_hedge_is_told() -> None:
    fake = FakeTransport([ErrorReply(500), slow("B", 1)])
    events = [event async for event in Driven(fake, plan_of(hedged)).stream]
    failed, start = events[:2]
    assert isinstance(failed, kimi.AttemptFailed)
    assert (failed.provider, failed.error.status, failed.delay) == ("acedata", 500, 0.0)
    assert isinstance(start, kimi.StreamStart)


async def test_a_hedge_that_fails_leaves_the_first_request() -> None:
    fake = FakeTransport([slow("A", 60), ErrorReply(500)])
    driven = Driven(fake, plan_of(hedged))
    events = [event async for event in driven.stream]
    failed = events[0]
    assert isinstance(failed, kimi.AttemptFailed)
    assert (failed.provider, driven.stream.snapshot.text) == ("cloudsway", "A")
    (record,) = driven.records
    tried = [(attempt.provider, attempt.outcome) for attempt in record.attempts]
    assert tried == [("acedata", "complete"), ("cloudsway", "error")]
    # Hooks are told of an attempt when it ends.
    assert tuple(reversed(driven.watcher.attempts)) == record.attempts


async def test_misuse_in_a_race_is_raised_as_it_is() -> None:
    fake = FakeTransport([slow("A", 60)])
    with pytest.raises(ScriptError):  # of the second attempt
        await Driven(fake, plan_of(hedged)).stream.final()
    assert fake.active_requests == 0


@pytest.mark.parametrize("seconds", [1.0, 3.5], ids=["before-the-hedge", "after-it"])
async def test_closing_a_race_closes_both(seconds: float) -> None:
    fake = FakeTransport([slow("A", 60), slow("B", 60)])
    driven = Driven(fake, plan_of(hedged))
    with anyio.move_on_after(seconds):
        await driven.stream.final()
    assert fake.active_requests == 0
    assert [record.outcome for record in driven.records] == ["cancelled"]


async def test_a_reply_that_waits_for_its_next_attempt_can_be_closed_from_another_task() -> None:
    fake = FakeTransport([ErrorReply(500)])
    driven = Driven(fake, plan_of(second_provider))
    async with anyio.create_task_group() as group:

        async def read() -> None:
            with pytest.raises(kimi.StreamInterrupted, match="closed before its end"):
                await driven.stream.final()

        group.start_soon(read)
        await anyio.sleep(1)
        await driven.stream.aclose()
    assert asked(fake) == ["acedata"]
    assert (fake.active_requests, driven.transport.limiter.taken) == (0, 0)


async def test_a_reply_that_waits_to_restart_can_be_closed_from_another_task() -> None:
    def decide(history: tuple[Failed, ...], state: PlanState) -> Decision:
        provider = state.providers[0]
        return Restart(provider=provider, after=60.0) if history else Send(provider=provider)

    fake = FakeTransport([Reply("Hello, you!", cut_after=2, end="reset")])
    driven = Driven(fake, plan_of(decide))
    async with anyio.create_task_group() as group:

        async def read() -> None:
            with pytest.raises(kimi.StreamInterrupted, match="closed before its end") as caught:
                await driven.stream.final()
            assert caught.value.partial is not None
            assert caught.value.partial.text == "Hello, y"

        group.start_soon(read)
        await anyio.sleep(1)
        await driven.stream.aclose()
    assert asked(fake) == ["acedata"]
    assert (fake.active_requests, driven.transport.limiter.taken) == (0, 0)


def test_a_recorded_reply_is_decoded_without_an_event_loop() -> None:
    decoder = ReplyDecoder(kimi.AceDataCloud())
    events = decoder.feed(recording("acedata/stream_reasoning_ko")) + decoder.close()
    assert isinstance(events[0], kimi.StreamStart)
    assert decoder.snapshot().text
    assert decoder.failure is None


def test_nothing_changes_a_decoder_that_has_ended() -> None:
    decoder = ReplyDecoder(kimi.AceDataCloud())
    decoder.close()
    failure = decoder.failure
    assert isinstance(failure, kimi.EmptyResponseError)
    body = recording("acedata/stream_reasoning_ko")
    assert decoder.feed(body) + decoder.close() + decoder.finish() == []
    assert decoder.connection_lost("reset") + decoder.fail(kimi.ServerError("no", status=500)) == []
    assert decoder.failure is failure
