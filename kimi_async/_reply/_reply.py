"""One reply, however many requests it takes (one, for now): its events, its record, its end.

Ownership: a ``Reply`` owns its permit and its attempt's response from ``start()`` until the attempt is over, failed or
``aclose()`` was called; each of these gives both back. The record is made, and ``on_complete`` called, exactly once:
when the end of the reply is handed to the caller, or when the caller leaves before.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import anyio
from attrs import evolve

from kimi_async._errors import KimiError, KimiTimeoutError, StreamInterrupted
from kimi_async._events import StreamEnd, StreamEvent
from kimi_async._http._cancellation import asyncio_loop, close_soon, loop_clock
from kimi_async._http._limiter import Permit
from kimi_async._http._transport import Transport
from kimi_async._models import ChatCompletion
from kimi_async._protocol._sse import SSEEvent
from kimi_async._providers import Provider
from kimi_async._record import (
    AttemptRecord,
    Outcome,
    ReplyRecord,
    recorded_params,
    total_usage,
)
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._deadlines import Deadlines
from kimi_async._settings import Limits, Timeouts
from kimi_async._wire import WireRequest

if TYPE_CHECKING:
    import asyncio

    from kimi_async._prefix import Prefix

__all__ = ["OnComplete", "Reply"]

OnComplete = Callable[[ReplyRecord], object]

_logger: Final = logging.getLogger("kimi_async")

#: With several choices the worst one decides the outcome of the reply.
_FROM_BEST_TO_WORST: Final[tuple[Outcome, ...]] = (
    "complete",
    "tool_calls",
    "other",
    "length",
    "content_filter",
)


class Reply:
    """The life of one reply.

    Args:
        provider: The provider.
        model: The model that was asked for.
        wire_request: What is sent.
        headers: Headers of this call.
        transport: Sends it.
        timeouts: The limits of time.
        limits: The limits of size.
        max_concurrency: The most replies in flight with this one; ``None`` is no limit.
        on_complete: Called once with the record, when the reply has ended.
        prefix: What the reply is to go on from.

    Attributes:
        events: Events that nobody has taken yet.
        completion: The whole reply, once its end was handed over.
        record: The record, once the reply has ended.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        model: str | None,
        wire_request: WireRequest,
        headers: Mapping[str, str],
        transport: Transport,
        timeouts: Timeouts,
        limits: Limits,
        max_concurrency: int | None,
        on_complete: OnComplete | None,
        prefix: Prefix | None,
    ) -> None:
        self._provider = provider
        self._model = model
        self._wire_request = wire_request
        self._headers = headers
        self._transport = transport
        self._timeouts = timeouts
        self._limits = limits
        self._max_concurrency = max_concurrency
        self._on_complete = on_complete
        self._prefix = prefix
        self._clock: Callable[[], float] = time.monotonic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = 0.0
        self._begun_at = 0.0
        self._failure: KimiError | None = None
        self._attempt: Attempt | None = None
        self._permit: Permit | None = None
        self._permit_wait: anyio.CancelScope | None = None
        #: Whether a task is reading it.
        self._busy = False
        self.events: deque[StreamEvent] = deque()
        self._wire: deque[SSEEvent] | None = None
        self.completion: ChatCompletion | None = None
        self.record: ReplyRecord | None = None

    @property
    def attempt(self) -> Attempt | None:
        """The running or last attempt; ``None`` before :meth:`start`."""
        return self._attempt

    @property
    def over(self) -> bool:
        """Whether nothing more will come: :meth:`conclude` tells how it ended."""
        return self._failure is not None or (self._attempt is not None and self._attempt.over)

    @property
    def is_open(self) -> bool:
        """Whether it was started, and nobody has taken its end."""
        return self._attempt is not None and self.record is None

    def keep_wire(self) -> deque[SSEEvent]:
        """From the start, also keep the events of the stream as they come, in the queue that this returns."""
        self._wire = deque()
        return self._wire

    async def start(self) -> None:
        """Wait for a permit, send the request and wait for the first output; the events so far are in :attr:`events`.

        Raises:
            KimiError: What went wrong before the first output.
        """
        self._clock, self._loop = loop_clock(), asyncio_loop()
        self._begun, self._begun_at = self._clock(), time.time()
        clocks = Deadlines(self._timeouts, self._begun)
        attempt = self._attempt = Attempt(
            provider=self._provider,
            wire_request=self._wire_request,
            headers=self._headers,
            transport=self._transport,
            clocks=clocks,
            limits=self._limits,
            clock=self._clock,
            events=self.events,
            wire=self._wire,
        )
        await self._guard(self._first_step(attempt, clocks))
        if self._failure is not None and not self.events:
            self.conclude()

    async def _first_step(self, attempt: Attempt, clocks: Deadlines) -> None:
        await self._acquire_permit(clocks)
        await attempt.start()

    async def _acquire_permit(self, clocks: Deadlines) -> None:
        seconds = clocks.until_first_output(self._begun)
        self._permit_wait = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        with self._permit_wait:
            self._permit = await self._transport.acquire_permit(self._max_concurrency)
            if not self.over:  # closed in the same moment
                return
        raise clocks.slot_error()

    def advance(self) -> Awaitable[None]:
        """Read once more; new events are in :attr:`events`, or the reply is :attr:`over`.

        Raises:
            RuntimeError: The reply was begun on another event loop, whose reads would never wake this one; or another
                task is reading it.
        """
        # Not a coroutine of its own: each level of them costs 0.2 us for each read.
        assert self._attempt is not None
        if self._busy:
            raise RuntimeError("this stream is already being read by another task")
        if asyncio_loop() is not self._loop:
            raise RuntimeError("this stream was begun on another event loop")
        return self._guard(self._attempt.advance())

    async def _guard(self, step: Awaitable[None]) -> None:
        """Await one *step*; whatever ends the reply there also gives its connection back."""
        self._busy = True
        try:
            try:
                await step
            except KimiError as error:
                # Kept until the events that came before it were taken.
                self._fail(error)
            if self.over:
                await self._close()
        except GeneratorExit:
            self.abandon()
            raise
        except BaseException as error:
            self._settle("error" if isinstance(error, Exception) else "cancelled")
            self._fail(_left_early())
            await self._close()
            raise
        finally:
            self._busy = False

    def _fail(self, error: KimiError) -> None:
        if self._failure is None:
            error.provider = self._provider.name
            if error.stage is None and self._attempt is not None:
                error.stage = self._attempt.stage
            # The frames it came through hold bytes of the body, in which a host may have echoed the key.
            self._failure = error.with_traceback(None)

    def conclude(self) -> StreamEnd:
        """The reply is :attr:`over` and its events are taken: hand over its end.

        Raises:
            KimiError: The reply did not end well; the same error each time.
        """
        failure = self._failure
        if failure is not None:
            if self._attempt is not None:
                self._settle(_outcome_of_failure(failure))
            failure.record = self.record
            if failure.partial is None:
                failure.partial = self._partial()
            raise failure.with_traceback(None)
        completion = self.snapshot()
        outcomes: list[Outcome] = [choice.outcome or "other" for choice in completion.choices]
        record = self._settle(max(outcomes, key=_FROM_BEST_TO_WORST.index))
        self.completion = completion.with_record(record)
        return StreamEnd(self.completion)

    def snapshot(self) -> ChatCompletion:
        """The reply as far as it was read."""
        attempt = self._attempt
        if attempt is None:
            return ChatCompletion(provider=self._provider.name, prefix=self._prefix)
        return evolve(attempt.snapshot(), prefix=self._prefix)

    def _partial(self) -> ChatCompletion | None:
        attempt = self._attempt
        if attempt is None or not attempt.assembler.started:
            return None
        completion = self.snapshot()
        return completion if self.record is None else completion.with_record(self.record)

    async def aclose(self) -> None:
        """Leave the reply, from any task; idempotent, bounded. A reply left before its end is ``cancelled``."""
        if self._attempt is None or self._permit_wait is None:
            self._fail(_left_early())
            return
        if self.record is None:
            self._settle("cancelled")
            self._fail(_left_early())
            self._permit_wait.cancel()
            self._attempt.interrupt()
        await self._close()

    def abandon(self) -> None:
        """Leave the reply where nothing can be awaited."""
        attempt = self._attempt
        if attempt is not None and self.record is None:
            self._settle("cancelled")
            self._fail(_left_early())
            if attempt.response is not None:
                close_soon(attempt.response.close, self._loop)
            if self._permit is not None:
                self._permit.release_soon()

    async def _close(self) -> None:
        try:
            if self._attempt is not None and self._attempt.response is not None:
                await self._attempt.response.aclose()
        finally:
            if self._permit is not None:
                self._permit.release()

    def _settle(self, outcome: Outcome) -> ReplyRecord:
        """Make the record and call ``on_complete``; only the first call does."""
        if self.record is not None:
            return self.record
        record = self.record = self._make_record(outcome)
        if self._on_complete is not None:
            try:
                self._on_complete(record)
            except Exception:
                _logger.exception("on_complete raised; the reply is not affected")
        return record

    def _make_record(self, outcome: Outcome) -> ReplyRecord:
        attempt = self._attempt
        assert attempt is not None
        snapshot = attempt.snapshot()
        attempts = self._attempt_records(attempt, snapshot, outcome)
        usage, usage_origin = total_usage(attempts, complete=attempt.assembler.complete)
        late = attempt.late_error
        return ReplyRecord(
            outcome=outcome,
            provider=self._provider.name,
            model=snapshot.model or self._model,
            id=snapshot.id,
            request_id=None if attempt.response is None else attempt.response.request_id,
            started_at=self._begun_at,
            headers_after=self._since_begin(attempt.headers_at),
            first_output_after=self._since_begin(attempt.first_output_at),
            last_output_after=self._since_begin(attempt.last_output_at),
            ended_after=self._clock() - self._begun,
            longest_gap=attempt.longest_gap,
            chunks=attempt.chunks,
            bytes=attempt.bytes,
            attempts=attempts,
            finish_reasons=tuple(
                choice.finish_reason
                for choice in snapshot.choices
                if choice.finish_reason is not None
            ),
            params=recorded_params(self._wire_request.body or {}),
            usage=usage,
            usage_origin=usage_origin,
            late_error=None if late is None else _as_text(late),
        )

    def _attempt_records(
        self, attempt: Attempt, snapshot: ChatCompletion, outcome: Outcome
    ) -> tuple[AttemptRecord, ...]:
        """Return the one attempt, or none where the reply ended before its request could be sent."""
        if self._permit is None:
            return ()
        return (
            AttemptRecord(
                provider=self._provider.name,
                model=snapshot.model or self._model,
                outcome=outcome,
                error=None if self._failure is None else _as_text(self._failure),
                first_output_after=self._since_begin(attempt.first_output_at),
                chunks=attempt.chunks,
                usage=snapshot.usage,
            ),
        )

    def _since_begin(self, at: float | None) -> float | None:
        return None if at is None else at - self._begun


def _as_text(error: KimiError) -> str:
    return f"{type(error).__name__}: {error.message}"


def _left_early() -> StreamInterrupted:
    return StreamInterrupted("the stream was closed before its end; what arrived is in .partial")


def _outcome_of_failure(failure: KimiError) -> Outcome:
    if isinstance(failure, KimiTimeoutError):
        return "timeout"
    return "interrupted" if isinstance(failure, StreamInterrupted) else "error"
