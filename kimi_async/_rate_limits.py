"""The limits of the requests to one provider, and the protocol of a limiter that several processes share."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, Protocol

from attrs import fields, frozen
from msgspec import Struct

from kimi_async._errors import ConfigurationError

if TYPE_CHECKING:
    from kimi_async._record import Usage

__all__ = ["DEFAULT_RATE_LIMITS", "Cost", "Limiter", "Permit", "RateLimits", "rate_limits_problem"]


@frozen(kw_only=True)
class RateLimits:
    """The limits of the requests with one key to one provider; ``None`` = no limit is known.

    A request over a limit goes to the next provider, or waits in line. While the provider refuses requests (status
    429), the limits in use are lower than these; they rise again slowly. See the page Rate limits and concurrency.

    Attributes:
        concurrency: How many requests may be in flight.
        requests_per_minute: How many requests may be sent within a minute.
        tokens_per_minute: How many tokens may be used within a minute, those of the request and of the reply together.
            They are estimated before the request is sent, and corrected by the usage of the reply.

    Raises:
        ConfigurationError: A limit is not a whole number from 1.
    """

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    def __attrs_post_init__(self) -> None:
        for each in fields(type(self)):
            value = getattr(self, each.name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigurationError(
                    f"RateLimits.{each.name} must be a whole number from 1, or None for no limit"
                )


class Cost(Struct, frozen=True, kw_only=True):
    """The cost of one request, which a :class:`Limiter` is asked for.

    Attributes:
        tokens: The tokens of the request and of its reply, estimated from the size of the request, its output limit and
            the replies before it.
        model: The model, by the name that the caller gave.
    """

    tokens: int
    model: str | None = None


class Permit(Protocol):
    """The right to have one request in flight, from a :class:`Limiter`.

    Both methods return at once and are called on the event loop. If the event loop has ended before a reply that was
    left open, :meth:`release` is called where Python collects the reply.
    """

    def settle(self, usage: Usage) -> None:
        """Take *usage*, the real one of the reply, in place of the estimate; at most once, before :meth:`release`."""
        ...

    def release(self) -> None:
        """Take the permit back: the request is no longer in flight. Called once."""
        ...


class Limiter(Protocol):
    """A limiter of your own, so that several processes can share one limit."""

    def acquire(self, cost: Cost) -> Awaitable[Permit]:
        """Wait until one request may be sent; an ``async def`` fits.

        The wait is cancelled when ``Timeouts.slot`` or ``Timeouts.total`` runs out, or the caller leaves. Raise a
        :class:`~kimi_async.RateLimitError` to refuse the request; the next provider is then asked. Any other exception
        is logged, and the request is sent without a permit.

        Args:
            cost: The model and the tokens of the request, as an estimate.
        """
        ...


#: The default of a provider whose limits are not known; this is safe, because the value is frozen.
DEFAULT_RATE_LIMITS: Final = RateLimits()


def rate_limits_problem(value: object) -> str | None:
    """Return the problem of a setting ``rate_limits``; ``None`` if there is none."""
    if value is None or isinstance(value, RateLimits) or callable(getattr(value, "acquire", None)):
        return None
    return "must be a RateLimits(...), a Limiter with acquire(), or None"
