"""Each HTTP client gives the same errors, text and connections."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from engine_cases import CHUNKED, FAULTS, PROXY_FAULTS, EngineFault, Server, chunk
from engines import ENGINES, RUNS
from event_loops import Loop
from fake_host import delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, ContentDelta, OpenAICompatible, aiohttp_client, http_client
from kimi_async._http._clients import HttpClient
from kimi_async.testing import FakeProvider, Faulty, Reply, SlowHeaders

pytestmark = pytest.mark.anyio

on_each_engine = pytest.mark.parametrize(("anyio_backend", "engine"), RUNS)


async def fails(client: AsyncKimi, server: Server, fault: EngineFault) -> None:
    """Ask for a reply, and get the error that *fault* says."""
    with pytest.raises(kimi.KimiError) as caught:
        async with client.stream("x" * fault.size) as stream:
            async for event in stream:
                if isinstance(event, ContentDelta):
                    server.told.set()
    assert type(caught.value) is fault.error
    assert caught.value.stage == fault.stage
    assert (caught.value.partial and caught.value.partial.text) == fault.text
    assert caught.value.__context__ is None


@on_each_engine
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
async def test_a_fault_is_the_same_error_over_each_engine(
    fault: EngineFault, engine: str, anyio_backend: Loop
) -> None:
    async with Server(fault) as server, ENGINES[engine]() as http:
        url = f"{fault.scheme}://127.0.0.1:{server.port}"
        client = AsyncKimi(
            OpenAICompatible("test-key", url),
            model="m",
            timeouts=fault.timeouts,
            http_client=http,
            checks="off",
            retries=kimi.Retries.none(),
        )
        await fails(client, server, fault)


@on_each_engine
@pytest.mark.parametrize("fault", PROXY_FAULTS, ids=lambda fault: fault.id)
async def test_a_proxy_that_fails_is_a_failure_to_connect(
    fault: EngineFault, engine: str, anyio_backend: Loop
) -> None:
    async with Server(fault) as server:
        async with ENGINES[engine](proxy=f"http://127.0.0.1:{server.port}") as http:
            provider = OpenAICompatible("test-key", "https://api.test")
            client = AsyncKimi(
                provider,
                model="m",
                http_client=http,
                timeouts=fault.timeouts,
                retries=kimi.Retries.none(),
            )
            await fails(client, server, fault)


ASKS = b"HTTP/1.1 407 No\r\ncontent-length: 2\r\n\r\n{}"


@on_each_engine
@pytest.mark.parametrize("url", ["http://api.test", "https://api.test"])
async def test_a_proxy_that_asks_for_a_password_is_named(
    url: str, engine: str, anyio_backend: Loop
) -> None:
    """A 407 is no refusal by the provider, also over plain HTTP, where it is the answer to the request itself."""
    async with Server(EngineFault(id="", says=ASKS)) as server:
        async with ENGINES[engine](proxy=f"http://127.0.0.1:{server.port}") as http:
            provider = OpenAICompatible("test-key", url, allow_http=True)
            with pytest.raises(kimi.TransportError, match="the proxy refused") as caught:
                await AsyncKimi(
                    provider, model="m", http_client=http, retries=kimi.Retries.none()
                ).chat("Hi")
    assert type(caught.value) is kimi.TransportError
    assert caught.value.stage == "connecting"


@on_each_engine
@pytest.mark.parametrize("end", ["hangup", "reset"])
async def test_what_came_before_a_break_is_given_to_a_slow_reader(
    end: Any, engine: str, anyio_backend: Loop
) -> None:
    """More than one read of it."""
    words = [f"{number} " for number in range(400)]
    fault = EngineFault(id="", says=CHUNKED + chunk(sse(*map(delta, words))), then=b"1", end=end)
    async with Server(fault) as server, ENGINES[engine]() as http:
        provider = OpenAICompatible("test-key", f"http://127.0.0.1:{server.port}")
        stream = AsyncKimi(
            provider, model="m", http_client=http, retries=kimi.Retries.none()
        ).stream("Hi")
        async with stream:
            await anext(stream)
            server.told.set()
            await server.done.wait()
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(kimi.StreamInterrupted) as caught:
                await stream.final()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(words)


@on_each_engine
async def test_a_hundred_streams_use_one_connection(engine: str, anyio_backend: Loop) -> None:
    """Read to the end, or left at the last event, when the rest of the body is read for them."""
    async with FakeProvider(lambda _: Reply("Hello", "hm")) as fake, ENGINES[engine]() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())
        for number in range(100):
            if number % 2:
                assert (await client.chat("Hi")).text == "Hello"
            else:
                async with client.stream("Hi") as stream:
                    events = [event async for event in stream]
                assert isinstance(events[-1], kimi.StreamEnd)
        assert (len(fake.requests), fake.total_connections) == (100, 1)
        async with client.stream("Hi") as stream:
            await anext(stream)  # and left before its end, which takes the connection along
        assert (await client.chat("Hi")).text == "Hello"
        assert fake.total_connections == 2
        await fake.wait_until(lambda: fake.open_connections == 1)
    await fake.wait_until(lambda: fake.open_connections == 0)


@on_each_engine
async def test_closing_ends_a_request_that_waits(engine: str, anyio_backend: Loop) -> None:
    """The caller's HTTP client stays open, and the request would wait up to its limits."""
    late = Faulty(Reply("late"), SlowHeaders())
    async with FakeProvider([late]) as fake, ENGINES[engine]() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())

        async def ask() -> None:
            with pytest.raises(kimi.TransportError, match="closed meanwhile"):
                await client.chat("Hi")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await fake.wait_until(lambda: fake.active_requests == 1)
            await client.aclose()
        await fake.wait_until(lambda: fake.open_connections == 0)
        assert not http.is_closed


def test_the_clients_of_httpx_and_httpx2_are_taken() -> None:
    """Looked at by the type checkers too."""
    clients: list[HttpClient] = [
        http_client(),
        aiohttp_client(),
        httpx.AsyncClient(),
        httpx2.AsyncClient(),
    ]
    for client in clients:
        assert (
            AsyncKimi(
                kimi.AceDataCloud("test-key"), http_client=client, retries=kimi.Retries.none()
            ).in_flight
            == 0
        )


@pytest.mark.parametrize("module", ["aiohttp", "yarl"])
def test_the_extra_is_named_where_it_is_missing(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "kimi_async._http._aiohttp", raising=False)
    with pytest.raises(kimi.ConfigurationError, match=r'pip install "kimi-async\[aiohttp\]"'):
        aiohttp_client()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_aiohttp_on_trio_is_refused_with_the_way_out() -> None:
    async with FakeProvider([]) as fake, aiohttp_client() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())
        with pytest.raises(kimi.ConfigurationError, match="asyncio only") as caught:
            await client.chat("Hi")
    assert caught.value.__context__ is None
