"""The facts that the plan of a reply gets, and the decisions that it returns; pure.

A plan is a function that is called before the first request and after every attempt that failed. It returns one of four
decisions: :class:`Send`, :class:`Continue`, :class:`Restart` or :class:`Raise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct, field

from kimi_async._configuration import OnInterrupt
from kimi_async._errors import KimiError
from kimi_async._messages import Message
from kimi_async._policies import Retries
from kimi_async._prefix import Prefix
from kimi_async._providers import Provider
from kimi_async._wire import ChatRequest

__all__ = [
    "Ask",
    "Continue",
    "Decision",
    "Failed",
    "Health",
    "Hedge",
    "Plan",
    "PlanState",
    "Raise",
    "Restart",
    "Send",
    "no_problem",
]


class Failed(Struct, frozen=True, kw_only=True):
    """One attempt that failed.

    Attributes:
        provider: The provider that was asked.
        error: The error that ended the attempt.
        started: Whether the attempt had brought output.
        continued: Whether it asked for the rest of a reply that broke.
        at: When it failed, by the event loop's clock in seconds.
    """

    provider: Provider
    error: KimiError
    started: bool
    continued: bool = False
    at: float = 0.0


class Health:
    """The breakers and the budget, as a plan reads them; these say that no breaker is open and retries cost nothing."""

    __slots__ = ()

    def allows(self, _provider: Provider, _now: float, /) -> bool:
        """Return whether a request may be sent to a provider."""
        return True

    def is_closed(self, provider: Provider, /) -> bool:
        """Return whether the breaker of *provider* lets retries through."""
        return self.due(provider) == 0

    def due(self, _provider: Provider, /) -> float:
        """Return when a provider gets a request again; 0 = now, infinity = never."""
        return 0.0

    def has_budget(self, _now: float, /) -> bool:
        """Return whether a retry may be sent."""
        return True


def no_problem(_provider: Provider, /) -> KimiError | None:
    """Return ``None``: the provider can serve the request."""
    return None


def never_full(_provider: Provider, /) -> bool:
    """Return ``False``: the provider has no limits."""
    return False


class PlanState(Struct, frozen=True, kw_only=True):
    """The facts about the reply and the client that a plan may use.

    Attributes:
        providers: The providers of the client, in the order of preference.
        seen: Whether the caller has got an event of this reply.
        partial: The message so far of the attempt that broke, or ``None`` before any output.
        prefix: The prefix of the caller that this message continues, as its provider treats it; ``None`` = none.
        on_interrupt: The treatment of a reply that breaks after its first output.
        may_restart: Whether a restart can be told to the caller; text that a text-only view has shown stays.
        may_continue: Whether the rest may come from another response; it may not after its raw events were shown.
        hedge_delay: Returns the seconds between a request to a provider and its hedge; ``None``, also in place of the
            function, = no hedge.
        retries: The rules of retries.
        deadline: When the time for the whole reply ends, by the event loop's clock.
        health: The breakers and the budget.
        problem_of: Returns the reason why a provider cannot serve the request, or ``None``.
        is_full: Returns whether a request to a provider would have to wait for its limits.
    """

    providers: tuple[Provider, ...]
    seen: bool = False
    partial: Message | None = None
    prefix: Prefix | None = None
    on_interrupt: OnInterrupt = "auto"
    may_restart: bool = True
    may_continue: bool = True
    hedge_delay: Callable[[Provider], float | None] | None = None
    retries: Retries = field(default_factory=Retries.none)
    deadline: float = math.inf
    health: Health = field(default_factory=Health)
    problem_of: Callable[[Provider], KimiError | None] = no_problem
    is_full: Callable[[Provider], bool] = never_full


class Hedge(Struct, frozen=True, kw_only=True):
    """A second request for the same reply, sent while the first one has not brought output.

    Attributes:
        providers: The providers that may be asked. The first of them that can serve the request at that moment, without
            a wait for its limits, is asked.
        after: Seconds to wait after the first request. If that fails earlier, the second one is sent at once or not at
            all.
    """

    providers: tuple[Provider, ...]
    after: float


class Ask(Struct, frozen=True, kw_only=True):
    """A decision to send one more request.

    Attributes:
        provider: The provider to ask.
        after: Seconds to wait before the request.
        paid: Whether the budget of retries pays for it.
    """

    provider: Provider
    after: float = 0.0
    paid: bool = False


class Send(Ask, frozen=True, kw_only=True):
    """Send the request from the beginning; the reply has no output yet.

    Attributes:
        hedge: A second request; the attempt with the first output wins.
    """

    hedge: Hedge | None = None


class Continue(Ask, frozen=True, kw_only=True):
    """Ask for the rest of a reply that broke, with its beginning as the prefix.

    Attributes:
        prefix: The message to continue, which is sent as the last one.
    """

    prefix: Message


class Restart(Ask, frozen=True, kw_only=True):
    """Ask again for a reply that broke, from its beginning; the events so far are no longer valid."""


class Raise(Struct, frozen=True):
    """Raise *error* without another attempt."""

    error: KimiError


Decision: TypeAlias = Send | Continue | Restart | Raise

#: ``plan(request, history, state, now, chance)``: the failed attempts so far, oldest first, the time by the event
#: loop's clock in seconds, and a number from 0 to 1 for the jitter of a wait.
Plan: TypeAlias = Callable[
    [ChatRequest, tuple[Failed, ...], PlanState, float, float],
    Decision,
]
