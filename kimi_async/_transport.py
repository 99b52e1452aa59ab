"""The one module that speaks HTTP.

Every exception of the HTTP client ends here: it becomes one of ours, by the stage it came from first and by its
type's name second (so that clients with the same names as httpx are understood too), and is raised outside the
handler, so that no frame of the HTTP client, and no header in it, hangs on a traceback that leaves the library.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
)
from typing import Any, Final

import anyio
import httpx

from kimi_async._adapters import ChatAdapter, request_id_of
from kimi_async._errors import (
    ConfigurationError,
    ConnectTimeout,
    FirstOutputTimeout,
    KimiError,
    KimiTimeoutError,
    TransportError,
    WriteTimeout,
)
from kimi_async._eventloop import cancelled_once, close_shielded
from kimi_async._pool import Lease, Pool
from kimi_async._settings import Timeouts
from kimi_async._slots import Slot, Slots
from kimi_async._version import __version__
from kimi_async._wire import WireRequest

__all__ = ["BodyBroken", "BodyTimedOut", "Response", "Transport", "http_client"]

#: A name of our own, because a host was seen to answer a foreign one with a misleading 429 (docs/providers.md 6.1).
_OUR_HEADERS: Final = {"user-agent": f"kimi-async/{__version__}", "accept-encoding": "identity"}

#: Seconds an idle connection is kept; below the minute after which common gateways drop it.
KEEPALIVE_SECONDS: Final = 30.0

#: The most bytes that one read of a body gives, and so the most that is worked on before others have their turn. A
#: socket gives up to 64 KiB, 1,400 small chunks and 12 ms of work (CPython 3.13); a compressed or mocked body gives
#: any number.
READ_BYTES: Final = 16 * 1024

_CLOSED: Final = "this AsyncKimi, or the HTTP client under it, is closed"


class BodyBroken(Exception):
    """The body broke while it was read; ``cause`` is the type and text of what the HTTP client raised."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class BodyTimedOut(BodyBroken):
    """The HTTP client's own read timeout ran out."""


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The TLS context of every client we make; building one takes 50 ms and more, so it is built once."""
    return httpx.create_ssl_context()


def http_client(
    *,
    proxy: str | None = None,
    verify: bool | ssl.SSLContext = True,
    trust_env: bool = True,
) -> httpx.AsyncClient:
    """Make an HTTP client tuned as ours is: no limit of its own on connections or time, and no redirects.

    For ``AsyncKimi(http_client=...)``, when a proxy or other TLS settings are needed; whoever makes it closes it.

    Args:
        proxy: URL of a proxy for all requests.
        verify: ``True`` checks certificates against the common authorities, an ``ssl.SSLContext`` as it says;
            ``False`` checks nothing, and then whoever is in between can read the key.
        trust_env: Whether ``HTTPS_PROXY`` and its kind are honoured.
    """
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS
    )
    return httpx.AsyncClient(
        proxy=proxy,
        verify=tls_context() if verify is True else verify,
        trust_env=trust_env,
        # A server on this machine, such as a fake one, is never behind the proxy of the environment.
        mounts=dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]")),
        limits=limits,
        timeout=None,
        follow_redirects=False,
    )


async def _tuned_client() -> httpx.AsyncClient:
    # Not the TLS context alone: the first client also imports what is below httpx, in 130 ms and more.
    return await anyio.to_thread.run_sync(http_client)


class Transport:
    """Sends requests over HTTP clients of its own, one at a time, or over the caller's.

    Args:
        client: The caller's client, which is never closed here; ``None`` makes one at first use.

    Attributes:
        closed: Whether :meth:`aclose` was called.
        slots: Counts the replies in flight.
    """

    def __init__(self, client: httpx.AsyncClient | None) -> None:
        self._pool = Pool(client, _tuned_client)
        self._loop: object = None
        self._sending: set[anyio.CancelScope] = set()
        self.closed = False
        self.slots = Slots()

    async def take_slot(self, limit: int | None) -> Slot:
        """Take the slot of one reply; wait for as long as *limit* or more replies are in flight.

        Raises:
            TransportError: The client was closed meanwhile.
            RuntimeError: The client is closed, or belongs to another event loop.
        """
        self._check()
        slot = await self.slots.take(limit)
        if slot is None:
            raise TransportError("the client was closed meanwhile", stage="waiting for a slot")
        return slot

    async def send(
        self,
        adapter: ChatAdapter,
        wire: WireRequest,
        *,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        read_timeout: float | None,
    ) -> Response:
        """Send one request and return when the response headers are there.

        Args:
            adapter: Gives the authorization.
            wire: The request.
            headers: The caller's headers, laid over the adapter's and ours.
            timeouts: For ``connect`` and ``write``.
            read_timeout: The most seconds that one read may take, headers included.

        Raises:
            TransportError: No connection, or it broke before the headers.
            ConnectTimeout: Or one of the other limits ran out.
            RuntimeError: The client is closed, or belongs to another event loop.
        """
        self._check()
        lease = await self._pool.lease()
        try:
            response = await self._send(
                lease.client, adapter, wire, headers, timeouts, read_timeout
            )
            return Response(response, lease, adapter)
        except GeneratorExit:  # a coroutine that is closed cannot wait
            lease.end(cancelled=True)
            raise
        except BaseException as error:
            await lease.aclose(cancelled=not isinstance(error, Exception))
            raise

    async def _send(
        self,
        client: httpx.AsyncClient,
        adapter: ChatAdapter,
        wire: WireRequest,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        read_timeout: float | None,
    ) -> httpx.Response:
        if self.closed or client.is_closed:
            raise RuntimeError(_CLOSED)
        opened = _Opened()
        request = self._build(client, adapter, wire, headers)
        if request is None:
            raise ConfigurationError("the URL of the request cannot be used; check base_url")
        request.extensions["timeout"] = {
            "connect": timeouts.connect,
            "read": read_timeout,
            "write": timeouts.write,
            "pool": None,
        }
        request.extensions["trace"] = opened.trace
        # No authorization of the client's own, and no redirect: it could carry the key to another origin.
        send = functools.partial(
            client.send, request, stream=True, auth=None, follow_redirects=False
        )
        failure: Exception = TransportError("the client was closed meanwhile", stage="sending")
        with self._until_closed():
            try:
                response = await cancelled_once(
                    send, discard=_close_response, abandon=opened.aclose
                )
            except Exception as error:
                failure = _send_failure(error, timeouts, adapter)
            else:
                if not self.closed:
                    return response
                await close_shielded(response.aclose)
        raise failure

    @contextlib.contextmanager
    def _until_closed(self) -> Generator[None]:
        """Leave the block when :meth:`aclose` is called: closing the HTTP client does not end what still connects."""
        with anyio.CancelScope() as scope:
            self._sending.add(scope)
            try:
                yield
            finally:
                self._sending.remove(scope)

    @staticmethod
    def _build(
        client: httpx.AsyncClient,
        adapter: ChatAdapter,
        wire: WireRequest,
        headers: Mapping[str, str],
    ) -> httpx.Request | None:
        """The request with the key in it; ``None`` when the HTTP client refuses to build it.

        Nothing is raised here, where the key lies in the frames.
        """
        try:
            return client.build_request(
                wire.method,
                wire.url,
                content=wire.content,
                headers={
                    **_OUR_HEADERS,
                    **wire.headers,
                    **{name.lower(): value for name, value in headers.items()},
                    "authorization": adapter.authorization(),
                },
            )
        except Exception:
            return None

    def _check(self) -> None:
        loop = anyio.lowlevel.current_token()
        if self._loop is None:
            self._loop = loop
        elif self._loop != loop:
            raise RuntimeError(
                "this AsyncKimi was first used on another event loop; make one for each loop"
            )
        if self.closed:
            raise RuntimeError(_CLOSED)

    async def aclose(self) -> None:
        """Close the HTTP clients that are our own, and send away who waits for a slot; idempotent."""
        self.closed = True
        self.slots.close()
        for scope in self._sending:
            scope.cancel()
        await self._pool.aclose()


class _Opened:
    """The sockets that one request has opened, by the trace events of httpcore.

    A request that is cancelled between "connected" and "sent" leaves its socket open for good: httpcore 1.0.9 never
    closes a connection that was not used yet (119 of 3,000 chats under short timeouts). A closed one is closed again
    without harm.
    """

    def __init__(self) -> None:
        self._streams: list[Any] = []

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore for everything it does."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._streams.append(info["return_value"])

    async def aclose(self) -> None:
        """Close them all."""
        for stream in reversed(self._streams):
            await stream.aclose()


class Response:
    """The response to one request: status, headers, and the body read by read.

    Args:
        response: The HTTP client's.
        lease: Ended when the response is closed.
        adapter: Blots the key out of the headers, should the host have echoed it.

    Attributes:
        status: The HTTP status.
        headers: The response headers, names in lower case.
    """

    __slots__ = (
        "_adapter",
        "_body",
        "_ended",
        "_held",
        "_lease",
        "_next",
        "_response",
        "headers",
        "status",
    )

    def __init__(self, response: httpx.Response, lease: Lease, adapter: ChatAdapter) -> None:
        self._response = response
        self._lease = lease
        self._adapter = adapter
        self._ended = False
        #: What is left of a large read.
        self._held = memoryview(b"")
        self.status = response.status_code
        self.headers: Mapping[str, str] = {
            name: adapter.without_key(value) for name, value in response.headers.items()
        }
        # Raw reads cost 1.2 us, decoded ones 3.3; "identity" was asked for, so decoding is the exception.
        encoded = self.headers.get("content-encoding", "identity") != "identity"
        self._body: AsyncIterator[bytes] = aiter(
            response.aiter_bytes() if encoded else _raw(response)
        )
        self._next: Callable[[], Awaitable[bytes]] = self._body.__anext__

    async def read(self) -> bytes | None:
        """The next bytes of the body, :data:`READ_BYTES` at the most; ``None`` at its clean end.

        Raises:
            BodyTimedOut: The read timeout that the request was sent with ran out.
            BodyBroken: The connection, or the framing of the body, broke.
        """
        if self._held:
            await anyio.lowlevel.checkpoint()
            return self._hold(self._held)
        try:
            data = await self._next()
            return data if len(data) <= READ_BYTES else self._hold(data)
        except StopAsyncIteration:
            self._ended = True
            return None
        except Exception as error:
            kind = BodyTimedOut if "ReadTimeout" in _names(error) else BodyBroken
            cause = _describe(error, self._adapter)
        raise kind(cause)

    def _hold(self, data: bytes | memoryview) -> bytes:
        """The first piece of a large read; the next reads give the others."""
        whole = memoryview(data)
        self._held = whole[READ_BYTES:]
        return bytes(whole[:READ_BYTES])

    @property
    def request_id(self) -> str | None:
        """The request or trace id in the headers."""
        return request_id_of(self.headers)

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end; bounded, idempotent."""
        await close_shielded(self.close)

    async def close(self) -> None:
        """The bare close, for those that cannot await :meth:`aclose`."""
        try:
            await self._response.aclose()
        finally:
            await self._lease.aclose()
            await self._close_socket()

    async def _close_socket(self) -> None:
        """Close the socket of a body that was not read to its end, whatever the HTTP client did.

        A second cancellation can pierce the closing that httpcore itself does on the first one, and leave it closed by
        name with the socket open (httpcore 1.0.9). Closing it twice does nothing. Other replies share the socket of an
        HTTP/2 connection.
        """
        stream = self._response.extensions.get("network_stream")
        if stream is not None and not self._ended and self._response.http_version != "HTTP/2":
            await stream.aclose()


async def _close_response(response: httpx.Response) -> None:
    await response.aclose()


def _raw(response: httpx.Response) -> AsyncIterator[bytes]:
    # Not isinstance: the streams of httpx2 are of classes of its own.
    stream: object = response.stream
    if not isinstance(stream, AsyncIterable):
        raise TypeError("the HTTP client gave a body that cannot be read asynchronously")
    return aiter(stream)


def _send_failure(error: Exception, timeouts: Timeouts, adapter: ChatAdapter) -> KimiError:
    """Our error for what the HTTP client raised before the response headers."""
    names, cause = _names(error), _describe(error, adapter)
    timeout: tuple[type[KimiTimeoutError], float | None, str] | None = None
    if "ConnectTimeout" in names:
        timeout = (ConnectTimeout, timeouts.connect, "connecting")
    elif "WriteTimeout" in names:
        timeout = (WriteTimeout, timeouts.write, "sending")
    elif "ReadTimeout" in names:
        timeout = (FirstOutputTimeout, timeouts.first_output, "waiting for the first output")
    if timeout is not None:
        kind, seconds, stage = timeout
        return kind(seconds or 0.0, stage=stage, cause=cause)
    if names & {"ConnectError", "ProxyError", "UnsupportedProtocol"}:
        return TransportError("no connection could be made", stage="connecting", cause=cause)
    if names & {"WriteError", "LocalProtocolError"}:
        return TransportError("the request could not be sent", stage="sending", cause=cause)
    return TransportError(
        "the connection broke before the reply began",
        stage="waiting for the first output",
        cause=cause,
    )


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _describe(error: Exception, adapter: ChatAdapter) -> str:
    """Type and text of a foreign exception: addresses and protocol states.

    The text of a local protocol error is left out, because it quotes the header of ours that it is about. One of the
    host's may quote a header in which the host has echoed the key.
    """
    kind = type(error)
    said = "" if "LocalProtocolError" in _names(error) else " ".join(str(error).split())
    text = adapter.without_key(said)[:200]
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}" + (f": {text}" if text else "")
