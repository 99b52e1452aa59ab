"""The default way to send: over connections of our own, under an ``httpx.AsyncClient``.

The pool of httpcore looks at all its connections for each request, which with 50 at once costs more than the requests
(httpcore 1.0.9, CPython 3.13). It also loses track of cancelled requests, and bytes after the end of a response
reach the next reply. Here each host has a list of idle connections, and a cancelled request closes its own.

Proxies keep httpx's own way, and so does everything while a tool has patched httpx or httpcore.
"""

from __future__ import annotations

import ssl
import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from typing import Final, final

import anyio
import httpx

from kimi_async._http._connection import Connection, Origin
from kimi_async._http._patched import transports_are_patched
from kimi_async._http._stream import open_stream

__all__ = ["KEEPALIVE_SECONDS", "OwnTransport"]

#: Seconds an idle connection is kept; below the minute after which common gateways drop it.
KEEPALIVE_SECONDS: Final = 30.0

_PORTS: Final = {"http": 80, "https": 443}

#: How a connection breaks.
_BROKE: Final = (httpx.ReadError, httpx.RemoteProtocolError)


@final
class OwnTransport(httpx.AsyncBaseTransport):
    """Sends HTTP/1.1 over connections that it keeps; for one event loop.

    Args:
        tls: For ``https``.
        plain: The transport of httpx that sends while httpx or httpcore is patched.
    """

    def __init__(self, tls: ssl.SSLContext, plain: httpx.AsyncBaseTransport) -> None:
        self._tls = tls
        self._plain = plain
        #: The idle connections of each host, the one that fell idle last at the end.
        self._idle: defaultdict[Origin, OrderedDict[Connection, None]] = defaultdict(OrderedDict)
        self._open: set[Connection] = set()
        self._opening: set[anyio.CancelScope] = set()
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* and return when the head of its response is there.

        A host may close a kept connection at the moment in which it is used again. A request that has got no byte of an
        answer then is sent once more over a new connection, and ``extensions["kimi_resent"]`` of its response is true.

        Raises:
            httpx.TransportError: The one that a plain ``httpx.AsyncClient`` raises.
        """
        if transports_are_patched():
            return await self._plain.handle_async_request(request)
        content = await request.aread()
        origin = _origin_of(request.url)
        kept = self._kept(origin)
        if kept is not None:
            try:
                return await kept.exchange(request, content)
            except _BROKE:
                if kept.answered or self._is_closed:
                    raise
        connection = await self._connect(origin, request)
        response = await connection.exchange(request, content)
        if kept is not None:
            response.extensions["kimi_resent"] = True
        return response

    def _kept(self, origin: Origin) -> Connection | None:
        """Return an idle connection to use again, the one that was used last."""
        idle = self._idle[origin]
        expired = time.monotonic() - KEEPALIVE_SECONDS
        while idle:
            connection, _ = idle.popitem()
            if connection.idle_since > expired and connection.is_usable():
                return connection
            connection.close()
        return None

    async def _connect(self, origin: Origin, request: httpx.Request) -> Connection:
        scheme, host, port = origin
        name = host.decode("ascii")
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        with anyio.CancelScope() as scope:
            self._opening.add(scope)
            try:
                stream = await open_stream(
                    name,
                    port,
                    self._tls if scheme == "https" else None,
                    request.extensions.get("sni_hostname") or name,
                    limits.get("connect"),
                )
            except TimeoutError as error:
                raise httpx.ConnectTimeout("the host does not answer") from error
            except OSError as error:
                raise httpx.ConnectError(str(error)) from error
            finally:
                self._opening.remove(scope)
            connection = Connection(stream, origin, self)
            self._open.add(connection)
            return connection
        raise httpx.ConnectError("the client was closed meanwhile")

    def take_back(self, connection: Connection) -> None:
        """Keep *connection* for another request, and close those that were not used for long."""
        now = time.monotonic()
        connection.idle_since = now
        idle = self._idle[connection.origin]
        idle[connection] = None
        while (oldest := next(iter(idle))).idle_since <= now - KEEPALIVE_SECONDS:
            oldest.close()

    def forget(self, connection: Connection) -> None:
        """Take note that *connection* is closed."""
        self._open.discard(connection)
        self._idle[connection.origin].pop(connection, None)

    async def aclose(self) -> None:
        """Close all connections, those in use too."""
        self._is_closed = True
        for scope in self._opening:
            scope.cancel()
        for connection in tuple(self._open):
            connection.close()
        await self._plain.aclose()


def _origin_of(url: httpx.URL) -> Origin:
    port = _PORTS.get(url.scheme)
    if port is None:
        raise httpx.UnsupportedProtocol(f"there is no way to send over {url.scheme!r}")
    return url.scheme, url.raw_host, url.port or port
