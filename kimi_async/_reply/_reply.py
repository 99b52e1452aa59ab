"""Make one reply from one or more attempts: its events, its record and its end.

Ownership: a ``Reply`` owns its permit and the responses of its attempts from :meth:`Reply.start` until it has ended or
``aclose()`` was called; both give all of them back. The record is made, and ``on_complete`` called, exactly once: when
the caller gets the end of the reply, or closes the reply before its end.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import anyio
from attrs import evolve

from kimi_async._configuration import ClientSettings
from kimi_async._errors import (
    ErrorInfo,
    KimiError,
    ProviderUnavailableError,
    StreamInterrupted,
)
from kimi_async._events import (
    AttemptFailed,
    StreamContinued,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
)
from kimi_async._hooks import Observers, call_safely
from kimi_async._http._cancellation import asyncio_loop, loop_clock
from kimi_async._http._limiter import Permit
from kimi_async._http._transport import Transport
from kimi_async._log import with_log
from kimi_async._models import ChatCompletion
from kimi_async._protocol._decoder import ReplyDecoder
from kimi_async._protocol._seam import Seam
from kimi_async._protocol._sse import SSEEvent
from kimi_async._providers import Provider
from kimi_async._record import (
    AttemptRecord,
    Outcome,
    ReplyRecord,
    recorded_params,
)
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._deadlines import Deadlines
from kimi_async._reply._hedging import Hedging
from kimi_async._reply._interrupted import continued, prefix_sent
from kimi_async._reply._plan import (
    Continue,
    Decision,
    Failed,
    Plan,
    PlanState,
    Raise,
    Restart,
    Send,
    no_problem,
)
from kimi_async._reply._race import Raced
from kimi_async._reply._shared import SharedState
from kimi_async._reply._stay import Stay
from kimi_async._reply._summary import (
    attempt_info,
    attempt_records,
    call_info,
    outcome_of_failure,
    reply_record,
)
from kimi_async._reply._watches import Watches
from kimi_async._wire import ChatRequest, WireRequest

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
        request: The request, before it is written in the form of a provider.
        providers: The providers that may be asked, in their order.
        plan: Decides on the next step.
        settings: The settings of this call.
        wire_request: The request in the form of the first provider.
        headers: Headers of this call.
        transport: Sends requests.
        shared: The state that all replies of the client share.
        stay: The conversation that the reply belongs to, which stays with its provider; ``None`` = none.
        check: Returns the reason why a provider other than the first one cannot serve the request, or ``None``.

    Attributes:
        seen: Whether the caller has got an event; set by the stream.
        may_restart: Whether the caller can be told of a restart; a text-only view clears it after its first text.
        completion: The complete reply, after the caller got its end.
        record: The record, after the reply has ended.
    """

    def __init__(
        self,
        request: ChatRequest,
        providers: tuple[Provider, ...],
        plan: Plan,
        *,
        settings: ClientSettings,
        wire_request: WireRequest,
        headers: Mapping[str, str],
        transport: Transport,
        shared: SharedState,
        stay: Stay | None = None,
        check: Callable[[Provider], KimiError | None] = no_problem,
    ) -> None:
        self._request = request
        self._providers = providers
        self._plan = plan
        self._wire_request = wire_request
        self._prefix = providers[0].prefix_of(request)
        self._headers = headers
        self._transport = transport
        self._shared = shared
        self._stay = stay
        self._settings = settings
        self._check = check
        self._watches = Watches(shared, settings, request.model)
        #: The hedges of this reply.
        self._hedging: Hedging | None = None
        if settings.hedge_after is not None:
            self._hedging = Hedging(
                shared.hedges,
                settings.hedge_after,
                request.model,
                lambda: self._watches.pay(self._clock()),
            )
        self._clock: Callable[[], float] = time.monotonic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begun = 0.0
        self._begun_at = 0.0
        self._started = False
        self._failure: KimiError | None = None
        #: All attempts, oldest first.
        self._attempts: list[Attempt] = []
        #: The attempt whose events the caller gets: the one that brought the first output, or replaced it.
        self._chosen: Attempt | None = None
        self._failed: tuple[Failed, ...] = ()
        self._permit: Permit | None = None
        #: The scope of all work before the first output of an attempt.
        self._scope: anyio.CancelScope | None = None
        #: Whether a task is reading it.
        self._busy = False
        self._keeps_wire = False
        self._observers: Observers | None = None
        self.seen = False
        self.may_restart = True
        self.completion: ChatCompletion | None = None
        self.record: ReplyRecord | None = None

    @property
    def attempt(self) -> Attempt | None:
        """The attempt whose events are read, or else the last one; ``None`` before :meth:`start`."""
        return self._chosen or (self._attempts[-1] if self._attempts else None)

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The attempts so far, oldest first; the one that runs counts as ``cancelled`` until it has ended."""
        if self.record is not None:
            return self.record.attempts
        return attempt_records(self._attempts, None, "cancelled")

    @property
    def over(self) -> bool:
        """Whether no more events will come; :meth:`conclude` then returns or raises the end."""
        return self._failure is not None or (self._chosen is not None and self._chosen.ended)

    @property
    def is_open(self) -> bool:
        """Whether it was started, and its end was not taken."""
        return self._started and self.record is None

    def keep_wire(self) -> None:
        """Keep the server-sent events for :meth:`take_wire`; only before :meth:`start`."""
        self._keeps_wire = True

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
        self._clock, self._loop = loop_clock(), asyncio_loop()
        self._begun, self._begun_at = self._clock(), time.time()
        if hooks := with_log(self._settings.hooks):
            self._observers = Observers(
                hooks,
                call_info(self._providers, self._request, self._wire_request, self._begun_at),
            )
        events = await self._guard(self._begin())
        if self._failure is not None and not events:
            self.conclude()
        return events

    async def _begin(self) -> list[StreamEvent]:
        with anyio.CancelScope() as self._scope:
            await self._acquire_permit()
            self._watches.reply_began(self._begun)
            if self._failure is None:  # aclose() was not called in the meantime
                events: list[StreamEvent] = []
                await self._follow(self._decide(), events)
                return events
        return []  # closed from another task

    async def _acquire_permit(self) -> None:
        deadlines = self._deadlines()
        with anyio.move_on_after(deadlines.until_permit(self._begun)):
            self._permit = await self._transport.acquire_permit(self._settings.max_concurrency)
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
        assert self._chosen is not None
        return self._guard(self._chosen.advance())

    async def _guard(self, step: Awaitable[list[StreamEvent]]) -> list[StreamEvent]:
        """Await one *step*; if the reply ends in it for any reason, give its connection back."""
        self._busy = True
        try:
            events: list[StreamEvent] = []
            try:
                events = await step
                if self._chosen is not None and self._chosen.failure is not None:
                    events += await self._recover(self._chosen)
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
            self._fail(_left_early())
            await self._close()
            raise
        finally:
            self._busy = False

    # The plan

    def _decide(self) -> Decision:
        """Return the next decision of the plan."""
        now = self._clock()
        state = PlanState(
            providers=self._shared.order(self._providers, self._stay, now),
            seen=self.seen,
            partial=None if self._chosen is None else self._chosen.decoder.snapshot().message,
            on_interrupt=self._settings.on_interrupt,
            may_restart=self.may_restart,
            may_continue=not self._keeps_wire,
            hedge_delay=None if self._hedging is None else self._hedging.delay,
            retries=self._settings.retries,
            deadline=self._deadlines().end,
            health=self._watches.health,
            problem_of=self._problem_of,
        )
        chance = _random() if self._failed else 0.0
        return self._plan(self._request, self._failed, state, now, chance)

    def _problem_of(self, provider: Provider) -> KimiError | None:
        """Return the reason why *provider* cannot serve the request, or ``None``."""
        # The request to the first one was built and checked when the reply was made.
        return None if provider is self._providers[0] else self._check(provider)

    async def _recover(self, broken: Attempt) -> list[StreamEvent]:
        """Follow the plan after the chosen attempt broke, and return the new events."""
        if self._failure is not None:  # closed meanwhile
            return []
        with anyio.CancelScope() as self._scope:
            events: list[StreamEvent] = []
            await self._follow(await self._decide_after(broken, events), events)
            return events
        return []  # closed from another task

    async def _follow(self, decision: Decision, events: list[StreamEvent]) -> None:
        """Follow decisions until an attempt brings output or the plan says to raise."""
        while not isinstance(decision, Raise):
            if decision.paid:
                self._watches.spend(self._clock())
            if decision.after:
                await anyio.sleep(decision.after)
            raced = await self._try(decision)
            attempt, loser = raced.attempt, raced.loser
            if loser is not None and loser.failure is not None:
                await self._note_failure(loser)
                events.append(self._last_failure(0.0))
            elif loser is not None:
                self._watches.lost(loser)
            if attempt.decoder.started:
                self._choose(attempt, decision, events)
                events += raced.events
            if attempt.failure is None:
                return
            decision = await self._decide_after(attempt, events)
        self._fail(decision.error)

    def _choose(
        self, attempt: Attempt, decision: Send | Continue | Restart, events: list[StreamEvent]
    ) -> None:
        """Read the reply from *attempt* from now on, because it has brought output."""
        name = attempt.provider.name
        if isinstance(decision, Restart) or attempt.decoder.begins_anew:
            if not self.seen:
                # Nobody has the events of the text that is not valid any more.
                events[:] = [event for event in events if isinstance(event, AttemptFailed)]
            events.append(StreamRestarted(name, 0))
        elif isinstance(decision, Continue):
            events.append(StreamContinued(name, len(decision.prefix.content or "")))
        self._chosen = attempt
        if self._stay is not None:
            self._stay.answered(name)
        self._watches.first_output(attempt, self._clock(), _random)

    async def _decide_after(self, attempt: Attempt, events: list[StreamEvent]) -> Decision:
        """Note the failure of an attempt, and return the next decision of the plan."""
        await self._note_failure(attempt)
        decision = self._decide()
        if not isinstance(decision, Raise):
            events.append(self._last_failure(decision.after))
        return decision

    async def _note_failure(self, attempt: Attempt) -> None:
        """Give the connection of a failed attempt back, and keep its error for the plan."""
        error = attempt.failure
        assert error is not None
        self._explain(attempt, error)
        await attempt.aclose()
        now = self._clock()
        self._watches.failed(attempt, error, now, _random())
        failed = Failed(
            provider=attempt.provider,
            error=error.with_traceback(None),
            started=attempt.decoder.started,
            at=now,
        )
        self._failed = (*self._failed, failed)
        self._tell_ended(attempt)

    def _last_failure(self, delay: float) -> AttemptFailed:
        """Return the event of the last failure; the next attempt follows after *delay* seconds."""
        failed = self._failed[-1]
        error = ErrorInfo.of(failed.error)
        return AttemptFailed(error, delay, failed.provider.name, len(self._failed))

    async def _try(self, decision: Send | Continue | Restart) -> Raced:
        """Start the attempt of *decision*, or race two."""
        attempt = self._new_attempt(decision.provider, decision)
        if self._hedging is None or not isinstance(decision, Send):
            return Raced(attempt, await attempt.start())
        return await self._hedging.start(
            attempt, decision.hedge, lambda provider: self._new_attempt(provider, decision)
        )

    def _new_attempt(self, provider: Provider, decision: Send | Continue | Restart) -> Attempt:
        request, assembler, seam = self._request, None, None
        if isinstance(decision, Continue) and self._chosen is not None:
            request = continued(request, decision.prefix, provider)
            assembler, seam = self._chosen.decoder.assembler, Seam(prefix_sent(request))
        first = request is self._request and provider is self._providers[0]
        wire_request = self._wire_request if first else provider.build_request(request)
        attempt = Attempt(
            provider=provider,
            model=request.model,
            wire_request=wire_request,
            headers=self._headers,
            transport=self._transport,
            deadlines=self._deadlines(),
            limits=self._settings.limits,
            clock=self._clock,
            decoder=ReplyDecoder(
                provider,
                self._settings.limits,
                assembler,
                seam=seam,
                keep_wire=self._keeps_wire,
            ),
            permission=self._shared.gates.pass_for(provider, wire_request, request.model),
        )
        self._attempts.append(attempt)
        self._watches.began(attempt, self._clock())
        if self._observers is not None:
            self._observers.attempt_started(attempt_info(attempt, len(self._attempts)))
        return attempt

    def _tell_ended(self, attempt: Attempt) -> None:
        if self._observers is not None:
            number = self._attempts.index(attempt)
            (record,) = attempt_records([attempt], None, "error")
            self._observers.attempt_ended(number, record)

    def _deadlines(self) -> Deadlines:
        return Deadlines(self._settings.timeouts, self._begun)

    # The end

    def _fail(self, error: KimiError) -> None:
        if self._failure is None:
            attempt = self.attempt
            if isinstance(error, ProviderUnavailableError):
                pass  # it speaks of several
            elif attempt is not None:
                self._explain(attempt, error)
            else:
                error.provider = error.provider or self._providers[0].name
            # Drop the traceback: its frames hold bytes of the body, in which a host may have repeated the key.
            self._failure = error.with_traceback(None)

    @staticmethod
    def _explain(attempt: Attempt, error: KimiError) -> None:
        """Set the provider and the stage of the error of an attempt."""
        error.provider = attempt.provider.name
        error.stage = error.stage or attempt.stage

    def conclude(self) -> StreamEnd:
        """Return the end of the reply, after it is :attr:`over` and the caller got its events.

        Raises:
            KimiError: The reply failed; the same error each time.
        """
        failure = self._failure
        if failure is not None:
            if self._started:
                self._settle(outcome_of_failure(failure))
            failure.record = self.record
            failure.attempts = self.attempts
            failure.output_shown = self.seen
            if failure.partial is None:
                failure.partial = self._partial()
            raise failure.with_traceback(None)
        completion = self.snapshot()
        outcomes: list[Outcome] = [choice.outcome or "other" for choice in completion.choices]
        self._settle(max(outcomes, key=_FROM_BEST_TO_WORST.index), completion)
        assert self.completion is not None
        return StreamEnd(self.completion)

    def snapshot(self) -> ChatCompletion:
        """Return the reply so far."""
        if self._chosen is None:
            return ChatCompletion(provider=self._providers[0].name, prefix=self._prefix)
        return evolve(self._chosen.decoder.snapshot(), prefix=self._prefix)

    def _partial(self) -> ChatCompletion | None:
        if self._chosen is None:
            return None
        completion = self.snapshot()
        return completion if self.record is None else completion.with_record(self.record)

    async def aclose(self) -> None:
        """Close the reply, from any task; idempotent, bounded in time. Before its end, it is then ``cancelled``."""
        if not self._started:
            self._fail(_left_early())
            return
        if self.record is None:
            self._settle("cancelled")
            self._fail(_left_early())
            assert self._scope is not None
            self._scope.cancel()
        await self._close()

    def abandon(self) -> None:
        """Close the reply from code that cannot await."""
        if self.is_open:
            self._settle("cancelled")
            self._fail(_left_early())
            for attempt in self._attempts:
                attempt.abandon(self._loop)
            if self._permit is not None:
                self._permit.release_soon()

    async def _close(self) -> None:
        try:
            for attempt in self._attempts:
                await attempt.aclose()
        finally:
            if self._permit is not None:
                self._permit.release()

    def _settle(self, outcome: Outcome, completion: ChatCompletion | None = None) -> ReplyRecord:
        """Return the record; the first call makes it and passes it to ``on_complete`` and the hooks."""
        if self.record is not None:
            return self.record
        record = self.record = self._make_record(outcome)
        is_whole = outcome in _FROM_BEST_TO_WORST
        self._watches.ended(self._chosen if is_whole else None, self._clock)
        if completion is not None:
            self.completion = completion.with_record(record)
        if self._settings.on_complete is not None:
            call_safely("on_complete", self._settings.on_complete, record)
        if self._observers is not None:
            self._observers.ended(record, self.completion)
        return record

    def _make_record(self, outcome: Outcome) -> ReplyRecord:
        return reply_record(
            outcome,
            self._attempts,
            self.attempt,
            self.snapshot(),
            model=self._request.model,
            params=recorded_params(self._wire_request.body or {}),
            begun=self._begun,
            begun_at=self._begun_at,
            ended=self._clock(),
        )


def _random() -> float:
    from random import random

    return random()


def _left_early() -> StreamInterrupted:
    return StreamInterrupted(
        "the stream was closed before its end; the text that arrived is in .partial"
    )
