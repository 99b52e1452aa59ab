"""Measure the cost of an event on its way through ``ReplyResponse``, and 500 responses at once.

``python benchmarks/web.py [ROUNDS] [--save]``: CPU time of this process, which holds the client and the service; the
provider and the browsers are other processes. "ASGI" is the response without a server, "uvicorn" the whole service.
"Sending" is a ``StreamingResponse`` of Starlette under uvicorn that is given ready bytes at the same pace, and reads
nothing: the cost that a service has without this library. The rounds are interleaved, and a ratio is the median of the
rounds' own. ``--save`` writes the tables into the documentation. Ends with 1 when the response over ASGI costs more
than 2 x reading, or the one under uvicorn more than 2 x reading and sending.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import importlib.util
import operator
import platform
import resource
import socket
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, Final, Literal

import uvicorn
from _server import LAST, Pipe, chunk, serve_streams, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from kimi_async import AsyncKimi, OpenAICompatible
from kimi_async.testing import RenderContext, Reply, Send
from kimi_async.web import Format, ReplyResponse

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures" / "web.md"
#: An event in the format "events", whose size is between those of the others.
READY: Final = b'data: {"event":"ContentDelta","text":"abcdefgh","choice":0}\n\n'
FORMATS: Final[tuple[Format, ...]] = ("text", "events", "openai", "ai-sdk")
STREAMS: Final = 50
MANY: Final = 500


class Load:
    """The stream that the provider writes.

    Attributes:
        events: Its events.
        pace: Seconds between two of them; 0 = all in one write.
    """

    def __init__(self, pieces: int, pace: float) -> None:
        reply = Reply("abcdefgh" * pieces, "ABCDEFGH" * pieces)
        steps = reply.render(RenderContext(provider="openai")).steps
        self.events = [step.data for step in steps if isinstance(step, Send)]
        self.pace = pace

    def writes(self, events: list[bytes]) -> list[bytes]:
        """Return *events* as they are written."""
        return events if self.pace else [b"".join(events)]


#: So slow that the events come one by one on a busy machine too; the last is that of many responses at once.
LOADS: Final = {
    "one burst": Load(100, 0.0),
    "an event every 100 ms": Load(20, 0.1),
    "an event every 10 ms": Load(100, 0.01),
}
*MEASURED, AT_ONCE = LOADS
BUDGET: Final = 2.0


async def provide(pipe: Pipe) -> None:
    """Answer every request with the load that the request names."""
    await serve_streams(pipe, write, backlog=2 * MANY)


async def write(name: str, writer: asyncio.StreamWriter) -> None:
    load = LOADS[name]
    for part in load.writes([*map(chunk, load.events)]):
        writer.write(part)
        await asyncio.sleep(load.pace)
    writer.write(LAST)


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


async def ready(request: Request) -> StreamingResponse:
    """Send ready bytes at the pace of a load."""
    load = [*LOADS.values()][request.path_params["load"]]

    async def pieces() -> AsyncGenerator[bytes]:
        for piece in load.writes([READY] * len(load.events)):
            yield piece
            await asyncio.sleep(load.pace)

    return StreamingResponse(pieces(), media_type="text/event-stream")


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

    async def read(self, load: str) -> None:
        """Read the streams, and send nothing on."""

        async def one() -> None:
            async with self._client.stream("Hi", user=load) as stream:
                async for _ in stream:
                    pass

        await asyncio.gather(*(one() for _ in range(STREAMS)))

    async def asgi(self, load: str, form: Format) -> None:
        """Send the streams on to nowhere."""

        async def one() -> None:
            response = ReplyResponse(self._client.stream("Hi", user=load), form)
            await response({"type": "http"}, nobody, nowhere)

        await asyncio.gather(*(one() for _ in range(STREAMS)))

    async def serve(
        self, load: str, form: Format | Literal["ready"], count: int = STREAMS
    ) -> list[tuple[float, float]]:
        """Answer as many browsers, and return their seconds to the first byte and to the end."""
        path = f"/{form}/{list(LOADS).index(load)}"
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
            form, place = request.path_params["form"], request.path_params["load"]
            return ReplyResponse(client.stream("Hi", user=list(LOADS)[place]), form)

        routes = [Route("/ready/{load:int}", ready), Route("/{form}/{load:int}", reply)]
        app = Starlette(routes=routes)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0), backlog=2 * MANY) as listener:
            task = asyncio.create_task(server.serve(sockets=[listener]))
            yield Service(client, browsers, listener.getsockname()[1])
            server.should_exit = True
            await task


async def measure(service: Service, rounds: int) -> dict[tuple[str, str, str], list[float]]:
    """Return the CPU seconds of every round, by load, format and way."""
    taken: dict[tuple[str, str, str], list[float]] = {}
    for number in range(-1, rounds):
        for load in MEASURED:
            ways: dict[tuple[str, str], Callable[[], Awaitable[object]]] = {
                ("", "read"): functools.partial(service.read, load),
                ("", "send"): functools.partial(service.serve, load, "ready"),
            }
            for form in FORMATS:
                ways[form, "ASGI"] = functools.partial(service.asgi, load, form)
                ways[form, "uvicorn"] = functools.partial(service.serve, load, form)
            for (name, way), work in ways.items():
                seconds = await cpu(work)
                if number >= 0:
                    taken.setdefault((load, name, way), []).append(seconds)
    return taken


def table(taken: dict[tuple[str, str, str], list[float]]) -> tuple[list[str], bool]:
    """Return the lines of the table, and whether the budgets hold."""
    lines = [
        "| The provider writes | Format | Reading | ASGI | To reading | Sending | uvicorn | To reading | To both |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    holds = True
    for load, form in product(MEASURED, FORMATS):
        read, send = taken[load, "", "read"], taken[load, "", "send"]
        asgi, served = taken[load, form, "ASGI"], taken[load, form, "uvicorn"]
        each = functools.partial(median_of_one, load)
        over_asgi, to_both = ratio(asgi, read), ratio(served, map(operator.add, read, send))
        holds = holds and over_asgi <= BUDGET and to_both <= BUDGET
        lines.append(
            f"| {load} | `{form}` | {each(read)} | {each(asgi)} | {over_asgi:.2f}"
            f" | {each(send)} | {each(served)} | {ratio(served, read):.2f} | {to_both:.2f} |"
        )
    return lines, holds


def ratio(taken: Iterable[float], base: Iterable[float]) -> float:
    """Return the median of the ratios of the rounds."""
    median: float = statistics.median(map(operator.truediv, taken, base))
    return median


def median_of_one(load: str, taken: list[float]) -> str:
    """Return the median for one event of a load."""
    events = STREAMS * len(LOADS[load].events)
    return f"{statistics.median(taken) / events * 1e6:.1f} us"


async def at_once(service: Service) -> list[str]:
    """Return the lines about many responses at once."""
    lines = [
        f"| {MANY} at once | First byte, median | First byte, last | End, last | CPU for each event | Memory |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    events = MANY * len(LOADS[AT_ONCE].events)
    for form in FORMATS:
        begun = time.process_time()
        answers = await service.serve(AT_ONCE, form, MANY)
        cost = (time.process_time() - begun) / events * 1e6
        firsts, ends = zip(*answers, strict=True)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lines.append(
            f"| `{form}` | {statistics.median(firsts):.2f} s | {max(firsts):.2f} s | {max(ends):.1f} s"
            f" | {cost:.1f} us | {memory:.0f} MiB |"
        )
    return lines


async def run(url: str, browsers: Pipe, rounds: int) -> tuple[list[str], bool]:
    async with service(url, browsers) as ours:
        lines, holds = table(await measure(ours, rounds))
        return [*lines, "", *await at_once(ours)], holds


def http_parser() -> str:
    """Return the name of the package that uvicorn reads and writes HTTP with."""
    return "h11" if importlib.util.find_spec("httptools") is None else "httptools"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    with serving(provide) as (url, _), serving(browse) as (_, browsers):
        lines, holds = asyncio.run(run(url, browsers, arguments.rounds))
    lines.append(
        f"\nCPU time of the service's process for each event: medians of {arguments.rounds} rounds of {STREAMS} "
        f"streams, and one round of {MANY} with {AT_ONCE}. "
        f"uvicorn {version('uvicorn')} with {http_parser()}, Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}."
    )
    page = "\n".join(lines) + "\n"
    print(page)
    if arguments.save:
        FIGURES.write_text(page, "utf-8")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
