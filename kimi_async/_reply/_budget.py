"""The retries that the requests of a client have earned; pure."""

from __future__ import annotations

from kimi_async._policies import RetryBudget
from kimi_async._reply._window import Window

__all__ = ["BudgetState"]


class BudgetState:
    """The requests and the retries of the last seconds, of all replies of a client."""

    def __init__(self, window: float) -> None:
        self._requests = Window(window)
        self._retries = Window(window)

    def request(self, now: float) -> None:
        """Count the first request of a reply."""
        self._requests.add(1, now)

    def allows(self, budget: RetryBudget, now: float) -> bool:
        """Return whether one more retry may be sent."""
        earned = budget.ratio * self._requests.total(now) + budget.per_second * budget.window
        return self._retries.total(now) + 1 <= earned

    def spend(self, now: float) -> None:
        """Count one retry."""
        self._retries.add(1, now)

    def refund(self, spent_at: float) -> None:
        """Take back one retry that was counted at *spent_at* and not sent."""
        self._retries.take_back(1, spent_at)
