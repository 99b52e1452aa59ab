"""Watches for tests: streams that nobody closed, and connections to other machines."""

from __future__ import annotations

import gc
import ipaddress
import socket
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from attrs import define, field

from kimi_async._reply import Reply
from kimi_async._stream import ChatStream

__all__ = ["Watch", "watching"]

#: The code of this package is never the place that a reader looks for.
_PACKAGE: Final = str(Path(__file__).parents[1])


@define
class Watch:
    """The findings while a test runs.

    Attributes:
        begun: The replies that were begun, each with the place in the test or the program, by their ``id()``.
        abandoned: The replies whose stream was collected and never closed.
        refused: The hosts that something tried to reach.
    """

    begun: dict[int, tuple[Reply, str]] = field(factory=dict[int, tuple[Reply, str]])
    abandoned: list[Reply] = field(factory=list[Reply])
    refused: list[str] = field(factory=list[str])

    def problems(self) -> list[str]:
        """Return a sentence for each finding; call it when the test is over."""
        with warnings.catch_warnings():
            # The stream that is found is reported here, and not by its finalizer too.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        left = [
            f"a stream was never closed; it was opened at {place}. Use 'async with' around it, or read it to its end."
            for reply, place in self.begun.values()
            if reply.is_open or any(reply is each for each in self.abandoned)
        ]
        network = [
            f"the test tried to reach {host}; only servers on this machine are allowed"
            for host in dict.fromkeys(self.refused)
        ]
        return left + network


@contextmanager
def watching() -> Generator[Watch]:
    """Watch the streams of this process, and refuse connections to other machines.

    Connections that the standard library makes are seen; uvloop makes its own.
    """
    watch = Watch()
    with (
        _streams(watch),
        mock.patch.object(socket.socket, "connect", _checked(socket.socket.connect, watch)),
        mock.patch.object(socket.socket, "connect_ex", _checked(socket.socket.connect_ex, watch)),
        mock.patch.object(socket, "getaddrinfo", _local_names(socket.getaddrinfo, watch)),
    ):
        yield watch


@contextmanager
def _streams(watch: Watch) -> Generator[None]:
    start, abandon = vars(ChatStream)["_start"], Reply.abandon

    async def started(self: ChatStream) -> None:
        reply: Reply = vars(self)["_reply"]
        watch.begun.setdefault(id(reply), (reply, _place()))
        await start(self)

    def abandoned(self: Reply) -> None:
        watch.abandoned.append(self)
        abandon(self)

    with (
        mock.patch.object(ChatStream, "_start", started),
        mock.patch.object(Reply, "abandon", abandoned),
    ):
        yield


def _place() -> str:
    """Return the line outside of this package that is running: the innermost one."""
    frames = reversed(traceback.extract_stack())
    frame = next(each for each in frames if not each.filename.startswith(_PACKAGE))
    return f"{frame.filename}:{frame.lineno}, in {frame.name}"


def _checked(connect: Any, watch: Watch) -> Any:
    def connected(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
            _refuse(f"{address[0]}:{address[1]}", watch)
        return connect(self, address)

    return connected


def _local_names(getaddrinfo: Any, watch: Watch) -> Any:
    def resolved(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name and not _is_local(name):
            _refuse(f"{name}:{port}", watch)
        return getaddrinfo(host, port, *more, **named)

    return resolved


def _refuse(host: str, watch: Watch) -> None:
    watch.refused.append(host)
    raise ConnectionRefusedError(f"a test may not reach {host}")


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
