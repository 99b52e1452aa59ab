"""The behaviour of ``aiohttp_client()`` that aiohttp does not have."""

from __future__ import annotations

import asyncio
import base64
import gc
from typing import Any

import anyio
import pytest
from engine_cases import EngineFault, Server
from event_loops import LOOPS
from fake_host import HELLO

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible, Retries, Timeouts, aiohttp_client
from kimi_async._http._clients import HttpClient
from kimi_async.testing import FakeProvider, Faulty, NoHeaders, Reply, SlowHeaders, Stall

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", [LOOPS["asyncio"]], ids=["asyncio"]),
]

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(HELLO), HELLO)


def client_of(server: Server, http: HttpClient, **settings: Any) -> AsyncKimi:
    provider = OpenAICompatible("test-key", f"http://127.0.0.1:{server.port}")
    once = Retries.none()
    return AsyncKimi(provider, model="m", http_client=http, checks="off", retries=once, **settings)


async def test_there_is_no_limit_on_connections() -> None:
    """Aiohttp has one of 100 by default."""
    waiting = Faulty(Reply("late"), SlowHeaders())
    async with FakeProvider(lambda _: waiting) as fake, aiohttp_client() as http:
        client = AsyncKimi(
            fake.acedata(rate_limits=None), model="m", http_client=http, retries=kimi.Retries.none()
        )
        async with anyio.create_task_group() as tasks:
            for _ in range(101):
                tasks.start_soon(client.chat, "Hi")
            await fake.wait_until(lambda: fake.active_requests == 101)
            tasks.cancel_scope.cancel()


async def test_looking_up_the_name_counts_as_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    async with aiohttp_client(trust_env=False) as http:
        client = AsyncKimi(
            OpenAICompatible("test-key", "https://api.test"),
            model="m",
            http_client=http,
            timeouts=Timeouts(connect=0.05),
            retries=kimi.Retries.none(),
        )
        with pytest.raises(kimi.ConnectTimeout):
            await client.chat("Hi")


@pytest.mark.parametrize("write", [5, None])
async def test_a_large_request_is_sent_whole(write: float | None) -> None:
    """Of the bytes of more than a mebibyte, aiohttp would warn that they may hold the event loop."""
    async with FakeProvider([Reply("Hello")]) as fake, aiohttp_client() as http:
        client = AsyncKimi(
            fake.acedata(),
            model="m",
            http_client=http,
            timeouts=Timeouts(write=write),
            retries=kimi.Retries.none(),
        )
        assert (await client.chat("x" * 2_000_000)).text == "Hello"
    assert fake.requests[0].body["messages"][0]["content"] == "x" * 2_000_000


async def test_the_limit_for_writing_ends_with_the_request() -> None:
    slow = Faulty(Reply("Hello"), SlowHeaders(0.4))
    async with FakeProvider([slow]) as fake, aiohttp_client() as http:
        client = AsyncKimi(
            fake.acedata(),
            model="m",
            http_client=http,
            timeouts=Timeouts(write=0.2),
            retries=kimi.Retries.none(),
        )
        assert (await client.chat("x" * 300_000)).text == "Hello"


async def test_an_answer_may_come_before_the_request_was_read() -> None:
    fault = EngineFault(id="", says=WHOLE, end="stall", reads=False)
    async with Server(fault) as server, aiohttp_client() as http:
        reply = await client_of(server, http).chat("x" * 20_000_000)
        assert reply.text == "Hello"


async def test_a_request_that_nobody_reads_lets_go_of_its_socket_at_once() -> None:
    """A polite close would wait until the host has read it all."""
    async with aiohttp_client() as http:
        async with Server(EngineFault(id="", end="stall", reads=False)) as server:
            client = client_of(server, http, timeouts=Timeouts(first_output=0.2))
            with pytest.raises(kimi.FirstOutputTimeout):
                await client.chat("x" * 20_000_000)
            gc.collect()
            assert not sockets_of(asyncio.get_running_loop())


def sockets_of(loop: asyncio.AbstractEventLoop) -> list[object]:
    """Where the loop still waits to write to one."""
    selector: Any = vars(loop)["_selector"]
    return [key for key in selector.get_map().values() if key.data[1] is not None]


async def test_a_line_of_the_headers_may_be_long() -> None:
    says = WHOLE.replace(b"\r\n\r\n", b"\r\nx-policy: %s\r\n\r\n" % (b"x" * 50_000), 1)
    async with Server(EngineFault(id="", says=says)) as server, aiohttp_client() as http:
        assert (await client_of(server, http).chat("Hi")).text == "Hello"


async def test_a_proxy_gets_the_whole_url_and_its_password() -> None:
    async with Server(EngineFault(id="", says=WHOLE)) as server:
        proxy = f"http://me:secret@127.0.0.1:{server.port}"
        async with aiohttp_client(proxy=proxy) as http:
            provider = OpenAICompatible("test-key", "http://api.test/v1", allow_http=True)
            reply = await AsyncKimi(
                provider, model="m", http_client=http, retries=kimi.Retries.none()
            ).chat("Hi")
    assert reply.text == "Hello"
    head = server.heard.lower()
    assert head.startswith(b"post http://api.test/v1/chat/completions http/1.1\r\n")
    secret = base64.b64encode(b"me:secret")
    assert b"proxy-authorization: basic " + secret.lower() in head


@pytest.mark.parametrize("given", [True, False], ids=["given", "of-the-environment"])
async def test_a_proxy_of_another_kind_is_refused(
    given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = "socks5://127.0.0.1:9"
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(kimi.ConfigurationError, match="HTTP proxies only"):
        aiohttp_client(proxy=proxy if given else None)


async def test_this_machine_is_never_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with FakeProvider([Reply("Hello")]) as fake, aiohttp_client() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=Retries.none())
        assert (await client.chat("Hi")).text == "Hello"


async def test_a_connection_that_is_lost_leaves_no_exception_that_nobody_looks_at() -> None:
    """Asyncio would log it when it is collected, and the runner of the tests would raise it."""
    lost = Faulty(Reply("Hello"), NoHeaders("reset"))
    async with FakeProvider([Reply("Hello"), lost, lost]) as fake, aiohttp_client() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=Retries.none())
        await client.chat("Hi")
        with pytest.raises(kimi.TransportError):
            await client.chat("Hi")
        assert fake.total_connections == 2
    gc.collect()
    await anyio.wait_all_tasks_blocked()


async def test_nobody_waits_for_a_connection_that_is_gone_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when it broke between the headers and the first look at them."""
    monkeypatch.setattr("aiohttp.client_proto.ResponseHandler.closed", None)
    async with Server(EngineFault(id="", says=WHOLE[: -len(HELLO)], end="stall")) as server:
        async with aiohttp_client() as http:
            with pytest.raises(kimi.TransportError) as caught:
                await client_of(server, http).chat("Hi")
    assert "the connection was closed" in str(caught.value.cause)


async def test_a_whole_body_is_given_although_its_connection_is_gone_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aiohttp.client_proto.ResponseHandler.closed", None)
    async with Server(EngineFault(id="", says=WHOLE)) as server, aiohttp_client() as http:
        assert (await client_of(server, http).chat("Hi")).text == "Hello"


async def test_a_stream_that_is_dropped_gives_up_its_connection() -> None:
    endless = Faulty(Reply("Hello, you!"), Stall(after_event=2))
    async with FakeProvider([endless]) as fake, aiohttp_client() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=Retries.none())
        stream = client.stream("Hi")
        await anext(stream)
        with pytest.warns(ResourceWarning, match="ChatStream running> was never closed"):
            del stream
        await fake.wait_until(lambda: not fake.active_requests)


async def test_a_response_that_is_not_wanted_gives_up_its_connection() -> None:
    """As when the client was closed in the moment in which its head arrived."""
    endless = Faulty(Reply("Hello, you!"), Stall(after_event=2))
    async with FakeProvider([endless]) as fake, aiohttp_client() as http:
        url = f"{fake.url}/acedata/kimi/chat/completions"
        headers = {"authorization": f"Bearer {fake.api_key}", "content-type": "application/json"}
        content = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
        response = await http.send(
            http.build_request("POST", url, content=content, headers=headers)
        )
        assert response.status_code == 200
        await response.aclose()
        await fake.wait_until(lambda: not fake.active_requests)
