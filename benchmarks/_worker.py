"""One client in a process of its own, which measures itself: ``python _worker.py CLIENT URL [TLS_URL]``.

Reads commands from its input, a JSON object in each line, and answers each in the same way. Between two commands its
event loop stands still.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Generator
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from _bodies import Ask, Said, body_of
from _clients import CLIENTS, Client, Entry

Answer: TypeAlias = dict[str, Any]


class Worker:
    """The client, made for each URL when it is first used there, and the streams that it has open."""

    def __init__(self, entry: Entry, url: str, tls_url: str = "") -> None:
        self._entry = entry
        self._url = url
        self._tls_url = tls_url
        self._module = importlib.import_module(f"_clients.{entry.module}")
        self._clients: dict[str, Client] = {}
        self._open: list[asyncio.Task[list[Said]]] = []
        self._asked = Ask("text", 1, "burst")

    async def run(self, ask: list[Any], streams: int = 1, replies: int = 1) -> Answer:
        """Take so many streams at once, and as many replies one after another in the place of each.

        Tells the seconds of CPU and wall, the CPU until the first output, and in how many pieces a client read that
        counts them.
        """
        self._asked = Ask(*ask)
        body_of(self._asked.body, self._asked.chunks)  # made before it is compared with
        gc.collect()
        reads = self._reads()
        marks: list[float] = []
        begun, wall = time.process_time(), time.perf_counter()
        self._start(streams, lambda: marks.append(time.process_time()), replies)
        said = await asyncio.gather(*self._open)
        cpu, wall = time.process_time() - begun, time.perf_counter() - wall
        self._check(said)
        return {"cpu": cpu, "wall": wall, "first": marks[0] - begun, "reads": self._reads() - reads}

    async def open(self, ask: list[Any], streams: int) -> Answer:
        """Begin so many streams, which the server will hold."""
        self._asked = Ask(*ask)
        self._start(streams, lambda: None)
        return await self.settle()

    async def settle(self) -> Answer:
        """Let the event loop run until there is nothing more to do."""
        while True:
            before = time.process_time()
            await asyncio.sleep(0.1)
            if time.process_time() - before < 0.002:
                return {}

    async def finish(self) -> Answer:
        """Take the streams that were opened to their end."""
        self._check(await asyncio.gather(*self._open))
        return {}

    async def memory(self) -> Answer:
        """Report the bytes in memory, before and after a collection, and the peak."""
        now = _resident()
        gc.collect()
        return {"now": now, "collected": _resident(), "peak": _peak()}

    async def close(self) -> Answer:
        """Close the clients."""
        for client in self._clients.values():
            await client.close()
        return {}

    def hello(self) -> Answer:
        """Report the packages that it uses."""
        return {"versions": {package: version(package) for package in self._entry.packages}}

    def _reads(self) -> int:
        return sum(getattr(client, "reads", 0) for client in self._clients.values())

    def _start(self, streams: int, first: Any, replies: int = 1) -> None:
        url = self._tls_url if self._asked.tls else self._url
        if url not in self._clients:
            self._clients[url] = self._made(url)
        client = self._clients[url]
        self._open = [
            asyncio.ensure_future(self._take(client, first, replies)) for _ in range(streams)
        ]

    async def _take(self, client: Client, first: Any, replies: int) -> list[Said]:
        return [await client.run(self._asked, first) for _ in range(replies)]

    def _made(self, url: str) -> Client:
        client: Client = self._module.make(url, **self._entry.arguments)
        return client

    def _check(self, said: list[list[Said]]) -> None:
        """Check that each stream was read correctly, because a client that computes nothing is not comparable."""
        expected = body_of(self._asked.body, self._asked.chunks).said
        if any(one != expected for replies in said for one in replies):
            raise AssertionError(f"{self._asked} did not arrive as it was sent")
        self._open = []


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


def _peak() -> int:
    """The most bytes of this process that were in memory.

    Not ``ru_maxrss``: after a fork or vfork it begins with the value of the parent.
    """
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@contextlib.contextmanager
def answers() -> Generator[Callable[[Answer], None]]:
    """Return the stream for answers, and keep the output of libraries out of it."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)

        def answer(value: Answer) -> None:
            out.write(json.dumps(value) + "\n")
            out.flush()

        yield answer


def loop_factory(entry: Entry) -> Any:
    return importlib.import_module("uvloop").new_event_loop if entry.uvloop else None


def main(name: str, *urls: str) -> None:
    entry = CLIENTS[name]
    with answers() as answer, asyncio.Runner(loop_factory=loop_factory(entry)) as runner:
        worker = Worker(entry, *urls)
        answer(worker.hello())
        for line in sys.stdin:
            command = json.loads(line)
            answer(runner.run(getattr(worker, command.pop("do"))(**command)))


if __name__ == "__main__":
    main(*sys.argv[1:])
