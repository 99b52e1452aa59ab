"""The breakers of a client: one for each key and model, and the providers that were taken out; pure."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from kimi_async._errors import KimiError
from kimi_async._health import BreakerHealth
from kimi_async._policies import Breaker
from kimi_async._providers import Provider
from kimi_async._reply._breaker import BreakerState
from kimi_async._reply._endpoints import Account, Endpoint, account_of, endpoint_of, keep
from kimi_async._reply._reactions import Reaction, counts_as_failure, reaction_to

__all__ = ["Breakers", "Watch", "needs_another_key"]

_logger: Final = logging.getLogger("kimi_async")

#: The largest number of breakers that are kept.
_MODELS: Final = 256


class Held(Struct, frozen=True):
    """A key that is refused or has no money left.

    Attributes:
        due: When it gets a request again, by the event loop's clock.
        window: The window of breakers that are made until then, in seconds.
    """

    due: float
    window: float


class Breakers:
    """The breakers that all replies of a client share, and the providers that were isolated."""

    def __init__(self) -> None:
        self._states: dict[Endpoint, BreakerState] = {}
        self._held: dict[Account, Held] = {}
        self._isolated: set[str] = set()

    def watch(self, provider: Provider, model: str | None, rules: Breaker, now: float) -> Watch:
        """Note a request to *provider*, and return the watch over it."""
        breaker = self._find(provider, model) or self._new(
            endpoint_of(provider, model), rules.window
        )
        return Watch(breaker, provider, rules, now)

    def _find(self, provider: Provider, model: str | None) -> BreakerState | None:
        """Return the breaker of a model; ``None`` if it was not asked and its key is not held."""
        key = endpoint_of(provider, model)
        breaker = self._states.get(key)
        if breaker is None and self._held:
            held = self._held.get(key[:2])
            if held is not None:
                breaker = self._new(key, held.window)
                breaker.open(held.due)
        return breaker

    def _new(self, key: Endpoint, window: float) -> BreakerState:
        return keep(self._states, key, BreakerState(window), most=_MODELS)

    def allows(self, provider: Provider, model: str | None, now: float) -> bool:
        """Return whether a request may be sent to *provider*."""
        if provider.name in self._isolated:
            return False
        breaker = self._find(provider, model)
        return breaker is None or breaker.allows(now)

    def due(self, provider: Provider, model: str | None) -> float:
        """Return when the breaker of *provider* lets a request through: 0 while closed, infinity while isolated."""
        if provider.name in self._isolated:
            return math.inf
        breaker = self._find(provider, model)
        return 0.0 if breaker is None else breaker.due

    def hold(self, provider: Provider, model: str | None, rules: Breaker, now: float) -> None:
        """Open all breakers of the key of *provider* for the longest time of *rules*."""
        key = account_of(provider)
        self._held[key] = Held(now + rules.max_open, rules.window)
        self._find(provider, model)
        for endpoint, breaker in self._states.items():
            if endpoint[:2] == key:
                breaker.open(now + rules.max_open)
        _logger.warning(
            "%s: the key is refused or has no money left; it gets no requests for %.0f s",
            provider.name,
            rules.max_open,
        )

    def passed(self, provider: Provider) -> None:
        """Note that a request with the key of *provider* brought output, so the key is no longer held."""
        if self._held:
            self._held.pop(account_of(provider), None)

    def isolate(self, name: str) -> None:
        """Send nothing to the provider of that name."""
        self._isolated.add(name)

    def restore(self, name: str) -> None:
        """Undo :meth:`isolate`."""
        self._isolated.discard(name)

    def is_isolated(self, provider: Provider) -> bool:
        """Return whether *provider* was taken out by hand."""
        return provider.name in self._isolated

    def health(self, provider: Provider, now: float) -> dict[str | None, BreakerHealth]:
        """Return the breaker of each model of *provider*, by the name that is sent."""
        key = account_of(provider)
        models: dict[str | None, BreakerHealth] = {}
        # A copy, because another thread may ask while the event loop adds a breaker.
        for endpoint, breaker in tuple(self._states.items()):
            if endpoint[:2] == key:
                failures, requests = breaker.failures(now)
                models[endpoint[2]] = BreakerHealth(
                    state=breaker.state(now),
                    failures=failures,
                    requests=requests,
                    opens_in=max(0.0, breaker.due - now),
                )
        return models


class Watch:
    """One request as its breaker sees it; its first result counts.

    Args:
        breaker: The breaker.
        provider: The provider that got the request.
        rules: The rules of the breaker.
        now: The time, in seconds.
    """

    __slots__ = ("_breaker", "_is_probe", "_open", "_provider", "_rules")

    def __init__(
        self, breaker: BreakerState, provider: Provider, rules: Breaker, now: float
    ) -> None:
        self._breaker = breaker
        self._provider = provider
        self._rules = rules
        self._is_probe = breaker.begin(now)
        self._open = True

    def first_output(self, seconds: float, now: float, chance: Callable[[], float]) -> None:
        """Note the first output after so many seconds."""
        slow = self._rules.slow_first_output
        if slow is not None and seconds > slow:
            self._fail(now, chance())
        elif self._is_probe:
            self.succeed(now)

    def succeed(self, now: float) -> None:
        """Note the end of a whole reply."""
        if self._end() and self._breaker.succeed(now, probe=self._is_probe):
            _logger.info("%s: the breaker closed", self._provider.name)

    def fail(self, error: KimiError, *, started: bool, now: float, chance: float) -> None:
        """Note the error that ended the request."""
        if counts_as_failure(error, started=started):
            self._fail(now, chance)
        else:
            self.drop()

    def _fail(self, now: float, chance: float) -> None:
        if self._end() and self._breaker.fail(self._rules, now, chance, probe=self._is_probe):
            _logger.warning(
                "%s: the breaker opened; it gets no requests for %.1f s",
                self._provider.name,
                self._breaker.due - now,
            )

    def drop(self) -> None:
        """Note that the request ended without a result: it was cancelled, or the error was the caller's."""
        if self._end() and self._is_probe:
            self._breaker.drop()

    def _end(self) -> bool:
        was_open, self._open = self._open, False
        return was_open


def needs_another_key(error: KimiError) -> bool:
    """Return whether *error* tells that the key is refused or has no money."""
    return reaction_to(error) is Reaction.KEY
