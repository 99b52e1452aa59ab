"""Tell the breakers and the budget about the attempts of one reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kimi_async._configuration import ClientSettings
from kimi_async._errors import KimiError
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._breakers import Watch, needs_another_key
from kimi_async._reply._shared import ReplyHealth, SharedState

__all__ = ["Watches"]


class Watches:
    """The breakers and the budget, as one reply uses them.

    Args:
        shared: The state that all replies of the client share.
        settings: The settings of this call.
        model: The model, by the name that the caller gave.

    Attributes:
        health: The health of the providers, as the plan reads it.
    """

    def __init__(self, shared: SharedState, settings: ClientSettings, model: str | None) -> None:
        self._shared = shared
        self._breaker = settings.breaker
        self._model = model
        self._has_others = len(settings.providers) > 1
        self._budget: Final = shared.budget(settings.retries.budget)
        self.health: Final = ReplyHealth(shared, model, settings.retries.budget)
        self._watches: dict[Attempt, Watch] = {}

    def reply_began(self, now: float) -> None:
        """Count the reply, which earns a part of a retry."""
        self._budget.request(now)

    def spend(self, now: float) -> None:
        """Pay for a retry."""
        self._budget.spend(now)

    def refund(self, spent_at: float) -> None:
        """Take back the payment, made at *spent_at*, for a retry that was not sent."""
        self._budget.refund(spent_at)

    def pay(self, now: float) -> bool:
        """Pay for a request if the budget allows it; return whether it did."""
        allowed = self.health.has_budget(now)
        if allowed:
            self._budget.spend(now)
        return allowed

    def began(self, attempt: Attempt, now: float) -> None:
        """Note that the request of an attempt is about to be sent."""
        watch = self._shared.breakers.watch(attempt.provider, self._model, self._breaker, now)
        self._watches[attempt] = watch

    def first_output(self, attempt: Attempt, now: float, chance: Callable[[], float]) -> None:
        """Note that an attempt has brought output."""
        self._watches[attempt].first_output(attempt.waited, now, chance)
        self._shared.breakers.passed(attempt.provider)

    def failed(self, attempt: Attempt, error: KimiError, now: float, chance: float) -> None:
        """Note the error of an attempt."""
        started = attempt.decoder.started
        self._watches[attempt].fail(error, started=started, now=now, chance=chance)
        if self._has_others and needs_another_key(error):
            self._shared.breakers.hold(attempt.provider, self._model, self._breaker, now)

    def lost(self, attempt: Attempt) -> None:
        """Note that an attempt was closed from here, because its hedge won for example; it counts neither way."""
        self._watches[attempt].drop()

    def ended(self, complete: Attempt | None, clock: Callable[[], float]) -> None:
        """Note the end of the reply: *complete* has given it; an attempt that was left early counts neither way."""
        for attempt, watch in self._watches.items():
            if attempt is complete:
                watch.succeed(clock())
            else:
                watch.drop()
