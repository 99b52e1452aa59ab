"""A new TCP connection on asyncio: the addresses of a host race, and no socket is lost."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from event_loops import on_loop

from kimi_async._http import _asyncio_connect
from kimi_async._http._asyncio_connect import open_socket
from kimi_async._http._asyncio_stream import connect

pytestmark = pytest.mark.anyio

Address = tuple[Any, ...]


@pytest.fixture(params=[on_loop(loop, id=loop) for loop in ("asyncio", "uvloop")])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server


def address_of(port: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))


def refused() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return address_of(port)


def resolve_to(patch: pytest.MonkeyPatch, *addresses: Address) -> None:
    """Let "host" have these addresses. uvloop resolves the others once more when it connects."""
    resolve = asyncio.get_running_loop().getaddrinfo

    async def getaddrinfo(loop: object, host: str, *args: Any, **options: Any) -> list[Address]:
        return list(addresses) if host == "host" else await resolve(host, *args, **options)

    patch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("turns", range(24))
async def test_a_connection_that_is_cancelled_leaves_no_socket(
    turns: int, listener: socket.socket
) -> None:
    """A socket that is lost warns when it is collected, and that fails the test."""
    task = asyncio.create_task(connect("127.0.0.1", listener.getsockname()[1]))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if not isinstance(result, BaseException):
        result.close()
    await asyncio.sleep(0)
    gc.collect()


async def test_the_next_address_follows_at_once_after_a_refusal(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_asyncio_connect, "NEXT_ADDRESS_SECONDS", 3600)
    resolve_to(monkeypatch, refused(), address_of(listener.getsockname()[1]))
    with await open_socket("host", 1) as sock:
        assert sock.getpeername() == listener.getsockname()


async def test_an_address_that_does_not_answer_loses_the_race(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_asyncio_connect, "NEXT_ADDRESS_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        where = full.getsockname()
        with socket.create_connection(where):  # fills the queue: the next one waits
            resolve_to(monkeypatch, address_of(where[1]), address_of(listener.getsockname()[1]))
            with await open_socket("host", 1) as sock:
                assert sock.getpeername() == listener.getsockname()


async def test_without_an_address_that_accepts_the_first_error_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve_to(monkeypatch, refused(), refused())
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ConnectionRefusedError) as caught:
            await open_socket("host", 1)
        del caught
        kept = [type(each).__name__ for each in gc.get_objects()]
    finally:
        gc.enable()
    # Its errors hold their tracebacks, so only the garbage collector would free it.
    assert "_Race" not in kept
