"""One request for one reply: from the bytes of its body to events, and to one of its ends.

The end of a reply is three facts (``docs/design.md`` 3): a finish reason for every choice, ``[DONE]``, and how the body
ended. The finish reasons alone decide whether it is whole:

========================  ===========================  =====================================
how the body ended        every choice has its reason  a choice has none
========================  ===========================  =====================================
``[DONE]``                whole; drained               interrupted; empty if without output
clean end                 whole                        the same; the last event still counts
connection broke          whole                        interrupted; ``TransportError``
a limit ran out           whole (``finish_grace``)     its timeout
error object, bad bytes   whole; noted on the record   its error
========================  ===========================  =====================================
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import anyio
from attrs import evolve

from kimi_async._errors import (
    EmptyResponseError,
    KimiError,
    KimiTimeoutError,
    StreamInterrupted,
    TransportError,
)
from kimi_async._events import StreamEvent, UsageUpdate
from kimi_async._http._transport import BodyError, BodyTimeout, Response, Transport
from kimi_async._models import ChatCompletion
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._protocol._body import BodyReader
from kimi_async._protocol._chunk import Chunk, Done
from kimi_async._protocol._sse import SSEEvent
from kimi_async._providers import Provider, decode_object
from kimi_async._reply._deadlines import Deadlines
from kimi_async._reply._fetch import status_error
from kimi_async._settings import Limits
from kimi_async._wire import WireRequest

__all__ = ["Attempt"]

#: How long and how far a body is read on after ``[DONE]`` to save its connection. A server that ends the body does so
#: at once; for one that does not, a new connection costs less than a longer wait.
DRAIN_SECONDS: Final = 0.5
DRAIN_BYTES: Final = 64 * 1024


class Attempt:
    """One request and its reply; driven by ``start()`` and then ``advance()`` until ``over``.

    Args:
        provider: The provider.
        wire_request: What is sent.
        headers: Headers of this call.
        transport: Sends it.
        clocks: The limits of time.
        limits: The limits of size.
        clock: The event loop's clock.
        events: Where events go.
        wire: Where the events of the stream go as they came; ``None`` keeps none.

    Attributes:
        assembler: The reply so far.
        response: The response, once its headers are there.
        over: Whether the reply has ended well.
        late_error: What went wrong after the reply was whole.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        wire_request: WireRequest,
        headers: Mapping[str, str],
        transport: Transport,
        clocks: Deadlines,
        limits: Limits,
        clock: Callable[[], float],
        events: deque[StreamEvent],
        wire: deque[SSEEvent] | None,
    ) -> None:
        self._provider = provider
        self._request = wire_request
        self._headers = headers
        self._transport = transport
        self._deadlines = clocks
        self._clock = clock
        self._events = events
        self._limits = limits
        self._body = BodyReader(provider, wire, limits)
        self._scope = anyio.CancelScope()
        self._done_seen = False
        #: When the last read ended.
        self._read_at = 0.0
        read_timeout = clocks.read_timeout
        #: A read that may take this long needs no scope: the HTTP client's own read timeout ends it.
        self._free_seconds = math.inf if read_timeout is None else read_timeout
        self.assembler = MessageAssembler(provider.name, provider.tool_markers, limits)
        self.response: Response | None = None
        self.over = False
        self._last: Chunk | None = None
        self._decoded: tuple[Chunk, Mapping[str, Any] | None] | None = None
        self.late_error: KimiError | None = None
        self.headers_at: float | None = None
        self.first_output_at: float | None = None
        self.last_output_at: float | None = None
        self.longest_gap: float | None = None
        self.chunks = 0
        self.bytes = 0

    @property
    def stage(self) -> str:
        """How far it is, in the words of ``KimiError.stage``."""
        if self.response is None:
            return "sending"
        return "streaming" if self.assembler.started else "waiting for the first output"

    @property
    def last_chunk(self) -> Mapping[str, Any] | None:
        """The last JSON object that was read, decoded when it is asked for."""
        last = self._last
        if last is None:
            return None
        if self._decoded is None or self._decoded[0] is not last:
            self._decoded = last, decode_object(last.data)
        return self._decoded[1]

    async def start(self) -> None:
        """Send the request and read up to the first output, or to a good end without one.

        Raises:
            KimiError: Anything that went wrong before the first output.
        """
        begun = self._clock()
        self._scope.deadline = anyio.current_time() + self._deadlines.until_first_output(begun)
        with self._scope:
            self.response = response = await self._transport.send(
                self._provider,
                self._request,
                headers=self._headers,
                timeouts=self._deadlines.timeouts,
                read_timeout=self._deadlines.read_timeout,
            )
            self.headers_at = self._clock()
            if not 200 <= response.status < 300:
                raise await status_error(self._provider, response, self._limits)
            while not self.assembler.started and not self.over:
                await self._step(response, self._clock(), math.inf)
            return
        raise self._deadlines.first_output_error(begun)

    def interrupt(self) -> None:
        """End :meth:`start` from another task, as if its limit had run out."""
        self._scope.cancel()

    def advance(self) -> Awaitable[None]:
        """Read once more and turn it into events; the reply may be ``over`` then.

        Only after :meth:`start`.

        Raises:
            KimiError: What ended the reply before it was whole.
        """
        # No coroutine of its own, as in Reply.advance().
        assert self.response is not None
        now = self._clock()
        return self._step(self.response, now, self._deadlines.for_read(now))

    async def _step(self, response: Response, now: float, seconds: float) -> None:
        """One read, begun *now*, of at most *seconds*, and what it means."""
        if self._done_seen:
            # Not before the events of that read were taken.
            await self._drain(response)
            self._finish(None)
            return
        try:
            data = await self._receive(response, now, seconds)
            if data is None:
                self._end_of_body()
            else:
                self.bytes += len(data)
                self._take(self._body.feed(data))
        except KimiError as error:
            if not self.assembler.complete:
                raise
            # Whole already: a limit that runs out is the expected end of a wait for usage, the rest is noted.
            self._finish(None if isinstance(error, KimiTimeoutError) else error)

    async def _receive(self, response: Response, begun: float, seconds: float) -> bytes | None:
        """The next bytes, ``None`` at a clean end; our error when they do not come in time or at all."""
        try:
            if seconds >= self._free_seconds:
                return await response.read()
            with anyio.move_on_after(max(seconds, 0.0)):
                return await response.read()
            failure: KimiError = self._deadlines.parse_error(begun)
        except BodyTimeout:
            started = self.assembler.started
            failure = (
                self._deadlines.parse_error if started else self._deadlines.first_output_error
            )(begun)
        except BodyError as broken:
            failure = self._broken(broken.cause)
        finally:
            self._read_at = now = self._clock()
            self._deadlines.waited(now - begun)
        raise failure

    def _take(self, chunks: Iterator[Chunk | Done]) -> None:
        """Turn what one read has brought into events; the clocks are told once, however many chunks it held."""
        assembler = self.assembler
        output_came = False
        try:
            for chunk in chunks:
                if isinstance(chunk, Done):
                    self._take_done()
                    return
                self.chunks += 1
                self._last = chunk
                events = assembler.feed(chunk)
                if events:
                    self._events.extend(events)
                    # Usage alone is no output of the model; it comes last, so it is alone when it is first.
                    output_came = output_came or type(events[0]) is not UsageUpdate
                if assembler.failure is not None:
                    raise assembler.failure
        finally:
            if output_came:
                now, last = self._read_at, self.last_output_at
                if last is None:
                    self.first_output_at = now
                else:
                    self.longest_gap = max(self.longest_gap or 0.0, now - last)
                self.last_output_at = now
            self._deadlines.read(output=output_came, whole=assembler.complete)

    def _take_done(self) -> None:
        if not self.assembler.complete:
            raise self._ended("the stream said [DONE]")
        self._done_seen = True

    def _end_of_body(self) -> None:
        self._take(chunk for chunk in self._body.close() if not isinstance(chunk, Done))
        if not self.assembler.complete:
            raise self._ended("the body ended")
        self._finish(None)

    def _ended(self, what: str) -> KimiError:
        """The error for a polite end before the reply was whole."""
        if self.assembler.started:
            return StreamInterrupted(
                f"{what} before a finish reason came; what arrived is in .partial"
            )
        return EmptyResponseError(f"{what} before any output came")

    def _broken(self, cause: str) -> KimiError:
        """The error for a connection that broke."""
        if self.assembler.complete:
            return StreamInterrupted("the connection broke behind the finish reason", cause=cause)
        if self.assembler.started:
            return StreamInterrupted(
                "the connection broke before a finish reason came; what arrived is in .partial",
                cause=cause,
            )
        return TransportError(
            "the connection broke before any output came",
            stage="waiting for the first output",
            cause=cause,
        )

    async def _drain(self, response: Response) -> None:
        """Read to the end of the body, so that the connection can be used again; bounded in time and bytes."""
        drained = 0
        with anyio.move_on_after(DRAIN_SECONDS):
            try:
                while drained < DRAIN_BYTES and (data := await response.read()) is not None:
                    drained += len(data)
            except BodyError:
                pass  # the reply is whole, only its connection is lost

    def _finish(self, late_error: KimiError | None) -> None:
        """The reply is whole."""
        self.over = True
        self._events.extend(self.assembler.close())
        self.late_error = late_error or self.assembler.failure

    def snapshot(self) -> ChatCompletion:
        """The reply as far as it was read; with the raw body when it came as one JSON object."""
        return evolve(
            self.assembler.snapshot(), raw=self.last_chunk if self._body.is_whole else None
        )
