"""Give the body of a response as bytes, and send it over ASGI."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final, Self, TypeAlias

import anyio
import anyio.lowlevel

from kimi_async._errors import ConfigurationError, KimiError
from kimi_async._settings import is_seconds
from kimi_async.tools._run import RunEvent
from kimi_async.web._ai_sdk import AISDKEncoder
from kimi_async.web._ending import ending_of_failure
from kimi_async.web._event_stream import EventsEncoder
from kimi_async.web._formats import Encoder, Format
from kimi_async.web._openai_stream import OpenAIEncoder
from kimi_async.web._problems import error_answer
from kimi_async.web._reader import Reader, Streamed
from kimi_async.web._text import TextEncoder

__all__ = ["ENCODERS", "Exchange", "ReplyBody", "asgi_body", "checked_keep_alive", "raw_headers"]

#: The encoder of each format.
ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = {
    "text": TextEncoder,
    "events": EventsEncoder,
    "openai": OpenAIEncoder,
    "ai-sdk": AISDKEncoder,
}

#: Keep caches and proxies from keeping, compressing or holding back the body.
_UNBUFFERED: Final = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}

#: The status of a response whose browser left before its start; nginx logs the same one.
_CLIENT_CLOSED_REQUEST: Final = 499

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]


class ReplyBody:
    """The body of one response as an async iterator of bytes; made by :func:`asgi_body`.

    The request is sent when the first piece is asked for. That piece comes with the first output and may be empty; a
    failure before it is raised, so that the response can have the status of :func:`error_answer`. A later failure is
    told in the last piece, and is raised after it only if it is not an error of this library.

    Attributes:
        headers: The headers of the response, names in lower case.
        keep_alive: Bytes that may be sent between two pieces and that readers skip; empty if the format has none.
    """

    def __init__(self, reader: Reader, encoder: Encoder) -> None:
        self._reader = reader
        self._encoder = encoder
        self._has_output = False
        self._has_ended = False
        self._failure: Exception | None = None
        self.headers: Mapping[str, str] = {
            "content-type": encoder.media_type,
            **_UNBUFFERED,
            **encoder.headers,
        }
        self.keep_alive = encoder.keep_alive

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece.

        Raises:
            StopAsyncIteration: After the last piece.
            KimiError: The reply failed before its first output.
        """
        if self._failure is not None:
            raise self._failure
        if self._has_ended:
            raise StopAsyncIteration
        if not self._has_output:
            events = await self._reader.first()
            self._has_output = True
            return self._encoded(events)
        piece = b""
        # The end belongs to the last piece, so that one write sends both.
        while not self._has_ended and (not piece or self._reader.is_over):
            try:
                piece += self._encoded(await self._reader.more())
            except StopAsyncIteration:
                piece += await self._end()
            except Exception as error:
                piece += self._broken(error)
        return piece

    def _encoded(self, events: Sequence[RunEvent]) -> bytes:
        piece = b"".join(map(self._encoder.feed, events))
        if piece and not self._encoder.shows_restarts:
            self._reader.forbid_restart()
        return piece

    async def _end(self) -> bytes:
        try:
            ending = await self._reader.ending()
        except KimiError as error:
            return self._broken(error)
        self._has_ended = True
        return self._encoder.end(ending)

    def _broken(self, error: Exception) -> bytes:
        self._has_ended = True
        if not isinstance(error, KimiError):
            self._failure = error
        return self._encoder.end(ending_of_failure(error))

    async def aclose(self) -> None:
        """Close the stream and give its connection back; call it in any case. May be called more than once."""
        await self._reader.aclose()


def asgi_body(stream: Streamed, format: Format = "text") -> ReplyBody:
    """Return the body of a response as an async iterator of bytes, for frameworks other than Starlette.

    Cancel the task that reads it when the browser leaves, and await ``aclose()`` in any case.

    Args:
        stream: The result of ``client.stream()``, ``client.run()`` or ``client.stream_parse()``, not read yet.
        format: The format of the body; see :class:`ReplyResponse`.

    Raises:
        ConfigurationError: *stream* or *format* is another value.
        RuntimeError: *stream* was read or closed before, or has another response.
    """
    if not isinstance(format, str) or format not in ENCODERS:
        known = ", ".join(ENCODERS)
        raise ConfigurationError(f"there is no format {format!r}; there are {known}")
    return ReplyBody(Reader(stream), ENCODERS[format]())


def checked_keep_alive(seconds: float | None) -> float | None:
    """Return *seconds* if they can be the longest silence.

    Raises:
        ConfigurationError: It is neither a number above 0 nor ``None``.
    """
    if seconds is None or is_seconds(seconds):
        return seconds
    raise ConfigurationError(
        f"keep_alive must be a number of seconds above 0, or None, not {seconds!r}"
    )


def raw_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return *headers* as ASGI wants them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


class Exchange:
    """One exchange over ASGI: it sends a body, and ends the reply when the browser leaves.

    Args:
        body: The body.
        head: The status and the headers of the response, if it has a body.
        keep_alive: The longest silence in seconds; ``None`` for any.
        is_head: Whether the response has only its head.
        receive: ``receive`` of ASGI.
        send: ``send`` of ASGI.
    """

    def __init__(
        self,
        body: ReplyBody,
        head: tuple[int, RawHeaders],
        keep_alive: float | None,
        *,
        is_head: bool,
        receive: Receive,
        send: Send,
    ) -> None:
        self._body = body
        self._head = head
        self._keep_alive = keep_alive
        self._is_head = is_head
        self._receive = receive
        self._send = send
        self._has_started = self._has_sent = False
        #: Whether no piece of the body is on its way: the body and the comments come from two tasks. (A lock would cost
        #: each piece as much as all the rest of this class.)
        self._is_idle = True
        #: Set when the comment that is on its way was sent; ``None`` if there is none.
        self._comment_sent: anyio.Event | None = None
        self._failure: BaseException | None = None
        #: Cancelled at the end, also when the browser leaves.
        self._tasks = anyio.create_task_group()

    async def run(self) -> None:
        """Answer the request.

        Raises:
            Exception: The exception of a tool or of ``approve``, for the log of the server.
        """
        try:
            async with self._tasks as tasks:
                # The answer has a task of its own, because each event wakes it: a task that is woken resumes all of
                # its coroutines, and in this task these are also those of the server and of the service.
                tasks.start_soon(self._answer)
                await self._watch()
        finally:
            with anyio.CancelScope(shield=True):
                await self._body.aclose()
        if self._failure is not None:
            raise self._failure
        if not self._has_started:
            # A middleware that waits for a response would raise an error of its own.
            with contextlib.suppress(OSError):
                await self._send(_start_of(_CLIENT_CLOSED_REQUEST, ()))
                await self._send(_body_of(b"", more_body=False))

    async def _watch(self) -> None:
        """Wait until the browser leaves, and end the exchange."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._tasks.cancel_scope.cancel()

    async def _answer(self) -> None:
        """Send the response, and end the exchange."""
        try:
            await self._respond()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            self._failure = error  # the task group would wrap it
        self._tasks.cancel_scope.cancel()

    async def _respond(self) -> None:
        if self._is_head:
            # A reply costs money, and the browser would not get it.
            await self._start(*self._head)
            await self._write(b"", more_body=False)
            return
        try:
            first = await anext(self._body)
        except KimiError as error:
            answer = error_answer(error)
            await self._start(answer.status, raw_headers(answer.headers))
            await self._write(answer.body, more_body=False)
            return
        await self._start(*self._head)
        await self._write(first)
        if self._keep_alive is not None and self._body.keep_alive:
            self._tasks.start_soon(self._keep_awake, self._keep_alive)
        async for piece in self._body:
            await self._write(piece)
        await self._write(b"", more_body=False)

    async def _start(self, status: int, headers: RawHeaders) -> None:
        self._has_started = True
        await self._hand_over(_start_of(status, headers))

    async def _write(self, data: bytes, *, more_body: bool = True) -> None:
        if self._comment_sent is not None:
            await self._comment_sent.wait()
        self._has_sent, self._is_idle = True, False
        # Not through _hand_over(), because one more coroutine is a noticeable part of the cost of an event here.
        try:
            await self._send(_body_of(data, more_body=more_body))
        except OSError:
            await self._leave()
        self._is_idle = more_body

    async def _hand_over(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            await self._leave()

    async def _leave(self) -> None:
        """End the exchange after an ``OSError``: since version 2.4 of ASGI it says that the browser is gone."""
        self._tasks.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()

    async def _keep_awake(self, seconds: float) -> None:
        """Send a comment in each half of *seconds* in which nothing was sent, so that no silence is longer."""
        while True:
            self._has_sent = False
            await anyio.sleep(seconds / 2)
            if self._is_idle and not self._has_sent:
                await self._comment()

    async def _comment(self) -> None:
        self._comment_sent = anyio.Event()
        await self._hand_over(_body_of(self._body.keep_alive, more_body=True))
        self._comment_sent.set()
        self._comment_sent = None


def _start_of(status: int, headers: RawHeaders) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [*headers]}


def _body_of(data: bytes, *, more_body: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more_body}
