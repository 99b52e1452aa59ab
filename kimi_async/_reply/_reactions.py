"""The reaction to each error before the first output of a reply; pure. The page Retries and fail-over has the table."""

from __future__ import annotations

from enum import Enum
from typing import Final

from kimi_async._errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    ConnectTimeout,
    EmptyResponseError,
    FirstOutputTimeout,
    IdleTimeout,
    KimiError,
    NotFoundError,
    PermissionDeniedError,
    ProgressTimeout,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    SlotTimeout,
    StreamInterrupted,
    TotalTimeout,
    TransportError,
    WriteTimeout,
)

__all__ = ["Reaction", "counts_as_failure", "reaction_to"]


class Reaction(Enum):
    """The next step after an error, if there is a provider for it."""

    #: The same provider again after a wait; when its tries are used up, the next one.
    SAME = "the same provider"
    #: The same provider once more, then the next one.
    ONCE = "the same provider once"
    #: The next provider at once; the same one after a wait if there is no other.
    NEXT = "the next provider"
    #: The same, but a provider that took too long is asked again only if no other one was asked.
    SLOW = "a faster provider"
    #: The next provider; never this one again for this reply.
    AWAY = "only another provider"
    #: The key is of no use for a while: as AWAY, for every reply.
    KEY = "only another key"
    #: No provider would answer otherwise.
    RAISE = "the caller"


#: Codes of Cloudsway for a request without a way to a backend, with status 400 (Providers 2.5).
_NO_ROUTE: Final = ("NO_BALANCER", "NO_PROVIDER", "NO_PASSAGEWAY")

#: The first class that fits decides.
_TABLE: Final[tuple[tuple[tuple[type[KimiError], ...], Reaction], ...]] = (
    ((TotalTimeout, SlotTimeout), Reaction.RAISE),
    (
        (ConnectTimeout, WriteTimeout, FirstOutputTimeout, IdleTimeout, ProgressTimeout),
        Reaction.SLOW,
    ),
    ((TransportError, EmptyResponseError, StreamInterrupted), Reaction.SAME),
    ((ConflictError,), Reaction.ONCE),
    ((AuthenticationError, PermissionDeniedError, QuotaExceededError), Reaction.KEY),
    ((NotFoundError, ProtocolError), Reaction.AWAY),
)


def reaction_to(error: KimiError) -> Reaction:
    """Return the reaction to the error of an attempt that had no output."""
    if isinstance(error, APIError):
        if error.status == 408 or (error.code or "").startswith(_NO_ROUTE):
            return Reaction.ONCE
        if isinstance(error, RateLimitError):
            return Reaction.NEXT if error.retryable else Reaction.KEY
    if isinstance(error, ProtocolError) and error.limit is not None:
        return Reaction.RAISE
    for classes, reaction in _TABLE:
        if isinstance(error, classes):
            return reaction
    return Reaction.SAME if error.retryable else Reaction.RAISE


def counts_as_failure(error: KimiError, *, started: bool) -> bool:
    """Return whether the breaker of the provider counts *error* as a failure.

    Args:
        error: The error of an attempt.
        started: Whether the attempt had brought output.
    """
    if isinstance(error, (TotalTimeout, SlotTimeout, RateLimitError)):
        return False
    if started:
        return error.retryable
    return reaction_to(error) in {Reaction.SAME, Reaction.SLOW}
