"""Open a TCP connection on asyncio; the addresses of a host race each other (RFC 8305).

``loop.create_connection(happy_eyeballs_delay=...)`` loses the socket of an attempt that has won when it is cancelled
then (CPython 3.13.0). Here every socket but the one that is returned is closed.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

import anyio

__all__ = ["open_socket"]

#: The next address is tried after so many seconds (RFC 8305, section 5), or as soon as the one before it has failed.
NEXT_ADDRESS_SECONDS: Final = 0.25


async def open_socket(host: str, port: int) -> socket.socket:
    """Return a connected socket; nothing stays open when this is cancelled.

    Raises:
        OSError: No address of the host accepted the connection: the error of the first one.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    race = _Race()
    try:
        async with anyio.create_task_group() as group:
            for address in addresses:
                failed = anyio.Event()
                group.start_soon(race.attempt, address, failed, group.cancel_scope)
                with anyio.move_on_after(NEXT_ADDRESS_SECONDS):
                    await failed.wait()
        return race.take_winner()
    finally:
        race.close()


class _Race:
    """The attempts to connect to the addresses of one host."""

    def __init__(self) -> None:
        self._opened: list[socket.socket] = []
        self._connected: list[socket.socket] = []
        self._errors: list[OSError] = []

    async def attempt(
        self, address: tuple[Any, ...], failed: anyio.Event, others: anyio.CancelScope
    ) -> None:
        """Connect to one address, and end the race with the first success."""
        family, kind, protocol, _, where = address
        try:
            sock = socket.socket(family, kind, protocol)
            self._opened.append(sock)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, where)
        except OSError as error:
            self._errors.append(error)
            failed.set()
        else:
            self._connected.append(sock)
            others.cancel()

    def take_winner(self) -> socket.socket:
        """Return the socket that connected first, which :meth:`close` then leaves open."""
        if not self._connected:
            raise self._errors[0]
        winner = self._connected[0]
        self._opened.remove(winner)
        return winner

    def close(self) -> None:
        """Close the sockets of all attempts, and forget their errors, whose tracebacks hold this object."""
        for sock in self._opened:
            sock.close()
        self._errors.clear()
