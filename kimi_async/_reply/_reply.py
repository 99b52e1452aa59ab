"""Give the caller one reply, made by one or more attempts: its events, its record and its end.

Ownership: a ``Reply`` owns its permit and the responses of its attempts from :meth:`Reply.start` until it has ended or
``aclose()`` was called; both give all of them back. The record is made, and ``on_complete`` called, exactly once: when
the caller gets the end of the reply, or closes the reply before its end.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

import anyio
from attrs import evolve

from kimi_async._closing import left_early
from kimi_async._errors import KimiError, ProviderUnavailableError
from kimi_async._events import StreamEnd, StreamEvent
from kimi_async._hooks import Observers, call_safely
from kimi_async._http._event_loop import asyncio_loop, loop_clock
from kimi_async._http._limiter import Permit
from kimi_async._log import with_log
from kimi_async._models import ChatCompletion
from kimi_async._protocol._sse import SSEEvent
from kimi_async._record import AttemptRecord, Outcome, ReplyRecord, recorded_params, unsent_record
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._attempts import Attempts, Call, Shown, explain
from kimi_async._reply._summary import (
    attempt_records,
    call_info,
    outcome_of_failure,
    reply_record,
)

if TYPE_CHECKING:
    import asyncio

__all__ = ["Reply"]

#: The worst outcome of the choices is the outcome of the reply.
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
        call: The call that it answers.

    Attributes:
        seen: Whether the caller has got an event; set by the stream.
        may_restart: Whether the caller can be told of a restart; see :meth:`forbid_restart`.
        completion: The complete reply, after the caller got its end.
        record: The record, after the reply has ended.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._settings = call.settings
        self._attempts = Attempts(call)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun_at = 0.0
        self._started = False
        self._failure: KimiError | None = None
        self._permit: Permit | None = None
        #: The scope of all work before the first output of an attempt.
        self._scope: anyio.CancelScope | None = None
        #: Whether a task is reading it.
        self._busy = False
        self._keeps_wire = False
        self.seen = False
        self.may_restart = True
        self.completion: ChatCompletion | None = None
        self.record: ReplyRecord | None = None

    @property
    def attempt(self) -> Attempt | None:
        """The attempt whose events are read, or else the last one; ``None`` before :meth:`start`."""
        return self._attempts.current

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The attempts so far, oldest first; the one that runs counts as ``cancelled`` until it has ended."""
        if self.record is not None:
            return self.record.attempts
        return attempt_records(self._attempts.all, None, "cancelled")

    @property
    def over(self) -> bool:
        """Whether no more events will come; :meth:`conclude` then returns or raises the end."""
        if self._failure is not None:
            return True
        chosen = self._attempts.chosen
        return chosen is not None and chosen.ended

    @property
    def is_open(self) -> bool:
        """Whether it was started, and its end was not taken."""
        return self._started and self.record is None

    def keep_wire(self) -> None:
        """Keep the server-sent events for :meth:`take_wire`; only before :meth:`start`."""
        self._keeps_wire = True

    def forbid_restart(self) -> None:
        """Note that the caller has shown a part of the reply and cannot take it back."""
        self.seen, self.may_restart = True, False

    def take_wire(self) -> list[SSEEvent]:
        """Return the server-sent events that were read since the last call."""
        attempt = self.attempt
        return [] if attempt is None else attempt.decoder.take_wire()

    async def start(self) -> list[StreamEvent]:
        """Wait for a permit, send the request and wait for the first output; return the events so far.

        Raises:
            KimiError: The error that ended it before the first output.
        """
        self._started = True
        attempts, call = self._attempts, self._call
        attempts.clock, self._loop = loop_clock(), asyncio_loop()
        call.shared.clock = attempts.clock
        attempts.begun, self._begun_at = attempts.clock(), time.time()
        if hooks := with_log(self._settings.hooks):
            attempts.observers = Observers(
                hooks,
                call_info(call.providers, call.request, call.wire_request, self._begun_at),
            )
        events = await self._guard(self._begin())
        if self._failure is not None and not events:
            self.conclude()
        return events

    async def _begin(self) -> list[StreamEvent]:
        with anyio.CancelScope() as self._scope:
            await self._acquire_permit()
            self._attempts.watches.reply_began(self._attempts.begun)
            if self._failure is None:  # aclose() was not called in the meantime
                events: list[StreamEvent] = []
                self._fail(await self._attempts.begin(self._shown(), events))
                return events
        return []  # closed from another task

    async def _acquire_permit(self) -> None:
        limit = self._settings.max_concurrency
        self._permit = self._call.transport.permit_now(limit)
        if self._permit is not None:
            return
        deadlines = self._attempts.deadlines()
        with anyio.move_on_after(deadlines.until_permit(self._attempts.begun)):
            self._permit = await self._call.transport.acquire_permit(limit)
            return
        raise deadlines.slot_error()

    def advance(self) -> Awaitable[list[StreamEvent]]:
        """Read once and return the new events. The reply may then be :attr:`over`.

        Raises:
            RuntimeError: The reply was begun on another event loop, whose reads would never wake this one; or another
                task is reading it.
        """
        # Not a coroutine itself, because each level of coroutines costs 0.2 us for each read.
        if self._busy:
            raise RuntimeError("this stream is already being read by another task")
        if asyncio_loop() is not self._loop:
            raise RuntimeError("this stream was begun on another event loop")
        chosen = self._attempts.chosen
        assert chosen is not None
        return self._guard(chosen.advance())

    async def _guard(self, step: Awaitable[list[StreamEvent]]) -> list[StreamEvent]:
        """Await one *step*; if the reply ends in it for any reason, give its connection back."""
        self._busy = True
        try:
            events: list[StreamEvent] = []
            try:
                events = await step
                chosen = self._attempts.chosen
                if chosen is not None and chosen.failure is not None:
                    await self._recover(chosen, events)
            except KimiError as error:
                # Keep the error until the caller has got the events before it.
                self._fail(error)
            if self.over:
                await self._close()
            return events
        except GeneratorExit:
            self.abandon()
            raise
        except BaseException as error:
            self._settle("error" if isinstance(error, Exception) else "cancelled")
            self._fail(left_early("stream"))
            await self._close()
            raise
        finally:
            self._busy = False

    async def _recover(self, broken: Attempt, events: list[StreamEvent]) -> None:
        """Follow the plan after the chosen attempt broke; add to *events*, which the caller has not got yet."""
        if self._failure is not None:  # another task has closed the reply
            return
        # The scope is cancelled when another task closes the reply.
        with anyio.CancelScope() as self._scope:
            self._fail(await self._attempts.recover(broken, self._shown(), events))

    def _shown(self) -> Shown:
        return Shown(self.seen, self.may_restart, self._keeps_wire)

    # The end

    def _fail(self, error: KimiError | None) -> None:
        """Keep *error*, if there is one, as the end of the reply; the first error is kept."""
        if error is not None and self._failure is None:
            attempt = self.attempt
            if isinstance(error, ProviderUnavailableError):
                pass  # it names several providers
            elif attempt is not None:
                explain(attempt, error)
            else:
                error.provider = error.provider or self._call.first.name
            # Drop the traceback: its frames hold bytes of the body, in which a host may have repeated the key.
            self._failure = error.with_traceback(None)

    def conclude(self) -> StreamEnd:
        """Return the end of the reply, after it is :attr:`over` and the caller got its events.

        Raises:
            KimiError: The reply failed; the same error each time.
        """
        failure = self._failure
        if failure is not None:
            if self._started:
                self._settle(outcome_of_failure(failure))
            partial = self.so_far()
            failure.record = partial.record
            failure.output_shown = self.seen
            if self._attempts.chosen is not None:
                # The tokens of all attempts, because those that did not finish the reply cost too.
                failure.partial = evolve(partial, usage=partial.record.usage)
            raise failure.with_traceback(None)
        completion = self.snapshot()
        outcomes: list[Outcome] = [choice.outcome or "other" for choice in completion.choices]
        self._settle(max(outcomes, key=_FROM_BEST_TO_WORST.index), completion)
        assert self.completion is not None
        return StreamEnd(self.completion)

    def snapshot(self) -> ChatCompletion:
        """Return the reply so far, without its record."""
        chosen, prefix = self._attempts.chosen, self._attempts.prefix
        if chosen is None:
            return ChatCompletion(provider=self._call.first.name, prefix=prefix)
        completion = chosen.decoder.snapshot()
        return completion if prefix is None else evolve(completion, prefix=prefix)

    def so_far(self) -> ChatCompletion:
        """Return the reply with its record, for the caller; until the end, both as they are now."""
        if self.completion is not None:
            return self.completion
        completion = self.snapshot()
        return completion.with_record(self.record or self._make_record("cancelled", completion))

    async def aclose(self) -> None:
        """Close the reply, from any task; idempotent, bounded in time. Before its end, it is then ``cancelled``."""
        if not self._started:
            self._fail(left_early("stream"))
            return
        if self.record is None:
            self._settle("cancelled")
            self._fail(left_early("stream"))
            assert self._scope is not None
            self._scope.cancel()
        await self._close()

    def abandon(self) -> None:
        """Close the reply from code that cannot await."""
        if self.is_open:
            self._settle("cancelled")
            self._fail(left_early("stream"))
            for attempt in self._attempts.all:
                attempt.abandon(self._loop)
            if self._permit is not None:
                self._permit.release_soon()

    async def _close(self) -> None:
        try:
            for attempt in self._attempts.all:
                await attempt.aclose()
        finally:
            if self._permit is not None:
                self._permit.release()

    def _settle(self, outcome: Outcome, completion: ChatCompletion | None = None) -> None:
        """Make the record and pass it to ``on_complete`` and the hooks, at the first call."""
        if self.record is not None:
            return
        record = self.record = self._make_record(outcome, completion or self.snapshot())
        attempts = self._attempts
        attempts.watches.ended(None if completion is None else attempts.chosen, attempts.clock)
        if completion is not None:
            self.completion = completion.with_record(record)
        if self._settings.on_complete is not None:
            call_safely("on_complete", self._settings.on_complete, record)
        if attempts.observers is not None:
            attempts.observers.ended(record, self.completion)

    def _make_record(self, outcome: Outcome, completion: ChatCompletion) -> ReplyRecord:
        if not self._started:
            return unsent_record(outcome, completion.provider)
        attempts = self._attempts
        return reply_record(
            outcome,
            attempts.all,
            attempts.current,
            completion,
            model=self._call.request.model,
            params=recorded_params(self._call.wire_request.body),
            begun=attempts.begun,
            begun_at=self._begun_at,
            ended=attempts.clock(),
        )
