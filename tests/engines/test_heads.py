"""An unusual head is read over the clients that we make as a plain ``httpx.AsyncClient`` reads it."""

from __future__ import annotations

import pytest
from engine_cases import chunk
from engines import ENGINES, OUR_RUNS, RUNS
from event_loops import Loop
from fake_host import delta, sse
from kept_host import KeptHost

import kimi_async as kimi

pytestmark = pytest.mark.anyio

BODY = sse(delta("Hello"), delta(finish="stop"), "[DONE]")
CHUNKS = chunk(BODY[:20]) + chunk(BODY[20:]) + b"0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKS

READ = {
    "lines-end-in-lf": CHUNKED.replace(b"\r\n", b"\n", 3).replace(b"\n\r\n", b"\n\n", 1),
    "interim": b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n" + CHUNKED,
    "two-interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + CHUNKED,
    "name-in-capitals": CHUNKED.replace(
        b"transfer-encoding: chunked", b"TRANSFER-ENCODING:Chunked"
    ),
    "no-reason": CHUNKED.replace(b" OK", b""),
}
NO_CONTENT = {
    "204": b"HTTP/1.1 204 No Content\r\n\r\n" + BODY,
    "204-chunked": CHUNKED.replace(b"200 OK", b"204 No"),
    "304": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n" + BODY,
}


OLD_INTERIM = b"HTTP/1.0 100 Continue\r\n\r\n" + CHUNKED


@pytest.mark.parametrize(("anyio_backend", "engine"), RUNS)
async def test_an_interim_response_of_http_1_0_is_passed_over_or_refused(
    engine: str, anyio_backend: Loop
) -> None:
    """The parser of aiohttp takes it for the last response of the connection."""
    async with KeptHost(lambda _: OLD_INTERIM) as host, ENGINES[engine]() as http:
        if engine == "aiohttp":
            with pytest.raises(kimi.TransportError):
                await host.client(http).chat("Hi")
        else:
            assert (await host.client(http).chat("Hi")).text == "Hello"


@pytest.mark.parametrize(("anyio_backend", "engine"), RUNS)
@pytest.mark.parametrize("said", READ.values(), ids=READ)
async def test_a_head_that_h11_takes_is_taken(
    said: bytes, engine: str, anyio_backend: Loop
) -> None:
    async with KeptHost(lambda _: said) as host, ENGINES[engine]() as http:
        assert (await host.client(http).chat("Hi")).text == "Hello"


@pytest.mark.parametrize(("anyio_backend", "engine"), OUR_RUNS)
@pytest.mark.parametrize("said", NO_CONTENT.values(), ids=NO_CONTENT)
async def test_bytes_after_a_status_without_a_body_are_not_read(
    said: bytes, engine: str, anyio_backend: Loop
) -> None:
    async with KeptHost(lambda _: said) as host, ENGINES[engine]() as http:
        client = host.client(http)
        for number in range(2):
            with pytest.raises(kimi.KimiError) as caught:
                await client.chat("Hi")
            assert not isinstance(caught.value, kimi.TransportError)
            assert host.connections == number + 1
