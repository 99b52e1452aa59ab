"""Send the request of one attempt, and give its response.

Every exception of the HTTP client becomes an error of ours, which is raised outside the handler. So no frame of the
HTTP client, which may hold a header, is on a traceback that leaves the library.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Final

import anyio

from kimi_async._errors import ConfigurationError, TransportError
from kimi_async._http._cancellation import close_shielded, close_soon
from kimi_async._http._careful import send_carefully
from kimi_async._http._clients import HttpClient, HttpRequest, HttpResponse, http_client
from kimi_async._http._event_loop import asyncio_loop
from kimi_async._http._failures import proxy_refused, send_failure
from kimi_async._http._limiter import ConcurrencyLimiter, Permit
from kimi_async._http._response import Response
from kimi_async._providers import Provider
from kimi_async._settings import Timeouts
from kimi_async._version import __version__
from kimi_async._wire import WireRequest

if TYPE_CHECKING:
    import asyncio

__all__ = ["Transport"]

#: A name of our own, because a host was seen to answer a foreign one with a misleading 429 (docs/providers.md 6.1).
_OUR_HEADERS: Final = {"user-agent": f"kimi-async/{__version__}", "accept-encoding": "identity"}

#: A proxy asks for a user and a password. Only a proxy may say it
#: (https://www.rfc-editor.org/rfc/rfc9110#section-15.5.8).
_PROXY_STATUS: Final = 407

#: Keeps the generators alive, which the event loops hold weakly.
_closing: Final[dict[HttpClient, AsyncGenerator[None]]] = {}

_CLOSED: Final = "this AsyncKimi, or the HTTP client under it, is closed"


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
                failure = send_failure(error, timeouts, provider)
        else:
            if response is not None:
                reply = Response(response, provider)
                if reply.status != _PROXY_STATUS:
                    return reply
                await reply.aclose()
                failure = proxy_refused("status 407")
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
