"""The bytes under a connection, where a host cannot be made to do it at the right moment."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import anyio
import pytest
import trio
from aiohttp.base_protocol import BaseProtocol

from kimi_async._http._aiohttp import Body, Protocol
from kimi_async._http._asyncio_stream import AsyncioStream
from kimi_async._http._stream import WRITE_BYTES
from kimi_async._http._tls import TlsStream
from kimi_async._http._trio_stream import TrioStream, connect
from kimi_async.testing import virtual_time

ON_ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
ON_TRIO = pytest.mark.parametrize("anyio_backend", ["trio"])

#: More than the buffers of a pair of sockets hold.
LARGE = b"x" * (64 * WRITE_BYTES)

pytestmark = pytest.mark.anyio


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, host = socket.socketpair()
    with ours, host:
        ours.setblocking(False)
        yield ours, host


class Wires:
    """A transport of asyncio over a socket that the event loop does not read."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def get_extra_info(self, _: str) -> socket.socket:
        return self._socket

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == WRITE_BYTES


@ON_ASYNCIO
async def test_the_last_bytes_of_a_host_that_reset_are_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, host = pair
    stream = AsyncioStream(asyncio.get_running_loop())
    transport: Any = Wires(ours)
    stream.connection_made(transport)
    assert stream.is_quiet()
    host.send(b"the answer")
    stream.connection_lost(ConnectionResetError("reset"))
    assert not stream.is_quiet()
    assert await stream.read(1) == b"the answer"
    with pytest.raises(ConnectionError, match="reset"):
        await stream.read(1)


@ON_TRIO
async def test_an_upload_ends_when_the_host_answers(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, host = pair
    stream = TrioStream(trio.socket.from_stdlib_socket(ours))
    host.send(b"no")
    await stream.write(LARGE, 5)
    assert stream.is_sending
    assert await stream.read(1) == b"no"
    stream.close()


@ON_TRIO
@pytest.mark.parametrize("leave", ["host", "ours"])
async def test_an_upload_ends_when_the_connection_does(
    pair: tuple[socket.socket, socket.socket], leave: str
) -> None:
    ours, host = pair
    stream = TrioStream(trio.socket.from_stdlib_socket(ours))
    stream.watch(None)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.write, LARGE, 5)
        await anyio.wait_all_tasks_blocked()
        ends: dict[str, TrioStream | socket.socket] = {"host": host, "ours": stream}
        ends[leave].close()
    assert (stream.is_sending, stream.is_quiet()) == (False, False)


async def connecting_for_ever(*_: object) -> None:
    """As ``trio.open_tcp_stream()`` does while no address answers, each of which has a task."""
    async with trio.open_nursery():
        await trio.sleep_forever()


async def connect_for_ever(_: TrioStream) -> None:
    await connect("kimi.test", 443)


async def write_for_ever(stream: TrioStream) -> None:
    await stream.write(LARGE, None)


@ON_TRIO
@pytest.mark.parametrize("work", [connect_for_ever, write_for_ever])
async def test_a_cancellation_is_not_a_group_of_one(
    work: Callable[[TrioStream], Awaitable[None]],
    pair: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A batch, a hedge and a response take any other exception for a defect."""
    monkeypatch.setattr(trio, "open_tcp_stream", connecting_for_ever)
    stream = TrioStream(trio.socket.from_stdlib_socket(pair[0]))
    raised: list[tuple[type[BaseException], weakref.ref[BaseException]]] = []

    async def run() -> None:
        try:
            await work(stream)
        except BaseException as error:
            raised.append((type(error), weakref.ref(error)))
            raise

    gc.disable()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        # An error that a frame of its own traceback holds would wait for the garbage collector.
        kept = [error() for _, error in raised]
    finally:
        gc.enable()
    stream.close()
    assert [kind for kind, _ in raised] == [trio.Cancelled]
    assert kept == [None]


class Recorder:
    """A stream that keeps every write."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    async def write(self, data: bytes, seconds: float | None) -> None:
        assert seconds == 1
        self.written.append(data)


async def test_waiting_for_an_upload_writes_nothing_into_tls() -> None:
    recorder: Any = Recorder()
    await TlsStream(recorder, ssl.create_default_context(), "kimi.test").write(b"", 1)
    assert recorder.written == [b""]


class Broken:
    """A response of aiohttp whose connection broke with bytes that were not read."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.content = aiohttp.StreamReader(BaseProtocol(loop), 1024, loop=loop)
        self.content.feed_data(b"the last bytes")
        self.content.set_exception(aiohttp.ClientPayloadError("broken"))
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@ON_ASYNCIO
async def test_bytes_before_the_end_of_a_broken_body_are_given() -> None:
    response: Any = Broken()
    body = Body(response)
    assert await anext(body) == b"the last bytes"
    with pytest.raises(aiohttp.ClientPayloadError):
        await anext(body)
    assert response.aborted


class Reading(asyncio.Transport):
    """A transport of asyncio that notes whether its socket would be read."""

    is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


async def answered(protocol: Protocol, length: int = 10_000_000) -> aiohttp.StreamReader:
    """Return the body of the response that the connection is about to receive."""
    protocol.connection_made(Reading())
    protocol.set_response_params(read_timeout=10)
    protocol.start_timeout()
    protocol.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length)
    _, body = await protocol.read()
    return body


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["asyncio"])
async def test_each_read_of_aiohttp_has_the_whole_time() -> None:
    protocol = Protocol(asyncio.get_running_loop())
    body = await answered(protocol)
    for _ in range(4):
        await anyio.sleep(6)
        protocol.data_received(b"x")
    await anyio.sleep(9.9)
    assert body.exception() is None
    await anyio.sleep(0.2)
    assert isinstance(body.exception(), aiohttp.SocketTimeoutError)


@ON_ASYNCIO
async def test_a_body_of_aiohttp_that_nobody_reads_stops_the_socket() -> None:
    protocol = Protocol(asyncio.get_running_loop())
    body = await answered(protocol)
    transport = protocol.transport
    assert isinstance(transport, Reading)
    sizes: list[int] = []
    for _ in range(2):
        while transport.is_read:
            protocol.data_received(b"x" * 10_000)
        sizes.append(len(await body.readany()))
    assert transport.is_read
    assert sizes[0] == sizes[1] > 10_000


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["asyncio"])
async def test_a_body_of_aiohttp_may_end_while_its_socket_is_not_read() -> None:
    protocol, length = Protocol(asyncio.get_running_loop()), 600_000
    body = await answered(protocol, length)
    transport = protocol.transport
    assert isinstance(transport, Reading)
    protocol.data_received(b"x" * length)
    read = 0
    while not body.at_eof():
        read += len(await body.readany())
    assert (read, transport.is_read) == (length, True)
    await anyio.sleep(20)
    assert protocol.exception() is None, "an idle connection has no time limit"
