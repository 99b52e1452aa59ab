"""What came at once is read at once: over TLS too, and without losing what came before an error."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator
from typing import Literal

import anyio
import httpx
import pytest
import trustme
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener, TLSStream
from engine_cases import CHUNKED, chunk
from fake_host import delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible, http_client

pytestmark = pytest.mark.anyio

WORDS = [f"{number} " for number in range(100)]
REPLY = [sse(delta(word)) for word in WORDS]
END = sse(delta(finish="stop"), "[DONE]")
LAST = b"0\r\n\r\n"
#: A record that nobody has encrypted.
GARBAGE = b"\x17\x03\x03\x00\x05abcde"
Scheme = Literal["http", "https"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Host(anyio.AsyncContextManagerMixin):
    """Answers each request with REPLY, each event in a write of its own.

    Attributes:
        url: Where it is.
        connections: How many were opened.
        said: Set when all was said.
    """

    def __init__(self, scheme: Scheme, authority: trustme.CA, end: bytes = b"") -> None:
        self._scheme = scheme
        self._authority = authority
        self._end = end
        self.url = ""
        self.connections = 0
        self.said = anyio.Event()

    @contextlib.asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Host]:
        tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = tcp.extra(anyio.abc.SocketAttribute.local_port)
        self.url = f"{self._scheme}://127.0.0.1:{port}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1").configure_cert(context)
        async with (
            TLSListener(tcp, context, standard_compatible=False)
            if self._scheme == "https"
            else tcp as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(listener.serve, self._serve)
            yield self
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: ByteStream) -> None:
        self.connections += 1
        async with stream:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, ssl.SSLError):
                while True:
                    await self._answer(stream)

    async def _answer(self, stream: ByteStream) -> None:
        heard = b""
        while not heard.endswith(b"}"):
            heard += await stream.receive()
        for part in (CHUNKED, *map(chunk, REPLY)):
            await stream.send(part)
        if self._end:
            assert isinstance(stream, TLSStream)
            await stream.transport_stream.send(self._end)
        else:
            await stream.send(chunk(END) + LAST)
        self.said.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_hundred_writes_are_a_few_reads(
    scheme: Scheme, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    counts: list[int] = []
    async with Host(scheme, authority) as host:
        for http in (http_client(verify=trusting), httpx.AsyncClient(verify=trusting)):
            async with http, http.stream("POST", host.url, content=b"{}") as response:
                await host.said.wait()
                await anyio.wait_all_tasks_blocked()
                reads = [data async for data in response.aiter_raw()]
            assert b"".join(reads) == b"".join(REPLY) + END
            counts.append(len(reads))
            host.said = anyio.Event()
    # 4 KiB in each, and what was cut at either end.
    assert counts[0] < 10
    assert counts[1] > 100


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_replies_come_whole_over_one_connection(
    scheme: Scheme, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with Host(scheme, authority) as host, http_client(verify=trusting) as http:
        client = AsyncKimi(OpenAICompatible("test-key", host.url), model="m", http_client=http)
        for _ in range(3):
            assert (await client.chat("Hi")).text == "".join(WORDS)
        assert host.connections == 1


async def test_what_came_before_a_broken_record_is_given(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """In the same read, where the error waits for the next one."""
    async with Host("https", authority, GARBAGE) as host, http_client(verify=trusting) as http:
        client = AsyncKimi(OpenAICompatible("test-key", host.url), model="m", http_client=http)
        async with client.stream("Hi") as stream:
            await host.said.wait()
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(kimi.StreamInterrupted) as caught:
                await stream.final()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(WORDS)
