"""The one module that speaks HTTP.

Every exception of the HTTP client ends here: it becomes one of ours, by the stage it came from first and by its
type's name second (so that httpx2, which has the names of httpx, and aiohttp are understood too), and is raised outside
the handler, so that no frame of the HTTP client, and no header in it, hangs on a traceback that leaves the library.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
)
from typing import Any, Final, cast

import anyio

from kimi_async._errors import (
    ConfigurationError,
    ConnectTimeout,
    FirstOutputTimeout,
    KimiError,
    KimiTimeoutError,
    ProtocolError,
    TransportError,
    WriteTimeout,
)
from kimi_async._http._cancellation import close_shielded, run_cancellable_once
from kimi_async._http._clients import HttpClient, HttpRequest, HttpResponse, http_client
from kimi_async._http._decoding import READ_BYTES, decoded
from kimi_async._http._limiter import ConcurrencyLimiter, Permit
from kimi_async._http._pool import Lease, Pool
from kimi_async._providers import Provider, request_id_of
from kimi_async._settings import Timeouts
from kimi_async._version import __version__
from kimi_async._wire import WireRequest

__all__ = ["BodyError", "BodyTimeout", "Response", "Transport"]

#: A name of our own, because a host was seen to answer a foreign one with a misleading 429 (docs/providers.md 6.1).
_OUR_HEADERS: Final = {"user-agent": f"kimi-async/{__version__}", "accept-encoding": "identity"}

#: What the engines call it: httpx and httpx2 first, aiohttp second.
_READ_TIMEOUTS: Final = frozenset({"ReadTimeout", "SocketTimeoutError"})
_NOT_CONNECTED: Final = frozenset(
    {
        *("ConnectError", "ProxyError", "UnsupportedProtocol"),
        *("ClientConnectorError", "ClientHttpProxyError", "InvalidURL"),
    }
)

_NOTHING: Final = memoryview(b"")

_CLOSED: Final = "this AsyncKimi, or the HTTP client under it, is closed"


class BodyError(Exception):
    """The body broke while it was read; ``cause`` is the type and text of what the HTTP client raised."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class BodyTimeout(BodyError):
    """The HTTP client's own read timeout ran out."""


async def _tuned_client() -> HttpClient:
    # Not the TLS context alone: the first client also imports what is below httpx, in 130 ms and more.
    return await anyio.to_thread.run_sync(http_client)


class Transport:
    """Sends requests over HTTP clients of its own, one at a time, or over the caller's.

    Args:
        client: The caller's client, which is never closed here; ``None`` makes one at first use.

    Attributes:
        closed: Whether :meth:`aclose` was called.
        limiter: Counts the replies in flight.
    """

    def __init__(self, client: HttpClient | None) -> None:
        self._pool = Pool(client, _tuned_client)
        self._loop: object = None
        self._sending: set[anyio.CancelScope] = set()
        self.closed = False
        self.limiter = ConcurrencyLimiter()

    async def acquire_permit(self, limit: int | None) -> Permit:
        """Take the permit of one reply; wait for as long as *limit* or more replies are in flight.

        Raises:
            TransportError: The client was closed meanwhile.
            RuntimeError: The client is closed, or belongs to another event loop.
        """
        self._check()
        permit = await self.limiter.take(limit)
        if permit is None:
            raise TransportError("the client was closed meanwhile", stage="waiting for a slot")
        return permit

    async def send(
        self,
        provider: Provider,
        wire: WireRequest,
        *,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        read_timeout: float | None,
    ) -> Response:
        """Send one request and return when the response headers are there.

        Args:
            provider: Gives the authorization.
            wire: The request.
            headers: The caller's headers, laid over the provider's and ours.
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
            response = await self._send(lease, provider, wire, headers, timeouts, read_timeout)
            return Response(response, lease, provider)
        except GeneratorExit:  # a coroutine that is closed cannot wait
            lease.end(cancelled=True)
            raise
        except BaseException as error:
            await lease.aclose(cancelled=not isinstance(error, Exception))
            raise

    async def _send(
        self,
        lease: Lease,
        provider: Provider,
        wire: WireRequest,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        read_timeout: float | None,
    ) -> HttpResponse:
        client = lease.client
        if self.closed or client.is_closed:
            raise RuntimeError(_CLOSED)
        opened = _Opened(lease)
        request = self._build(client, provider, wire, headers)
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
                response = await run_cancellable_once(
                    send, discard=_close_response, abandon=opened.aclose
                )
            except Exception as error:
                failure = _send_failure(error, timeouts, provider)
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
        client: HttpClient,
        provider: Provider,
        wire: WireRequest,
        headers: Mapping[str, str],
    ) -> HttpRequest | None:
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
                    "authorization": provider.authorization(),
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
        """Close the HTTP clients that are our own, and send away who waits for a permit; idempotent."""
        self.closed = True
        self.limiter.close()
        for scope in self._sending:
            scope.cancel()
        await self._pool.aclose()


class _Opened:
    """The sockets that one request has opened, by the trace events of httpcore.

    A request that is cancelled between "connected" and "sent" leaves its socket open for good: httpcore 1.0.9 never
    closes a connection that was not used yet (119 of 3,000 chats under short timeouts). A closed one is closed again
    without harm. Over aiohttp there are no such events, and it closes its sockets itself.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._streams: list[Any] = []

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore for everything it does."""
        self._lease.goes_over_httpcore()
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
        provider: Blots the key out of the headers, should the host have echoed it.

    Attributes:
        status: The HTTP status.
        headers: The response headers, names in lower case.
    """

    __slots__ = (
        "_body",
        "_ended",
        "_held",
        "_lease",
        "_next",
        "_provider",
        "_response",
        "headers",
        "status",
    )

    def __init__(self, response: HttpResponse, lease: Lease, provider: Provider) -> None:
        self._response = response
        self._lease = lease
        self._provider = provider
        self._ended = False
        #: What is left of a large read.
        self._held = _NOTHING
        self.status = response.status_code
        self.headers: Mapping[str, str] = {
            name: provider.without_key(value) for name, value in response.headers.items()
        }
        self._body = decoded(_raw(response), self.headers.get("content-encoding", ""))
        self._next: Callable[[], Awaitable[bytes]] = self._body.__anext__

    async def read(self) -> bytes | None:
        """The next bytes of the body, :data:`READ_BYTES` at the most; ``None`` at its clean end.

        Raises:
            BodyTimeout: The read timeout that the request was sent with ran out.
            BodyError: The connection, the framing or the compression of the body broke.
            ProtocolError: The body has a content encoding that is not read.
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
        except ProtocolError:
            raise
        except Exception as error:
            kind = BodyTimeout if _names(error) & _READ_TIMEOUTS else BodyError
            cause = _describe(error, self._provider)
        raise kind(cause)

    def _hold(self, data: bytes | memoryview) -> bytes:
        """The first piece of a large read; the next reads give the others."""
        whole = memoryview(data)
        # An empty view would keep the read in memory.
        self._held = whole[READ_BYTES:] if len(whole) > READ_BYTES else _NOTHING
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


async def _close_response(response: HttpResponse) -> None:
    await response.aclose()


def _raw(response: HttpResponse) -> AsyncIterator[bytes]:
    # Not isinstance: the streams of httpx2 are of classes of its own.
    if not isinstance(response.stream, AsyncIterable):
        raise TypeError("the HTTP client gave a body that cannot be read asynchronously")
    return aiter(cast("AsyncIterable[bytes]", response.stream))


def _send_failure(error: Exception, timeouts: Timeouts, provider: Provider) -> KimiError:
    """Our error for what the HTTP client raised before the response headers."""
    if isinstance(error, KimiError):  # an engine of ours refused
        return error.with_traceback(None)
    names, cause = _names(error), _describe(error, provider)
    timeout: tuple[type[KimiTimeoutError], float | None, str] | None = None
    if names & {"ConnectTimeout", "ConnectionTimeoutError"}:
        timeout = (ConnectTimeout, timeouts.connect, "connecting")
    elif "WriteTimeout" in names:
        timeout = (WriteTimeout, timeouts.write, "sending")
    elif names & _READ_TIMEOUTS:
        timeout = (FirstOutputTimeout, timeouts.first_output, "waiting for the first output")
    if timeout is not None:
        kind, seconds, stage = timeout
        return kind(seconds or 0.0, stage=stage, cause=cause)
    if names & _NOT_CONNECTED:
        return TransportError("no connection could be made", stage="connecting", cause=cause)
    if names & {"WriteError", "LocalProtocolError"}:
        return TransportError("the request could not be sent", stage="sending", cause=cause)
    return TransportError(
        "the connection broke before the reply began",
        stage="waiting for the first output",
        cause=cause,
    )


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(_origin(error)).__mro__}


def _origin(error: Exception) -> BaseException:
    """What aiohttp raised, where it is below: httpx-aiohttp 0.2.0 makes a broken connection a ``ConnectTimeout``."""
    cause = error.__cause__
    return cause if type(cause).__module__.partition(".")[0] == "aiohttp" and cause else error


def _describe(error: Exception, provider: Provider) -> str:
    """Type and text of a foreign exception: addresses and protocol states.

    The text of a local protocol error is left out, because it quotes the header of ours that it is about. One of the
    host's may quote a header in which the host has echoed the key.
    """
    origin = _origin(error)
    said = "" if "LocalProtocolError" in _names(error) else " ".join(str(origin).split())
    text = provider.without_key(said)[:200]
    kind = type(origin)
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}" + (f": {text}" if text else "")
