"""Limit the replies in flight over the connections that clients share.

A permit is a counted token, taken before a request is sent and given back when its reply is left. It is not a
context: no lock or scope is held while a caller has it, and any task may give it back.

Not a ``CapacityLimiter`` of anyio, for two reasons. Clients that share connections share the count but may each have a
limit of their own. And a permit must come back from a finalizer, which may run in any thread, in the middle of the code
below, and after the event loop has ended.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Final, Protocol

import anyio

from kimi_async._http._event_loop import loop_caller

__all__ = ["ConcurrencyLimiter", "Counter", "Permit"]


class Counter(Protocol):
    """Counts the permits that are taken."""

    def release(self) -> None:
        """Count a permit as free again, and let the next one in line have it."""
        ...

    def forget(self) -> None:
        """Count a permit as free again, after the event loop and all who waited have ended."""
        ...


class ConcurrencyLimiter:
    """Counts the replies in flight, and lets those that are too many wait in line; for one event loop.

    A reply that waits has a limit, and at least that many are in flight. So when one leaves, only a reply whose limit
    is the present count can be next. The first of these gets that permit: no later one can take it, and none is
    scanned.

    Attributes:
        taken: How many permits are taken.
    """

    def __init__(self) -> None:
        self.taken = 0
        self._closed = False
        self._waiting: Final[defaultdict[int, OrderedDict[anyio.Event, None]]] = defaultdict(
            OrderedDict
        )

    async def take(self, limit: int | None) -> Permit | None:
        """Take a permit; wait in line for as long as *limit* or more are taken.

        Args:
            limit: The most permits that may be taken with this one; ``None`` for no limit.

        Returns:
            The permit; ``None`` when :meth:`close` was called meanwhile.
        """
        permit = self.take_now(limit)
        if permit is None and limit is not None:
            await self._wait(self._waiting[limit])
            permit = None if self._closed else Permit(self, loop_caller())
        return permit

    def take_now(self, limit: int | None) -> Permit | None:
        """Take a permit, unless *limit* or more are taken."""
        if limit is not None and self.taken >= limit:
            return None
        self.taken += 1
        return Permit(self, loop_caller())

    async def _wait(self, line: OrderedDict[anyio.Event, None]) -> None:
        turn = anyio.Event()
        line[turn] = None
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set() and not self._closed:
                self.release()  # it was handed over in the same moment
            else:
                line.pop(turn, None)
            raise

    def release(self) -> None:
        """Count a permit as free again; the next one in line gets it, if there is one."""
        line = self._waiting.get(self.taken)
        if line:
            turn, _ = line.popitem(last=False)
            turn.set()
        else:
            self.taken -= 1

    def forget(self) -> None:
        """Count a permit as free again, after the event loop and all who waited have ended."""
        self.taken -= 1

    def close(self) -> None:
        """Send all away who wait."""
        self._closed = True
        for line in self._waiting.values():
            for turn in line:
                turn.set()
            line.clear()


class Permit:
    """The right to have one reply, or one request, in flight; given back once, however often that is asked for."""

    __slots__ = ("_call_soon", "_held", "_limiter")

    def __init__(
        self, limiter: Counter, call_soon: Callable[[Callable[[], object]], object]
    ) -> None:
        self._limiter = limiter
        self._call_soon = call_soon
        self._held = True

    def release(self) -> None:
        """Give it back, on the event loop."""
        if self._held:
            self._held = False
            self._limiter.release()

    def release_soon(self) -> None:
        """Give it back from a finalizer: in any thread, at any moment, with the event loop running or gone."""
        try:
            self._call_soon(self.release)
        except RuntimeError:
            # The loop has ended.
            if self._held:
                self._held = False
                self._limiter.forget()
