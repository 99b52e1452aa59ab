"""A host that plays a script over each of its connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import anyio
import httpx
from anyio.abc import ByteStream, SocketAttribute

__all__ = ["COUNTED", "OK", "Host", "Peer", "Serve", "answering", "ask", "serving"]


OK = b"HTTP/1.1 200 OK\r\n"
COUNTED = OK + b"content-length: 5\r\n\r\nHello"
Serve: TypeAlias = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The host's end of one connection."""

    def __init__(self, stream: ByteStream, number: int) -> None:
        self._stream = stream
        #: The how-manyth connection it is, from 0.
        self.number = number

    async def request(self) -> bytes:
        """Read one request, whose body ends with a brace; ``b""`` when the client is gone."""
        heard = bytearray()
        while not heard.endswith(b"}") and (data := await self.some()):
            heard += data
        return bytes(heard)

    async def some(self) -> bytes:
        """Read once; ``b""`` when the client is gone."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            return await self._stream.receive()
        return b""

    async def say(self, data: bytes) -> None:
        with suppress(anyio.BrokenResourceError):
            await self._stream.send(data)


class Host:
    """A server that does with each connection what a test says."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.url = ""
        self.connections = 0
        self.open = 0
        self._changed = anyio.Event()

    async def accept(self, stream: ByteStream) -> None:
        peer = Peer(stream, self.connections)
        self.connections += 1
        self.open += 1
        try:
            async with stream:
                await self._serve(peer)
        finally:
            self.open -= 1
            self._changed.set()

    async def left_with(self, connections: int) -> None:
        """Wait until so many *connections* are open."""
        with anyio.fail_after(5):
            while self.open != connections:
                self._changed = anyio.Event()
                await self._changed.wait()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncGenerator[Host]:
    host = Host(serve)
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        host.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        tasks.start_soon(listener.serve, host.accept)
        yield host
        tasks.cancel_scope.cancel()


def answering(*answers: bytes) -> Serve:
    """Answer the requests of each connection with *answers*, and close it after the last one."""

    async def serve(peer: Peer) -> None:
        for answer in answers:
            if not await peer.request():
                return
            await peer.say(answer)

    return serve


async def ask(http: httpx.AsyncClient, url: str, **settings: Any) -> httpx.Response:
    return await http.post(url, content=b"{}", **settings)
