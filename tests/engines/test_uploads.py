"""A large request may be read slowly, and may be answered before it was read."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncGenerator

import anyio
import pytest
from engines import ENGINES, OUR_RUNS
from event_loops import Loop
from fake_host import HELLO

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible, Timeouts
from kimi_async._http._clients import HttpClient

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize(("anyio_backend", "engine"), OUR_RUNS)]

#: More than the buffers of both sides hold.
LARGE = "x" * 12_000_000
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(HELLO), HELLO)
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def accepting() -> AsyncGenerator[tuple[socket.socket, int]]:
    """A socket that listens, with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        listener.setblocking(False)
        yield listener, listener.getsockname()[1]


def client_of(port: int, http: HttpClient, write: float) -> AsyncKimi:
    return AsyncKimi(
        OpenAICompatible("test-key", f"http://127.0.0.1:{port}"),
        model="m",
        http_client=http,
        timeouts=Timeouts(write=write),
        checks="off",
        retries=kimi.Retries.none(),
    )


async def read_slowly(listener: socket.socket) -> None:
    """Read it all with ten pauses that are, together, much longer than the limit for one."""
    await anyio.wait_readable(listener)
    with listener.accept()[0] as sock:
        sock.setblocking(False)
        heard, pauses, last = 0, 0, b""
        while not last.endswith(b"}"):
            if heard >= pauses * 1_000_000:
                pauses += 1
                await anyio.sleep(0.1)
            await anyio.wait_readable(sock)
            last = sock.recv(262_144)
            heard += len(last)
        sock.send(ANSWER)
        await anyio.wait_readable(sock)


async def test_the_limit_for_writing_is_the_time_without_progress(
    engine: str, anyio_backend: Loop
) -> None:
    async with (
        accepting() as (listener, port),
        ENGINES[engine]() as http,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(read_slowly, listener)
        reply = await client_of(port, http, 0.7).chat(LARGE)
        assert reply.text == "Hello"
        tasks.cancel_scope.cancel()


async def refuse(listener: socket.socket, *, hang_up: bool) -> None:
    """Answer a request of which only the head was read."""
    await anyio.wait_readable(listener)
    with listener.accept()[0] as sock:
        await anyio.wait_readable(sock)
        sock.recv(1000)
        sock.send(TOO_LARGE)
        if hang_up:
            sock.shutdown(socket.SHUT_WR)
        await anyio.sleep_forever()


@pytest.mark.parametrize("hang_up", [False, True], ids=["stays", "hangs-up"])
async def test_a_refusal_while_the_request_is_sent_is_read_at_once(
    hang_up: bool, engine: str, anyio_backend: Loop
) -> None:
    async with (
        accepting() as (listener, port),
        ENGINES[engine]() as http,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: refuse(listener, hang_up=hang_up))
        with anyio.fail_after(10), pytest.raises(kimi.APIError) as caught:
            await client_of(port, http, 30).chat(LARGE)
        assert caught.value.status == 413
        tasks.cancel_scope.cancel()
