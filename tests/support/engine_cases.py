"""Faults in the bytes of HTTP, and their result for the caller, which is the same over each HTTP client."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import AsyncGenerator
from typing import Final, Literal, TypeAlias

import anyio
from attrs import frozen
from fake_host import delta, sse

import kimi_async as kimi
from kimi_async import Timeouts

__all__ = ["FAULTS", "PROXY_FAULTS", "EngineFault", "Server"]

End: TypeAlias = Literal["hangup", "reset", "stall"]

CONNECTING: Final = "connecting"
WAITING: Final = "waiting for the first output"

HEADERS: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED: Final = HEADERS + b"transfer-encoding: chunked\r\n\r\n"
COUNTED: Final = HEADERS + b"content-length: 100000\r\n\r\n"
UP_TO_THE_END: Final = HEADERS + b"connection: close\r\n\r\n"
HEL: Final = sse(delta("Hel"))


def chunk(data: bytes) -> bytes:
    """As the chunked coding frames it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@frozen(kw_only=True)
class EngineFault:
    """One fault, and its result for a caller of ``chat()``.

    Attributes:
        id: A short name.
        says: The bytes that the server sends after the request, or its part of a TLS handshake.
        then: The bytes that it sends after the caller has received those.
        end: Its last action.
        error: The error that is raised.
        stage: Its stage.
        scheme: That of the URL.
        listens: Whether there is a server.
        reads: Whether it reads the request before it speaks.
        size: Characters of the prompt.
        timeouts: The limits.
        text: The text of ``error.partial``; ``None`` if there is no partial reply.
    """

    id: str
    says: bytes = b""
    then: bytes = b""
    end: End = "hangup"
    error: type[kimi.KimiError] = kimi.TransportError
    stage: str = WAITING
    scheme: Literal["http", "https"] = "http"
    listens: bool = True
    reads: bool = True
    size: int = 2
    timeouts: Timeouts = Timeouts()
    text: str | None = None


def _in_output(name: str, says: bytes, end: End, then: bytes = b"") -> EngineFault:
    error, stage = kimi.StreamInterrupted, "streaming"
    return EngineFault(id=name, says=says, then=then, end=end, error=error, stage=stage, text="Hel")


FAULTS: Final = (
    EngineFault(id="refused", listens=False, stage=CONNECTING),
    # TLS
    EngineFault(id="no-tls", says=b"HTTP/1.1 400 No\r\n\r\n", scheme="https", stage=CONNECTING),
    EngineFault(id="tls-hangup", scheme="https", stage=CONNECTING),
    EngineFault(id="tls-reset", end="reset", scheme="https", stage=CONNECTING),
    EngineFault(
        id="tls-silence",
        end="stall",
        scheme="https",
        error=kimi.ConnectTimeout,
        stage=CONNECTING,
        timeouts=Timeouts(connect=0.1),
    ),
    EngineFault(
        id="tls-silence-before-a-large-request",
        end="stall",
        scheme="https",
        size=200_000,
        error=kimi.ConnectTimeout,
        stage=CONNECTING,
        timeouts=Timeouts(connect=0.1),
    ),
    # The request
    EngineFault(
        id="unread",
        end="stall",
        reads=False,
        size=20_000_000,  # more than the buffers of both sides hold
        error=kimi.WriteTimeout,
        stage="sending",
        timeouts=Timeouts(write=0.1),
    ),
    EngineFault(id="hangup-while-sending", reads=False, size=20_000_000),
    EngineFault(id="reset-while-sending", end="reset", reads=False, size=20_000_000),
    # The headers
    EngineFault(
        id="silence",
        end="stall",
        error=kimi.FirstOutputTimeout,
        timeouts=Timeouts(first_output=0.2),
    ),
    EngineFault(id="hangup"),
    EngineFault(id="reset", end="reset"),
    EngineFault(id="hangup-within-headers", says=HEADERS),
    EngineFault(id="reset-within-headers", says=HEADERS, end="reset"),
    EngineFault(id="no-http", says=b"220 mail.example ESMTP\r\n\r\n", end="stall"),
    EngineFault(id="bad-status", says=b"HTTP/1.1 2x0 OK\r\n\r\n", end="stall"),
    EngineFault(id="bad-header", says=HEADERS + b"no colon\r\n\r\n", end="stall"),
    EngineFault(id="large-header", says=HEADERS + b"x: " + b"x" * 200_000, end="stall"),
    # The body before the first output
    EngineFault(id="bad-chunk", says=CHUNKED + b"zz\r\n", end="stall"),
    EngineFault(id="hangup-before-output", says=CHUNKED + chunk(b": \n\n")),
    EngineFault(id="reset-before-output", says=CHUNKED + chunk(b": \n\n"), end="reset"),
    EngineFault(id="short-before-output", says=COUNTED + b": \n\n"),
    EngineFault(
        id="silence-before-output",
        says=CHUNKED,
        end="stall",
        error=kimi.FirstOutputTimeout,
        timeouts=Timeouts(first_output=0.2),
    ),
    EngineFault(
        id="bad-chunk-at-once",
        says=CHUNKED + chunk(HEL) + b"zz\r\n",
        end="stall",
        error=kimi.StreamInterrupted,
        stage="streaming",
        text="Hel",
    ),
    # The body after it
    _in_output("bad-chunk-in-output", CHUNKED + chunk(HEL), "stall", then=b"zz\r\n"),
    _in_output("hangup-in-output", CHUNKED + chunk(HEL), "hangup"),
    _in_output("reset-in-output", CHUNKED + chunk(HEL), "reset"),
    _in_output("short", COUNTED + HEL, "hangup"),
    _in_output("reset-when-short", COUNTED + HEL, "reset"),
    _in_output("end-without-finish-reason", UP_TO_THE_END + HEL, "hangup"),
    _in_output("reset-up-to-the-end", UP_TO_THE_END + HEL, "reset"),
    EngineFault(
        id="silence-in-output",
        says=CHUNKED + chunk(HEL),
        end="stall",
        error=kimi.IdleTimeout,
        stage="streaming",
        timeouts=Timeouts(idle=0.1),
        text="Hel",
    ),
)

#: The behaviour of a proxy that is asked for a connection to the host.
PROXY_FAULTS: Final = (
    EngineFault(id="no-proxy", listens=False, stage=CONNECTING),
    EngineFault(
        id="proxy-refuses", says=b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n", stage=CONNECTING
    ),
    EngineFault(
        id="proxy-fails", says=b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", stage=CONNECTING
    ),
    # No HTTP client can tell these from the behaviour of the host itself.
    EngineFault(id="proxy-hangs-up"),
    EngineFault(id="proxy-resets", end="reset"),
    EngineFault(id="proxy-is-none", says=b"220 mail.example ESMTP\r\n"),
)


class Server(anyio.AsyncContextManagerMixin):
    """One that has *fault*.

    Attributes:
        port: Where it listens, or nobody does.
        heard: The bytes that it received.
        told: Set by the test when the caller has received the first bytes.
        done: Set when it has done all it does.
    """

    def __init__(self, fault: EngineFault) -> None:
        self._fault = fault
        self.heard = b""
        self.port = 0
        self.told = anyio.Event()
        self.done = anyio.Event()

    @contextlib.asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Server]:
        # Plain sockets: those of anyio read ahead, and then no request stays unread.
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            if not self._fault.listens:
                listener.close()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._serve, listener)
                yield self
                tasks.cancel_scope.cancel()

    async def _serve(self, listener: socket.socket) -> None:
        if not self._fault.listens:
            return
        await anyio.wait_readable(listener)
        with listener.accept()[0] as sock:
            sock.setblocking(False)
            await anyio.wait_readable(sock)
            while self._fault.reads and not self._has_all():
                await anyio.wait_readable(sock)
                self.heard += sock.recv(65_536)
            await self._say(sock, self._fault.says)
            if self._fault.then:
                await self.told.wait()
                await self._say(sock, self._fault.then)
            if self._fault.end == "stall":
                await anyio.sleep_forever()
            elif self._fault.end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.done.set()

    def _has_all(self) -> bool:
        # A handshake begins with 22, a request ends with the brace of its JSON, a CONNECT and a GET with an empty line.
        heard = self.heard
        return heard.startswith((b"\x16", b"CONNECT", b"GET")) or heard.endswith(b"}")

    @staticmethod
    async def _say(sock: socket.socket, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the caller may have heard enough
            while data:
                await anyio.wait_writable(sock)
                data = data[sock.send(data) :]
