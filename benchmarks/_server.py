"""A server in a process of its own, so that its work is neither measured nor in the way."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol, TypeAlias

__all__ = ["LAST", "Pipe", "Serve", "Write", "chunk", "serve_streams", "serving"]

HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
#: The chunk that ends a body.
LAST: Final = b"0\r\n\r\n"


class Pipe(Protocol):
    """One end of a pipe, whatever the system makes it of."""

    def send(self, obj: Any, /) -> None:
        """Send a value to the other end."""
        ...

    def recv(self) -> Any:
        """Wait for a value from the other end."""
        ...


#: Serves, and sends its URL as the first thing, or whatever else its clients must know.
Serve: TypeAlias = Callable[[Pipe], Coroutine[Any, Any, None]]


@contextmanager
def serving(serve: Serve) -> Generator[tuple[Any, Pipe]]:
    """Run *serve*, a function of a module, in another process; return its first message and our end of the pipe."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(serve, theirs), daemon=True)
    process.start()
    theirs.close()  # or a child that cannot begin would be waited for
    try:
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()


#: Writes the body of one response; the text is the parameter ``user`` of the request.
Write: TypeAlias = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


async def serve_streams(pipe: Pipe, write: Write, *, backlog: int = 100) -> None:
    """Listen on a port of this machine, send the URL, and answer every request with the events that *write* writes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
                writer.write(HEAD)
                await write(body["user"], writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=backlog)
    pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _run(serve: Serve, pipe: Pipe) -> None:
    asyncio.run(serve(pipe))
