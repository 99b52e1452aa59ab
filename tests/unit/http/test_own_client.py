"""What came at once is read at once: over TLS too, and without losing what came before an error."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncGenerator
from typing import Any, Literal, cast

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
from kimi_async._http._own_client import environment_proxies
from kimi_async._http._stream import is_readable

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

    def __init__(
        self,
        scheme: Scheme,
        authority: trustme.CA,
        end: bytes = b"",
        *,
        size: int = 0,
        surplus: bytes = b"",
    ) -> None:
        self._scheme = scheme
        self._authority = authority
        self._end = end
        self._filler = chunk(b":" * size) if size else b""
        self._surplus = surplus
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

    def client(self, http: httpx.AsyncClient) -> AsyncKimi:
        """Return a client of this host that tries once."""
        provider = OpenAICompatible("test-key", self.url)
        return AsyncKimi(provider, model="m", http_client=http, retries=kimi.Retries.none())

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
            await stream.send(self._filler + chunk(END) + LAST + self._surplus)
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
        client = host.client(http)
        for _ in range(3):
            assert (await client.chat("Hi")).text == "".join(WORDS)
        assert host.connections == 1


async def test_what_came_before_a_broken_record_is_given(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """In the same read, where the error waits for the next one."""
    async with Host("https", authority, GARBAGE) as host, http_client(verify=trusting) as http:
        client = host.client(http)
        async with client.stream("Hi") as stream:
            await host.said.wait()
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(kimi.StreamInterrupted) as caught:
                await stream.final()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "".join(WORDS)


#: Values of NO_PROXY beside proxies for every scheme.
EXCEPTIONS = [
    "",
    "*",
    "a.test, *",
    "host.test,.sub.test, LOCALHOST",
    "10.0.0.1,192.168.0.0/16,::1,fe80::1",
    "https://only.test,all://other.test",
]


@pytest.mark.parametrize("exceptions", EXCEPTIONS)
def test_the_proxies_of_the_environment_are_those_of_httpx(
    exceptions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "plain.test:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.test:2")
    monkeypatch.setenv("ALL_PROXY", "http://all.test:3")
    monkeypatch.setenv("NO_PROXY", exceptions)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    theirs = httpx.AsyncClient()._mounts
    ours = environment_proxies()
    assert set(ours) == {pattern.pattern for pattern in theirs}
    for pattern, transport in theirs.items():
        proxy = None if transport is None else cast("Any", transport)._pool._proxy_url
        given = ours[pattern.pattern]
        assert (given and httpx.URL(given).host) == (proxy and proxy.host.decode())


async def test_cookies_of_the_caller_are_sent_and_those_of_a_host_are_not_kept() -> None:
    async with http_client() as http:
        http.cookies = httpx.Cookies({"a": "b"})
        assert http.build_request("GET", "http://host.test").headers["cookie"] == "a=b"
        response = httpx.Response(200, headers={"set-cookie": "c=d"})
        http.cookies.extract_cookies(response)
        assert dict(http.cookies) == {"a": "b"}


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_slow_reader_holds_the_host_up(
    scheme: Scheme, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """The host writes no more than the buffers hold; the rest is read later."""
    async with Host(scheme, authority, size=20_000_000) as host:
        async with http_client(verify=trusting) as http:
            async with http.stream("POST", host.url, content=b"{}") as response:
                await anyio.wait_all_tasks_blocked()
                assert not host.said.is_set()
                assert len(await response.aread()) > 20_000_000


async def test_a_certificate_that_nobody_knows_is_refused(authority: trustme.CA) -> None:
    async with Host("https", authority) as host, http_client() as http:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            await http.post(host.url, content=b"{}")


async def test_a_surplus_record_ends_an_idle_connection(
    authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async with (
        Host("https", authority, surplus=b"more") as host,
        http_client(verify=trusting) as http,
    ):
        for _ in range(3):
            assert (await http.post(host.url, content=b"{}")).status_code == 200
            await anyio.wait_all_tasks_blocked()
        assert host.connections == 3


def test_a_socket_is_looked_at_without_poll_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    near, far = socket.socketpair()
    with near, far:
        for platform in ("linux", "win32"):
            monkeypatch.setattr(sys, "platform", platform)
            assert not is_readable(near.fileno())
        far.send(b"x")
        for platform in ("linux", "win32"):
            monkeypatch.setattr(sys, "platform", platform)
            assert is_readable(near.fileno())


#: Bodies that end with the connection, that are whole without its end, and that are not whole.
ENDINGS = {
    "up-to-the-end": b"HTTP/1.1 200 OK\r\n\r\nHello",
    "counted": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHello",
    "short": b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nHello",
    "in-the-head": b"HTTP/1.1 200 OK\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("says_goodbye", [True, False])
async def test_an_end_under_tls_is_what_plain_httpx_takes_it_for(
    answer: bytes, says_goodbye: bool, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    async def serve(stream: ByteStream) -> None:
        heard = b""
        # The client does not wait for the good-bye of a host.
        with contextlib.suppress(anyio.BrokenResourceError):
            async with stream:
                while not heard.endswith(b"}"):
                    heard += await stream.receive()
                await stream.send(answer)

    async def outcome(http: httpx.AsyncClient) -> tuple[object, ...]:
        content = b""
        try:
            async with http, http.stream("POST", url, content=b"{}") as response:
                async for data in response.aiter_raw():
                    content += data
        except httpx.HTTPError as error:
            return content, type(error)
        return content, response.status_code

    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    url = f"https://127.0.0.1:{tcp.extra(anyio.abc.SocketAttribute.local_port)}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with (
        TLSListener(tcp, context, standard_compatible=says_goodbye) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        plain = await outcome(httpx.AsyncClient(verify=trusting))
        assert await outcome(http_client(verify=trusting)) == plain
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("make", [kimi.http_client, kimi.aiohttp_client])
@pytest.mark.parametrize("verify", ["company.pem", 1, None])
def test_a_setting_of_tls_that_is_no_context_is_refused(make: Any, verify: Any) -> None:
    """Httpx took the path of a file, which would be ignored here."""
    with pytest.raises(kimi.ConfigurationError, match=r"verify must be True, False or an ssl\.SSL"):
        make(verify=verify)
