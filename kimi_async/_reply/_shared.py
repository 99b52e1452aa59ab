"""The state that all replies over the same connections share."""

from __future__ import annotations

from collections.abc import Callable

from kimi_async._health import ProviderHealth
from kimi_async._policies import RetryBudget
from kimi_async._providers import Provider
from kimi_async._reply._breakers import Breakers
from kimi_async._reply._budget import BudgetState
from kimi_async._reply._hedge_state import HedgeState
from kimi_async._reply._pass import Gates
from kimi_async._reply._plan import Health
from kimi_async._reply._stay import Stays

__all__ = ["ReplyHealth", "SharedState"]


class SharedState:
    """The state that the replies of one client, and of clients made from it, share.

    Attributes:
        breakers: The breakers of each key and model.
        hedges: The first outputs and the cap of hedges.
        gates: The limits of each provider, and the requests that wait for them.
        stays: The providers of conversations, by their ``prompt_cache_key``.
        clock: The clock of the last reply; it can be read outside of its event loop, too.
    """

    def __init__(self) -> None:
        self.hedges = HedgeState()
        self.gates = Gates()
        self.stays = Stays()
        self.breakers = Breakers()
        # float() is 0: no breaker has a time before the first reply.
        self.clock: Callable[[], float] = float
        self._budget: BudgetState | None = None

    def health(self, provider: Provider) -> ProviderHealth:
        """Return the health of *provider*."""
        now = self.clock()
        return ProviderHealth(
            isolated=self.breakers.is_isolated(provider),
            models=self.breakers.health(provider, now),
            limits=self.gates.health(provider, now),
        )

    def budget(self, budget: RetryBudget) -> BudgetState:
        """Return the budget of retries; the first call decides the length of its window."""
        if self._budget is None:
            self._budget = BudgetState(budget.window)
        return self._budget


class ReplyHealth(Health):
    """The breakers and the budget, as the plan of one reply reads them.

    Args:
        shared: The state of all replies.
        model: The model, by the name that the caller gave.
        budget: The rules of the budget.
    """

    __slots__ = ("_budget", "_model", "_shared")

    def __init__(self, shared: SharedState, model: str | None, budget: RetryBudget) -> None:
        self._shared = shared
        self._model = model
        self._budget = budget

    def allows(self, provider: Provider, now: float, /) -> bool:
        """Return whether a request may be sent to *provider*."""
        return self._shared.breakers.allows(provider, self._model, now)

    def due(self, provider: Provider, /) -> float:
        """Return when *provider* gets a request again."""
        return self._shared.breakers.due(provider, self._model)

    def has_budget(self, now: float, /) -> bool:
        """Return whether a retry may be sent."""
        return self._shared.budget(self._budget).allows(self._budget, now)
