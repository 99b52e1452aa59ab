"""Send the request of one attempt, and give its response.

Every exception of the HTTP client ends here and becomes an error of ours, by the stage that it came from and by the
name of its type: httpx2 has the names of httpx. It is raised outside the handler. So no frame of the HTTP client,
which may hold a header, is on a traceback that leaves the library.
"""

from __future__ import annotations

import functools
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

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
from kimi_async._http._cancellation import close_shielded, close_soon
from kimi_async._http._careful import send_carefully
from kimi_async._http._clients import HttpClient, HttpRequest, HttpResponse, http_client
from kimi_async._http._decoding import READ_BYTES, decoded
from kimi_async._http._event_loop import asyncio_loop
from kimi_async._http._limiter import ConcurrencyLimiter, Permit
from kimi_async._providers import Provider, request_id_of
from kimi_async._settings import Timeouts
from kimi_async._version import __version__
from kimi_async._wire import WireRequest

if TYPE_CHECKING:
    import asyncio


__all__ = ["BodyError", "BodyTimeout", "Response", "Transport"]

#: A name of our own, because a host was seen to answer a foreign one with a misleading 429 (docs/providers.md 6.1).
_OUR_HEADERS: Final = {"user-agent": f"kimi-async/{__version__}", "accept-encoding": "identity"}

#: The names of httpx and httpx2, and of aiohttp.
_READ_TIMEOUTS: Final = frozenset({"ReadTimeout", "SocketTimeoutError"})
_NOT_CONNECTED: Final = frozenset(
    {"ConnectError", "UnsupportedProtocol", "ClientConnectorError", "InvalidURL"}
)
_PROXY_REFUSED: Final = frozenset({"ProxyError", "ClientHttpProxyError"})

#: A proxy asks for a user and a password. Only a proxy may say it
#: (https://www.rfc-editor.org/rfc/rfc9110#section-15.5.8).
_PROXY_STATUS: Final = 407

_NOTHING: Final = memoryview(b"")

#: Keeps the generators alive, which the event loops hold weakly.
_closing: Final[dict[HttpClient, AsyncGenerator[None]]] = {}

_CLOSED: Final = "this AsyncKimi, or the HTTP client under it, is closed"


class BodyError(Exception):
    """The body broke while it was read; ``cause`` is the type and text of the HTTP client's error."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class BodyTimeout(BodyError):
    """The HTTP client's own read timeout ran out."""


async def _new_client() -> HttpClient:
    # In a thread, because the first client imports httpx and builds a TLS context: 130 ms and more.
    return await anyio.to_thread.run_sync(http_client)


class Transport:
    """Sends requests over an HTTP client of its own, which it makes at first use, or over the caller's.

    One that makes its own is used again on a new event loop, once nothing is in flight on the old one. The HTTP client
    of the old loop is closed when that loop ends.

    Args:
        client: The caller's client, which is never closed here; ``None`` makes one.

    Attributes:
        closed: Whether :meth:`aclose` was called.
        limiter: Counts the replies in flight.
    """

    def __init__(self, client: HttpClient | None) -> None:
        self._given = client
        self._client = client
        #: Where our own client is to be closed.
        self._asyncio_loop: asyncio.AbstractEventLoop | None = None
        #: Made when it is needed, because the first lock has anyio load its half for asyncio on the event loop.
        self._making: anyio.Lock | None = None
        self._loop: object = None
        #: The work that ends when this transport is closed.
        self._running: set[anyio.CancelScope] = set()
        self.closed = False
        self.limiter = ConcurrencyLimiter()

    def permit_now(self, limit: int | None) -> Permit | None:
        """Take the permit of one reply, unless *limit* or more replies are in flight.

        Raises:
            RuntimeError: The client is closed, or is in use on another event loop.
        """
        self._check()
        return self.limiter.take_now(limit)

    async def acquire_permit(self, limit: int | None) -> Permit:
        """Take the permit of one reply; wait for as long as *limit* or more replies are in flight.

        Raises:
            TransportError: The client was closed meanwhile.
        """
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
            KimiTimeoutError: A limit ran out: ``ConnectTimeout``, ``WriteTimeout`` or ``FirstOutputTimeout``.
            RuntimeError: The client is closed, or is in use on another event loop.
        """
        self._check()
        client = self._client or await self._own_client()
        if self.closed or client.is_closed:
            raise RuntimeError(_CLOSED)
        request = self._build(client, provider, wire, headers)
        if request is None:
            raise ConfigurationError("the URL of the request cannot be used; check base_url")
        request.extensions["timeout"] = {
            "connect": timeouts.connect,
            "read": read_timeout,
            "write": timeouts.write,
            "pool": None,
        }
        failure: Exception = TransportError("the client was closed meanwhile", stage="sending")
        try:
            response = await self._dispatch(client, request)
        except Exception as error:
            if not self.closed:
                failure = _send_failure(error, timeouts, provider)
        else:
            if response is not None:
                reply = Response(response, provider)
                if reply.status != _PROXY_STATUS:
                    return reply
                await reply.aclose()
                failure = _proxy_refused("status 407")
        raise failure

    async def _dispatch(self, client: HttpClient, request: HttpRequest) -> HttpResponse | None:
        """Send *request* over *client*; ``None`` when this transport was closed meanwhile."""
        # No authorization of the client's own, and no redirect: it could carry the key to another origin.
        send = functools.partial(
            client.send, request, stream=True, auth=None, follow_redirects=False
        )
        is_clean = getattr(client, "leaves_nothing_open", False)
        if is_clean and self._given is None:
            return await send()  # closing this client ends its requests
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            try:
                response = await (send() if is_clean else send_carefully(send, request.extensions))
            finally:
                self._running.remove(scope)
            if not self.closed:
                return response
            await close_shielded(response.aclose)
        return None

    async def _own_client(self) -> HttpClient:
        self._making = self._making or anyio.Lock()
        async with self._making:
            if self._client is None:
                client = await _new_client()
                closing = _closing[client] = _close_at_last(client)
                await anext(closing)
                self._client, self._asyncio_loop = client, asyncio_loop()
            return self._client

    @staticmethod
    def _build(
        client: HttpClient,
        provider: Provider,
        wire: WireRequest,
        headers: Mapping[str, str],
    ) -> HttpRequest | None:
        """Return the request with the key in it; ``None`` when the HTTP client refuses to build it.

        Nothing is raised here, because the key is in the frames.
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

    @property
    def is_usable(self) -> bool:
        """Whether neither this transport nor the HTTP client under it was closed."""
        return not self.closed and (self._client is None or not self._client.is_closed)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds, or until :meth:`aclose`."""
        with anyio.CancelScope() as scope:
            self._running.add(scope)
            try:
                await anyio.sleep(seconds)
            finally:
                self._running.remove(scope)

    def _check(self) -> None:
        loop = anyio.lowlevel.current_token()
        if self._loop != loop:
            self._bind(loop)
        if self.closed:
            raise RuntimeError(_CLOSED)

    def _bind(self, loop: object) -> None:
        """Belong to *loop* from now on."""
        if self._loop is not None and self._given is not None:
            raise RuntimeError(
                "the HTTP client of this AsyncKimi was first used on another event loop; make one for each loop"
            )
        if self.limiter.taken:
            raise RuntimeError("this AsyncKimi has replies in flight on another event loop")
        self._loop = loop
        self._client, self._making = self._given, None

    async def aclose(self) -> None:
        """Close the HTTP client that is our own, and send away all that wait for a permit; idempotent."""
        self.closed = True
        self.limiter.close()
        for scope in self._running:
            scope.cancel()
        client = self._client
        if self._given is None and client is not None:
            await close_shielded(functools.partial(_close_early, client))

    def __del__(self) -> None:
        """Close it on its loop; on trio it stays open until that ends."""
        client = self._client
        if self._given is None and client is not None and not client.is_closed:
            close_soon(functools.partial(_close_early, client), self._asyncio_loop)


async def _close_at_last(client: HttpClient) -> AsyncGenerator[None]:
    """Close *client* when this generator is closed; each event loop closes those that are left when it ends."""
    try:
        yield
    finally:
        _closing.pop(client, None)
        with anyio.CancelScope(shield=True):
            await client.aclose()


async def _close_early(client: HttpClient) -> None:
    closing = _closing.pop(client, None)
    await client.aclose()
    if closing is not None:
        await closing.aclose()


class OwnBody(Protocol):
    """The body of an engine of ours, which is read and closed without the layers that a foreign one needs."""

    @property
    def at_end(self) -> bool:
        """Whether it has nothing more to give."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return itself."""
        ...

    def __anext__(self) -> Awaitable[bytes]:
        """Return the next bytes."""
        ...

    def close(self) -> None:
        """Close the connection at once, unless the body was received to its end."""
        ...

    def close_soon(self) -> None:
        """Do the same from any thread, at any moment."""
        ...


class Response:
    """The response to one request: status, headers, and the body read by read.

    Args:
        response: The HTTP client's.
        provider: Removes the key from the headers, in case the host has repeated it.

    Attributes:
        status: The HTTP status.
        headers: The response headers, names in lower case.
        resent: Whether the request was sent twice, because a connection that was used before broke before any byte of
            an answer.
    """

    __slots__ = (
        "_body",
        "_ended",
        "_held",
        "_next",
        "_own",
        "_provider",
        "_response",
        "headers",
        "resent",
        "status",
    )

    def __init__(self, response: HttpResponse, provider: Provider) -> None:
        self._response = response
        #: The body of an engine of ours: the layers of httpx over it cost 2 us a read, and closing it needs no waiting.
        self._own: OwnBody | None = response.extensions.get("kimi_body")
        if self._own is not None:
            # The layer of httpx and the response hold each other, and only the garbage collector would free them.
            cast("Any", response).stream = self._own
        self._provider = provider
        self._ended = False
        #: The rest of a large read.
        self._held = _NOTHING
        self.status = response.status_code
        self.resent: bool = response.extensions.get("kimi_resent", False)
        self.headers: Mapping[str, str] = {
            name: provider.without_key(value) for name, value in response.headers.items()
        }
        self._body = decoded(self._own or _raw(response), self.headers.get("content-encoding", ""))
        self._next: Callable[[], Awaitable[bytes]] = self._body.__anext__

    async def read(self) -> bytes | None:
        """Return the next bytes of the body, at most :data:`READ_BYTES`; ``None`` at its clean end.

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
        """Return the first piece of a large read; the next reads return the others."""
        whole = memoryview(data)
        # An empty view would keep the read in memory.
        self._held = whole[READ_BYTES:] if len(whole) > READ_BYTES else _NOTHING
        return bytes(whole[:READ_BYTES])

    @property
    def at_end(self) -> bool:
        """Whether it is known that the body has nothing more to give."""
        return self._own is not None and self._own.at_end

    @property
    def request_id(self) -> str | None:
        """The request or trace id in the headers."""
        return request_id_of(self.headers)

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end; bounded, idempotent."""
        if self._own is not None:
            self._own.close()
        else:
            await close_shielded(self._close)

    def close_soon(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Do the same without waiting for it, from any thread; *loop* is that of asyncio, if it runs."""
        if self._own is not None:
            self._own.close_soon()
        else:
            close_soon(self._close, loop)

    async def _close(self) -> None:
        try:
            await self._response.aclose()
        finally:
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


def _raw(response: HttpResponse) -> AsyncIterator[bytes]:
    # Not isinstance: the streams of httpx2 are of classes of its own.
    if not isinstance(response.stream, AsyncIterable):
        raise TypeError("the HTTP client gave a body that cannot be read asynchronously")
    return aiter(cast("AsyncIterable[bytes]", response.stream))


def _send_failure(error: Exception, timeouts: Timeouts, provider: Provider) -> KimiError:
    """Return our error for one that the HTTP client raised before the response headers."""
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
    if names & _PROXY_REFUSED:
        return _proxy_refused(cause)
    if names & _NOT_CONNECTED:
        return TransportError("no connection could be made", stage="connecting", cause=cause)
    if names & {"WriteError", "LocalProtocolError"}:
        return TransportError("the request could not be sent", stage="sending", cause=cause)
    return TransportError(
        "the connection broke before the reply began",
        stage="waiting for the first output",
        cause=cause,
    )


def _proxy_refused(cause: str) -> TransportError:
    return TransportError(
        "the proxy refused the request; check the proxy and the user and password in its URL",
        stage="connecting",
        cause=cause,
    )


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(_origin(error)).__mro__}


def _origin(error: Exception) -> BaseException:
    """Return the error of aiohttp that *error* comes from, if any.

    httpx-aiohttp 0.2.0 makes a ``ConnectTimeout`` of a broken connection.
    """
    cause = error.__cause__
    return cause if type(cause).__module__.partition(".")[0] == "aiohttp" and cause else error


def _describe(error: Exception, provider: Provider) -> str:
    """Return the type and text of a foreign exception: addresses and protocol states.

    The text of a local protocol error is left out, because it quotes a header of ours. That of a remote one may quote a
    header in which the host has echoed the key.
    """
    origin = _origin(error)
    said = "" if "LocalProtocolError" in _names(error) else " ".join(str(origin).split())
    text = provider.without_key(said)[:200]
    kind = type(origin)
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}" + (f": {text}" if text else "")
