"""Find the streams that nobody closed during a test, and its connections to other machines."""

from __future__ import annotations

import functools
import gc
import importlib
import ipaddress
import socket
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias
from unittest import mock

from attrs import define, field

from kimi_async._reply import Reply
from kimi_async._stream import ChatStream

__all__ = ["Watch", "is_local", "watching"]

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

    Connections over the module socket and over uvloop are seen, and so are lookups of names.
    """
    watch = Watch()
    with ExitStack() as stack:
        stack.enter_context(_streams(watch))
        for owner, name, target_of in _ways_out():
            guarded = _guarded(getattr(owner, name), target_of, watch)
            stack.enter_context(mock.patch.object(owner, name, guarded))
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


# The ways to other machines: the owner of a function, its name, and the target that its arguments name.

_Target: TypeAlias = Callable[..., tuple[object, object]]


def _ways_out() -> Iterator[tuple[Any, str, _Target]]:
    yield socket.socket, "connect", _address
    yield socket.socket, "connect_ex", _address
    yield socket.socket, "sendto", _last_address
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        yield socket, name, _name
    # Its loops resolve names and connect by themselves.
    with suppress(ImportError):
        loop = importlib.import_module("uvloop").Loop
        yield loop, "getaddrinfo", _name_on_loop
        yield loop, "create_connection", _peer


def _address(sock: socket.socket, address: Any) -> tuple[object, object]:
    is_inet = sock.family in {socket.AF_INET, socket.AF_INET6}
    return address[:2] if is_inet and isinstance(address, tuple) and len(address) > 1 else ("", 0)


def _last_address(sock: socket.socket, *arguments: Any) -> tuple[object, object]:
    return _address(sock, arguments[-1])


def _name(
    host: object, port: object = 0, *_more: object, **_named: object
) -> tuple[object, object]:
    return host, port


def _name_on_loop(
    _loop: object, host: object, port: object, *_more: object, **_named: object
) -> tuple[object, object]:
    return host, port


def _peer(
    _loop: object, _factory: object, host: object = None, port: object = None, **_named: object
) -> tuple[object, object]:
    return host, port


def _guarded(call: Any, target_of: _Target, watch: Watch) -> Any:
    @functools.wraps(call)
    def guarded(*arguments: Any, **named: Any) -> Any:
        host, port = target_of(*arguments, **named)
        if not is_local(host):
            shown = host.decode("ascii", "replace") if isinstance(host, bytes) else host
            target = f"{shown}:{port}" if port else f"{shown}"
            watch.refused.append(target)
            raise ConnectionRefusedError(f"a test may not reach {target}")
        return call(*arguments, **named)

    return guarded


def is_local(host: object) -> bool:
    """Return whether a host is this machine; a value that is no host is left to the function that gets it."""
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return True
    name = host.lower().rstrip(".").partition("%")[0]
    if name in {"", "localhost", "ip6-localhost"} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
