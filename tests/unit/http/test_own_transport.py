"""Connections of our own give the same as a plain ``httpx.AsyncClient``, and leave nothing open."""

from __future__ import annotations

import random

import anyio
import httpx
import kept_host
import pytest
from engines import httpx_client
from event_loops import EVERY_LOOP
from scripted_host import COUNTED, OK, Peer, answering, ask, serving

from kimi_async import (
    AsyncKimi,
    AttemptRecord,
    ChatCompletion,
    OpenAICompatible,
    Retries,
    http_client,
)

pytestmark = pytest.mark.anyio


CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


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
