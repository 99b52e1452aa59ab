"""Where HTTP ends and our errors begin."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import AsyncIterator

import anyio
import httpx
import pytest
from fake_host import ACE, HELLO, STALL, FakeBody, FakeHost, delta, no_answer, sse

import kimi_async as kimi
from kimi_async import AceDataCloud, AsyncKimi, Timeouts
from kimi_async._http import _clients, _response
from kimi_async.testing import FakeProvider, Reply, virtual_time

pytestmark = pytest.mark.anyio

LIMITS = Timeouts(connect=1, write=2, first_output=3)

FAILURES: dict[str, tuple[Exception, type[kimi.KimiError], str]] = {
    "connect": (httpx.ConnectError("refused"), kimi.TransportError, "connecting"),
    "proxy": (httpx.ProxyError("407"), kimi.TransportError, "connecting"),
    "scheme": (httpx.UnsupportedProtocol("ftp"), kimi.TransportError, "connecting"),
    "connect-timeout": (httpx.ConnectTimeout("slow"), kimi.ConnectTimeout, "connecting"),
    "write": (httpx.WriteError("gone"), kimi.TransportError, "sending"),
    "write-timeout": (httpx.WriteTimeout("slow"), kimi.WriteTimeout, "sending"),
    "local-protocol": (httpx.LocalProtocolError("bad header"), kimi.TransportError, "sending"),
    "read": (httpx.ReadError("reset"), kimi.TransportError, "waiting for the first output"),
    "remote-protocol": (
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        kimi.TransportError,
        "waiting for the first output",
    ),
    "read-timeout": (
        httpx.ReadTimeout("slow"),
        kimi.FirstOutputTimeout,
        "waiting for the first output",
    ),
    "os": (OSError("no route"), kimi.TransportError, "waiting for the first output"),
    "anything": (ValueError("a bug"), kimi.TransportError, "waiting for the first output"),
}


@pytest.mark.parametrize(
    ("foreign", "ours", "stage"), [pytest.param(*case, id=name) for name, case in FAILURES.items()]
)
async def test_what_the_http_client_raises_becomes_ours_by_its_stage(
    foreign: Exception, ours: type[kimi.KimiError], stage: str
) -> None:
    with pytest.raises(ours) as caught:
        await FakeHost(foreign).client(timeouts=LIMITS).chat("Hi")
    error = caught.value
    assert type(error) is ours
    assert isinstance(error, kimi.TransportError)
    assert error.stage == stage
    assert error.retryable
    module = type(foreign).__module__.partition(".")[0]
    assert (error.cause or "").startswith(f"{module}.{type(foreign).__name__}")
    if isinstance(error, kimi.KimiTimeoutError):
        assert error.seconds == {"connect": 1, "write": 2, "first_output": 3}[error.limit]
    # The traceback of the HTTP client, with headers in its frames, does not hang on ours.
    assert error.__cause__ is None
    assert error.__context__ is None


async def test_the_text_of_a_local_protocol_error_is_left_out() -> None:
    """It quotes the header that it is about."""
    foreign = httpx.LocalProtocolError("Illegal header value b'Bearer secret'")
    with pytest.raises(kimi.TransportError) as caught:
        await FakeHost(foreign).client().chat("Hi")
    assert caught.value.cause == "httpx.LocalProtocolError"


def test_every_transport_exception_of_httpx_is_told_apart_by_name() -> None:
    """A new one would fall into the last branch; then this list must be looked at."""
    names = {name for name, kind in vars(httpx).items() if _is_transport_error(kind)}
    assert names == {
        *("CloseError", "ConnectError", "ConnectTimeout", "DecodingError", "LocalProtocolError"),
        *("NetworkError", "PoolTimeout", "ProtocolError", "ProxyError", "ReadError", "ReadTimeout"),
        *("RemoteProtocolError", "TimeoutException", "TooManyRedirects", "TransportError"),
        *("UnsupportedProtocol", "WriteError", "WriteTimeout", "RequestError"),
    }


def _is_transport_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, httpx.RequestError)


async def test_nobody_listening_is_a_transport_error_while_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = AsyncKimi(
        AceDataCloud("test-key", f"http://127.0.0.1:{port}"), model="m", retries=kimi.Retries.none()
    )
    async with client:
        with pytest.raises(kimi.TransportError) as caught:
            await client.chat("Hi")
    assert caught.value.stage == "connecting"
    assert caught.value.record.headers_after is None


async def test_the_request_carries_our_headers_and_the_caller_s_over_them() -> None:
    host = FakeHost([HELLO], [HELLO])
    client = host.client(headers={"X-Team": "a", "User-Agent": "mine"})
    await client.chat("Hi", extra_headers={"X-TEAM": "b"})
    headers = host.requests[0].headers
    assert headers["authorization"] == "Bearer test-key"
    assert headers["user-agent"] == "mine"
    assert headers["accept-encoding"] == "identity"
    assert headers["accept"] == "text/event-stream, application/json"
    assert headers["content-type"] == "application/json"
    assert headers.get_list("x-team") == ["b"]
    await client.chat("Hi", wire="json")
    assert host.requests[1].headers["accept"] == "application/json"


@pytest.mark.fact("6.1/misleading-429-by-user-agent")
async def test_the_user_agent_is_our_own_by_default() -> None:
    host = FakeHost([HELLO])
    await host.client().chat("Hi")
    assert host.requests[0].headers["user-agent"] == f"kimi-async/{kimi.__version__}"


async def test_the_http_client_gets_our_limits() -> None:
    host = FakeHost([HELLO], [HELLO])
    await host.client(timeouts=Timeouts(connect=1, write=2, first_output=3, idle=4)).chat("Hi")
    assert host.requests[0].extensions["timeout"] == {
        "connect": 1,
        "write": 2,
        "read": 4,
        "pool": None,
    }
    await host.client(timeouts=Timeouts(idle=None)).chat("Hi")
    assert host.requests[1].extensions["timeout"]["read"] is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Not even by a client of the caller's that follows redirects: it would carry the key along."""
    host = FakeHost(httpx.Response(status, headers={"location": "https://elsewhere.test/"}))
    http = httpx.AsyncClient(transport=host, follow_redirects=True)
    with pytest.raises(kimi.APIError, match="redirect") as caught:
        await host.client(http_client=http).chat("Hi")
    assert caught.value.status == status
    assert len(host.requests) == 1


async def test_an_authorization_of_the_http_client_s_own_is_not_used() -> None:
    host = FakeHost([HELLO])
    http = httpx.AsyncClient(transport=host, auth=("someone", "else"))
    await host.client(http_client=http).chat("Hi")
    assert host.requests[0].headers["authorization"] == "Bearer test-key"


async def test_a_compressed_body_is_read_although_none_was_asked_for() -> None:
    response = httpx.Response(
        200, headers={"content-encoding": "gzip"}, stream=_Stream(gzip.compress(HELLO))
    )
    assert (await FakeHost(response).client().chat("Hi")).text == "Hello"


class _Stream(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), 7):
            yield self._data[at : at + 7]


async def test_a_client_that_gives_a_synchronous_body_is_not_one_of_ours() -> None:
    response = httpx.Response(200, stream=httpx.ByteStream(b""))
    response.stream = _SyncStream()
    with pytest.raises(TypeError, match="cannot be read asynchronously"):
        _response.Response(response, ACE)


class _SyncStream(httpx.SyncByteStream):
    pass


async def test_an_error_body_is_read_up_to_a_bound_and_survives_a_break() -> None:
    said = b'{"error":{"code":"used_up","message":"no"}}'
    for reads in ([said, *[b" " * 60_000] * 10], [said, httpx.ReadError("reset")]):
        host = FakeHost(reads)
        host.status = 403
        with pytest.raises(kimi.QuotaExceededError):
            await host.client().chat("Hi")
        assert host.bodies[0].read <= 3
        assert host.bodies[0].closed == 1


async def test_a_client_closes_its_own_http_client_and_never_the_caller_s() -> None:
    async with FakeProvider([Reply("a")]) as fake:
        client = AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none())
        await client.aclose()
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            await client.chat("Hi")
            own = client._caller.transport._client
        assert own is not None
        assert own.is_closed
        await client.aclose()
    host = FakeHost([HELLO])
    http = httpx.AsyncClient(transport=host)
    async with host.client(http_client=http):
        pass
    assert not http.is_closed


async def test_using_a_closed_http_client_is_misuse() -> None:
    host = FakeHost([HELLO])
    http = httpx.AsyncClient(transport=host)
    await http.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await host.client(http_client=http).chat("Hi")


async def test_tls_is_prepared_once_and_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    _clients.tls_context.cache_clear()

    def build() -> object:
        threads.append(threading.get_ident())
        return context

    context = httpx.create_ssl_context()
    monkeypatch.setattr(httpx, "create_ssl_context", build)
    async with FakeProvider([Reply("a"), Reply("b"), Reply("c")]) as fake:
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.chat, "Hi")
                tasks.start_soon(client.chat, "Hi")
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            await client.chat("Hi")
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


@pytest.mark.fact("6.1/events-after-done-or-bytes")
async def test_a_connection_is_used_again() -> None:
    async with FakeProvider([Reply("a")] * 5) as fake:
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            for _ in range(5):
                await client.chat("Hi")
        assert fake.total_connections == 1
        await fake.wait_until(lambda: fake.open_connections == 0)


def test_use_on_another_event_loop_is_misuse() -> None:
    host = FakeHost([HELLO], [HELLO])
    client = host.client()
    anyio.run(client.chat, "Hi")
    with pytest.raises(RuntimeError, match="another event loop"):
        anyio.run(client.chat, "Hi")


class Socket:
    """What httpcore hands out as the socket under a response."""

    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_socket_that_was_opened_for_a_cancelled_request_is_closed() -> None:
    """Httpcore never closes a connection that was not used yet (seen with 1.0.9)."""
    sockets = [Socket(), Socket()]
    opened = anyio.Event()

    class Connecting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            trace = request.extensions["trace"]
            await trace("connection.connect_tcp.started", {})
            await trace("connection.connect_tcp.complete", {"return_value": sockets[0]})
            await trace("connection.start_tls.complete", {"return_value": sockets[1]})
            opened.set()
            return await no_answer()

    client = FakeHost().client(http_client=httpx.AsyncClient(transport=Connecting()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.chat, "Hi")
        await opened.wait()
        tasks.cancel_scope.cancel()
    assert [socket.closed for socket in sockets] == [1, 1]


@pytest.mark.parametrize("connect", [0.01, None])
async def test_a_socks_proxy_has_the_limit_for_connecting(connect: float | None) -> None:
    """Httpcore waits for its answer without end."""

    class Connecting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            trace = request.extensions["trace"]
            await trace("socks.setup_socks5_connection.started", {})
            return await no_answer()

    limits = Timeouts(connect=connect, first_output=0.1)
    http = httpx.AsyncClient(transport=Connecting())
    with pytest.raises(kimi.KimiTimeoutError) as caught:
        await FakeHost().client(http_client=http, timeouts=limits).chat("Hi")
    assert caught.value.limit == ("connect" if connect else "first_output")


@pytest.mark.parametrize(
    "anyio_backend", [virtual_time("asyncio"), virtual_time("trio")], ids=["asyncio", "trio"]
)
async def test_a_proxy_that_has_connected_has_no_limit_any_more() -> None:
    class Connecting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            trace = request.extensions["trace"]
            await trace("socks.setup_socks5_connection.started", {})
            await trace("socks.setup_socks5_connection.complete", {})
            await anyio.sleep(100)
            return httpx.Response(200, stream=FakeBody([HELLO], None))

    http = httpx.AsyncClient(transport=Connecting())
    client = FakeHost().client(http_client=http, timeouts=Timeouts(connect=10))
    assert (await client.chat("Hi")).text == "Hello"


@pytest.mark.parametrize(
    ("version", "closed"), [(b"HTTP/1.1", 1), (b"HTTP/2", 0)], ids=["HTTP/1.1", "HTTP/2"]
)
async def test_leaving_early_takes_the_socket_unless_others_share_it(
    version: bytes, closed: int
) -> None:
    socket = Socket()
    response = httpx.Response(
        200,
        stream=FakeBody([sse(delta("a")), STALL], None),
        extensions={"http_version": version, "network_stream": socket},
    )
    async with FakeHost(response).client().stream("Hi") as stream:
        await anext(stream)
    assert socket.closed == closed


async def test_a_body_that_was_read_to_its_end_keeps_its_socket() -> None:
    socket = Socket()
    response = httpx.Response(
        200, stream=FakeBody([HELLO], None), extensions={"network_stream": socket}
    )
    await FakeHost(response).client().chat("Hi")
    assert socket.closed == 0


async def test_the_socket_goes_although_the_close_of_the_http_client_fails() -> None:
    class FailsToClose(FakeBody):
        async def aclose(self) -> None:
            raise OSError

    socket = Socket()
    response = httpx.Response(
        200,
        stream=FailsToClose([sse(delta("a")), STALL], None),
        extensions={"network_stream": socket},
    )
    async with FakeHost(response).client().stream("Hi") as stream:
        await anext(stream)
    assert socket.closed == 1


async def test_closing_the_client_ends_a_request_that_waits() -> None:
    """Closing the HTTP client does not: one that still connects would go on up to its limit."""
    waiting = anyio.Event()

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            waiting.set()
            return await no_answer()

    async def ask() -> None:
        with pytest.raises(kimi.TransportError, match="closed meanwhile"):
            await client.chat("Hi")

    client = FakeHost().client(http_client=httpx.AsyncClient(transport=Silent()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await waiting.wait()
        await client.aclose()


async def test_a_client_that_is_closed_while_it_connects_cuts_the_reply() -> None:
    body = FakeBody([HELLO], None)

    class Closing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await client.aclose()
            return httpx.Response(200, stream=body)

    client = FakeHost().client(http_client=httpx.AsyncClient(transport=Closing()))
    with pytest.raises(kimi.TransportError, match="closed meanwhile"):
        await client.chat("Hi")
    assert body.closed == 1


@pytest.mark.parametrize("url", ["https://999.999.999.999", "https://[v1.x]", "https://xn--a"])
async def test_a_url_that_the_http_client_refuses_is_a_configuration_error(url: str) -> None:
    host = FakeHost()
    with pytest.raises(kimi.ConfigurationError, match="base_url") as caught:
        await host.client(AceDataCloud("test-key", url)).chat("Hi")
    assert caught.value.__context__ is None


async def test_this_machine_is_never_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    async with FakeProvider([Reply("Hello")]) as fake:
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            assert (await client.chat("Hi")).text == "Hello"
