"""Connections of our own give the same as a plain ``httpx.AsyncClient``, and leave nothing open."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import anyio
import httpx
import kept_host
import pytest
from anyio.abc import ByteStream, SocketAttribute
from engines import httpx_client
from event_loops import EVERY_LOOP

from kimi_async import (
    AsyncKimi,
    AttemptRecord,
    ChatCompletion,
    OpenAICompatible,
    Retries,
    http_client,
)

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
COUNTED = OK + b"content-length: 5\r\n\r\nHello"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

Serve: TypeAlias = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The host's end of one connection."""

    def __init__(self, stream: ByteStream, number: int) -> None:
        self._stream = stream
        #: The how-manyth connection it is, from 0.
        self.number = number

    async def request(self) -> bytes:
        """Read one request, whose body ends with a brace; ``b""`` when the client is gone."""
        heard = bytearray()
        while not heard.endswith(b"}") and (data := await self.some()):
            heard += data
        return bytes(heard)

    async def some(self) -> bytes:
        """Read once; ``b""`` when the client is gone."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            return await self._stream.receive()
        return b""

    async def say(self, data: bytes) -> None:
        with suppress(anyio.BrokenResourceError):
            await self._stream.send(data)


class Host:
    """A server that does with each connection what a test says."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.url = ""
        self.connections = 0
        self.open = 0
        self._changed = anyio.Event()

    async def accept(self, stream: ByteStream) -> None:
        peer = Peer(stream, self.connections)
        self.connections += 1
        self.open += 1
        try:
            async with stream:
                await self._serve(peer)
        finally:
            self.open -= 1
            self._changed.set()

    async def left_with(self, connections: int) -> None:
        """Wait until so many *connections* are open."""
        with anyio.fail_after(5):
            while self.open != connections:
                self._changed = anyio.Event()
                await self._changed.wait()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncGenerator[Host]:
    host = Host(serve)
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        host.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        tasks.start_soon(listener.serve, host.accept)
        yield host
        tasks.cancel_scope.cancel()


def answering(*answers: bytes) -> Serve:
    """Answer the requests of each connection with *answers*, and close it after the last one."""

    async def serve(peer: Peer) -> None:
        for answer in answers:
            if not await peer.request():
                return
            await peer.say(answer)

    return serve


async def ask(http: httpx.AsyncClient, url: str, **settings: Any) -> httpx.Response:
    return await http.post(url, content=b"{}", **settings)


async def outcome(http: httpx.AsyncClient, url: str) -> tuple[object, ...]:
    """Return what a caller gets: status, headers and content, or the content so far and the class of the error."""
    content = b""
    try:
        async with http.stream("POST", url, content=b"{}") as response:
            async for data in response.aiter_raw():
                content += data
    except httpx.HTTPError as error:
        return content, type(error)
    return response.status_code, response.headers.raw, content, response.http_version


#: Responses that are changed at random below.
WHOLE = [
    COUNTED,
    OK + b"\r\nHello",
    CHUNKED + b"2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n",
    CHUNKED + b"5;a=b\r\nHello\r\n0\r\nx: y\r\n\r\n",
    OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n",
    OK + b"content-length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: <a>\r\n\r\n" + COUNTED,
    b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nHello",
    b"HTTP/1.1 429 \r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 5\r\n\r\nHello",
]
PARTS = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"0",
    b"1",
    b"5",
    b"f",
    b":",
    b";",
    b"\x00",
    b"\xff",
    b"HTTP/1.1 ",
]
LINES = [
    *(b"content-length: 5\r\n", b"content-length: 6\r\n", b"content-length: -1\r\n"),
    *(b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip, chunked\r\n"),
    *(b"connection: close\r\n", b" folded\r\n", b"no colon\r\n", b"a: b\r\n"),
]


def mutated(choose: random.Random) -> list[bytes]:
    """Return a response that is changed in up to three places, in up to three writes."""
    data = choose.choice(WHOLE)
    for _ in range(choose.randrange(4)):
        at = choose.randrange(len(data) + 1)
        until = at + choose.choice([0, 0, 0, 1, 2, 9])
        data = data[:at] + choose.choice([b"", *PARTS]) + data[until:]
    if choose.random() < 0.3:
        head, line_end, rest = data.partition(b"\r\n")
        data = head + line_end + choose.choice(LINES) + rest
    if choose.random() < 0.2:
        data = data[: choose.randrange(len(data) + 1)]
    data += choose.choice([b"", b"", b"", COUNTED, b"x"])
    ends = sorted(choose.randrange(len(data) + 1) for _ in range(choose.randrange(3)))
    return [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
@pytest.mark.parametrize(
    ("count", "seed"),
    [
        pytest.param(200, 0, id="200"),
        *(pytest.param(1000, seed, id=f"{seed}", marks=pytest.mark.stress) for seed in range(1, 5)),
    ],
)
async def test_each_response_is_read_as_plain_httpx_reads_it(count: int, seed: int) -> None:
    choose = random.Random(seed)
    writes: list[bytes] = []

    async def serve(peer: Peer) -> None:
        await peer.request()
        for data in writes:
            await peer.say(data)
            await anyio.lowlevel.checkpoint()

    async with serving(serve) as host, http_client() as ours, httpx_client() as plain:
        for _ in range(count):
            writes[:] = mutated(choose)
            expected = await outcome(plain, host.url)
            assert await outcome(ours, host.url) == expected, writes


# What a host sends that nobody asked for


async def test_a_surplus_response_in_the_same_write_reaches_nobody() -> None:
    serve = answering(COUNTED + COUNTED.replace(b"Hello", b"WRONG"))
    async with serving(serve) as host, http_client() as http:
        for _ in range(3):
            assert (await ask(http, host.url)).text == "Hello"
        assert host.connections == 3
        await host.left_with(0)


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
async def test_a_surplus_response_to_an_idle_connection_reaches_nobody() -> None:
    said = anyio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(COUNTED)
        if not peer.number:
            await idle.wait()
            await peer.say(COUNTED.replace(b"Hello", b"WRONG"))
            said.set()
        await peer.request()

    idle = anyio.Event()
    async with serving(serve) as host, http_client() as http:
        assert (await ask(http, host.url)).text == "Hello"
        idle.set()
        await said.wait()
        assert (await ask(http, host.url)).text == "Hello"
        assert host.connections == 2


@pytest.mark.parametrize(
    ("count", "seed"),
    [
        pytest.param(300, 0, id="300"),
        pytest.param(10_000, 1, id="10000", marks=pytest.mark.stress),
    ],
)
async def test_no_reply_is_another_request_s(count: int, seed: int) -> None:
    """Twenty connections are kept, and the host adds a response now and then."""
    choose = random.Random(seed)

    async def serve(peer: Peer) -> None:
        while heard := await peer.request():
            name = heard.partition(b"\r\n\r\n")[2][1:-1]
            answer = OK + b"content-length: %d\r\n\r\n%b" % (len(name), name)
            await peer.say(answer * choose.choice([1, 1, 1, 2]))

    async def some(left: set[int]) -> None:
        while left:
            number = left.pop()
            response = await http.post(host.url, content=b"{%d}" % number)
            assert response.text == str(number)

    async with serving(serve) as host, http_client() as http, anyio.create_task_group() as tasks:
        left = set(range(count))
        for _ in range(20):
            tasks.start_soon(some, left)


# Connections that break


@pytest.mark.parametrize("anyio_backend", EVERY_LOOP)
async def test_a_kept_connection_that_breaks_before_an_answer_is_replaced_once() -> None:
    """The host closes it when it has the next request, as a host that closes an idle one too late."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(COUNTED)
        await peer.request()

    async with serving(serve) as host, http_client() as http:
        for number in range(300):
            response = await ask(http, host.url)
            assert response.text == "Hello"
            assert response.extensions.get("kimi_resent", False) is (number > 0)
        assert host.connections == 300


async def test_the_record_tells_that_a_request_was_sent_again() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(kept_host.answer("Hello"))
        await peer.request()

    async with serving(serve) as host, http_client() as http:
        provider = OpenAICompatible("test-key", host.url)
        client = AsyncKimi(provider, model="m", http_client=http, retries=Retries.none())
        attempts = [each for _ in range(2) for each in recorded(await client.chat("Hi"))]
    assert [(each.outcome, each.resent) for each in attempts] == [
        ("complete", False),
        ("complete", True),
    ]


def recorded(reply: ChatCompletion) -> tuple[AttemptRecord, ...]:
    assert reply.record is not None
    return reply.record.attempts


async def test_a_request_is_not_sent_a_third_time() -> None:
    async def serve(peer: Peer) -> None:
        await peer.request()
        if not peer.number:
            await peer.say(COUNTED)
            await peer.request()

    async with serving(serve) as host, http_client() as http:
        await ask(http, host.url)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await ask(http, host.url)
        assert host.connections == 2


@pytest.mark.parametrize("begun", [b"H", COUNTED[:-1]])
async def test_a_request_that_got_part_of_an_answer_is_not_sent_again(begun: bytes) -> None:
    async with serving(answering(COUNTED, begun)) as host, http_client() as http:
        await ask(http, host.url)
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(http, host.url)
        assert host.connections == 1


async def test_a_request_that_times_out_is_not_sent_again() -> None:
    async with serving(answering(COUNTED, b"", b"")) as host, http_client() as http:
        await ask(http, host.url)
        with pytest.raises(httpx.ReadTimeout):
            await ask(http, host.url, timeout=0.05)
        assert host.connections == 1
        await host.left_with(0)


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
