"""The stream of one reply, as events, as text, or as server-sent events."""

from __future__ import annotations

import contextlib
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from kimi_async._closing import ClosedAtExit
from kimi_async._errors import KimiError
from kimi_async._events import ContentDelta, StreamEnd, StreamEvent
from kimi_async._models import ChatCompletion
from kimi_async._record import AttemptRecord, ReplyRecord
from kimi_async._reply import Reply

if TYPE_CHECKING:
    import httpx_sse

__all__ = ["ChatStream", "ResponseInfo"]


class ResponseInfo(Struct, frozen=True, kw_only=True):
    """The HTTP response of a reply.

    Attributes:
        status: The HTTP status.
        headers: The response headers, names in lower case.
        request_id: The request or trace id in the headers, or ``None``.
    """

    status: int
    headers: Mapping[str, str]
    request_id: str | None


class ChatStream(ClosedAtExit):
    """One streamed reply; made by ``client.stream()``.

    It is an async context manager and an async iterator of :data:`~kimi_async.StreamEvent`. Entering it sends the
    request and returns at the first output, so an error status is raised before the first event. If it is not entered,
    reading the first event or calling ``final()`` sends the request. Leaving it gives the connection back.

    When the reply breaks, the events before the break are returned first. Then the error is raised; ``error.partial``
    holds the reply so far.

    Only one task at a time may read it; any task may call :meth:`aclose`.
    """

    def __init__(
        self, reply: Reply, on_end: Callable[[ChatCompletion], None] | None = None
    ) -> None:
        self._reply = reply
        self._on_end = on_end
        #: Events that were read and not yet returned.
        self._events: deque[StreamEvent] = deque()
        self._started = False

    def __repr__(self) -> str:
        is_new = not self._started and not self._reply.over
        state = "new" if is_new else "running" if self._reply.is_open else "ended"
        return f"<ChatStream {state}>"

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    def __aiter__(self) -> Self:
        if self._reply.completion is not None:
            raise RuntimeError(
                "this stream has ended, and its events are gone; final() returns the reply again"
            )
        return self

    async def __anext__(self) -> StreamEvent:
        """Return the next event.

        Raises:
            StopAsyncIteration: After ``StreamEnd``.
            KimiError: The reply failed; raised again by every later call.
            RuntimeError: Another task is already reading this stream.
        """
        if not self._events:
            if self._reply.completion is not None:
                raise StopAsyncIteration
            await self._fill()
            if not self._events:
                return self._end()
        self._reply.seen = True
        return self._events.popleft()

    async def _fill(self) -> None:
        """Read until there is an event, or until the reply is over."""
        if not self._started:
            await self._start()
        while not self._events and not self._reply.over:
            self._events.extend(await self._reply.advance())

    async def _start(self) -> None:
        """Send the request, unless it was sent."""
        if not self._started and not self._reply.over:
            self._started = True
            self._events.extend(await self._reply.start())

    async def _advance(self) -> None:
        """Read once, or take the end of the reply."""
        if self._reply.over:
            self._end()
        else:
            self._events.extend(await self._reply.advance())

    def _end(self) -> StreamEnd:
        end = self._reply.conclude()
        if self._on_end is not None:
            self._on_end(end.completion)
        return end

    async def final(self) -> ChatCompletion:
        """Read to the end and return the complete reply; events not yet taken are skipped. May be called again.

        Raises:
            KimiError: The reply failed.
            RuntimeError: Another task is already reading this stream.
        """
        await self._start()
        while self._reply.completion is None:
            self._events.clear()
            await self._advance()
        return self._reply.completion

    async def text_deltas(self) -> AsyncGenerator[str, None]:
        """Iterate over the pieces of the answer: the content of choice 0.

        The stream is closed at the end of this generator. After an early ``break`` it is closed when the generator is
        collected; use ``async with`` around the stream to close it at once.

        A text cannot be taken back. So after the first piece a reply that breaks is not begun anew; until then, it is
        not seen in the sense of ``on_interrupt``.

        Raises:
            KimiError: The reply failed.
            RuntimeError: The stream has ended.
        """
        aiter(self)
        try:
            while True:
                await self._fill()
                if not self._events:
                    self._end()
                    return
                event = self._events.popleft()
                if isinstance(event, ContentDelta) and event.choice == 0:
                    self._reply.forbid_restart()
                    yield event.text
        finally:
            await self.aclose()

    async def sse(self) -> AsyncGenerator[httpx_sse.ServerSentEvent, None]:
        """Iterate over the server-sent events of the response, unchanged and with ``[DONE]``.

        The events are those of one response, so a reply that breaks is not continued, and not begun anew after the
        first event. A reply that is one JSON object is one event. The reply is also assembled: ``final()`` returns it
        afterwards, and the errors are the same. Call this before the stream is entered or read. It closes the stream
        like :meth:`text_deltas`.

        Raises:
            KimiError: The reply failed.
            RuntimeError: The stream has already begun.
        """
        if self._started:
            raise RuntimeError("sse() must be called before the stream is entered or read")
        from httpx_sse import ServerSentEvent

        self._reply.keep_wire()
        try:
            with contextlib.suppress(KimiError):  # raised again below, after the events before it
                await self._start()
            while self._reply.completion is None:
                self._events.clear()
                for event in self._reply.take_wire():
                    self._reply.forbid_restart()
                    yield ServerSentEvent(event.event, event.text, event.id, event.retry)
                await self._advance()
        finally:
            await self.aclose()

    def forbid_restart(self) -> None:
        """Say that a part of the reply was shown and cannot be taken back.

        From now on a reply that breaks is not begun anew. It is continued, if ``on_interrupt`` allows that; otherwise a
        :class:`~kimi_async.StreamInterrupted` is raised at once, and no request is paid in vain. :meth:`text_deltas`
        and :meth:`sse` call it when they give their first piece.
        """
        self._reply.forbid_restart()

    @property
    def snapshot(self) -> ChatCompletion:
        """The reply so far; a new value each time, made in time linear in its length."""
        return self._reply.so_far()

    @property
    def is_open(self) -> bool:
        """Whether the request was sent and the end of the reply was not yet read."""
        return self._reply.is_open

    @property
    def is_unread(self) -> bool:
        """Whether nobody has begun to read it or closed it; entering it does not count."""
        if not self._started:
            return not self._reply.over
        # What entering it has read waits here until somebody takes it.
        return self._reply.is_open and bool(self._events) and not self._reply.seen

    @property
    def is_ready(self) -> bool:
        """Whether the next event, or the end, was read already, so that taking it does not wait."""
        return bool(self._events) or self._reply.over

    @property
    def last_chunk(self) -> Mapping[str, Any] | None:
        """The last JSON object that was read, unknown keys included; ``None`` before the first."""
        attempt = self._reply.attempt
        return None if attempt is None else attempt.decoder.last_chunk

    @property
    def response(self) -> ResponseInfo | None:
        """Status, headers and request id; ``None`` until the response headers arrive."""
        attempt = self._reply.attempt
        if attempt is None or attempt.response is None:
            return None
        response = attempt.response
        return ResponseInfo(
            status=response.status, headers=response.headers, request_id=response.request_id
        )

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The requests sent so far, oldest first; one that still runs counts as ``cancelled``."""
        return self._reply.attempts

    @property
    def record(self) -> ReplyRecord:
        """Times, counts and outcome; those so far, with the outcome ``cancelled``, until the reply has ended."""
        return self._reply.record or self._reply.so_far().record

    async def aclose(self) -> None:
        """End the reply and give its connection back. Any task may call it, more than once; it returns soon.

        A task that is reading at that time gets a :class:`~kimi_async.StreamInterrupted` with the reply so far.
        """
        await self._reply.aclose()

    def __del__(self) -> None:
        # If __init__ raised, the stream has no reply.
        reply: Reply | None = getattr(self, "_reply", None)
        if reply is not None and reply.is_open:
            warnings.warn(
                f"{self!r} was never closed; use 'async with' around it",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
            reply.abandon()
