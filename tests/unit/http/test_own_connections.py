"""Requests that are answered early, idle connections, and the closing of a client."""

from __future__ import annotations

import anyio
import httpx
import pytest
from event_loops import EVERY_LOOP
from scripted_host import COUNTED, Peer, answering, ask, serving

from kimi_async import (
    http_client,
)

pytestmark = pytest.mark.anyio


# Requests that are answered before they are sent


LARGE = b"x" * 20_000_000  # more than the buffers of both sides hold
REFUSED = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nNo"


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
@pytest.mark.parametrize("end", ["stall", "close"])
async def test_an_answer_before_the_end_of_the_request_is_given(end: str) -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(REFUSED)
        if end == "stall":
            await done.wait()

    done = anyio.Event()
    async with serving(serve) as host, http_client() as http:
        response = await http.post(host.url, content=LARGE, timeout=60)
        assert (response.status_code, response.text) == (413, "No")
        done.set()
        await host.left_with(0)


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
async def test_an_interim_response_does_not_end_an_upload() -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await anyio.wait_all_tasks_blocked()
        heard.append(await peer.request())
        await peer.say(COUNTED)

    heard: list[bytes] = []
    async with serving(serve) as host, http_client() as http:
        response = await http.post(host.url, content=LARGE + b"}")
        assert response.text == "Hello"
        assert heard[0].endswith(LARGE + b"}")


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
async def test_an_upload_may_take_long_while_it_goes_on() -> None:
    """The host takes something all the time, and all of it in longer than ``write``."""

    async def serve(peer: Peer) -> None:
        heard, taken, pauses = b"", 0, 0
        while not heard.endswith(b"}"):
            heard = await peer.some()
            taken += len(heard)
            if taken * 8 > pauses * len(LARGE):
                pauses += 1
                await anyio.sleep(
                    0.2
                )  # a fifth of the limit, so that a busy machine does not matter
        await peer.say(COUNTED)

    async with serving(serve) as host, http_client() as http:
        begun = anyio.current_time()
        limits = httpx.Timeout(None, write=1.0)
        assert (await http.post(host.url, content=LARGE + b"}", timeout=limits)).text == "Hello"
        assert anyio.current_time() - begun > 1.0


# Idle connections and closing


async def test_a_connection_that_was_idle_for_long_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("kimi_async._http._own_transport.time.monotonic", lambda: now)
    both, release = anyio.Event(), anyio.Event()

    async def serve(peer: Peer) -> None:
        while await peer.request():
            if host.connections == 2:
                both.set()
            await release.wait()
            await peer.say(COUNTED)

    async with serving(serve) as host, http_client() as http:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(ask, http, host.url)
            await both.wait()
            release.set()
        now += 20
        await ask(http, host.url)
        assert host.open == 2
        now += 20
        await ask(http, host.url)
        await host.left_with(1)
        assert host.connections == 2
        now += 40
        await ask(http, host.url)
        assert host.connections == 3


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
async def test_closing_the_client_ends_what_is_under_way() -> None:
    async def fails(kind: type[Exception], url: str) -> None:
        with pytest.raises(kind):
            await ask(http, url)

    async with serving(answering(COUNTED, b"", b"")) as host:
        http = http_client()
        await ask(http, host.url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails, httpx.ReadError, host.url)
            await anyio.wait_all_tasks_blocked()
            await http.aclose()
        assert host.connections == 1
        await host.left_with(0)


async def test_a_scheme_without_a_way_to_send_is_told() -> None:
    async with http_client() as http:
        with pytest.raises(httpx.UnsupportedProtocol, match="'ftp'"):
            await http.get("ftp://host.test/")


async def test_a_switch_of_protocols_is_refused() -> None:
    answer = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    headers = {"connection": "upgrade", "upgrade": "x"}
    async with serving(answering(answer)) as host, http_client() as http:
        with pytest.raises(httpx.RemoteProtocolError, match="another protocol"):
            await ask(http, host.url, headers=headers)


async def test_a_header_that_cannot_be_sent_is_refused() -> None:
    async with serving(answering(COUNTED)) as host, http_client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await ask(http, host.url, headers={"x": "a\nb"})
        await host.left_with(0)


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
async def test_closing_the_client_ends_what_still_connects() -> None:
    async def fails() -> None:
        with pytest.raises(httpx.ConnectError, match="closed meanwhile"):
            await ask(http, host.url.replace("http:", "https:"))

    async def serve(peer: Peer) -> None:
        assert await peer.some()
        greeted.set()
        assert not await peer.some()

    greeted = anyio.Event()
    async with serving(serve) as host:
        http = http_client()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)
            await greeted.wait()
            await http.aclose()
        await host.left_with(0)


async def test_a_response_that_is_left_open_after_its_body_keeps_the_connection() -> None:
    async with serving(answering(COUNTED, COUNTED)) as host, http_client() as http:
        request = http.build_request("POST", host.url, content=b"{}")
        response = await http.send(request, stream=True)
        assert await response.aread() == b"Hello"
        response.extensions["kimi_body"].close_soon()
        assert (await ask(http, host.url)).text == "Hello"
        assert host.connections == 1


async def test_a_proxy_of_the_environment_with_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "kimi.test")
    async with http_client() as client:
        assert not client.is_closed
