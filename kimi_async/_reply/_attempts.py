"""Make the attempts of one reply, one after another, as the plan decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from msgspec import Struct

from kimi_async._configuration import ClientSettings
from kimi_async._errors import ErrorInfo, KimiError
from kimi_async._events import AttemptFailed, StreamContinued, StreamEvent, StreamRestarted
from kimi_async._hooks import Observers
from kimi_async._http._transport import Transport
from kimi_async._protocol._decoder import ReplyDecoder
from kimi_async._providers import Provider
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._deadlines import Deadlines
from kimi_async._reply._hedging import Hedging
from kimi_async._reply._interrupted import break_of, continued, not_restarted, seam_of
from kimi_async._reply._plan import (
    Ask,
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
from kimi_async._reply._summary import attempt_info, attempt_records
from kimi_async._reply._watches import Watches
from kimi_async._wire import ChatRequest, WireRequest

__all__ = ["Attempts", "Call", "Shown", "explain"]


class Call(Struct, frozen=True, kw_only=True):
    """One call, as its reply needs it.

    Attributes:
        request: The request, before it is written in the form of a provider.
        plan: Decides on the next step.
        settings: The settings of this call, with the providers that may be asked.
        first: The first provider that can serve the request.
        wire_request: The request in the form of that provider.
        headers: Headers of this call.
        transport: Sends requests.
        shared: The state that all replies of the client share.
        stay: The conversation that the reply belongs to, which stays with its provider; ``None`` = none.
        check: Returns the reason why a provider other than *first* cannot serve the request, or ``None``.
    """

    request: ChatRequest
    plan: Plan
    settings: ClientSettings
    first: Provider
    wire_request: WireRequest
    headers: Mapping[str, str]
    transport: Transport
    shared: SharedState
    stay: Stay | None = None
    check: Callable[[Provider], KimiError | None] = no_problem

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The providers that may be asked, in their order."""
        return self.settings.providers

    def problem_of(self, provider: Provider) -> KimiError | None:
        """Return the reason why *provider* cannot serve the request, or ``None``."""
        # The request to that one was built and checked when the reply was made.
        return None if provider is self.first else self.check(provider)


class Shown(Struct, frozen=True):
    """The part of a reply that its caller has got, and that a new attempt cannot take back.

    Attributes:
        seen: Whether the caller has got an event.
        may_restart: Whether the caller can be told of a restart.
        keeps_wire: Whether the caller gets the server-sent events too.
    """

    seen: bool
    may_restart: bool
    keeps_wire: bool


class Attempts:
    """The attempts of one reply.

    Args:
        call: The call that the reply answers.

    Attributes:
        all: All attempts, oldest first.
        chosen: The attempt whose events the caller gets: the one that brought the first output, or replaced it.
        prefix: The prefix of the caller that the reply continues, as the provider that began the reply treats it;
            ``None`` = the caller has sent none.
        watches: Tells the breakers and the budget about the attempts.
        clock: The event loop's clock; set before the first attempt.
        begun: When the reply began, by that clock; set before the first attempt.
        observers: The observers of the hooks; ``None`` = there are no hooks.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self.all: list[Attempt] = []
        self.chosen: Attempt | None = None
        self.prefix = call.first.prefix_of(call.request)
        self.watches = Watches(call.shared, call.settings, call.request.model)
        self.clock: Callable[[], float] = time.monotonic
        self.begun = 0.0
        self.observers: Observers | None = None
        self._failed: tuple[Failed, ...] = ()
        self._hedging: Hedging | None = None
        if call.settings.hedge_after is not None:
            self._hedging = Hedging(
                call.shared,
                self.watches,
                call.settings.hedge_after,
                call.request.model,
                call.problem_of,
            )

    @property
    def current(self) -> Attempt | None:
        """The attempt whose events are read, or else the last one; ``None`` before the first."""
        return self.chosen or (self.all[-1] if self.all else None)

    def deadlines(self) -> Deadlines:
        """Return the limits of time for a new attempt."""
        return Deadlines(self._call.settings.timeouts, self.begun)

    async def begin(self, shown: Shown, events: list[StreamEvent]) -> KimiError | None:
        """Make attempts until one brings output; add to *events*, and return the error that ends the reply, if any."""
        return await self._follow(self._decide(shown), shown, events)

    async def recover(
        self, broken: Attempt, shown: Shown, events: list[StreamEvent]
    ) -> KimiError | None:
        """Do the same after the chosen attempt has *broken*."""
        return await self._follow(await self._decide_after(broken, shown, events), shown, events)

    def _decide(self, shown: Shown) -> Decision:
        """Return the next decision of the plan."""
        call, now = self._call, self.clock()
        kept, others = (
            ((), call.providers) if call.stay is None else call.stay.order(call.providers)
        )
        state = PlanState(
            providers=(*kept, *others),
            # A reply that stays with a provider waits for it.
            is_full=lambda each: each not in kept and call.shared.gates.is_full(each, now),
            seen=shown.seen,
            partial=None if self.chosen is None else self.chosen.decoder.snapshot().message,
            prefix=self.prefix,
            on_interrupt=call.settings.on_interrupt,
            may_restart=shown.may_restart,
            may_continue=not shown.keeps_wire,
            hedge_delay=None if self._hedging is None else self._hedging.delay,
            retries=call.settings.retries,
            deadline=self.deadlines().end,
            health=self.watches.health,
            problem_of=call.problem_of,
        )
        chance = _random() if self._failed else 0.0
        return call.plan(call.request, self._failed, state, now, chance)

    async def _follow(
        self, decision: Decision, shown: Shown, events: list[StreamEvent]
    ) -> KimiError | None:
        """Follow decisions until an attempt brings output or the plan says to raise; then return the error."""
        while not isinstance(decision, Raise):
            await self._pay(decision)
            if self._failed and not self._call.transport.is_usable:
                return break_of(self._failed)
            raced = await self._try(decision, shown)
            attempt, loser = raced.attempt, raced.loser
            if loser is not None and loser.failure is not None:
                await self._note_failure(loser)
                events.append(self._failure_of(loser, 0.0))
            elif loser is not None:
                self.watches.lost(loser)
            if attempt.decoder.begins_anew and not shown.may_restart:
                return not_restarted(break_of(self._failed))
            if attempt.decoder.started:
                self._choose(attempt, decision, events)
                events += raced.events
            if attempt.failure is None:
                return None
            decision = await self._decide_after(attempt, shown, events)
        return decision.error

    async def _pay(self, decision: Ask) -> None:
        """Pay for a retry, and wait until it is due; a caller who leaves in the wait has not paid."""
        now = self.clock()
        if decision.paid:
            self.watches.spend(now)
        try:
            if decision.after:
                await self._call.transport.sleep(decision.after)
        except BaseException:
            if decision.paid:
                self.watches.refund(now)
            raise

    def _choose(
        self,
        attempt: Attempt,
        decision: Ask,
        events: list[StreamEvent],
    ) -> None:
        """Read the reply from *attempt* from now on, because it has brought output."""
        name = attempt.provider.name
        continues = isinstance(decision, Continue) and not attempt.decoder.begins_anew
        if isinstance(decision, Restart) or attempt.decoder.begins_anew:
            # Nobody has got these events yet, and those of the text that is not valid any more are of no use.
            events[:] = [event for event in events if isinstance(event, AttemptFailed)]
            events.append(StreamRestarted(name, 0))
        elif isinstance(decision, Continue):
            events.append(StreamContinued(name, len(decision.prefix.content or "")))
        if self.prefix is not None and not continues:
            self.prefix = attempt.provider.prefix_of(self._call.request)
        self.chosen = attempt
        if self._call.stay is not None:
            self._call.stay.answered(name)
        self.watches.first_output(attempt, self.clock(), _random)

    async def _decide_after(
        self, attempt: Attempt, shown: Shown, events: list[StreamEvent]
    ) -> Decision:
        """Note the failure of an attempt, and return the next decision of the plan."""
        await self._note_failure(attempt)
        # A client that was closed sends no more requests, so its last error is the result.
        usable = self._call.transport.is_usable
        decision = self._decide(shown) if usable else Raise(break_of(self._failed))
        if not isinstance(decision, Raise):
            events.append(self._failure_of(attempt, decision.after))
        return decision

    async def _note_failure(self, attempt: Attempt) -> None:
        """Give the connection of a failed attempt back, and keep its error for the plan."""
        error = attempt.failure
        assert error is not None
        explain(attempt, error)
        await attempt.aclose()
        now = self.clock()
        if self._call.transport.is_usable:
            self.watches.failed(attempt, error, now, _random())
        else:
            self.watches.lost(attempt)  # the end of the client says nothing about the provider
        failed = Failed(
            provider=attempt.provider,
            error=error.with_traceback(None),
            started=attempt.decoder.started,
            continued=attempt.continues,
            at=now,
        )
        self._failed = (*self._failed, failed)
        self._tell_ended(attempt)

    def _failure_of(self, attempt: Attempt, delay: float) -> AttemptFailed:
        """Return the event of the attempt that has just failed; the next one follows after *delay* seconds."""
        error = ErrorInfo.of(self._failed[-1].error)
        number = self.all.index(attempt) + 1
        return AttemptFailed(error, delay, attempt.provider.name, number)

    async def _try(self, decision: Ask, shown: Shown) -> Raced:
        """Start the attempt of *decision*, or race two."""
        attempt = self._new_attempt(decision.provider, decision, shown)
        if self._hedging is None or not isinstance(decision, Send):
            return Raced(attempt, await attempt.start())
        return await self._hedging.start(
            attempt, decision.hedge, lambda provider: self._hedge_attempt(provider, decision, shown)
        )

    def _hedge_attempt(self, provider: Provider, decision: Send, shown: Shown) -> Attempt | None:
        """Return the attempt of a hedge, or ``None`` after the client was closed."""
        usable = self._call.transport.is_usable
        return self._new_attempt(provider, decision, shown) if usable else None

    def _new_attempt(self, provider: Provider, decision: Ask, shown: Shown) -> Attempt:
        """Return a new attempt, and tell the breakers and the hooks that it is about to be sent."""
        call = self._call
        request, assembler, seam = call.request, None, None
        if isinstance(decision, Continue) and self.chosen is not None:
            request = continued(request, decision.prefix, self.prefix)
            assembler = self.chosen.decoder.assembler
            seam = seam_of(decision.prefix, self.prefix)
        first = request is call.request and provider is call.first
        wire_request = call.wire_request if first else provider.build_request(request)
        limits = call.settings.limits
        attempt = Attempt(
            provider=provider,
            model=request.model,
            wire_request=wire_request,
            headers=call.headers,
            transport=call.transport,
            deadlines=self.deadlines(),
            limits=limits,
            clock=self.clock,
            decoder=ReplyDecoder(
                provider, limits, assembler, seam=seam, keep_wire=shown.keeps_wire
            ),
            permission=call.shared.gates.pass_for(provider, wire_request, request.model),
            continues=seam is not None,
        )
        self.all.append(attempt)
        self.watches.began(attempt, self.clock())
        if self.observers is not None:
            self.observers.attempt_started(attempt_info(attempt, len(self.all)))
        return attempt

    def _tell_ended(self, attempt: Attempt) -> None:
        if self.observers is not None:
            number = self.all.index(attempt)
            (record,) = attempt_records([attempt], None, "error")
            self.observers.attempt_ended(number, record)


def explain(attempt: Attempt, error: KimiError) -> None:
    """Set the provider and the stage of the error of an attempt."""
    error.provider = attempt.provider.name
    error.stage = error.stage or _stage_of(attempt)


def _stage_of(attempt: Attempt) -> str:
    """Return the stage that it has reached, as a value of ``KimiError.stage``."""
    if attempt.response is None:
        return "sending"
    return "streaming" if attempt.decoder.started else "waiting for the first output"


def _random() -> float:
    from random import random

    return random()
