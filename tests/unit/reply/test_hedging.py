"""Hedges of a client, in virtual time: when they are sent, who wins, and that nothing stays open."""

from __future__ import annotations

from typing import Any, Never

import anyio
import pytest
from attrs import evolve

import kimi_async as kimi
from kimi_async import AsyncKimi, Cost, Limiter, RateLimits, Retries, Thinking, Timeouts
from kimi_async._reply._endpoints import endpoint_of
from kimi_async._reply._plan import Failed, Hedge, PlanState
from kimi_async._reply._retrying import hedge_of
from kimi_async.testing import (
    Break,
    ErrorReply,
    FakeTransport,
    Faulty,
    Reply,
    ScriptedReply,
    SlowHeaders,
    virtual_time,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


def slow(text: str, seconds: float) -> ScriptedReply:
    return Faulty(Reply(text), SlowHeaders(seconds))


def both(fake: FakeTransport, **options: Any) -> AsyncKimi:
    return fake.client(provider=[fake.acedata(), fake.cloudsway()], **options)


def asked(fake: FakeTransport) -> list[str]:
    return [str(request.provider) for request in fake.requests]


async def test_a_slow_request_gets_a_hedge() -> None:
    fake = FakeTransport([slow("A", 60), slow("B", 1)])
    reply = await both(fake, hedge_after=2.0).chat("Hi")
    assert (reply.text, reply.provider, anyio.current_time()) == ("B", "cloudsway", 3.0)
    tried = [(attempt.provider, attempt.outcome) for attempt in reply.record.attempts]
    assert tried == [("acedata", "cancelled"), ("cloudsway", "complete")]
    assert fake.active_requests == 0


async def test_a_hedge_for_one_call() -> None:
    fake = FakeTransport([slow("A", 60), slow("B", 1)])
    reply = await both(fake).chat("Hi", hedge_after=2.0)
    assert (reply.text, anyio.current_time()) == ("B", 3.0)


async def test_without_the_option_there_is_no_hedge() -> None:
    fake = FakeTransport([slow("A", 60)])
    assert (await both(fake).chat("Hi")).text == "A"
    assert asked(fake) == ["acedata"]


async def test_one_provider_gets_no_hedge() -> None:
    fake = FakeTransport([slow("A", 60)])
    assert (await fake.client(hedge_after=2.0).chat("Hi")).text == "A"
    assert asked(fake) == ["acedata"]


async def test_of_many_slow_requests_5_percent_get_a_hedge() -> None:
    fake = FakeTransport(lambda _: slow("Hello", 10))
    client = both(fake, hedge_after=2.0)
    for _ in range(100):
        await client.with_options(headers={}).chat("Hi")
    assert asked(fake).count("cloudsway") == 6, "one at the beginning, and one for each 20"


async def test_a_percentile_needs_some_requests() -> None:
    fake = FakeTransport(lambda request: slow(str(request.provider), 1))
    client = both(fake, hedge_after="p50")
    for _ in range(20):
        assert (await client.chat("Hi")).provider == "acedata"
    assert asked(fake) == ["acedata"] * 20


async def test_a_closed_loser_counts_with_its_age() -> None:
    """Otherwise only fast requests would be known, and the percentile would fall to their time."""
    hosts = {"acedata": 1.0, "cloudsway": 0.0}
    fake = FakeTransport(lambda request: slow("Hello", hosts[str(request.provider)]))
    client = both(fake, hedge_after="p95")
    for _ in range(20):
        await client.chat("Hi")
    hosts["acedata"] = 60.0
    begun = anyio.current_time()
    assert (await client.chat("Hi")).provider == "cloudsway"
    assert anyio.current_time() - begun == 1.0
    model = endpoint_of(client.providers[0], "kimi-k3")
    assert client._caller.shared.hedges.outputs_of(model).percentile(99) == 1.0


async def test_a_provider_that_cannot_serve_the_request_is_no_hedge() -> None:
    fake = FakeTransport([slow("A", 60)])
    client = both(fake, hedge_after=2.0, checks="off")
    assert (await client.chat("Hi", thinking=Thinking(effort="high"))).text == "A"
    assert asked(fake) == ["acedata"]


async def test_a_retryable_error_starts_the_hedge_at_once() -> None:
    fake = FakeTransport([ErrorReply(500), Reply("B")])
    assert (await both(fake, hedge_after=60.0).chat("Hi")).text == "B"
    assert anyio.current_time() == 0.0


async def test_a_rate_limit_ends_hedging() -> None:
    fake = FakeTransport([ErrorReply(429)])
    with pytest.raises(kimi.RateLimitError):
        await both(fake, hedge_after=60.0).chat("Hi")
    assert asked(fake) == ["acedata"]


async def test_a_provider_that_was_taken_out_is_no_hedge() -> None:
    fake = FakeTransport([slow("A", 60)])
    client = both(fake, hedge_after=2.0)
    client.isolate("cloudsway")
    assert (await client.chat("Hi")).text == "A"
    assert asked(fake) == ["acedata"]


class Waits:
    """A limiter that lets nobody through."""

    async def acquire(self, _cost: Cost) -> Any:
        await anyio.sleep_forever()


class Refuses:
    """A limiter that refuses each request."""

    async def acquire(self, _cost: Cost) -> Never:
        raise kimi.RateLimitError("no")


def limited(fake: FakeTransport, limits: RateLimits | Limiter) -> list[kimi.Provider]:
    return [fake.acedata(), evolve(fake.cloudsway(), rate_limits=limits)]


@pytest.mark.parametrize(
    "limits",
    [RateLimits(concurrency=1), RateLimits(requests_per_minute=1), RateLimits(tokens_per_minute=1)],
    ids=["concurrency", "requests", "tokens"],
)
async def test_a_second_request_that_would_wait_for_a_limit_is_not_sent(
    limits: RateLimits,
) -> None:
    fake = FakeTransport([slow("busy", 60), slow("A", 10)])
    providers = limited(fake, limits)
    client = fake.client(provider=providers, timeouts=Timeouts(slot=1.0), hedge_after=2.0)
    async with anyio.create_task_group() as group:
        group.start_soon(client.with_options(provider=providers[1]).chat, "Hi")
        await anyio.wait_all_tasks_blocked()
        assert (await client.chat("Hi")).text == "A"
        group.cancel_scope.cancel()
    assert asked(fake) == ["cloudsway", "acedata"]


@pytest.mark.parametrize(
    ("limiter", "outcome"), [(Waits(), "cancelled"), (Refuses(), "error")], ids=["waits", "refuses"]
)
async def test_a_limiter_that_stops_the_second_request_leaves_the_first(
    limiter: Limiter, outcome: str
) -> None:
    """Its wait would otherwise end the whole reply with SlotTimeout."""
    fake = FakeTransport([slow("A", 10)])
    told: list[kimi.ReplyRecord] = []
    client = fake.client(
        provider=limited(fake, limiter),
        timeouts=Timeouts(slot=1.0),
        hedge_after=2.0,
        on_complete=told.append,
    )
    assert (await client.chat("Hi")).text == "A"
    assert anyio.current_time() == 10.0
    assert [attempt.outcome for attempt in told[0].attempts] == ["complete", outcome]


async def test_a_provider_without_a_free_place_is_passed_over() -> None:
    fake = FakeTransport([slow("busy", 60), slow("A", 60), Reply("C")])
    providers = [*limited(fake, RateLimits(concurrency=1)), fake.moonshot()]
    client = fake.client(provider=providers, hedge_after=2.0)
    async with anyio.create_task_group() as group:
        group.start_soon(client.with_options(provider=providers[1]).chat, "Hi")
        await anyio.wait_all_tasks_blocked()
        assert (await client.chat("Hi")).provider == "moonshot"
        group.cancel_scope.cancel()


@pytest.mark.parametrize("slot", [3.0, 60.0])
async def test_the_second_request_wins_while_the_first_waits_for_its_limiter(slot: float) -> None:
    """The end of that wait would end a reply without a second request."""
    fake = FakeTransport([slow("B", 5)])
    providers = [evolve(fake.acedata(), rate_limits=Waits()), fake.cloudsway()]
    client = fake.client(provider=providers, timeouts=Timeouts(slot=slot), hedge_after="p50")
    hedges, model = client._caller.shared.hedges, endpoint_of(providers[0], "kimi-k3")
    for _ in range(20):
        hedges.outputs_of(model).add(2.0)
    assert (await client.chat("Hi")).text == "B"
    assert anyio.current_time() == 7.0
    assert hedges.outputs_of(model).percentile(99) == 2.0, (
        "the wait for a limit is no time of the provider"
    )


@pytest.mark.parametrize("hedge_after", [2.0, 60.0], ids=["the-second-fails", "no-second"])
async def test_the_end_of_the_wait_for_a_limiter_ends_a_reply_without_output(
    hedge_after: float,
) -> None:
    fake = FakeTransport([ErrorReply(500)])
    providers = [evolve(fake.acedata(), rate_limits=Waits()), fake.cloudsway()]
    client = fake.client(
        provider=providers, timeouts=Timeouts(slot=3.0), hedge_after=hedge_after, retries=Retries()
    )
    with pytest.raises(kimi.SlotTimeout):
        await client.chat("Hi")
    assert anyio.current_time() == 3.0


@pytest.mark.parametrize(
    "second", [ErrorReply(429), ErrorReply(500), Faulty(Reply("B"), Break(after_event=0))]
)
async def test_a_second_request_that_fails_leaves_the_first(second: ScriptedReply) -> None:
    fake = FakeTransport([slow("A", 10), second])
    client = both(fake, hedge_after=2.0)
    assert (await client.chat("Hi")).text == "A"
    assert anyio.current_time() == 10.0
    assert client.in_flight == fake.active_requests == 0


@pytest.mark.parametrize("first", [ErrorReply(429), ErrorReply(500), ErrorReply(400)])
async def test_a_first_request_that_fails_leaves_the_second(first: ErrorReply) -> None:
    fake = FakeTransport([Faulty(first, SlowHeaders(3)), slow("B", 10)])
    assert (await both(fake, hedge_after=2.0).chat("Hi")).text == "B"
    assert anyio.current_time() == 12.0


async def test_a_failure_has_the_number_of_its_attempt() -> None:
    failed = ErrorReply(500)
    fake = FakeTransport([Faulty(failed, SlowHeaders(5)), failed, failed, Reply("A")])
    stream = both(fake, hedge_after=2.0, retries=Retries()).stream("Hi")
    events = [event async for event in stream if isinstance(event, kimi.AttemptFailed)]
    numbers = [(event.provider, event.attempt) for event in events]
    assert numbers == [("cloudsway", 2), ("acedata", 1), ("acedata", 3)]
    assert len(stream.attempts) == 4


async def test_an_error_of_both_tells_of_both() -> None:
    fake = FakeTransport([Faulty(ErrorReply(500), SlowHeaders(3)), ErrorReply(503)])
    with pytest.raises(kimi.ServerError) as caught:
        await both(fake, hedge_after=2.0).chat("Hi")
    assert caught.value.status == 500
    attempts = [(each.provider, each.outcome) for each in caught.value.attempts]
    assert attempts == [("acedata", "error"), ("cloudsway", "error")]


async def test_a_second_request_that_loses_gives_its_places_back() -> None:
    fake = FakeTransport([slow("A", 4), slow("B", 60)])
    client = both(fake, hedge_after=2.0)
    await client.chat("Hi")
    gates = client._caller.shared.gates
    for provider in client.providers:
        (health,) = client.health()[provider.name].models.values()
        assert (gates.of(provider).rates.in_flight, health.failures) == (0, 0)
    assert client.in_flight == fake.active_requests == 0


async def test_a_request_that_fails_as_its_hedge_is_due_gets_one_hedge() -> None:
    fake = FakeTransport([Faulty(ErrorReply(500), SlowHeaders(2)), Reply("B")])
    assert (await both(fake, hedge_after=2.0).chat("Hi")).text == "B"
    assert asked(fake) == ["acedata", "cloudsway"]


@pytest.mark.parametrize("seconds", [1.0, 3.0], ids=["before-the-hedge", "after-it"])
async def test_a_coroutine_that_is_closed_in_a_race_leaves_no_open_request(seconds: float) -> None:
    """Nothing can be awaited there."""
    fake = FakeTransport([slow("A", 60), slow("B", 60)])
    client = both(fake, hedge_after=2.0)
    call = client.chat("Hi")
    call.send(None)
    await anyio.sleep(seconds)
    call.close()
    await anyio.wait_all_tasks_blocked()
    assert client.in_flight == fake.active_requests == 0


def test_the_failures_before_decide_on_a_hedge() -> None:
    first, second, third = (kimi.AceDataCloud("key", name=name) for name in "abc")

    def hedge(*errors: kimi.KimiError, ceiling: int = 5) -> Hedge | None:
        history = tuple(Failed(provider=second, error=error, started=False) for error in errors)
        state = PlanState(
            providers=(first, second, third),
            hedge_delay=lambda _: 2.0,
            retries=Retries(ceiling=ceiling),
        )
        return hedge_of(first, history, state)

    failure = kimi.ServerError("no", status=500)
    assert hedge() == Hedge(providers=(second, third), after=2.0)
    assert hedge(failure) == Hedge(providers=(third,), after=2.0)
    assert hedge(kimi.RateLimitError("no", status=429)) is None
    assert hedge(ceiling=1) == Hedge(providers=(second, third), after=2.0)
    assert hedge(failure, ceiling=2) is None


@pytest.mark.parametrize("after", [None, 1, 0.5, "p50", "p99"])
async def test_the_values_of_the_option(after: Any) -> None:
    assert (await both(FakeTransport([Reply("A")]), hedge_after=after).chat("Hi")).text == "A"


@pytest.mark.parametrize("seconds", [0.0, 0.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5])
@pytest.mark.parametrize("winner", ["acedata", "cloudsway"])
async def test_a_cancelled_call_leaves_no_open_request(seconds: float, winner: str) -> None:
    """Headers after 3 s or 4 s by the first provider, output each 0.5 s; the hedge begins after 2 s."""
    times = {winner: 3.0}

    def script(request: Any) -> ScriptedReply:
        headers = times.get(request.provider, 4.0) - 2.0 * (request.provider == "cloudsway")
        return Faulty(Reply("Hello, you!", pace=0.5), SlowHeaders(headers))

    fake = FakeTransport(script)
    told: list[kimi.ReplyRecord] = []
    client = both(fake, hedge_after=2.0, on_complete=told.append)
    with anyio.move_on_after(seconds) as scope:
        await client.chat("Hi")
    assert scope.cancelled_caught
    assert (fake.active_requests, client.in_flight) == (0, 0)
    assert [record.outcome for record in told] == ["cancelled"]
    assert len(fake.requests) <= 2
