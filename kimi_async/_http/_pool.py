"""Which HTTP client a request goes over, how many share one, and when it is replaced.

The pool inside httpx keeps an entry for good when a request is cancelled between being given a connection and using it
(httpcore 1.0.9: about 5 in 100 cancelled requests; its socket is closed by us). Every later request walks past all of
them twice. There is no public way to see or to remove such entries, so after so many cancelled requests our own HTTP
client is retired: new requests go over a fresh one, and the old one is closed with its last reply. The pools of httpx2
and aiohttp have no such entries.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from kimi_async._http._cancellation import close_shielded
from kimi_async._http._clients import KEEPALIVE_SECONDS, HttpClient

__all__ = ["Lease", "Pool"]

#: Cancelled requests after which an HTTP client is retired. The 25 to 30 dead entries that it has by then add 40 us to
#: a request, under a hundredth of what a short reply costs. A new client takes 0.25 ms and opens its connections anew,
#: which the cancelled requests, each of them the end of a connection, have cost 500 times by then.
RETIRE_AFTER: Final = 500

#: The most requests over one HTTP client of ours at once. For each request, a pool of httpx looks at all its
#: connections once more for each idle one (httpcore 1.0.9). With 500 streams held open over one pool it took 36 ms of
#: CPU to read and end one, and 121 ms for a short request after them; shared out, 6 and 10 (CPython 3.13). A client
#: takes 0.25 ms to make.
PER_CLIENT: Final = 16

_logger: Final = logging.getLogger("kimi_async")


class Pool:
    """The HTTP clients under an ``AsyncKimi``: those in use, and retired ones on which replies still run.

    Args:
        given: The caller's own client, which has all requests, and is neither retired nor closed; ``None`` makes them
            here.
        make: Makes one.
    """

    def __init__(self, given: HttpClient | None, make: Callable[[], Awaitable[HttpClient]]) -> None:
        self._owned = given is None
        self._make = make
        #: Made when it is needed: making one has anyio load on the event loop what ``prepare_loop`` loads in a thread.
        self._lock: anyio.Lock | None = None
        self._members = [] if given is None else [_Member(given)]
        self._retired: list[_Member] = []

    @property
    def clients(self) -> tuple[HttpClient, ...]:
        """The HTTP clients that are not closed yet, those in use behind the retired ones."""
        return tuple(member.client for member in (*self._retired, *self._members))

    async def lease(self) -> Lease:
        """The HTTP client for one request, until its response is closed."""
        await self.sweep()
        return Lease(self, self._with_room() or await self._fresh())

    def _with_room(self) -> _Member | None:
        # The first one that has room, so that the last ones fall idle.
        most = PER_CLIENT if self._owned else math.inf
        return next((member for member in self._members if member.users < most), None)

    async def _fresh(self) -> _Member:
        self._lock = self._lock or anyio.Lock()
        async with self._lock:
            member = self._with_room()
            if member is None:
                member = _Member(await self._make())
                self._members.append(member)
            return member

    def leave(self, member: _Member, *, cancelled: bool) -> None:
        """A request that went over *member* is over; *cancelled* before its response began."""
        member.users -= 1
        member.left_at = time.monotonic()
        member.cancelled += cancelled
        if cancelled and member.cancelled == RETIRE_AFTER:
            self._retire(member)

    def _retire(self, member: _Member) -> None:
        if self._owned:
            self._members.remove(member)
            self._retired.append(member)
        elif member.has_httpcore and _is_of_httpx(member.client):
            _logger.warning(
                "%d requests were cancelled over the HTTP client that was passed in; its pool may hold dead entries "
                "for some of them, which slow down every request (httpx 0.28); replace that client now and then",
                RETIRE_AFTER,
            )

    async def sweep(self) -> None:
        """Close the clients that nobody uses any more: the retired ones, and all but the first when long idle."""
        while unused := self._unused():
            members = self._retired if unused in self._retired else self._members
            members.remove(unused)
            await close_shielded(unused.client.aclose)

    def _unused(self) -> _Member | None:
        # A pool of httpx closes what has expired when it gets a request, and these get none.
        before = time.monotonic() - KEEPALIVE_SECONDS
        idle = (member for member in self._members[1:] if member.left_at < before)
        return next((member for member in (*self._retired, *idle) if not member.users), None)

    async def aclose(self) -> None:
        """Close all HTTP clients that were made here; idempotent."""
        if self._owned:
            await close_shielded(self._close_all)

    async def _close_all(self) -> None:
        for client in self.clients:
            await close_shielded(client.aclose)


class _Member:
    """One HTTP client and how it fares."""

    __slots__ = ("cancelled", "client", "has_httpcore", "left_at", "users")

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.users = 0
        self.cancelled = 0
        self.has_httpcore = False
        #: When a request over it was last over.
        self.left_at = math.inf


def _is_of_httpx(client: HttpClient) -> bool:
    # Not isinstance: httpx2 has the names of httpx, and whoever uses it has not imported httpx.
    return any(kind.__module__.partition(".")[0] == "httpx" for kind in type(client).__mro__)


class Lease:
    """The use of one HTTP client by one request.

    Attributes:
        client: The HTTP client.
    """

    __slots__ = ("_member", "_over", "_pool", "client")

    def __init__(self, pool: Pool, member: _Member) -> None:
        self._pool = pool
        self._member = member
        self._over = False
        member.users += 1
        self.client = member.client

    def goes_over_httpcore(self) -> None:
        """Note that httpcore is under this client: aiohttp, or a transport of the caller's, has no such pool."""
        self._member.has_httpcore = True

    def end(self, *, cancelled: bool = False) -> None:
        """The request is over; only the first call counts.

        Args:
            cancelled: Whether it was cancelled before its response began.
        """
        if not self._over:
            self._over = True
            self._pool.leave(self._member, cancelled=cancelled)

    async def aclose(self, *, cancelled: bool = False) -> None:
        """End it, and close the HTTP client if it is retired and this was its last request."""
        self.end(cancelled=cancelled)
        await self._pool.sweep()
