"""The line of requests before the limits of a provider: in order, never too many, and no place is lost."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from kimi_async import Cloudsway, LimitHealth, OpenAICompatible, RateLimits
from kimi_async._http._event_loop import loop_clock
from kimi_async._reply._gate import Gate
from kimi_async._reply._pass import Gates
from kimi_async._reply._rates import Reservation
from kimi_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


async def take(gate: Gate, limits: RateLimits, tokens: int = 1) -> Reservation:
    clock = loop_clock()
    return gate.take(limits, tokens, clock()) or await gate.wait(limits, tokens, clock)


async def test_requests_are_sent_in_the_order_of_asking() -> None:
    gate, limits = Gate(), RateLimits(concurrency=2)
    order: list[int] = []

    async def ask(number: int) -> None:
        await take(gate, limits)
        order.append(number)
        await anyio.sleep(1)
        gate.release()

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(ask, number)
            await anyio.wait_all_tasks_blocked()
        assert gate.health(limits, anyio.current_time()).waiting == 48
    assert order == list(range(50))
    assert gate.rates.in_flight == 0


async def test_a_newcomer_does_not_overtake_one_that_was_just_woken() -> None:
    gate, limits = Gate(), RateLimits(concurrency=1)
    order: list[str] = []

    async def ask(name: str) -> None:
        await take(gate, limits)
        order.append(name)

    await take(gate, limits)
    async with anyio.create_task_group() as group:
        group.start_soon(ask, "first")
        await anyio.wait_all_tasks_blocked()
        gate.release()
        assert gate.is_full(limits, anyio.current_time())
        assert gate.take(limits, 1, anyio.current_time()) is None
        group.start_soon(ask, "second")
        await anyio.wait_all_tasks_blocked()
        assert order == ["first"]
        gate.release()
    assert order == ["first", "second"]


@pytest.mark.parametrize("seed", range(10))
async def test_no_place_is_lost_under_random_cancellations(seed: int) -> None:
    chance = random.Random(seed)
    gate, limits = Gate(), RateLimits(concurrency=5, tokens_per_minute=400)
    most = 0

    async def ask(patience: float, work: float, tokens: int) -> None:
        nonlocal most
        with anyio.move_on_after(patience):
            await take(gate, limits, tokens)
            try:
                most = max(most, gate.rates.in_flight)
                assert gate.rates.tokens.used(anyio.current_time()) <= 400
                await anyio.sleep(work)
            finally:
                gate.release()

    async with anyio.create_task_group() as group:
        for _ in range(200):
            patience = chance.choice([0.0, 0.5, 1.0, 2.0, 1_000.0, 100_000.0])
            tokens = chance.randint(1, 60)
            group.start_soon(ask, patience, chance.choice([0.0, 0.5, 1.0, 3.0]), tokens)
            if chance.random() < 0.3:
                await anyio.sleep(chance.choice([0.0, 0.5, 1.0]))
    assert most == 5
    assert gate.health(limits, anyio.current_time()).in_flight == 0
    assert gate.health(limits, anyio.current_time()).waiting == 0
    await anyio.sleep(100)
    assert not gate.is_full(limits, anyio.current_time())


async def test_the_limits_as_they_are_now() -> None:
    gates = Gates()
    provider = OpenAICompatible(
        "key-of-a-test", "https://a.test", rate_limits=RateLimits(concurrency=1)
    )
    now = anyio.current_time()
    assert not gates.is_full(provider, now)
    await take(gates.of(provider), RateLimits(concurrency=1))
    assert gates.is_full(provider, now)
    assert gates.health(provider, now) == LimitHealth(
        in_flight=1,
        waiting=0,
        concurrency=1,
        requests_per_minute=None,
        tokens_per_minute=None,
        paused_for=0.0,
    )
    other = Cloudsway("key-of-a-test", "path", rate_limits=None)
    assert not gates.is_full(other, now)
    assert gates.health(other, now) is None


async def test_only_the_newest_keys_are_kept() -> None:
    gates = Gates()
    first = gates.of(OpenAICompatible("key-0", "https://a.test"))
    assert gates.of(OpenAICompatible("key-0", "https://a.test", name="other")) is first
    for number in range(256):
        gates.of(OpenAICompatible(f"key-{number + 1}", "https://a.test"))
    assert gates.of(OpenAICompatible("key-0", "https://a.test")) is not first
