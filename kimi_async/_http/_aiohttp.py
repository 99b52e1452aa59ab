"""httpx over aiohttp, by way of httpx-aiohttp; imported by ``aiohttp_client()`` alone.

Sending and reading are written anew here, because of what was seen of httpx-aiohttp 0.2.0 over aiohttp 3.14.5
(each has a test in ``tests/unit/http/test_aiohttp.py``):

- No limit on connections (``None``) is taken for aiohttp's own default, which is 100.
- The limit for connecting leaves out the look-up of the host's name, and there is none for writing.
- When a connection breaks, bytes that came before and were not read yet are never given.
- A request that is given up closes its connection politely: the socket stays for as long as the host does not read
  what is still to be sent, and over TLS until it has answered the good-bye, 30 s at the most.
- Whoever reads a body waits for ever when the client is closed, and when the framing of the body is broken.
- One line of the headers may have 8,190 bytes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient
from httpx_aiohttp.transport import map_aiohttp_exceptions

from kimi_async._errors import ConfigurationError
from kimi_async._http._cancellation import asyncio_loop

if TYPE_CHECKING:
    from aiohttp.connector import Connection

__all__ = ["AiohttpClient"]

#: The most bytes of one read.
_READ_BYTES: Final = 16 * 1024

#: A body is written in pieces of this many bytes, as many as asyncio takes without waiting for the host to read.
_WRITE_BYTES: Final = 64 * 1024

#: The most bytes of one line of the headers; h11, under httpx, has 100 KiB for all of them.
_HEADER_BYTES: Final = 64 * 1024


class AiohttpClient(HttpxAiohttpClient):
    """An ``httpx.AsyncClient`` each of whose transports is one of ours."""

    def _init_transport(self, *_: Any, **settings: Any) -> httpx.AsyncBaseTransport:
        return _Transport(settings["verify"], settings["limits"])

    def _init_proxy_transport(
        self, proxy: httpx.Proxy, *_: Any, **settings: Any
    ) -> httpx.AsyncBaseTransport:
        if proxy.url.scheme not in {"http", "https"}:
            raise ConfigurationError(
                f"aiohttp knows no {proxy.url.scheme} proxies, HTTP ones alone"
            )
        return _Transport(settings["verify"], settings["limits"], proxy)


class _Transport(AiohttpTransport):
    """Sends with aiohttp, within all limits of the request."""

    def __init__(
        self, verify: bool | ssl.SSLContext, limits: httpx.Limits, proxy: httpx.Proxy | None = None
    ) -> None:
        super().__init__(verify=verify, limits=limits, client=self._session)
        self._proxy = None if proxy is None else str(proxy.url)
        self._proxy_headers = {} if proxy is None else _headers_of(proxy)

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=self.ssl_context,
                limit=self.limits.max_connections or 0,
                keepalive_timeout=self.limits.keepalive_expiry,
            ),
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),  # httpx has its own
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if asyncio_loop() is None:
            raise ConfigurationError(
                "aiohttp runs on asyncio alone; on trio use http_client() or an httpx2.AsyncClient"
            )
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        headers = dict(request.headers)
        if request.url.scheme == "http":  # over TLS they go with the CONNECT alone
            headers.update(self._proxy_headers)
        writing = asyncio.timeout(None)
        try:
            with map_aiohttp_exceptions():
                async with writing:
                    response = await self.client.request(
                        request.method,
                        str(request.url),
                        headers=headers,
                        data=_body(await request.aread(), writing, limits.get("write")),
                        allow_redirects=False,
                        timeout=aiohttp.ClientTimeout(
                            connect=limits.get("connect"), sock_read=limits.get("read")
                        ),
                        proxy=self._proxy,
                        proxy_headers=self._proxy_headers,
                    )
        except TimeoutError:
            raise httpx.WriteTimeout("the host does not read the request") from None
        assert isinstance(response, _Response)
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Stream(response),
            extensions={"http_version": b"HTTP/1.1"},
        )


def _headers_of(proxy: httpx.Proxy) -> dict[str, str]:
    # Not by aiohttp's own argument for it, which is deprecated since 3.14.
    headers = dict(proxy.headers)
    if proxy.raw_auth is not None:
        secret = base64.b64encode(b":".join(proxy.raw_auth)).decode()
        headers["proxy-authorization"] = f"Basic {secret}"
    return headers


def _body(
    content: bytes, writing: asyncio.Timeout, seconds: float | None
) -> bytes | AsyncIterator[bytes] | None:
    """What aiohttp is given to write; only a large body can come to a standstill."""
    if len(content) <= _WRITE_BYTES or seconds is None:
        return content or None
    return _pieces(content, writing, seconds)


async def _pieces(content: bytes, writing: asyncio.Timeout, seconds: float) -> AsyncIterator[bytes]:
    """The body in pieces; *writing* runs out when the next one is not asked for in time."""
    now = asyncio.get_running_loop().time
    with contextlib.suppress(RuntimeError):  # the answer came before all was sent
        for at in range(0, len(content), _WRITE_BYTES):
            writing.reschedule(now() + seconds)
            yield content[at : at + _WRITE_BYTES]
        writing.reschedule(None)


class _Response(aiohttp.ClientResponse):
    """Gives up its socket at once, and lets nobody wait for a body whose connection is gone."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol  # which a connection that is given back has no more
        assert protocol is not None
        try:
            await super().start(connection)
        except BaseException:
            _abort(connection)
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


def _look_at(closed: asyncio.Future[None]) -> None:
    """Look at how a connection was lost, also between two requests: what nobody looks at is logged by asyncio."""
    closed.exception()


def _abort(connection: Connection | None) -> None:
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


class _Stream(httpx.AsyncByteStream):
    """The body of one response."""

    def __init__(self, response: _Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with map_aiohttp_exceptions():
            try:
                while data := await content.read(_READ_BYTES):
                    yield data
            except Exception:
                if rest := _rest(content):
                    yield rest
                raise
            finally:  # also when the loop ends, which is the last that a generator sees of it
                self._response.abort()

    async def aclose(self) -> None:
        self._response.abort()


def _rest(content: aiohttp.StreamReader) -> bytes:
    """What had come before the body broke: aiohttp keeps it and gives the error alone, until there is none."""
    content.set_exception(cast("Any", None))
    return content.read_nowait()
