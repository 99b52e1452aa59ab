"""An HTTP client that lost track of cancelled requests is replaced, and nobody notices."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
import random
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest
from engines import ENGINES
from fake_host import ACE, HELLO, FakeHost, break_at_once, delta, no_answer, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, Timeouts
from kimi_async._http import _pool, _transport
from kimi_async._http._clients import KEEPALIVE_SECONDS
from kimi_async._http._pool import Pool
from kimi_async.testing import FakeProvider, Faulty, Reply, SlowHeaders

pytestmark = pytest.mark.anyio

LOOPS = [
    pytest.param(("asyncio", {}), id="asyncio"),
    pytest.param(
        ("asyncio", {"use_uvloop": True}),
        id="uvloop",
        marks=pytest.mark.skipif(not importlib.util.find_spec("uvloop"), reason="no uvloop"),
    ),
    pytest.param(("trio", {}), id="trio"),
]
RETIRE_AFTER = 10
SLOW = Reply("Hello, this goes on", "hm, hm", chunk_chars=2, end="stall")


@pytest.fixture
def retire_after_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "RETIRE_AFTER", 2)


class Host(FakeHost):
    """Answers nothing while it is silent."""

    silent = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await (no_answer() if self.silent else super().handle_async_request(request))


async def make() -> httpx.AsyncClient:
    await anyio.lowlevel.checkpoint()
    return httpx.AsyncClient(transport=FakeHost())


# The pool by itself.


async def test_one_client_is_made_however_many_ask_at_once() -> None:
    pool = Pool(None, make)
    assert pool.clients == ()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(pool.lease)
    assert len(pool.clients) == 1
    await pool.aclose()
    assert [client.is_closed for client in pool.clients] == [True]


@pytest.fixture
def two_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests fill an HTTP client."""
    monkeypatch.setattr(_pool, "PER_CLIENT", 2)


@pytest.mark.usefixtures("two_for_each")
async def test_a_client_has_so_many_requests_at_once_and_the_first_with_room_has_the_next() -> None:
    pool = Pool(None, make)
    leases = [await pool.lease() for _ in range(5)]
    first, second, third = pool.clients
    assert [lease.client for lease in leases] == [first, first, second, second, third]
    for number in (3, 1):
        await leases[number].aclose()
    assert [(await pool.lease()).client for _ in range(3)] == [first, second, third]


@pytest.mark.usefixtures("two_for_each")
async def test_no_more_clients_are_made_at_once_than_are_needed() -> None:
    pool = Pool(None, make)
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(pool.lease)
    assert len(pool.clients) == 3


@pytest.mark.usefixtures("two_for_each")
async def test_a_client_of_the_callers_has_all_requests() -> None:
    async with httpx.AsyncClient(transport=FakeHost()) as http:
        pool = Pool(http, make)
        assert [(await pool.lease()).client for _ in range(5)] == [http] * 5


@pytest.mark.usefixtures("two_for_each")
async def test_a_client_that_nobody_needs_is_closed_when_its_connections_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its pool would close them with the next request, and it gets none."""
    now = 1000.0
    monkeypatch.setattr("kimi_async._http._pool.time.monotonic", lambda: now)
    pool = Pool(None, make)
    leases = [await pool.lease() for _ in range(6)]
    made = list(pool.clients)
    for lease in (*leases[:2], *leases[4:]):
        await lease.aclose()
    now += KEEPALIVE_SECONDS
    await pool.sweep()
    assert list(pool.clients) == made
    now += 0.1
    await pool.sweep()
    assert list(pool.clients) == made[:2]
    assert [client.is_closed for client in made] == [False, False, True]


@pytest.mark.usefixtures("retire_after_two")
async def test_a_retired_client_is_closed_with_its_last_request() -> None:
    pool = Pool(None, make)
    reply = await pool.lease()
    for _ in range(2):
        await (await pool.lease()).aclose(cancelled=True)
    fresh = await pool.lease()
    assert fresh.client is not reply.client
    assert pool.clients == (reply.client, fresh.client)
    assert not reply.client.is_closed
    await reply.aclose()
    assert reply.client.is_closed
    assert not fresh.client.is_closed
    assert pool.clients == (fresh.client,)


@pytest.mark.usefixtures("retire_after_two")
async def test_a_retired_client_that_nobody_could_close_goes_with_the_next_request() -> None:
    """As when the last request over it was a coroutine that was closed."""
    pool = Pool(None, make)
    last = await pool.lease()
    await (await pool.lease()).aclose(cancelled=True)
    last.end(cancelled=True)
    assert not last.client.is_closed
    fresh = await pool.lease()
    assert last.client.is_closed
    assert pool.clients == (fresh.client,)


@pytest.mark.usefixtures("retire_after_two")
async def test_only_cancelled_requests_count_and_each_once() -> None:
    pool = Pool(None, make)
    first = await pool.lease()
    for cancelled in (False, False, False, True):
        lease = await pool.lease()
        for _ in range(3):
            await lease.aclose(cancelled=cancelled)
    assert (await pool.lease()).client is first.client


@pytest.mark.usefixtures("retire_after_two")
async def test_closing_closes_retired_clients_too() -> None:
    pool = Pool(None, make)
    running = await pool.lease()
    for _ in range(2):
        (await pool.lease()).end(cancelled=True)
    fresh = await pool.lease()
    for _ in range(2):
        await pool.aclose()
    assert running.client.is_closed
    assert fresh.client.is_closed


@pytest.mark.usefixtures("retire_after_two")
async def test_a_client_of_the_caller_s_stays_and_the_log_tells_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "kimi_async")
    async with httpx.AsyncClient(transport=FakeHost()) as http:
        pool = Pool(http, make)
        for _ in range(5):
            lease = await pool.lease()
            lease.goes_over_httpcore()
            await lease.aclose(cancelled=True)
        assert pool.clients == (http,)
        await pool.aclose()
        assert not http.is_closed
    (record,) = caplog.records
    assert record.getMessage().startswith("2 requests were cancelled over the HTTP client")


@pytest.mark.usefixtures("retire_after_two")
@pytest.mark.parametrize(
    ("engine", "warns"), [("httpx", True), ("httpx2", False), ("aiohttp", False)]
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_log_tells_of_dead_entries_where_there_may_be_some(
    engine: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "kimi_async")
    async with FakeProvider(lambda _: Faulty(Reply("late"), SlowHeaders())) as fake:
        async with ENGINES[engine]() as http:
            client = AsyncKimi(fake.acedata(), model="m", http_client=http)
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(client.chat, "Hi")
                await fake.wait_until(lambda: fake.active_requests == 2)
                tasks.cancel_scope.cancel()
    assert bool(caplog.records) is warns


# Under a client.


@pytest.mark.usefixtures("retire_after_two")
@pytest.mark.parametrize("how", ["by the caller", "by a limit"])
async def test_a_reply_goes_on_over_the_client_it_began_with(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host([sse(delta("Hel")), sse(delta("lo"), delta(finish="stop"), "[DONE]")], [HELLO])
    monkeypatch.setattr(_transport, "http_client", lambda: httpx.AsyncClient(transport=host))
    limits = Timeouts(first_output=0.02 if how == "by a limit" else None)
    async with AsyncKimi(ACE, model="m") as client:
        pool = client._transport._pool
        async with client.stream("Hi") as stream:
            (old,) = pool.clients
            host.silent = True
            for _ in range(2):
                with anyio.move_on_after(None if limits.first_output else 0.02):
                    with pytest.raises(kimi.FirstOutputTimeout):
                        await client.chat("Hi", timeouts=limits)
            host.silent = False
            assert (await client.chat("Hi")).text == "Hello"
            assert (len(pool.clients), pool.clients[0], old.is_closed) == (2, old, False)
            assert (await stream.final()).text == "Hello"
            assert old.is_closed
        (fresh,) = pool.clients
        assert not fresh.is_closed
    assert fresh.is_closed


@pytest.mark.usefixtures("retire_after_two")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_coroutine_that_is_closed_while_it_sends_counts_as_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host([HELLO])
    monkeypatch.setattr(_transport, "http_client", lambda: httpx.AsyncClient(transport=host))
    async with AsyncKimi(ACE, model="m") as client:
        await client.chat("Hi")
        (old,) = client._transport._pool.clients
        host.silent = True
        for _ in range(2):
            entering = client.stream("Hi")._start()
            entering.send(None)
            await anyio.wait_all_tasks_blocked()
            entering.close()
        lease = await client._transport._pool.lease()
        assert lease.client is not old
        assert old.is_closed


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


def entries() -> int:
    """Connections that pools of httpcore hold, open or not."""
    gc.collect()
    return sum(type(thing) is httpcore.AsyncHTTPConnection for thing in gc.get_objects())


def objects() -> int:
    """Objects that cannot be collected; counted, because tracing memory makes all of this five times slower."""
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize("anyio_backend", LOOPS)
@pytest.mark.parametrize(
    ("count", "seed"),
    [
        pytest.param(100, 0, id="100"),
        # 5,000 for each loop, in parts that end within the time limit of a test on a busy machine.
        *(pytest.param(500, seed, id=f"{seed}", marks=pytest.mark.stress) for seed in range(1, 11)),
    ],
)
async def test_many_random_cancels_leave_nothing_behind(
    count: int,
    seed: int,
    anyio_backend_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cancelled = list[bool]()
    monkeypatch.setattr(_pool, "RETIRE_AFTER", RETIRE_AFTER)
    leave = Pool.leave

    def count_and_leave(self: Pool, member: _pool._Member, **how: bool) -> None:
        cancelled.append(how["cancelled"])
        leave(self, member, **how)

    monkeypatch.setattr(Pool, "leave", count_and_leave)
    choose = random.Random(seed)
    script = [SLOW, Reply("Hello")]
    async with FakeProvider(lambda _: choose.choice(script)) as fake:
        async with AsyncKimi(fake.acedata(), model="m", max_concurrency=15) as client:
            async with client.stream("Hi") as stream:
                await break_at_once(stream)
            (first,) = client._transport._pool.clients
            known, sizes = entries(), list[int]()
            for half in range(2):
                await Sweep(client, 2 * seed + half, twice=anyio_backend_name == "asyncio").run(
                    count // 2
                )
                await fake.wait_until(lambda: fake.active_requests == 0)
                fake.requests.clear()
                assert client.in_flight == 0
                assert fake.open_connections <= 15
                # A cancelled request leaves one dead entry at most; without a new client, 500 leave 25 and more.
                assert entries() - known <= fake.open_connections + RETIRE_AFTER
                sizes.append(objects())
            assert sizes[1] - sizes[0] < 1_000  # a reply is dozens
            # How many are cancelled before their response begins is up to the loop: on trio 11 to 25 of 100.
            assert first.is_closed == (sum(cancelled) >= RETIRE_AFTER)
            script.remove(SLOW)
            assert (await client.chat("Hi")).text == "Hello"
        await fake.wait_until(lambda: fake.open_connections == 0)
