"""The rate limits of a client: requests wait or go to another provider, and every exit gives its place back."""

from __future__ import annotations

import gc
import logging
from typing import Any

import anyio
import pytest
from attrs import evolve

import kimi_async as kimi
from kimi_async import AsyncKimi, ConfigurationError, RateLimits, Timeouts, Usage
from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    FakeRateLimits,
    FakeTransport,
    Faulty,
    Latency,
    Reply,
    SlowHeaders,
    virtual_time,
)

pytestmark = pytest.mark.anyio

NOT_CLOSED = pytest.mark.filterwarnings("ignore:<ChatStream running>:ResourceWarning")

TWENTY = FakeRateLimits(concurrency=20)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


def line(client: AsyncKimi, name: str = "acedata") -> kimi.LimitHealth:
    limits = client.health()[name].limits
    assert limits is not None
    return limits


def slow(text: str = "Hello", seconds: float = 1.0) -> Faulty:
    return Faulty(Reply(text), SlowHeaders(seconds))


async def ask_at_once(client: AsyncKimi, count: int) -> list[kimi.ChatCompletion]:
    replies: list[kimi.ChatCompletion] = []

    async def ask() -> None:
        replies.append(await client.chat("Hi"))

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(ask)
    return replies


async def test_25_calls_at_once_over_the_limit_of_ace_data_cloud() -> None:
    fake = FakeTransport([slow()] * 25, rate_limits=TWENTY)
    client = fake.client()
    replies = await ask_at_once(client, 25)
    assert [reply.text for reply in replies] == ["Hello"] * 25
    assert len(fake.requests) == 25  # a request that is refused would be one more
    assert line(client).in_flight == 0


async def test_a_thousand_calls_wait_in_line() -> None:
    fake = FakeTransport([slow()] * 1_000, rate_limits=TWENTY)
    began = anyio.current_time()
    await ask_at_once(fake.client(), 1_000)
    assert len(fake.requests) == 1_000
    assert anyio.current_time() - began == pytest.approx(50.0)


@pytest.mark.parametrize(
    "limits",
    [FakeRateLimits(requests_per_minute=10), FakeRateLimits(tokens_per_minute=1_000)],
)
async def test_limits_of_a_minute_are_kept(limits: FakeRateLimits) -> None:
    # The fake counts the whole output limit before the reply, so the reply is that long.
    reply = Reply("Hello", usage=Usage(prompt_tokens=60, completion_tokens=100))
    fake = FakeTransport([reply] * 30, rate_limits=limits)
    own = RateLimits(
        requests_per_minute=limits.requests_per_minute, tokens_per_minute=limits.tokens_per_minute
    )
    client = fake.client(provider=evolve(fake.acedata(), rate_limits=own))

    async def ask() -> None:
        await client.chat("Hi", max_tokens=100)

    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(ask)
    assert len(fake.requests) == 30


async def test_a_full_limit_sends_calls_to_the_next_provider() -> None:
    fake = FakeTransport([slow()] * 25)
    client = fake.client(provider=[fake.acedata(), fake.cloudsway()])
    replies = await ask_at_once(client, 25)
    assert sorted(reply.provider for reply in replies) == ["acedata"] * 20 + ["cloudsway"] * 5


@pytest.mark.parametrize("retries", [kimi.Retries.none(), kimi.Retries()], ids=["none", "retries"])
async def test_closing_the_client_sends_away_all_who_wait(retries: kimi.Retries) -> None:
    """Also those that wait for a time, which no other reply ends."""
    fake = FakeTransport([Reply("Hello")])
    limits = RateLimits(requests_per_minute=1)
    provider = evolve(fake.acedata(), rate_limits=limits)
    client = fake.client(provider=provider, retries=retries)
    began = anyio.current_time()
    errors: list[str] = []

    async def ask() -> None:
        with pytest.raises(kimi.TransportError) as caught:
            await client.chat("Hi")
        errors.append(caught.value.message)

    await client.chat("Hi")
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        await client.aclose()
    assert errors == ["the client was closed meanwhile"] * 3
    assert anyio.current_time() == began


async def test_a_wait_for_a_place_ends_after_slot() -> None:
    fake = FakeTransport([slow(seconds=100.0)])
    provider = evolve(fake.acedata(), rate_limits=RateLimits(concurrency=1))
    client = fake.client(provider=provider, timeouts=Timeouts(slot=5.0))
    async with client.stream("Hi"):
        with pytest.raises(kimi.SlotTimeout) as caught:
            await client.chat("Hi")
        assert caught.value.stage == "waiting for a slot"
    assert len(fake.requests) == 1
    assert (line(client).in_flight, line(client).waiting) == (0, 0)


async def test_the_wait_does_not_count_as_time_before_the_first_output() -> None:
    fake = FakeTransport([slow(seconds=8.0)] * 3)
    provider = evolve(fake.acedata(), rate_limits=RateLimits(concurrency=1))
    client = fake.client(provider=provider, timeouts=Timeouts(first_output=10.0))
    assert len(await ask_at_once(client, 3)) == 3


async def test_the_limit_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kimi_async")
    fake = FakeTransport([slow()] * 30)
    await ask_at_once(fake.client(), 30)
    told = [record.message for record in caplog.records if ", attempt " not in record.message]
    assert told == [
        "a rate limit of acedata is reached for the first time: requests wait or go to the next provider"
    ]


async def test_a_refusal_teaches_a_lower_limit() -> None:
    fake = FakeTransport(
        [slow()] * 9 + [Reply("Hello")] * 5, rate_limits=FakeRateLimits(concurrency=5)
    )
    client = fake.client()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(client.chat, "Hi")
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(kimi.RateLimitError):
            await client.with_options(provider=fake.acedata()).chat("Hi")
        assert line(client).concurrency == 3


async def test_a_pause_that_the_provider_asks_for_holds_for_all_calls() -> None:
    refused = ErrorReply(429, message="slow down", headers={"retry-after": "30"})
    fake = FakeTransport([refused, Reply("Hello")])
    client = fake.client()
    with pytest.raises(kimi.RateLimitError):
        await client.chat("Hi")
    began = anyio.current_time()
    assert line(client).paused_for == pytest.approx(30.0)
    await client.chat("Hi")
    assert anyio.current_time() - began == pytest.approx(30.0)


@NOT_CLOSED
async def test_every_exit_gives_the_place_back() -> None:
    fake = FakeTransport([Reply("Hello"), Reply("Hello"), slow(seconds=100.0), Reply("Hello")])
    client = fake.client(provider=evolve(fake.acedata(), rate_limits=RateLimits(concurrency=1)))
    async with client.stream("Hi") as stream:
        await anext(stream)
    assert line(client).in_flight == 0
    left = client.stream("Hi")
    await anext(left)
    assert line(client).in_flight == 1
    del left
    gc.collect()
    await anyio.wait_all_tasks_blocked()
    assert line(client).in_flight == 0
    with anyio.move_on_after(5.0):
        await client.chat("Hi")
    assert line(client).in_flight == 0
    await client.chat("Hi")


def begin_and_forget(client: AsyncKimi) -> None:
    """Begin a reply, end its event loop, and then drop the reply."""
    kept: list[kimi.ChatStream] = []

    async def main() -> None:
        kept.append(client.stream("Hi"))
        await anext(kept[0])

    anyio.run(main)
    kept.clear()
    gc.collect()


@NOT_CLOSED
def test_a_reply_that_outlives_its_event_loop_gives_its_place_back() -> None:
    fake = FakeTransport([Reply("Hello")])
    client = fake.client()
    begin_and_forget(client)
    assert line(client).in_flight == 0


@pytest.mark.parametrize("anyio_backend", [virtual_time("asyncio")])
async def test_a_call_whose_task_is_gone_leaves_the_line() -> None:
    """As when an event loop ends in the middle: the coroutine is closed and not cancelled."""
    fake = FakeTransport([Reply("Hello")] * 2)
    client = fake.client(provider=evolve(fake.acedata(), rate_limits=RateLimits(concurrency=1)))
    async with client.stream("Hi"):
        waiting = client.chat("Hi")
        waiting.send(None)
        assert line(client).waiting == 1
        waiting.close()
        assert line(client).waiting == 0
    await client.chat("Hi")


async def test_a_provider_without_limits() -> None:
    fake = FakeTransport([Reply("Hello")])
    client = fake.client(provider=evolve(fake.acedata(), rate_limits=None))
    await client.chat("Hi")
    assert client.health()["acedata"].limits is None


async def test_limits_that_cannot_work() -> None:
    twenty: Any = 20
    with pytest.raises(ConfigurationError, match="AceDataCloud: rate_limits must be a RateLimits"):
        AsyncKimi(kimi.AceDataCloud("key-of-a-test", rate_limits=twenty))


# A limiter of the caller's


class Shared:
    """A limiter with two places, as a program may write one."""

    def __init__(self, problem: Exception | None = None) -> None:
        self._problem = problem
        self._places = anyio.Semaphore(2)
        self.costs: list[kimi.Cost] = []
        self.usages: list[Usage] = []
        self.in_flight = 0

    async def acquire(self, cost: kimi.Cost) -> Shared:
        self.costs.append(cost)
        if self._problem is not None:
            raise self._problem
        await self._places.acquire()
        self.in_flight += 1
        return self

    def settle(self, usage: Usage) -> None:
        self.usages.append(usage)

    def release(self) -> None:
        self.in_flight -= 1
        self._places.release()


def limited(fake: FakeTransport, limiter: kimi.Limiter) -> AsyncKimi:
    return fake.client(provider=evolve(fake.acedata(), rate_limits=limiter))


async def test_a_limiter_of_the_caller() -> None:
    limiter = Shared()
    fake = FakeTransport([slow()] * 6, rate_limits=FakeRateLimits(concurrency=2))
    client = limited(fake, limiter)
    await ask_at_once(client, 6)
    assert (len(fake.requests), len(limiter.usages), limiter.in_flight) == (6, 6, 0)
    assert limiter.costs[0].model == "kimi-k3"
    assert limiter.costs[0].tokens > 1_000
    assert not client._caller.shared.gates.is_full(client.providers[0], 0.0)


@NOT_CLOSED
async def test_a_reply_that_is_left_gives_its_permit_back() -> None:
    limiter = Shared()
    client = limited(FakeTransport([Reply("Hello")] * 2), limiter)
    left = client.stream("Hi")
    await anext(left)
    assert limiter.in_flight == 1
    del left
    gc.collect()
    await anyio.wait_all_tasks_blocked()
    assert limiter.in_flight == 0
    waiting = client.stream("Hi")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await waiting.final()
    del waiting
    assert limiter.in_flight == 0


@NOT_CLOSED
def test_a_reply_that_outlives_its_event_loop_gives_its_permit_back() -> None:
    limiter = Shared()
    client = limited(FakeTransport([Reply("Hello")]), limiter)
    begin_and_forget(client)
    assert limiter.in_flight == 0


async def test_a_reply_without_usage_is_not_settled() -> None:
    limiter = Shared()
    client = limited(FakeTransport([Reply("Hello")]), limiter)
    async with client.stream("Hi") as stream:
        await anext(stream)
    assert (limiter.in_flight, limiter.usages) == (0, [])


@pytest.mark.parametrize("anyio_backend", [virtual_time("asyncio")])
async def test_a_call_whose_task_is_gone_takes_no_permit() -> None:
    limiter = Shared()
    client = limited(FakeTransport([Reply("Hello")] * 2), limiter)
    async with client.stream("Hi"), client.stream("Hi"):
        waiting = client.chat("Hi")
        waiting.send(None)
        waiting.close()
    assert limiter.in_flight == 0


async def test_a_limiter_that_refuses() -> None:
    fake = FakeTransport([Reply("Hello")])
    client = limited(fake, Shared(kimi.RateLimitError("the budget of the team is spent")))
    with pytest.raises(kimi.RateLimitError, match="the budget of the team is spent"):
        await client.chat("Hi")
    assert not fake.requests


async def test_a_limiter_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeTransport([Reply("Hello")])
    assert (await limited(fake, Shared(OSError("no route"))).chat("Hi")).text == "Hello"
    assert "the limiter failed; the request is sent without a permit" in caplog.text


class Wrong:
    """A limiter whose permits are none."""

    async def acquire(self, cost: kimi.Cost) -> Any:
        return cost


@NOT_CLOSED
async def test_a_permit_without_its_methods(caplog: pytest.LogCaptureFixture) -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=1, total_tokens=2)
    client = limited(FakeTransport([Reply("Hello", usage=usage)] * 2), Wrong())
    assert (await client.chat("Hi")).text == "Hello"
    for said in ("Permit.settle raised", "Permit.release raised"):
        assert said in caplog.text
    caplog.clear()
    streams = [client.stream("Hi")]
    await anext(streams[0])
    streams.clear()
    await anyio.wait_all_tasks_blocked()
    assert "Permit.release raised" in caplog.text


@pytest.mark.parametrize("digits", [15, 16, 400, 5_000])
async def test_a_limit_that_no_provider_can_mean_is_not_read(digits: int) -> None:
    told = {f"x-ratelimit-{name}-tokens": "9" * digits for name in ("limit", "remaining")}
    fake = FakeTransport([ErrorReply(429, headers=told), Reply("Hello")])
    assert (await fake.client(retries=kimi.Retries()).chat("Hi")).text == "Hello"


async def test_an_output_limit_over_every_number() -> None:
    limits = RateLimits(tokens_per_minute=10)
    fake = FakeTransport([Reply("Hello")])
    client = fake.client(provider=evolve(fake.acedata(), rate_limits=limits), checks="off")
    assert (await client.chat("Hi", max_tokens=10**400)).text == "Hello"


# Over sockets


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_25_calls_at_once_over_sockets() -> None:
    async with FakeProvider(
        [Reply("Hello")] * 25, rate_limits=TWENTY, latency=Latency(headers=0.01)
    ) as fake:
        async with AsyncKimi(fake.acedata(), model="kimi-k3") as client:
            replies = await ask_at_once(client, 25)
    assert len(replies) == 25
    assert len(fake.requests) == 25


@pytest.mark.anyio
async def test_a_reply_without_limits_can_be_abandoned() -> None:
    fake = FakeTransport([Reply("Hello, you!", cut_after=2, end="stall")])
    client = fake.client(provider=fake.acedata(rate_limits=None))
    streams = [client.stream("Hi")]
    await anext(streams[0])
    with pytest.warns(ResourceWarning, match="never closed"):
        streams.clear()
    await anyio.wait_all_tasks_blocked()
    assert client.in_flight == 0
