"""Measure the cost of an event on its way through ``ReplyResponse``, and 500 responses at once.

``python benchmarks/web.py [ROUNDS] [--save]``: CPU time of this process, which holds the client and the service; the
provider and the browsers are other processes. "ASGI" is the response without a server, "uvicorn" the whole service.
The rounds are interleaved, and a ratio is the median of the rounds' own. ``--save`` writes the tables into the
documentation. Ends with 1 when a ratio over ASGI is above the budget of DESIGN.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import json
import operator
import platform
import re
import resource
import socket
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, Final

import uvicorn
from _server import Pipe, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from kimi_async import AsyncKimi, OpenAICompatible
from kimi_async.testing import RenderContext, Reply, Send
from kimi_async.web import Format, ReplyResponse

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures" / "web.md"
EVENTS: Final = [
    step.data
    for step in Reply("abcdefgh" * 100, "ABCDEFGH" * 100)
    .render(RenderContext(provider="openai"))
    .steps
    if isinstance(step, Send)
]
FRAMES: Final = [b"%x\r\n%b\r\n" % (len(event), event) for event in EVENTS]
HEADERS: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
#: Seconds between two events of one stream; 0 = all in one write.
PACES: Final = {"one burst": 0.0, "an event every 10 ms": 0.01}
FORMATS: Final[tuple[Format, ...]] = ("text", "events", "openai", "ai-sdk")
STREAMS: Final = 50
MANY: Final = 500
BUDGET: Final = 2.0


async def provide(pipe: Pipe) -> None:
    """Answer every request with the same events, at the pace that its JSON names."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2 * MANY)
    pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await server.serve_forever()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
            pace = PACES[body["user"]]
            writer.write(HEADERS)
            for part in FRAMES if pace else [b"".join(FRAMES)]:
                writer.write(part)
                await asyncio.sleep(pace)
            writer.write(b"0\r\n\r\n")


async def browse(pipe: Pipe) -> None:
    """Ask as often at once as the pipe says; answer with the seconds to the first byte of each body and to its end."""
    pipe.send("ready")
    while True:
        port, path, count = await asyncio.to_thread(pipe.recv)
        pipe.send(await asyncio.gather(*(load(port, path) for _ in range(count))))


async def load(port: int, path: str) -> tuple[float, float, bytes]:
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n" % path.encode())
    await reader.readuntil(b"\r\n\r\n")
    first = time.perf_counter() - begun
    body = await reader.read(-1)
    writer.close()
    return first, time.perf_counter() - begun, body[-200:]


async def nobody() -> Any:
    await asyncio.Event().wait()


async def nowhere(_message: Any) -> None:
    """Take a message of ASGI, as a server without sockets."""


class Service:
    """The measured process: the client, the service over it, and the browsers that ask the service."""

    def __init__(self, client: AsyncKimi, browsers: Pipe, port: int) -> None:
        self._client = client
        self._browsers = browsers
        self._port = port

    async def read(self, pace: str) -> None:
        """Read the streams, and send nothing on."""

        async def one() -> None:
            async with self._client.stream("Hi", user=pace) as stream:
                async for _ in stream:
                    pass

        await asyncio.gather(*(one() for _ in range(STREAMS)))

    async def asgi(self, pace: str, form: Format) -> None:
        """Send the streams on to nowhere."""

        async def one() -> None:
            response = ReplyResponse(self._client.stream("Hi", user=pace), form)
            await response({"type": "http"}, nobody, nowhere)

        await asyncio.gather(*(one() for _ in range(STREAMS)))

    async def serve(
        self, pace: str, form: Format, count: int = STREAMS
    ) -> list[tuple[float, float]]:
        """Answer as many browsers, and return their seconds to the first byte and to the end."""
        path = f"/{form}/{list(PACES).index(pace)}"
        self._browsers.send((self._port, path, count))
        answers = await asyncio.to_thread(self._browsers.recv)
        if any(not body for _, _, body in answers):
            raise AssertionError("a body did not arrive")
        return [(first, last) for first, last, _ in answers]


async def cpu(work: Callable[[], Awaitable[object]]) -> float:
    """Return the CPU seconds of this process for *work*."""
    gc.collect()
    begun = time.process_time()
    await work()
    return time.process_time() - begun


@contextlib.asynccontextmanager
async def service(url: str, browsers: Pipe) -> AsyncGenerator[Service]:
    async with AsyncKimi(OpenAICompatible("test-key", url), model="m") as client:

        async def reply(request: Request) -> ReplyResponse:
            form, place = request.path_params["form"], request.path_params["pace"]
            return ReplyResponse(client.stream("Hi", user=list(PACES)[place]), form)

        app = Starlette(routes=[Route("/{form}/{pace:int}", reply)])
        config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0), backlog=2 * MANY) as listener:
            task = asyncio.create_task(server.serve(sockets=[listener]))
            yield Service(client, browsers, listener.getsockname()[1])
            server.should_exit = True
            await task


async def measure(service: Service, rounds: int) -> dict[tuple[str, str, str], list[float]]:
    """Return the CPU seconds of every round, by pace, format and way."""
    taken: dict[tuple[str, str, str], list[float]] = {}
    for number in range(-1, rounds):
        for pace in PACES:
            ways: dict[tuple[str, str], Callable[[], Awaitable[object]]] = {
                ("", "read"): functools.partial(service.read, pace)
            }
            for form in FORMATS:
                ways[form, "ASGI"] = functools.partial(service.asgi, pace, form)
                ways[form, "uvicorn"] = functools.partial(service.serve, pace, form)
            for (name, way), work in ways.items():
                seconds = await cpu(work)
                if number >= 0:
                    taken.setdefault((pace, name, way), []).append(seconds)
    return taken


def table(taken: dict[tuple[str, str, str], list[float]]) -> tuple[list[str], float]:
    """Return the lines of the table, and the largest ratio over ASGI."""
    events = STREAMS * len(EVENTS)
    lines = [
        "| The provider writes | Format | Reading | ASGI | Ratio | uvicorn | Ratio |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    worst = 0.0
    for pace, form in product(PACES, FORMATS):
        read = taken[pace, "", "read"]
        cells = [f"{statistics.median(read) / events * 1e6:.1f} us"]
        for way in ("ASGI", "uvicorn"):
            ratio = statistics.median(map(operator.truediv, taken[pace, form, way], read))
            each = statistics.median(taken[pace, form, way]) / events * 1e6
            cells += [f"{each:.1f} us", f"{ratio:.2f}"]
            if way == "ASGI":
                worst = max(worst, ratio)
        lines.append(f"| {pace} | `{form}` | {' | '.join(cells)} |")
    return lines, worst


async def at_once(service: Service) -> list[str]:
    """Return the lines about many responses at once."""
    lines = [
        f"| {MANY} at once | First byte, median | First byte, last | End, last | CPU for each event | Memory |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    pace = "an event every 10 ms"
    for form in FORMATS:
        begun = time.process_time()
        answers = await service.serve(pace, form, MANY)
        each = (time.process_time() - begun) / (MANY * len(EVENTS)) * 1e6
        firsts, ends = zip(*answers, strict=True)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lines.append(
            f"| `{form}` | {statistics.median(firsts):.2f} s | {max(firsts):.2f} s | {max(ends):.1f} s"
            f" | {each:.1f} us | {memory:.0f} MiB |"
        )
    return lines


async def run(url: str, browsers: Pipe, rounds: int) -> tuple[list[str], float]:
    async with service(url, browsers) as ours:
        lines, worst = table(await measure(ours, rounds))
        return [*lines, "", *await at_once(ours)], worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    with serving(provide) as (url, _), serving(browse) as (_, browsers):
        lines, worst = asyncio.run(run(url, browsers, arguments.rounds))
    lines.append(
        f"\nCPU time of the service's process for each event: medians of {arguments.rounds} rounds of {STREAMS} "
        f"streams of {len(EVENTS)} events, and one round of {MANY}. "
        f"uvicorn {version('uvicorn')}, Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}."
    )
    page = "\n".join(lines) + "\n"
    print(page)
    if arguments.save:
        FIGURES.write_text(page, "utf-8")
    return 0 if worst <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
