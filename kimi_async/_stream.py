"""What the user iterates: one reply as events, as text, or as the wire."""

from __future__ import annotations

import contextlib
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from kimi_async._errors import KimiError
from kimi_async._events import ContentDelta, StreamEnd, StreamEvent
from kimi_async._models import ChatCompletion
from kimi_async._record import AttemptRecord, ReplyRecord
from kimi_async._reply import Reply

if TYPE_CHECKING:
    import httpx_sse

__all__ = ["ChatStream", "ResponseInfo"]


@frozen(kw_only=True)
class ResponseInfo:
    """The HTTP response under a reply.

    Attributes:
        status: The HTTP status.
        headers: The response headers, names in lower case.
        request_id: Request or trace id found in them, or ``None``.
    """

    status: int
    headers: Mapping[str, str]
    request_id: str | None


class ChatStream:
    """One reply as it comes; made by ``client.stream()``.

    An async context manager and an async iterator of :data:`~kimi_async.StreamEvent`. Entering it (or, without,
    the first event or ``final()``) sends the request and returns at the first output, so that an error status is
    raised before anything was handed on. Leaving it gives the connection back.

    When the reply breaks, the events that came before are handed out first, and then the error is raised, with what
    came in ``error.partial``.

    For one task at a time; :meth:`aclose` may be called from any.
    """

    def __init__(
        self, reply: Reply, on_end: Callable[[ChatCompletion], None] | None = None
    ) -> None:
        self._reply = reply
        self._on_end = on_end
        #: Events that were read and not handed out yet.
        self._events: deque[StreamEvent] = deque()
        self._started = False

    def __repr__(self) -> str:
        state = "new" if not self._started else "running" if self._reply.record is None else "ended"
        return f"<ChatStream {state}>"

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        if self._reply.completion is not None:
            raise RuntimeError(
                "this stream has ended, and its events are gone; final() returns the reply again"
            )
        return self

    async def __anext__(self) -> StreamEvent:
        """The next event.

        Raises:
            StopAsyncIteration: After ``StreamEnd``.
            KimiError: The reply did not end well; raised again by every later call.
            RuntimeError: Another task is already reading this stream.
        """
        events = self._events
        if not events:
            if self._reply.completion is not None:
                raise StopAsyncIteration
            if not self._started:
                await self._start()
            while not events:
                if self._reply.over:
                    return self._end()
                events.extend(await self._reply.advance())
        self._reply.seen = True
        return events.popleft()

    async def _start(self) -> None:
        """Send the request, the first time."""
        if not self._started and not self._reply.over:
            self._started = True
            self._events.extend(await self._reply.start())

    async def _advance(self) -> None:
        """Read once more, or take the end of the reply."""
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
        """Read to the end and give the whole reply; events not yet taken are skipped. May be called again.

        Raises:
            KimiError: The reply did not end well.
            RuntimeError: Another task is already reading this stream.
        """
        await self._start()
        while self._reply.completion is None:
            self._events.clear()
            await self._advance()
        return self._reply.completion

    async def text_deltas(self) -> AsyncGenerator[str, None]:
        """The answer alone, piece by piece: the content of choice 0.

        Closes the stream when it ends, and when it is collected after an early ``break``; use ``async with`` around the
        stream to close at once.

        Raises:
            KimiError: The reply did not end well.
        """
        try:
            async for event in self:
                if isinstance(event, ContentDelta) and event.choice == 0:
                    yield event.text
        finally:
            await self.aclose()

    async def sse(self) -> AsyncGenerator[httpx_sse.ServerSentEvent, None]:
        """The wire itself: every event of the stream as it came, ``[DONE]`` included.

        A reply that came as one JSON object is one event. The reply is put together all the same: ``final()`` gives it
        afterwards, and the errors are the same. Must be asked for before the stream is begun. Closes the stream like
        :meth:`text_deltas`.

        Raises:
            KimiError: The reply did not end well.
            RuntimeError: The stream has already begun.
        """
        if self._started:
            raise RuntimeError("sse() must be called before the stream is entered or read")
        from httpx_sse import ServerSentEvent

        self._reply.keep_wire()
        try:
            with contextlib.suppress(KimiError):  # raised again below, behind what came before it
                await self._start()
            while self._reply.completion is None:
                self._events.clear()
                for event in self._reply.take_wire():
                    yield ServerSentEvent(event.event, event.text, event.id, event.retry)
                await self._advance()
        finally:
            await self.aclose()

    @property
    def snapshot(self) -> ChatCompletion:
        """The reply as far as it came; a new value each time, in time linear in its length."""
        return self._reply.completion or self._reply.snapshot()

    @property
    def is_open(self) -> bool:
        """Whether a request was sent whose end was not taken yet."""
        return self._reply.is_open

    @property
    def last_chunk(self) -> Mapping[str, Any] | None:
        """The last JSON object that was read, unknown keys included; ``None`` before the first."""
        attempt = self._reply.attempt
        return None if attempt is None else attempt.decoder.last_chunk

    @property
    def response(self) -> ResponseInfo | None:
        """Status, headers and request id; ``None`` until the response headers came."""
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
    def record(self) -> ReplyRecord | None:
        """Times, counts and outcome; ``None`` until the end of the reply was handed over or the stream closed."""
        return self._reply.record

    async def aclose(self) -> None:
        """Leave the reply and give its connection back; from any task, idempotent, bounded in time.

        A task that is reading meanwhile gets a :class:`~kimi_async.StreamInterrupted` with what had come.
        """
        await self._reply.aclose()

    def __del__(self) -> None:
        # A stream that __init__ could not finish has no reply.
        reply: Reply | None = getattr(self, "_reply", None)
        if reply is not None and reply.is_open:
            warnings.warn(
                f"{self!r} was never closed; use 'async with' around it",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
            reply.abandon()
