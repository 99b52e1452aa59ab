"""Take each request through the limits of its provider: ours, or a limiter of the caller."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from operator import methodcaller
from typing import TYPE_CHECKING, Final, Protocol

from kimi_async._errors import KimiError, RateLimitError
from kimi_async._health import LimitHealth
from kimi_async._hooks import call_safely
from kimi_async._http._event_loop import loop_caller, loop_clock
from kimi_async._http._limiter import Permit
from kimi_async._providers import Provider
from kimi_async._rate_limits import Cost, Limiter, RateLimits
from kimi_async._reply._endpoints import Account, account_of, keep
from kimi_async._reply._gate import Gate
from kimi_async._reply._rates import Reservation
from kimi_async._wire import WireRequest

if TYPE_CHECKING:
    from kimi_async._rate_limits import Permit as LimiterPermit
    from kimi_async._record import Usage


__all__ = ["Gates", "Pass"]

_logger: Final = logging.getLogger("kimi_async")

#: The number of accounts whose limits are kept.
_GATES: Final = 256


class Pass(Protocol):
    """The way of one request through the limits; used by its attempt in the order of these methods."""

    def enter_now(self) -> bool:
        """Take a place if the request need not wait."""
        ...

    async def enter(self) -> None:
        """Wait for a place.

        Raises:
            KimiError: The limiter of the caller refused the request.
        """
        ...

    def answered(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of the response."""
        ...

    def leave(self, failure: KimiError | None, usage: Usage | None, *, complete: bool) -> None:
        """Give the place back, once, after the request has ended.

        Args:
            failure: The error that ended it.
            usage: The usage that was reported.
            complete: Whether the reply is complete.
        """
        ...

    def leave_soon(self) -> None:
        """Give the place back from a finalizer, in any thread."""
        ...


class GatePass:
    """The pass of a request through the gate of its provider."""

    __slots__ = (
        "_clock",
        "_gate",
        "_limits",
        "_permit",
        "_provider",
        "_reserved",
        "_size",
        "_tokens",
    )

    def __init__(
        self, gate: Gate, provider: Provider, limits: RateLimits, wire: WireRequest
    ) -> None:
        self._gate = gate
        self._provider = provider.name
        self._limits = limits
        self._size = len(wire.content)
        counts = gate.rates.counts_tokens(limits)
        self._tokens = gate.rates.estimate.tokens(self._size, _asked(wire)) if counts else 0
        self._clock = loop_clock()
        self._reserved: Reservation | None = None
        self._permit: Permit | None = None

    def enter_now(self) -> bool:
        return self._entered(self._gate.take(self._limits, self._tokens, self._clock()))

    def _entered(self, reserved: Reservation | None) -> bool:
        if reserved is None:
            return False
        self._reserved = reserved
        self._permit = Permit(self._gate, loop_caller())
        return True

    async def enter(self) -> None:
        self._gate.tell_reached(self._provider)
        self._entered(await self._gate.wait(self._limits, self._tokens, self._clock))

    def answered(self, headers: Mapping[str, str]) -> None:
        self._gate.rates.told(headers, self._clock())

    def leave(self, failure: KimiError | None, usage: Usage | None, *, complete: bool) -> None:
        reserved, self._reserved = self._reserved, None
        if reserved is None or self._permit is None:
            return
        rates = self._gate.rates
        if usage is not None:
            rates.settle(reserved, self._size, usage)
        if isinstance(failure, RateLimitError):
            self._gate.tell_reached(self._provider)
            rates.refused(failure, reserved, self._limits, self._clock())
        elif complete:
            rates.succeeded(self._limits)
        self._permit.release()

    def leave_soon(self) -> None:
        if self._permit is not None:
            self._permit.release_soon()


class LimiterPass:
    """The pass of a request through a limiter of the caller's."""

    __slots__ = ("_call_soon", "_cost", "_limiter", "_permit")

    def __init__(self, limiter: Limiter, cost: Cost) -> None:
        self._limiter = limiter
        self._cost = cost
        self._call_soon = loop_caller()
        self._permit: LimiterPermit | None = None

    def enter_now(self) -> bool:
        return False

    async def enter(self) -> None:
        try:
            self._permit = await self._limiter.acquire(self._cost)
        except KimiError:
            raise
        except Exception:
            _logger.exception("the limiter failed; the request is sent without a permit")

    def answered(self, headers: Mapping[str, str]) -> None:
        del headers

    def leave(self, failure: KimiError | None, usage: Usage | None, *, complete: bool) -> None:
        del failure, complete
        permit, self._permit = self._permit, None
        if permit is not None:
            if usage is not None:
                call_safely("Permit.settle", methodcaller("settle", usage), permit)
            _release(permit)

    def leave_soon(self) -> None:
        permit, self._permit = self._permit, None
        if permit is None:
            return
        try:
            self._call_soon(lambda: _release(permit))
        except RuntimeError:
            _release(permit)  # the loop has ended


def _release(permit: LimiterPermit) -> None:
    # methodcaller, so that an object without the method is logged too.
    call_safely("Permit.release", methodcaller("release"), permit)


class Gates:
    """The gates of a client, one for each base URL and key."""

    def __init__(self) -> None:
        self._gates: dict[Account, Gate] = {}

    def of(self, provider: Provider) -> Gate:
        """Return the gate of a provider. Only the newest ones are kept."""
        account = account_of(provider)
        return self._gates.get(account) or keep(self._gates, account, Gate(), most=_GATES)

    def close(self) -> None:
        """Send away all requests that wait."""
        for gate in self._gates.values():
            gate.close()

    def pass_for(self, provider: Provider, wire: WireRequest, model: str | None) -> Pass | None:
        """Return the pass of a request; ``None`` = the provider has no limits."""
        limits = provider.rate_limits
        if limits is None:
            return None
        gate = self.of(provider)
        if isinstance(limits, RateLimits):
            return GatePass(gate, provider, limits, wire)
        tokens = gate.rates.estimate.tokens(len(wire.content), _asked(wire))
        return LimiterPass(limits, Cost(tokens=tokens, model=model))

    def is_full(self, provider: Provider, now: float) -> bool:
        """Return whether a request to *provider* would have to wait; not known for a limiter of the caller's."""
        limits = provider.rate_limits
        return isinstance(limits, RateLimits) and self.of(provider).is_full(limits, now)

    def health(self, provider: Provider, now: float) -> LimitHealth | None:
        """Return the limits of a provider as they are now; ``None`` = they are not kept here."""
        limits = provider.rate_limits
        return self.of(provider).health(limits, now) if isinstance(limits, RateLimits) else None


def _asked(wire: WireRequest) -> int | None:
    """Return the output limit of a request."""
    asked = wire.body.get("max_completion_tokens") or wire.body.get("max_tokens")
    return asked if isinstance(asked, int) else None
