"""Every way out of a reply gives its connection back: on a real server that counts its connections."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest
from fakes import break_at_once, fail_at_once

import kimi_async as kimi
from kimi_async import AsyncKimi, Timeouts
from kimi_async.testing import (
    Answer,
    Ending,
    ErrorReply,
    FakeProvider,
    Reply,
    ScriptedReply,
    Send,
    Wait,
)

pytestmark = pytest.mark.anyio

LONG = Reply("Hello, this goes on", "hm, hm", tool_calls=(), chunk_chars=2)


def stalled_after(events: int) -> ScriptedReply:
    """A reply that goes silent after so many events."""
    return Reply("content", "reasoning", chunk_chars=4, cut_after=events, end="stall")


#: Where the reply stands still.
STAGES: dict[str, ScriptedReply] = {
    "before-the-first-output": stalled_after(1),
    "in-reasoning": stalled_after(2),
    "in-content": stalled_after(5),
    "after-the-finish-reason": Reply("content", cut_after=-2, end="stall"),
    "after-done": Reply("content", end="stall"),
    "in-an-error-body": Answer(status=500, headers=(), steps=(Send(b'{"err'), Wait(None))),
}

Run = Callable[[FakeProvider, kimi.ChatStream], Awaitable[None]]


async def read(stream: kimi.ChatStream) -> None:
    async with stream:
        async for _ in stream:
            pass


async def standing_still(fake: FakeProvider, stream: kimi.ChatStream) -> None:
    """Wait until all that the reply gives has been read, so that the stage is the one that was meant."""
    await fake.wait_until(lambda: fake.active_requests == 1)
    with anyio.fail_after(5):
        while stream.response is None:
            await anyio.lowlevel.checkpoint()
        # The server is in this loop too: what it sent has arrived when nothing has changed for a while.
        for _ in range(20):
            await anyio.wait_all_tasks_blocked()
            await anyio.lowlevel.checkpoint()


async def cancel(fake: FakeProvider, stream: kimi.ChatStream) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read, stream)
        await standing_still(fake, stream)
        tasks.cancel_scope.cancel()


async def time_out(fake: FakeProvider, stream: kimi.ChatStream) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, stream)
            await standing_still(fake, stream)
            scope.deadline = anyio.current_time()


async def close_from_another_task(fake: FakeProvider, stream: kimi.ChatStream) -> None:
    async def expect_interruption() -> None:
        with pytest.raises(kimi.StreamInterrupted, match="closed before its end"):
            await read(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(expect_interruption)
        await standing_still(fake, stream)
        await stream.aclose()


EXITS: dict[str, Run] = {
    "cancel": cancel,
    "timeout-of-the-caller": time_out,
    "aclose-from-another-task": close_from_another_task,
}


@pytest.mark.parametrize("leave", EXITS.values(), ids=EXITS)
@pytest.mark.parametrize("reply", STAGES.values(), ids=STAGES)
async def test_leaving_a_reply_that_stands_still(reply: ScriptedReply, leave: Run) -> None:
    async with FakeProvider([reply, Reply("still works")]) as fake:
        records: list[kimi.ReplyRecord] = []
        # Without a limit that could end the reply by itself.
        limits = Timeouts(finish_grace=None)
        async with AsyncKimi(
            fake.acedata(), model="m", timeouts=limits, on_complete=records.append
        ) as client:
            await leave(fake, client.stream("Hi"))
            await fake.wait_until(lambda: fake.active_requests == 0)
            await fake.wait_until(lambda: fake.open_connections == 0)
            assert len(records) == 1
            assert (await client.chat("Hi")).text == "still works"
        await fake.wait_until(lambda: fake.open_connections == 0)


async def test_exhausting_a_reply_keeps_the_connection() -> None:
    async with FakeProvider([LONG, LONG]) as fake, AsyncKimi(fake.acedata(), model="m") as client:
        for _ in range(2):
            stream = client.stream("Hi")
            await read(stream)
            await break_at_once(stream)
            await fail_at_once(stream)
        assert fake.total_connections == 1


async def test_break_inside_async_with() -> None:
    async with FakeProvider([stalled_after(5)]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            async with client.stream("Hi") as stream:
                await break_at_once(stream)
            await fake.wait_until(lambda: fake.open_connections == 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio warns of it, as of any generator
async def test_break_out_of_the_text() -> None:
    """Without ``async with`` the stream is closed when it is collected."""
    async with FakeProvider([stalled_after(5)]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            await break_at_once(client.stream("Hi").text_deltas())
            gc.collect()
            await fake.wait_until(lambda: fake.open_connections == 0)


async def test_an_exception_in_the_loop_body() -> None:
    async with FakeProvider([stalled_after(5)]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            with pytest.raises(KeyError):
                async with client.stream("Hi") as stream:
                    await fail_at_once(stream)
            await fake.wait_until(lambda: fake.open_connections == 0)


@pytest.mark.parametrize("end", ["finish", "hangup", "reset"])
@pytest.mark.parametrize("events", [0, 1, 4], ids=["at once", "before output", "in the middle"])
async def test_a_body_that_is_cut(end: Ending, events: int) -> None:
    reply = Reply("content", "reasoning", chunk_chars=4, cut_after=events, end=end)
    async with FakeProvider([reply, Reply("still works")]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            wanted: type[kimi.KimiError] = kimi.StreamInterrupted
            if events < 4:
                wanted = kimi.EmptyResponseError if end == "finish" else kimi.TransportError
            with pytest.raises(wanted) as caught:
                await client.chat("Hi")
            partial = caught.value.partial
            if events == 4:
                assert partial is not None
                assert (partial.reasoning, partial.text) == ("reasoning", "cont")
            else:
                assert partial is None
            assert (await client.chat("Hi")).text == "still works"


async def test_an_error_status_gives_the_connection_back() -> None:
    async with FakeProvider([ErrorReply(429), ErrorReply(500), Reply("a")]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            with pytest.raises(kimi.RateLimitError):
                await client.chat("Hi")
            with pytest.raises(kimi.ServerError):
                await client.chat("Hi")
            await client.chat("Hi")
        assert fake.total_connections == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("reply", STAGES.values(), ids=STAGES)
async def test_two_cancels_one_turn_of_the_loop_apart(reply: ScriptedReply) -> None:
    """A second ``task.cancel()`` pierces a shield of anyio; the close runs in a task of its own."""
    async with FakeProvider([reply, Reply("still works")]) as fake:
        async with AsyncKimi(
            fake.acedata(), model="m", timeouts=Timeouts(finish_grace=None)
        ) as client:
            stream = client.stream("Hi")
            task = asyncio.create_task(read(stream))
            await standing_still(fake, stream)
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await fake.wait_until(lambda: fake.open_connections == 0)
            assert (await client.chat("Hi")).text == "still works"


async def test_nothing_is_left_behind() -> None:
    """No task of ours outlives the client; the server of the test is the one that is left."""
    async with FakeProvider([stalled_after(5), LONG]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            await cancel(fake, client.stream("Hi"))
            await read(client.stream("Hi"))
        gc.collect()
        await anyio.wait_all_tasks_blocked()
        names = {task.name for task in anyio.get_running_tasks()}
        assert not [name for name in names if name and "kimi_async close" in name]
