"""Call a caller's own code when replies and their attempts begin and end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from types import CoroutineType
from typing import Any, Final, TypeAlias

from msgspec import Struct

from kimi_async._models import ChatCompletion
from kimi_async._record import AttemptRecord, ReplyRecord, Scalar

__all__ = ["AttemptInfo", "CallInfo", "Hook", "Observer", "Observers", "call_safely"]

_logger: Final = logging.getLogger("kimi_async")


class CallInfo(Struct, frozen=True, kw_only=True):
    """One reply that is about to be asked for.

    Attributes:
        providers: Names of the providers that may be asked, in their order.
        model: The model that is asked for, or ``None`` where the provider needs none.
        started_at: Wall clock, seconds since the Unix epoch.
        params: The scalar parameters of the request, as in :attr:`ReplyRecord.params`.
    """

    providers: tuple[str, ...]
    model: str | None
    started_at: float
    params: Mapping[str, Scalar]

    def __hash__(self) -> int:
        # Without the parameters: a dict has no hash.
        return hash((self.providers, self.model, self.started_at))


class AttemptInfo(Struct, frozen=True, kw_only=True):
    """One request that is about to be sent.

    Attributes:
        provider: Name of the provider.
        model: The model that is asked for.
        attempt: Number of the attempt, from 1.
        host: Host and port of the URL.
    """

    provider: str
    model: str | None
    attempt: int
    host: str


class Observer:
    """The methods that a hook's object may have; each does nothing here.

    A child overrides the ones it needs; an object of another class may have any of them. They are plain functions and
    run on the event loop: an exception is logged and never raised, and an ``async`` method is not run, which is logged.
    """

    def attempt_started(self, _info: AttemptInfo, /) -> object:
        """Called before a request is sent."""

    def attempt_ended(self, _record: AttemptRecord, /) -> object:
        """Called once for each attempt, when it has ended; the loser of a hedge too."""

    def ended(self, _record: ReplyRecord, _completion: ChatCompletion | None, /) -> object:
        """Called once, when the reply has ended; the completion is ``None`` unless the reply is complete."""


#: Called when a reply begins; returns an object with methods of :class:`Observer`, or ``None`` to watch nothing.
Hook: TypeAlias = Callable[[CallInfo], Any]


class Observers:
    """The objects that watch one reply."""

    __slots__ = ("_observers", "_told")

    def __init__(self, hooks: Iterable[Hook], call: CallInfo) -> None:
        made = [call_safely("a hook", hook, call) for hook in hooks]
        self._observers = [observer for observer in made if observer is not None]
        #: How many attempts have ended, of those that were told.
        self._told: set[int] = set()

    def attempt_started(self, info: AttemptInfo) -> None:
        """Tell all of them that a request is about to be sent."""
        self._tell("attempt_started", info)

    def attempt_ended(self, number: int, record: AttemptRecord) -> None:
        """Tell all of them that attempt *number* has ended; only the first call for each number does."""
        if number not in self._told:
            self._told.add(number)
            self._tell("attempt_ended", record)

    def ended(self, record: ReplyRecord, completion: ChatCompletion | None) -> None:
        """Tell all of them that the reply has ended."""
        for number, attempt in enumerate(record.attempts):
            self.attempt_ended(number, attempt)
        self._tell("ended", record, completion)

    def _tell(self, name: str, *facts: object) -> None:
        for observer in self._observers:
            method = getattr(observer, name, None)
            if method is not None:
                call_safely(name, method, *facts)


def call_safely(name: str, function: Callable[..., Any], *facts: object) -> Any:
    """Call a function of the caller's; an exception is logged, and the reply is not affected.

    A coroutine is not run, because nothing here awaits it; that is logged as an error.
    """
    try:
        value = function(*facts)
    except Exception:
        _logger.exception("%s raised; the reply is not affected", name)
        return None
    if isinstance(value, CoroutineType):
        value.close()
        _logger.error("%s is async, so it was not run; make it a plain function", name)
        return None
    return value
