"""One HTTP/1.1 connection of ours, which has one request and its response at a time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol, TypeAlias, final

import h11
import httpx

from kimi_async._http._event_loop import loop_caller
from kimi_async._http._framing import HEAD_BYTES, Framing, framing_of
from kimi_async._http._stream import WRITE_BYTES, Stream

__all__ = ["Body", "Connection", "Origin", "Owner"]

#: Scheme, host and port.
Origin: TypeAlias = tuple[str, bytes, int]

_SWITCHING: Final = 101


class Owner(Protocol):
    """Who keeps the connections."""

    def take_back(self, connection: Connection) -> None:
        """Keep *connection*, which is idle."""
        ...

    def forget(self, connection: Connection) -> None:
        """Take note that *connection* is closed."""
        ...


@final
class Connection:
    """One connection, in use or idle.

    Args:
        stream: Its bytes.
        origin: The host at its other end.
        owner: Told when it is idle, and when it is closed.

    Attributes:
        answered: Whether the host has sent a byte since the last request began.
        idle_since: When it fell idle; for its owner.
        is_closed: Whether it is closed.
        origin: The host at its other end.
    """

    __slots__ = ("_call_soon", "_owner", "_stream", "answered", "idle_since", "is_closed", "origin")

    def __init__(self, stream: Stream, origin: Origin, owner: Owner) -> None:
        self._stream = stream
        self._owner = owner
        self._call_soon = loop_caller()
        self.origin = origin
        self.answered = False
        self.is_closed = False
        self.idle_since = 0.0

    def is_usable(self) -> bool:
        """Return whether it is open and the host has sent nothing since its last response."""
        return not self.is_closed and self._stream.is_quiet()

    def rest(self) -> None:
        """Fall idle; anything that the host sends or does then closes the connection."""
        self._stream.watch(self.close)
        self._owner.take_back(self)

    def close(self) -> None:
        """Close it at once; idempotent."""
        if not self.is_closed:
            self.is_closed = True
            self._stream.close()
            self._owner.forget(self)

    def close_soon(self) -> None:
        """Close it from any thread; when its event loop has ended, that has closed it."""
        if not self.is_closed:
            with contextlib.suppress(RuntimeError):
                self._call_soon(self.close)

    async def exchange(self, request: httpx.Request, content: bytes) -> httpx.Response:
        """Send *request* with the body *content*, and return when the head of the response is there.

        Raises:
            httpx.TransportError: The one that a plain ``httpx.AsyncClient`` raises; the connection is closed then.
        """
        self.answered = False
        self._stream.watch(None)
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        try:
            reader, data = _serialized(request, content)
            early = await self._send(reader, data, limits.get("write"))
            head = early or await self._read_head(reader, limits.get("read"))
        except h11.ProtocolError as error:
            self.close()
            is_ours = isinstance(error, h11.LocalProtocolError)
            kind = httpx.LocalProtocolError if is_ours else httpx.RemoteProtocolError
            raise kind(str(error)) from error
        except BaseException:
            self.close()
            raise
        # h11 knows whether one side has said "connection: close", or is older than HTTP/1.1.
        is_kept = early is None and reader.our_state is h11.DONE
        framing = framing_of(request.method.encode(), head)
        body = Body(self, framing, limits.get("read"), is_kept=is_kept)
        body.take(reader.trailing_data[0])
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=body,
            extensions={
                "http_version": b"HTTP/" + head.http_version,
                "reason_phrase": head.reason,
                "kimi_body": body,
            },
        )

    async def _send(
        self, reader: h11.Connection, data: bytes, seconds: float | None
    ) -> h11.Response | None:
        """Write *data*, and stop when the host answers before it has all of it, as with a 413.

        Returns:
            The head of that answer. A connection that broke is seen by the read that follows.
        """
        stream, at = self._stream, 0
        while at < len(data) or stream.is_sending:
            try:
                await stream.write(data[at : at + WRITE_BYTES], seconds)
            except TimeoutError as error:
                raise httpx.WriteTimeout("the host does not read the request") from error
            at += WRITE_BYTES
            if stream.has_input and (at < len(data) or stream.is_sending):
                await self._receive_head(reader, seconds)
                head = _next_head(reader)
                if head is not None:
                    return head
        return None

    async def _read_head(self, reader: h11.Connection, seconds: float | None) -> h11.Response:
        while (head := _next_head(reader)) is None:
            await self._receive_head(reader, seconds)
        return head

    async def _receive_head(self, reader: h11.Connection, seconds: float | None) -> None:
        data = await self.receive(seconds)
        if data is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        if data:
            self.answered = True
            reader.receive_data(data)

    async def receive(self, seconds: float | None) -> bytes | None:
        """Return the next bytes, ``None`` when the host sends no more.

        Raises:
            httpx.ReadTimeout: None were received in so many *seconds*.
            httpx.ReadError: The connection broke, or was closed here.
        """
        try:
            return await self._stream.read(seconds)
        except TimeoutError as error:
            raise httpx.ReadTimeout("the host sends nothing") from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error


def _serialized(request: httpx.Request, content: bytes) -> tuple[h11.Connection, bytes]:
    """Return the bytes of *request*, and the connection of h11 that reads the head of its response."""
    writer = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
    head = h11.Request(
        method=request.method, target=request.url.raw_path, headers=request.headers.raw
    )
    parts = (writer.send(head), writer.send(h11.Data(content)), writer.send(h11.EndOfMessage()))
    return writer, b"".join(part for part in parts if part)


def _next_head(reader: h11.Connection) -> h11.Response | None:
    """Return the head of the response, once it was received; interim responses are passed over."""
    while True:
        event = reader.next_event()
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            return None
        if event.status_code == _SWITCHING:
            raise httpx.RemoteProtocolError("the host switches to another protocol")


@final
class Body(httpx.AsyncByteStream):
    """The body of one response, read by read.

    The connection goes back to its owner with the last byte of the body, also when nobody reads on to the end.
    """

    __slots__ = ("_connection", "_content", "_framing", "_is_kept", "_seconds")

    def __init__(
        self, connection: Connection, framing: Framing, seconds: float | None, *, is_kept: bool
    ) -> None:
        self._connection = connection
        self._framing = framing
        self._seconds = seconds
        self._is_kept = is_kept
        self._content = b""

    def take(self, data: bytes) -> None:
        """Take the bytes that were received with the head; an empty body ends here."""
        framing = self._framing
        if data and not framing.ended:
            self._content = framing.feed(data)
        elif data:
            framing.surplus = True
        self._let_go()

    def _let_go(self) -> None:
        """Let the connection go when the body has ended or is broken."""
        framing = self._framing
        if framing.failure is not None or (
            framing.ended and (framing.surplus or not self._is_kept)
        ):
            self._connection.close()
        elif framing.ended:
            self._connection.rest()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        framing = self._framing
        while not self._content:
            if framing.failure is not None:
                raise httpx.RemoteProtocolError(framing.failure)
            if framing.ended:
                raise StopAsyncIteration
            try:
                data = await self._connection.receive(self._seconds)
            except BaseException:
                self._connection.close()
                raise
            if data is None:
                framing.close()
                self._is_kept = False
            else:
                self._content = framing.feed(data)
            self._let_go()
        content, self._content = self._content, b""
        return content

    @property
    def at_end(self) -> bool:
        """Whether it has nothing more to give."""
        framing = self._framing
        return framing.ended and framing.failure is None and not self._content

    def close(self) -> None:
        """Close the connection at once, unless the body was received to its end."""
        if not self._framing.ended:
            self._connection.close()

    async def aclose(self) -> None:
        """Do the same, for httpx."""
        self.close()

    def close_soon(self) -> None:
        """Do the same from any thread, at any moment."""
        if not self._framing.ended:
            self._connection.close_soon()
