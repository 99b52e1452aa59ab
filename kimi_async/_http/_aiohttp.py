"""Send requests over aiohttp; imported by ``aiohttp_client()`` only.

It goes to aiohttp by the small interface that this library asks of an HTTP client, without the requests and responses
of httpx between. What aiohttp 3.14.5 by itself leaves undone is done here, each with a test in
``tests/unit/http/test_aiohttp.py`` or ``tests/engines``:

- Bytes that a host sends after the end of a response become the next response on that connection.
- Of a read with an error in the body, not even the head is given.
- A request with a body is not sent again when a kept connection has just been closed by the host.
- There is no time limit for writing.
- When a connection breaks, bytes that were received before and not read yet are never given.
- A request that is given up closes its connection politely: the socket stays for as long as the host does not read the
  rest of the request, and over TLS until it has answered the good-bye, 30 s at most.
- Anyone who reads a body waits for ever when the client is closed, and when the framing of the body is broken.
- One line of the headers may have 8,190 bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from kimi_async._closing import ClosedAtExit
from kimi_async._errors import ConfigurationError, WriteTimeout
from kimi_async._http._event_loop import asyncio_loop
from kimi_async._http._patched import way_is_patched
from kimi_async._http._proxies import Proxies

if TYPE_CHECKING:
    from aiohttp.connector import Connection

    from kimi_async._http._clients import HttpClient, HttpResponse

__all__ = ["AiohttpClient", "Body", "Protocol"]

#: A body is written in pieces of this many bytes, as many as asyncio takes without waiting for the host to read.
_WRITE_BYTES: Final = 64 * 1024

#: The most bytes of one line of the headers; h11, under httpx, has 100 KiB for all of them.
_HEADER_BYTES: Final = 64 * 1024

_HEAD_END: Final = b"\r\n\r\n"

#: Whether the running request must have a new connection.
_needs_new: Final[ContextVar[bool]] = ContextVar("needs_new", default=False)
#: The connections that the running request is making.
_making: Final[ContextVar[list[Protocol]]] = ContextVar("making")


@final
class AiohttpClient(ClosedAtExit):
    """Sends requests with aiohttp; for one event loop of asyncio.

    Args:
        tls: For ``https``.
        proxies: The proxy for each host.
        keepalive: Seconds for which an idle connection is kept.
        make_plain: Makes the client that sends instead while a tool has patched httpx.

    Attributes:
        is_closed: Whether it was closed.
        leaves_nothing_open: A request that is cancelled, however often, closes what it has opened.
    """

    leaves_nothing_open: ClassVar[bool] = True

    def __init__(
        self,
        tls: ssl.SSLContext,
        proxies: Proxies,
        keepalive: float,
        make_plain: Callable[[], HttpClient],
    ) -> None:
        self._tls = tls
        self._proxies = proxies
        self._keepalive = keepalive
        self._make_plain = make_plain
        self._plain: HttpClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self.is_closed = False

    def build_request(
        self, method: str, url: str, *, content: bytes, headers: dict[str, str]
    ) -> _Request:
        """Make a request for :meth:`send`.

        Raises:
            ValueError: The URL cannot be used.
        """
        return _Request(method, URL(url), content, headers)

    async def send(self, request: _Request, **settings: Any) -> HttpResponse:
        """Send *request* and return when the head of its response is there.

        A host may close a kept connection at the moment in which it is used again. A request that has got no byte of an
        answer then is sent once more over a new connection, and ``extensions["kimi_resent"]`` of its response is true.

        Args:
            request: One of :meth:`build_request`.
            **settings: Those of ``httpx.AsyncClient.send``; what they say holds here anyway.

        Raises:
            ConfigurationError: The event loop is not one of asyncio.
            WriteTimeout: The host did not read the request in time.
            aiohttp.ClientError: The request failed.
        """
        if asyncio_loop() is None:
            raise ConfigurationError(
                "aiohttp runs on asyncio only; on trio use http_client() or an httpx2.AsyncClient"
            )
        if way_is_patched():
            return await self._send_plain(request, settings)
        with contextlib.suppress(_GoneBefore):
            return _Reply(await self._exchange(request))
        token = _needs_new.set(True)
        try:
            reply = _Reply(await self._exchange(request))
        finally:
            _needs_new.reset(token)
        reply.extensions["kimi_resent"] = True
        return reply

    async def _send_plain(self, request: _Request, settings: Mapping[str, Any]) -> HttpResponse:
        plain = self._plain = self._plain or self._make_plain()
        same = plain.build_request(
            request.method, str(request.url), content=request.content, headers=request.headers
        )
        same.extensions.update(request.extensions)
        return await plain.send(same, **settings)

    async def _exchange(self, request: _Request) -> _Response:
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        url, headers = request.url, request.headers
        proxy = self._proxies.for_host(url.scheme, url.raw_host or "", url.explicit_port)
        if proxy is not None and url.scheme == "http":  # over TLS only the CONNECT has them
            headers = {**headers, **proxy.headers}
        session = self._session = self._session or self._open()
        send = functools.partial(
            session.request,
            request.method,
            url,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                connect=limits.get("connect"), sock_read=limits.get("read")
            ),
            proxy=None if proxy is None else proxy.url,
            proxy_headers=None if proxy is None else proxy.headers,
        )
        content = request.content
        if len(content) <= _WRITE_BYTES:
            # Only a large body can come to a standstill.
            response = await send(headers=headers, data=content or None)
        else:
            response = await _send_large(send, headers, content, limits.get("write") or math.inf)
        assert isinstance(response, _Response)
        return response

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(ssl=self._tls, limit=0, keepalive_timeout=self._keepalive),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )

    async def aclose(self) -> None:
        """Close all connections; idempotent."""
        self.is_closed = True
        if self._session is not None:
            await self._session.close()
        if self._plain is not None:
            await self._plain.aclose()


@final
class _Request:
    """One request, until it is sent."""

    __slots__ = ("content", "extensions", "headers", "method", "url")

    def __init__(self, method: str, url: URL, content: bytes, headers: dict[str, str]) -> None:
        self.method = method
        self.url = url
        self.content = content
        self.headers = headers
        self.extensions: MutableMapping[str, Any] = {}


async def _send_large(
    send: Callable[..., Any], headers: dict[str, str], content: bytes, seconds: float
) -> aiohttp.ClientResponse:
    """Send a body that has *seconds* for each of its pieces.

    Also without a limit: of the bytes of more than a mebibyte, aiohttp warns that they may hold the event loop.
    """
    sized = {**headers, "content-length": str(len(content))}
    writing = asyncio.timeout(None)
    try:
        async with writing:
            response: aiohttp.ClientResponse = await send(
                headers=sized, data=_pieces(content, writing, seconds)
            )
            return response
    except TimeoutError:
        if not writing.expired():
            raise
    raise WriteTimeout(seconds, stage="sending", cause="the host does not read the request")


async def _pieces(content: bytes, writing: asyncio.Timeout, seconds: float) -> AsyncIterator[bytes]:
    """Give the body in pieces; *writing* runs out when the next one is not asked for in time."""
    now = asyncio.get_running_loop().time
    with contextlib.suppress(RuntimeError):  # the answer came before all was sent
        for at in range(0, len(content), _WRITE_BYTES):
            writing.reschedule(now() + seconds)
            yield content[at : at + _WRITE_BYTES]
        writing.reschedule(None)


class _GoneBefore(Exception):
    """A kept connection was gone before a byte of the answer was received."""


class _Connector(aiohttp.TCPConnector):
    """Makes connections of our kind."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # aiohttp has no public way to choose the class; _Response.start() sees whether this still works.
        self._factory: Any = self._make

    def _make(self) -> Protocol:
        protocol = Protocol(self._loop)
        _making.get().append(protocol)
        return protocol

    async def connect(self, *request: Any, **settings: Any) -> Connection:
        made: list[Protocol] = []
        token = _making.set(made)
        try:
            connection = await super().connect(*request, **settings)
            while _needs_new.get() and _protocol_of(connection).requests:
                # Kept for as long as the one that was gone, so it may be gone too.
                connection.close()
                connection = await super().connect(*request, **settings)
        except BaseException:
            # Closed politely, 2 of 1,000 cancelled handshakes had uvloop 0.23 log "Fatal error on SSL protocol".
            for protocol in made:
                protocol.abort()
            raise
        finally:
            _making.reset(token)
        return connection


@final
class Protocol(ResponseHandler):
    """One connection, which ends when the host sends more than the response to the request.

    Attributes:
        answered: Whether the host has sent a byte since the last request began.
        requests: How many it has had.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.requests = 0
        self.answered = False
        self._is_expecting = False
        self._has_surplus = False
        self._body: aiohttp.StreamReader | None = None
        self._read_at = 0.0

    def set_response_params(self, **params: Any) -> None:
        """Called by aiohttp before it sends a request."""
        self.requests += 1
        self.answered = False
        self._is_expecting = True
        self._body = None
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Called by the parser for each head of a response."""
        message, body = data
        if self._body is not None:
            self._has_surplus = True
            return
        if message.code >= 200:  # no interim response
            self._body = body
        super().feed_data(data, size)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Called by aiohttp after each piece of the body that is taken; does something only after a pause.

        aiohttp would parse nothing and resume the socket each time: a tenth of the cost of a chunk.
        """
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _reschedule_timeout(self) -> None:
        """Called by aiohttp for each read; one timer serves many reads, because each costs 2 us to make.

        It is also called when reading continues after a pause, although the body may have come to its end in that very
        moment: a timer of an idle connection would end the next request on it.
        """
        self._read_at = self._loop.time()
        if self._read_timeout_handle is None and self._is_expecting:
            super()._reschedule_timeout()

    def _on_read_timeout(self) -> None:
        """Called when the timer has run out, which began before the last read."""
        self._read_timeout_handle = None
        rest = self._read_at + (self._read_timeout or 0.0) - self._loop.time()
        if rest > 0:
            self._read_timeout_handle = self._loop.call_later(rest, self._on_read_timeout)
        else:
            super()._on_read_timeout()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop, and without data when a body is read on after a pause."""
        if self._is_expecting:
            self.answered = True
            self._parse(data)
            if self._body is None or not self._body.is_eof():
                return
            self._is_expecting = False
            if self._has_surplus or self._has_begun_another():
                self.abort()
        else:
            self.abort()

    def _parse(self, data: bytes) -> None:
        # Head by head: of a read with an error in it, the parser gives no head.
        while self._body is None and (end := data.find(_HEAD_END)) != -1:
            super().data_received(data[: end + len(_HEAD_END)])
            data = data[end + len(_HEAD_END) :]
        super().data_received(data)

    def _has_begun_another(self) -> bool:
        """Return whether the parser is within the head of one more response."""
        has_begun = True
        with contextlib.suppress(Exception):  # the parser that is not compiled raises
            has_begun = self._parser is not None and self._parser.feed_eof() is not None
        return has_begun


def _protocol_of(connection: Connection) -> Protocol:
    protocol = connection.protocol
    assert isinstance(protocol, Protocol)
    return protocol


class _Response(aiohttp.ClientResponse):
    """Gives up its socket at once, and lets nobody wait for a body whose connection is gone."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        # A connection that is given back has no protocol any more.
        protocol = _protocol_of(connection)
        try:
            await super().start(connection)
        except BaseException as error:
            _abort(connection)
            if _is_gone(error) and protocol.requests > 1 and not protocol.answered:
                raise _GoneBefore from None
            raise
        closed = protocol.closed
        if closed is None:  # gone already
            self._end()
        else:
            # One of it for all responses of a connection.
            closed.remove_done_callback(_look_at)
            closed.add_done_callback(_look_at)
            closed.add_done_callback(self._end)
            self.content.on_eof(functools.partial(self._forget, closed))
        return self

    def _forget(self, closed: asyncio.Future[None]) -> None:
        closed.remove_done_callback(self._end)

    def _end(self, _: object = None) -> None:
        if not self.content.is_eof() and self.content.exception() is None:
            self.content.set_exception(aiohttp.ClientPayloadError("the connection was closed"))

    def abort(self) -> None:
        """Give up the socket unless the body has come to its end, when another request may have it."""
        _abort(self.connection)
        self.close()


def _is_gone(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ClientConnectionError) and not isinstance(error, TimeoutError)


def _look_at(closed: asyncio.Future[None]) -> None:
    """Look at how a connection was lost, also between two requests: asyncio logs the errors that nobody looks at."""
    closed.exception()


def _abort(connection: Connection | None) -> None:
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


@final
class _Reply:
    """The response to one request."""

    __slots__ = ("_body", "extensions", "headers", "http_version", "status_code", "stream")

    def __init__(self, response: _Response) -> None:
        self._body = self.stream = Body(response)
        self.http_version = "HTTP/1.1"
        self.status_code = response.status
        self.headers = _headers_of(response)
        self.extensions: dict[str, Any] = {"kimi_body": self._body}

    async def aclose(self) -> None:
        """Give up the connection unless the body was read to its end."""
        self._body.close()


@final
class Body(AsyncIterator[bytes]):
    """The body of one response, read by read."""

    __slots__ = ("_content", "_loop", "_response")

    def __init__(self, response: _Response) -> None:
        self._loop = asyncio.get_running_loop()
        self._response = response
        self._content = response.content

    async def __anext__(self) -> bytes:
        try:
            data = await self._content.readany()
        except Exception as error:
            data = _rest(self._content)
            if data:
                self._content.set_exception(error)  # raised by the next read
                return data
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        if not data:
            self.close()
            raise StopAsyncIteration
        return data

    @property
    def at_end(self) -> bool:
        """Whether the next read will return at once that there is no more."""
        return self._content.at_eof()

    def close(self) -> None:
        """Give up the connection at once, unless the body was read to its end, when another request may have it."""
        self._response.abort()

    def close_soon(self) -> None:
        """Do the same from any thread, at any moment; when the event loop has ended, that has closed it."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.close)


def _headers_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers, names in lower case; those of one name are joined, as HTTP allows."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _rest(content: aiohttp.StreamReader) -> bytes:
    """Return what was received before the body broke; aiohttp keeps it, and gives the error only."""
    content.set_exception(cast("Any", None))
    return content.read_nowait()
