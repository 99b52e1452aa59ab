"""The plan of retries and fail-over; pure.

The budget, the breakers and the waits decide, in this order of preference: the next provider if its breaker is closed,
which costs nothing; then a retry, which the budget must allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from kimi_async._errors import KimiError, ProviderUnavailableError, RateLimitError
from kimi_async._policies import Retries
from kimi_async._providers import Provider
from kimi_async._reply._backoff import wait_before_retry
from kimi_async._reply._plan import Decision, Failed, Hedge, PlanState, Raise, Send
from kimi_async._reply._reactions import Reaction, reaction_to
from kimi_async._wire import ChatRequest

__all__ = ["hedge_of", "retrying", "unavailable"]


def retrying(
    request: ChatRequest,
    history: tuple[Failed, ...],
    state: PlanState,
    now: float,
    chance: float,
) -> Decision:
    """Ask the first provider that can be asked; after a failure decide by its :class:`Reaction`."""
    del request
    if not history:
        return _first(state, now)
    last = history[-1]
    return _After(history, state, now, chance).decide(reaction_to(last.error))


def _first(state: PlanState, now: float) -> Decision:
    """Return the first request: to a provider that is not out, or else to the one that is due first."""
    provider = _free(state, now, ())
    if provider is None:
        able = [each for each in state.providers if state.problem_of(each) is None]
        provider = min(able, key=state.health.due, default=None)
        if provider is None or state.health.due(provider) == math.inf:
            return Raise(_unavailable((), state))
    return Send(provider=provider, hedge=hedge_of(provider, (), state))


def _free(state: PlanState, now: float, history: tuple[Failed, ...]) -> Provider | None:
    """Return a provider that was not asked, is not out, and can serve the request; one without a wait if possible."""
    full: Provider | None = None
    asked = [id(failed.provider) for failed in history]
    for provider in state.providers:
        if (
            id(provider) not in asked
            and state.health.allows(provider, now)
            and state.problem_of(provider) is None
        ):
            if not state.is_full(provider):
                return provider
            full = full or provider
    return full


class _After:
    """The decision after a failed attempt without output."""

    def __init__(
        self, history: tuple[Failed, ...], state: PlanState, now: float, chance: float
    ) -> None:
        self._history = history
        self._state = state
        self._now = now
        self._chance = chance
        self._last = history[-1]

    def decide(self, reaction: Reaction) -> Decision:
        """Return the decision."""
        if reaction is Reaction.RAISE:
            return Raise(self._last.error)
        if len(self._history) >= self._state.retries.ceiling:
            return self._give_up()
        provider = self._last.provider
        same = self._again(provider) if self._may_repeat(reaction) else None
        return same or self._fresh() or self._best_of_tried() or self._give_up()

    def _may_repeat(self, reaction: Reaction) -> bool:
        """Return whether the same provider is preferred to the next one."""
        if reaction is Reaction.ONCE:
            return self._tries(self._last.provider) == 1
        return reaction is Reaction.SAME

    def _tries(self, provider: Provider) -> int:
        return sum(failed.provider is provider for failed in self._history)

    def _fresh(self) -> Decision | None:
        """Return a request to a provider that this reply has not asked, which costs nothing."""
        provider = _free(self._state, self._now, self._history)
        return None if provider is None else self._send(provider)

    def _again(self, provider: Provider) -> Send | None:
        """Return one more request to a provider that has failed, or ``None`` if it may not have one."""
        tries = self._tries(provider)
        if tries >= self._state.retries.attempts or not self._state.health.is_closed(provider):
            return None
        failed = next(each for each in reversed(self._history) if each.provider is provider)
        wait = wait_before_retry(self._state.retries, failed.error, tries, self._chance)
        if wait is None:
            return None
        after = max(0.0, failed.at + wait - self._now)
        if self._now + after >= self._state.deadline or not self._state.health.has_budget(
            self._now
        ):
            return None
        return self._send(provider, after=after, paid=True)

    def _send(self, provider: Provider, *, after: float = 0.0, paid: bool = False) -> Send:
        hedge = hedge_of(provider, self._history, self._state)
        return Send(provider=provider, after=after, hedge=hedge, paid=paid)

    def _best_of_tried(self) -> Decision | None:
        """Return one more request to a provider that may recover: not the last one, or the shortest wait."""
        choices = [choice for each in self._recoverable() if (choice := self._again(each))]
        return min(
            choices,
            key=lambda choice: (choice.provider is self._last.provider, choice.after),
            default=None,
        )

    def _recoverable(self) -> Iterator[Provider]:
        alone = all(each.provider is self._last.provider for each in self._history)
        for provider in self._state.providers:
            errors = [each.error for each in self._history if each.provider is provider]
            reaction = reaction_to(errors[-1]) if errors else None
            # A provider that took too long may cost the same time again.
            if reaction in {Reaction.SAME, Reaction.NEXT} or (reaction is Reaction.SLOW and alone):
                yield provider

    def _give_up(self) -> Raise:
        """Raise the one error, or all of them if there are several providers."""
        if len(self._state.providers) == 1 or self._state.retries.ceiling == 1:
            return Raise(self._last.error)
        return Raise(_unavailable(self._history, self._state))


def hedge_of(asked: Provider, history: tuple[Failed, ...], state: PlanState) -> Hedge | None:
    """Return the hedge of a request to *asked*, to others that have not failed in this reply; ``None`` = no hedge."""
    if state.hedge_delay is None or (history and not _may_hedge_after(history, state.retries)):
        return None
    # Lists, because each generator would cost a microsecond of every reply that needs no hedge.
    tried = [id(asked), *[id(failed.provider) for failed in history]]
    others = tuple([provider for provider in state.providers if id(provider) not in tried])
    delay = state.hedge_delay(asked) if others else None
    return None if delay is None else Hedge(providers=others, after=delay)


def _may_hedge_after(history: tuple[Failed, ...], retries: Retries) -> bool:
    """Return whether a request after these failures may have a hedge."""
    # Without a failure it may: the caller asked for hedges, so a ceiling of one request does not forbid the first.
    limited = any(isinstance(failed.error, RateLimitError) for failed in history)
    return not limited and len(history) + 2 <= retries.ceiling


def _unavailable(history: tuple[Failed, ...], state: PlanState) -> ProviderUnavailableError:
    last = {failed.provider.name: failed.error for failed in history}
    errors = {
        each.name: last.get(each.name) or state.problem_of(each) or _out(each)
        for each in state.providers
    }
    return unavailable("no provider answered", errors)


def unavailable(message: str, errors: Mapping[str, KimiError]) -> ProviderUnavailableError:
    """Return the error that lists the last error of each provider, by its name."""
    reasons = "; ".join(f"{name}: {error.message}" for name, error in errors.items())
    failure = ProviderUnavailableError(f"{message}: {reasons}", errors=tuple(errors.values()))
    failure.retryable = any(error.retryable for error in errors.values())
    return failure


def _out(provider: Provider) -> KimiError:
    error = ProviderUnavailableError(
        "it gets no requests now: it failed too often, or client.isolate() took it out"
    )
    error.retryable = True
    error.provider = provider.name
    return error
