"""Send the body of a response over ASGI, and end the reply when the browser leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

import anyio
import anyio.lowlevel

from kimi_async._errors import ConfigurationError, KimiError
from kimi_async._settings import is_seconds
from kimi_async.web._body import ReplyBody
from kimi_async.web._problems import error_answer

__all__ = ["Exchange", "checked_keep_alive"]

#: The status of a response whose browser left before its start; nginx logs the same one.
_CLIENT_CLOSED_REQUEST: Final = 499

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]


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
            await self._start(answer.status, _raw_headers(answer.headers))
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


def _raw_headers(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
