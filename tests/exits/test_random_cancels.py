"""Replies that are left at random moments, by one cancellation or by two, leave nothing open."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from event_loops import EVERY_LOOP
from exit_actions import until

import kimi_async as kimi
from kimi_async import AsyncKimi
from kimi_async.testing import FakeProvider, Reply

pytestmark = pytest.mark.anyio

SLOW = Reply("Hello, this goes on", "hm, hm", chunk_chars=2, end="stall")


class Sweep:
    """Replies that are left at random turns of the loop, while they connect or stream, twenty at a time."""

    def __init__(self, client: AsyncKimi, seed: int, *, twice: bool) -> None:
        self._client = client
        self._choose = random.Random(seed)
        self._leave = [self._by_scope, self._by_task] if twice else [self._by_scope]

    async def run(self, count: int) -> None:
        """Begin and leave *count* replies."""
        left = iter(range(count))
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(self._some, left)

    async def _some(self, left: Iterator[int]) -> None:
        for _ in left:
            begun = anyio.Event()
            await self._choose.choice(self._leave)(begun)

    async def _use(self, begun: anyio.Event) -> None:
        async with self._client.stream("Hi") as stream:
            begun.set()
            await stream.final()

    async def _wait(self, begun: anyio.Event) -> None:
        if self._choose.random() < 0.5:
            await begun.wait()
        for _ in range(self._choose.randrange(40)):
            await anyio.lowlevel.checkpoint()

    async def _by_scope(self, begun: anyio.Event) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._use, begun)
            await self._wait(begun)
            tasks.cancel_scope.cancel()

    async def _by_task(self, begun: anyio.Event) -> None:
        """Two cancels, no more than a few turns apart."""
        task = asyncio.create_task(self._use(begun))
        await self._wait(begun)
        for _ in range(2):
            task.cancel()
            for _ in range(self._choose.randrange(4)):
                await asyncio.sleep(0)
        await asyncio.wait([task])


def connections_of(client: AsyncKimi) -> int:
    """How many connections the default engine holds, in use or idle."""
    own: Any = client._caller.transport._client
    return len(own._transport._open)


def objects() -> int:
    """Objects that cannot be collected; counted, because tracing memory makes all of this five times slower."""
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
@pytest.mark.parametrize(
    ("count", "seed"),
    [
        pytest.param(100, 0, id="100"),
        # 10,000 for each loop, in parts that end within the time limit of a test on a busy machine.
        *(
            pytest.param(1000, seed, id=f"{seed}", marks=pytest.mark.stress)
            for seed in range(1, 11)
        ),
    ],
)
async def test_many_random_cancels_leave_nothing_open(
    count: int, seed: int, anyio_backend_name: str
) -> None:
    choose = random.Random(seed)
    script = [SLOW, Reply("Hello")]
    tasks = set(anyio.get_running_tasks())
    async with FakeProvider(lambda _: choose.choice(script)) as fake:
        served = set(anyio.get_running_tasks()) - tasks
        async with AsyncKimi(
            fake.acedata(), model="m", max_concurrency=15, retries=kimi.Retries.none()
        ) as client:
            sizes = list[int]()
            for half in range(2):
                sweep = Sweep(client, 2 * seed + half, twice=anyio_backend_name == "asyncio")
                await sweep.run(count // 2)
                await fake.wait_until(lambda: fake.active_requests == 0)
                fake.requests.clear()
                assert client.in_flight == 0
                await fake.wait_until(lambda: fake.open_connections == connections_of(client))
                assert connections_of(client) <= 15
                sizes.append(objects())
            assert sizes[1] - sizes[0] < 1_000  # a reply is dozens
            script.remove(SLOW)
            assert (await client.chat("Hi")).text == "Hello"
        await fake.wait_until(lambda: fake.open_connections == 0)
        await until(lambda: set(anyio.get_running_tasks()) <= tasks | served)
