"""``max_concurrency``: each way to leave a reply gives its permit back, and each wait for a permit is limited."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from fake_host import HELLO, STALL, FakeHost, break_at_once, delta, fail_at_once, no_answer, sse
from trio.testing import MockClock

import kimi_async as kimi
from kimi_async import ReplyRecord, Timeouts

pytestmark = pytest.mark.anyio

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
HALF = [sse(delta("Hel")), STALL]


async def read(stream: kimi.ChatStream) -> None:
    async with stream:
        async for _ in stream:
            pass


async def cancelled(stream: kimi.ChatStream) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, stream)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def closed_by_another(stream: kimi.ChatStream) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(raises, kimi.StreamInterrupted, stream)
        await anyio.wait_all_tasks_blocked()
        await stream.aclose()


async def closed_by_another_between_reads(stream: kimi.ChatStream) -> None:
    await stream.__aenter__()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.aclose)


async def raises(error: type[Exception], stream: kimi.ChatStream) -> None:
    with pytest.raises(error):
        await read(stream)


async def left_by_break(stream: kimi.ChatStream) -> None:
    async with stream:
        await break_at_once(stream)


async def left_by_an_exception(stream: kimi.ChatStream) -> None:
    with pytest.raises(KeyError):
        async with stream:
            await fail_at_once(stream)


async def collected(stream: kimi.ChatStream) -> None:
    await anext(stream)


LEAVING: dict[str, tuple[Any, Callable[[kimi.ChatStream], Awaitable[None]]]] = {
    "exhausted": ([HELLO], read),
    "break": (HALF, left_by_break),
    "exception": (HALF, left_by_an_exception),
    "collected": (HALF, collected),
    "cancelled-while-it-sends": (None, cancelled),
    "cancelled-while-it-reads": (HALF, cancelled),
    "closed-while-it-sends": (None, closed_by_another),
    "closed-between-reads": (HALF, closed_by_another_between_reads),
    "status": (httpx.Response(500), partial(raises, kimi.ServerError)),
    "no-connection": (httpx.ConnectError("refused"), partial(raises, kimi.TransportError)),
    "broken": ([sse(delta("Hel"))], partial(raises, kimi.StreamInterrupted)),
    "limit": (
        [sse(delta("Hel")), httpx.ReadTimeout("slow")],
        partial(raises, kimi.IdleTimeout),
    ),
}


class SilentAtFirst(FakeHost):
    """Does not answer the first request."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.requests:
            self.requests.append(request)
            return await no_answer()
        return await super().handle_async_request(request)


@pytest.mark.filterwarnings("ignore:<ChatStream running> was never closed:ResourceWarning")
@pytest.mark.parametrize(("answer", "leave"), LEAVING.values(), ids=LEAVING)
async def test_every_way_to_leave_a_reply_gives_its_slot_back(
    answer: Any, leave: Callable[[kimi.ChatStream], Awaitable[None]]
) -> None:
    host = SilentAtFirst([HELLO]) if answer is None else FakeHost(answer, [HELLO])
    client = host.client(max_concurrency=1)
    await leave(client.stream("Hi"))
    gc.collect()
    await anyio.wait_all_tasks_blocked()
    assert client.in_flight == 0
    with anyio.fail_after(5):
        assert (await client.chat("Hi")).text == "Hello"
    assert client.in_flight == 0


@ASYNCIO
async def test_two_cancels_one_turn_of_the_loop_apart_give_the_slot_back() -> None:
    client = FakeHost(HALF, [HELLO]).client(max_concurrency=1)
    task = asyncio.create_task(read(client.stream("Hi")))
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.in_flight == 0


@ASYNCIO
async def test_a_coroutine_that_is_closed_gives_its_slot_or_its_place_back() -> None:
    client = SilentAtFirst([HELLO]).client(max_concurrency=1)
    holding, waiting = (client.stream("Hi")._start() for _ in range(2))
    for entering in (holding, waiting):
        entering.send(None)
    await anyio.wait_all_tasks_blocked()
    assert client.in_flight == 1
    for entering in (waiting, holding):
        entering.close()
    await anyio.wait_all_tasks_blocked()
    assert client.in_flight == 0
    assert (await client.chat("Hi")).text == "Hello"


class Full:
    """A client with one permit, a stream that has it, and the records of the calls that were refused meanwhile."""

    def __init__(self, *answers: Any) -> None:
        self.records: list[ReplyRecord] = []
        self.host = FakeHost(HALF, *answers)
        self.client = self.host.client(max_concurrency=1, on_complete=self.records.append)
        self.holder = self.client.stream("Hi")


@pytest.fixture
async def full() -> AsyncIterator[Full]:
    full = Full([HELLO])
    async with full.holder:
        assert full.client.in_flight == 1
        yield full
    assert full.client.in_flight == 0


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        pytest.param(Timeouts(slot=0.05), 0.05, id="slot"),
        pytest.param(Timeouts(total=0.05), 0.05, id="total"),
        pytest.param(Timeouts(slot=5, total=0.05), 0.05, id="the shorter"),
    ],
)
async def test_a_wait_for_a_slot_is_bounded(full: Full, limits: Timeouts, seconds: float) -> None:
    with pytest.raises(kimi.SlotTimeout) as caught:
        await full.client.chat("Hi", timeouts=limits)
    error = caught.value
    assert (error.seconds, error.stage) == (seconds, "waiting for a slot")
    assert "max_concurrency" in str(error)
    assert full.records == [error.record]
    (record,) = full.records
    assert (record.outcome, record.attempts, record.headers_after) == ("timeout", (), None)
    assert record.ended_after >= seconds
    assert len(full.host.requests) == 1


@pytest.mark.parametrize(
    "anyio_backend",
    [pytest.param(("trio", {"clock": MockClock(autojump_threshold=0)}), id="virtual-time")],
)
@pytest.mark.parametrize(
    ("limits", "error", "seconds"),
    [
        pytest.param(Timeouts(first_output=10), kimi.FirstOutputTimeout, 18, id="first_output"),
        pytest.param(Timeouts(first_output=10, total=15), kimi.TotalTimeout, 15, id="total"),
        pytest.param(Timeouts(slot=7), kimi.SlotTimeout, 7, id="slot"),
        pytest.param(Timeouts(first_output=7), kimi.FirstOutputTimeout, 15, id="queue-is-free"),
    ],
)
async def test_first_output_counts_from_the_slot_on_and_total_from_the_begin(
    limits: Timeouts, error: type[kimi.KimiTimeoutError], seconds: float
) -> None:
    full = Full([STALL])

    async def leave_later() -> None:
        await anyio.sleep(8)
        await full.holder.aclose()

    await full.holder.__aenter__()
    begun = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave_later)
        with pytest.raises(error):
            await full.client.chat("Hi", timeouts=limits)
        assert anyio.current_time() - begun == pytest.approx(seconds)


async def test_a_reply_that_waits_for_its_slot_can_be_left(full: Full) -> None:
    await closed_by_another(full.client.stream("Hi"))
    await cancelled(full.client.stream("Hi"))
    assert [(record.outcome, record.attempts) for record in full.records] == [("cancelled", ())] * 2
    assert full.client.in_flight == 1
    assert len(full.host.requests) == 1


async def test_a_reply_closed_in_the_moment_it_gets_its_slot_is_not_sent(full: Full) -> None:
    stream = full.client.stream("Hi")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(raises, kimi.StreamInterrupted, stream)
        await anyio.wait_all_tasks_blocked()
        await full.holder.aclose()
        await stream.aclose()
    assert full.client.in_flight == 0
    assert (await full.client.chat("Hi")).text == "Hello"


async def test_closing_the_client_ends_the_wait_for_a_slot(full: Full) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(raises, kimi.TransportError, full.client.stream("Hi"))
        await anyio.wait_all_tasks_blocked()
        await full.client.aclose()
    assert [record.outcome for record in full.records] == ["error"]


async def test_the_list_of_models_needs_no_slot() -> None:
    full = Full([b'{"data":[{"id":"m"}]}'])
    async with full.holder:
        assert [model.id for model in await full.client.models()] == ["m"]


async def test_clients_that_share_connections_share_the_count(full: Full) -> None:
    other = full.client.with_options(max_concurrency=2, model="other")
    assert other.in_flight == 1
    assert (await other.chat("Hi")).text == "Hello"
    with pytest.raises(kimi.SlotTimeout):
        await full.client.with_options(timeouts=Timeouts(slot=0.05)).chat("Hi")


async def test_without_a_limit_nobody_waits() -> None:
    client = FakeHost(*[HALF] * 20).client(max_concurrency=None)
    streams = [client.stream("Hi") for _ in range(20)]
    for stream in streams:
        await stream.__aenter__()
    assert client.in_flight == 20
    for stream in streams:
        await stream.aclose()
    assert client.in_flight == 0


def test_a_use_on_another_loop_is_misuse_also_of_a_full_client() -> None:
    full = Full()
    anyio.run(full.holder.__aenter__)
    with pytest.raises(RuntimeError, match="another event loop"):
        anyio.run(full.client.chat, "Hi")
    anyio.run(full.holder.aclose)


@pytest.mark.parametrize("limit", [0, -1, 1.0, True, "5"], ids=repr)
def test_a_limit_that_cannot_work_is_refused(limit: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="max_concurrency must be"):
        FakeHost().client(max_concurrency=limit)
    with pytest.raises(kimi.ConfigurationError, match="max_concurrency must be"):
        FakeHost().client().with_options(max_concurrency=limit)
