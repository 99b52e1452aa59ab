"""Read the response to one request: status, headers, and the body read by read.

Every exception of the HTTP client becomes one of the two here, also outside the handler, as in ``_transport``.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import anyio

from kimi_async._errors import ProtocolError
from kimi_async._http._cancellation import close_shielded, close_soon
from kimi_async._http._clients import HttpResponse
from kimi_async._http._decoding import READ_BYTES, decoded
from kimi_async._http._failures import READ_TIMEOUTS, describe, names_of
from kimi_async._providers import Provider, request_id_of

if TYPE_CHECKING:
    import asyncio

__all__ = ["BodyError", "BodyTimeout", "OwnBody", "Response"]

_NOTHING: Final = memoryview(b"")

#: The limits for reading the rest of a body after ``[DONE]``, so that its connection can be used again. A server that
#: ends the body does so at once; for another server, a new connection costs less than a longer wait.
DRAIN_SECONDS: Final = 0.5
DRAIN_BYTES: Final = 64 * 1024


class BodyError(Exception):
    """The body broke while it was read; ``cause`` is the type and text of the HTTP client's error."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class BodyTimeout(BodyError):
    """The HTTP client's own read timeout ran out."""


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
            kind = BodyTimeout if names_of(error) & READ_TIMEOUTS else BodyError
            cause = describe(error, self._provider)
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

    async def drain(self) -> None:
        """Read to the end of the body, so that the connection can be used again; bounded in time and bytes."""
        if self.at_end:
            return
        drained = 0
        with anyio.move_on_after(DRAIN_SECONDS):
            try:
                while drained < DRAIN_BYTES and (data := await self.read()) is not None:
                    drained += len(data)
            except BodyError:
                pass  # The reply is complete; only its connection is lost.

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
