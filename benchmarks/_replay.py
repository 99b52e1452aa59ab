"""The server of the comparison: it streams a fixed body, in the way that the request names."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
import ssl
from typing import Final, NamedTuple

import trustme
from _bodies import Ask, body_of
from _server import Pipe

__all__ = ["Served", "Server", "certified", "serve"]

HEADERS: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
#: Seconds after an event of a paced stream: more than any client needs for one.
PAUSE: Final = 0.002


class Served(NamedTuple):
    """Where the server is.

    Attributes:
        url: Without TLS.
        tls_url: With it.
        authority: Who has issued its certificate, as PEM.
    """

    url: str
    tls_url: str
    authority: bytes


class Server:
    """Answers every request; counts the streams that it holds.

    Attributes:
        holding: How many they are.
        held: Set when there is the first one.
    """

    def __init__(self) -> None:
        self.holding = 0
        self.held = asyncio.Event()
        self._release = asyncio.Event()

    def release(self) -> None:
        """Let the held streams continue."""
        self._release.set()
        self._release = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client leaves."""
        with contextlib.closing(writer), contextlib.suppress(EOFError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                await self._write(Ask.of(body["model"]), writer)

    async def _write(self, ask: Ask, writer: asyncio.StreamWriter) -> None:
        frames = _frames(ask)
        writer.write(HEADERS)
        for number, frame in enumerate(frames):
            if ask.hold and number == ask.hold:
                await self._hold()
            writer.write(frame)
            await writer.drain()
            await asyncio.sleep(PAUSE if ask.pace == "paced" else 0)

    async def _hold(self) -> None:
        self.holding += 1
        self.held.set()
        await self._release.wait()
        self.holding -= 1


@functools.cache
def _frames(ask: Ask) -> list[bytes]:
    """Return the pieces that are written at once: each event is one chunk of HTTP, as hosts do it."""
    events = body_of(ask.body, ask.chunks).events
    frames = [b"%x\r\n%b\r\n" % (len(event), event) for event in events] + [b"0\r\n\r\n"]
    return [b"".join(frames)] if ask.pace == "burst" else frames


def certified() -> tuple[ssl.SSLContext, bytes]:
    """Make the server's side of TLS 1.3, and the authority that has issued its certificate, as PEM."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, authority.cert_pem.bytes()


async def serve(pipe: Pipe) -> None:
    """Serve; asked for ``"holding"`` tell how many streams are held, asked to ``"release"`` let them go."""
    replay = Server()
    context, authority = certified()
    addresses: list[str] = []
    for tls in (None, context):
        server = await asyncio.start_server(replay.answer, "127.0.0.1", 0, backlog=1024, ssl=tls)
        addresses.append(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    pipe.send(Served(f"http://{addresses[0]}", f"https://{addresses[1]}", authority))
    while True:
        if await asyncio.to_thread(pipe.recv) == "release":
            replay.release()
        pipe.send(replay.holding)
