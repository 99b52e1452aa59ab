"""The rules for the time after a failure: retries, their budget, and the breaker of a provider."""

from __future__ import annotations

import sys
from typing import Any, Final, Self

from attrs import field, fields, frozen

from kimi_async._errors import ConfigurationError

__all__ = ["Breaker", "Retries", "RetryBudget"]


def _check(policy: Any, *, whole: tuple[str, ...], may_be_none: tuple[str, ...] = ()) -> None:
    """Refuse values that are not numbers: whole ones from 1 for *whole*, others from 0."""
    name = type(policy).__name__
    for each in fields(type(policy)):
        value: Any = getattr(policy, each.name)
        if isinstance(value, RetryBudget) or (value is None and each.name in may_be_none):
            continue
        least = int(each.name in whole)
        if (
            type(value) is not int and (least or not isinstance(value, float))
        ) or not least <= value <= sys.float_info.max:
            _refuse(name, each.name, least)


def _refuse(policy: str, name: str, least: int) -> None:
    number = "whole number" if least else "number"
    raise ConfigurationError(f"{policy}.{name} must be a {number} from {least}")


@frozen(kw_only=True)
class RetryBudget:
    """The share of requests that may be retries, over all replies of a client.

    In a small outage, retries help; in a large one, they add load to a provider that is down, and the budget ends them.
    No reply waits for it: when it is empty, the failure is raised.

    Attributes:
        ratio: Retries for each first request of the window.
        per_second: Retries for each second of the window, so that a client with few requests can retry too.
        window: The length of the window, in seconds.

    Raises:
        ConfigurationError: A value is not a number from 0.
    """

    ratio: float = 0.2
    per_second: float = 10.0
    window: float = 10.0

    def __attrs_post_init__(self) -> None:
        _check(self, whole=())


@frozen(kw_only=True)
class Retries:
    """The rules of retries and fail-over; see the page Retries and fail-over.

    Attributes:
        attempts: The most requests to one provider for one reply.
        ceiling: The most requests for one reply to all providers, with restarts and continuations.
        base: The longest first wait before a retry, in seconds. It doubles with each retry, and each wait is a random
            part of it ("full jitter"), so that clients do not return all at once.
        throttled_base: The same after a rate limit or an overload.
        cap: The longest wait, in seconds.
        max_retry_after: The longest wait that a provider may ask for, in seconds. If it asks for more, the error is
            raised, and ``retry_after`` tells the wait.
        budget: The share of requests that may be retries.

    Raises:
        ConfigurationError: A value is out of range.
    """

    attempts: int = 3
    ceiling: int = 5
    base: float = 0.5
    throttled_base: float = 1.0
    cap: float = 20.0
    max_retry_after: float = 60.0
    budget: RetryBudget = field(factory=RetryBudget)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.budget, RetryBudget):
            raise ConfigurationError("Retries.budget must be a RetryBudget(...)")
        _check(self, whole=("attempts", "ceiling"))

    @classmethod
    def none(cls) -> Self:
        """Return the rules of a client that sends one request for each reply, whatever happens to it."""
        return cls(attempts=1, ceiling=1)


@frozen(kw_only=True)
class Breaker:
    """The rules by which a client stops sending to a provider that keeps failing, for a while.

    Each pair of a key and a model has a breaker of its own. It is "closed" while requests pass. When it opens, requests
    go to the next provider. After a while one request is let through; if it succeeds, the breaker closes. A client with
    one provider still sends the first request of each reply, and only leaves out its retries.

    Attributes:
        consecutive: The breaker opens after so many failures in a row.
        success_ratio: It opens when fewer of the requests in the window succeed.
        minimum: The least number of requests in the window for that.
        window: The length of the window, in seconds.
        open_for: How long it stays open the first time, in seconds. This doubles each time, with some jitter.
        max_open: The longest time that it stays open, in seconds; also the time after a refused key or an empty
            balance.
        slow_first_output: Seconds; a request with a later first output counts as a failure. ``None`` counts none.

    Raises:
        ConfigurationError: A value is out of range.
    """

    consecutive: int = 5
    success_ratio: float = 0.8
    minimum: int = 10
    window: float = 30.0
    open_for: float = 5.0
    max_open: float = 300.0
    slow_first_output: float | None = None

    def __attrs_post_init__(self) -> None:
        _check(self, whole=("consecutive", "minimum"), may_be_none=("slow_first_output",))


#: The default of an argument; safe, because the values are frozen.
DEFAULT_RETRIES: Final = Retries()
DEFAULT_BREAKER: Final = Breaker()
