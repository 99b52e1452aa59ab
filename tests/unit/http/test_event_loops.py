"""A client that makes its own connections goes from one event loop to the next, and leaves nothing on the old one."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from event_loops import LOOPS, Loop
from fake_host import HELLO, FakeHost

import kimi_async as kimi
from kimi_async import AsyncKimi, http_client
from kimi_async.testing import FakeProvider, Reply

on_each_loop = pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """A server in a thread of its own, which outlives the event loops of a test."""
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(FakeProvider(lambda _: Reply("Hello"))) as fake:
            yield fake


def run(loop: Loop, main: Any, *args: Any) -> Any:
    backend, options = loop
    return anyio.run(main, *args, backend=backend, backend_options=options)


def wait_until_closed(fake: FakeProvider) -> None:
    done = threading.Event()
    while fake.open_connections:
        done.wait(0.001)


@on_each_loop
def test_a_client_is_used_on_one_loop_after_the_other(fake: FakeProvider, loop: Loop) -> None:
    """With ``asyncio.run`` each time, or a test client; nothing is warned of, and no connection is left."""
    client = AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none())
    for number in range(1, 4):
        for _ in range(2):
            assert run(loop, client.chat, "Hi").text == "Hello"
            wait_until_closed(fake)
        gc.collect()
        assert fake.total_connections == 2 * number
    run(loop, client.aclose)
    with pytest.raises(RuntimeError, match="closed"):
        run(loop, client.chat, "Hi")


@on_each_loop
def test_a_client_that_nobody_closes_is_closed_with_its_loop(
    fake: FakeProvider, loop: Loop
) -> None:
    async def main() -> None:
        client = AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none())
        assert (await client.chat("Hi")).text == "Hello"

    run(loop, main)
    gc.collect()
    wait_until_closed(fake)


@on_each_loop
def test_a_client_that_is_busy_on_another_loop_is_not_taken_from_it(
    fake: FakeProvider, loop: Loop
) -> None:
    async def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="in flight on another event loop"):
            await client.chat("Hi")

    async def main() -> None:
        async with client.stream("Hi") as stream:
            await anext(stream)
            await anyio.to_thread.run_sync(lambda: run(loop, elsewhere))
            assert (await stream.final()).text == "Hello"
        await client.aclose()

    client = AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none())
    run(loop, main)


@pytest.mark.parametrize(
    "http", [http_client(), httpx.AsyncClient(transport=FakeHost([HELLO], [HELLO]))]
)
def test_a_client_over_the_caller_s_http_client_stays_on_its_loop(
    fake: FakeProvider, http: httpx.AsyncClient
) -> None:
    async def main() -> None:
        assert (await client.chat("Hi")).text == "Hello"
        await http.aclose()

    client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())
    anyio.run(main)
    with pytest.raises(RuntimeError, match="first used on another event loop"):
        anyio.run(client.chat, "Hi")
