"""Measure the cost of ``Timeouts`` for each chunk: default limits plus ``total``, compared with no limit.

``python benchmarks/clocks.py [ROUNDS] [--save]``: CPU time of this process for one stream, all events taken, over
each HTTP engine that is installed. The rounds are interleaved, and the ratio is the median of their ratios: the two
halves of a round had the same neighbours on the machine. ``--save`` writes the table into the documentation. Ends with
1 when a ratio is over the budget of DESIGN.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import operator
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, Final

from _server import LAST, Pipe, chunk, serve_streams, serving

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible, Timeouts, http_client
from kimi_async.testing import RenderContext, Reply, Send

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures" / "clocks.md"
CHUNKS: Final = 2_000
#: Half reasoning, half text, one event each.
TEXT: Final = "abcdefgh" * (CHUNKS // 2)
EVENTS: Final = [
    step.data
    for step in Reply(TEXT, TEXT.upper()).render(RenderContext(provider="openai")).steps
    if isinstance(step, Send)
]
#: As hosts send them: each event is one chunk of HTTP.
FRAMES: Final = [*map(chunk, EVENTS), LAST]
WAYS: Final = {"event by event": FRAMES, "one burst": [b"".join(FRAMES)]}
LIMITS: Final = {
    "default": Timeouts(total=3600),
    "none": Timeouts(
        connect=None, write=None, first_output=None, idle=None, progress=None, finish_grace=None
    ),
}
BUDGET: Final = 1.10


async def serve(pipe: Pipe) -> None:
    """Answer every request with the same stream, written in the way that the request names."""
    await serve_streams(pipe, write)


async def write(way: str, writer: asyncio.StreamWriter) -> None:
    for part in WAYS[way]:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)


def over_aiohttp() -> Any:
    httpx = importlib.import_module("httpx")
    return httpx.AsyncClient(transport=importlib.import_module("httpx_aiohttp").AiohttpTransport())


def over_httpx2() -> Any:
    return importlib.import_module("httpx2").AsyncClient()


#: Each HTTP client: its packages, and its constructor.
ENGINES: Final[dict[str, tuple[tuple[str, ...], Callable[[], Any]]]] = {
    "httpx": (("httpx", "httpcore"), http_client),
    "httpx-aiohttp": (("httpx-aiohttp", "aiohttp"), over_aiohttp),
    "httpx2": (("httpx2", "httpcore2"), over_httpx2),
}


async def seconds_of_one(client: AsyncKimi, way: str) -> float:
    """CPU seconds of this process for one stream."""
    gc.collect()
    begun = time.process_time()
    async with client.stream("Hi", user=way) as stream:
        async for _ in stream:
            pass
        reply = await stream.final()
    taken = time.process_time() - begun
    if (reply.text, reply.reasoning) != (TEXT, TEXT.upper()):
        raise AssertionError("the text did not arrive as it was sent")
    return taken


async def measure(url: str, engine: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of every round, by way and limits."""
    provider = OpenAICompatible("test-key", url)
    taken: dict[str, dict[str, list[float]]] = {way: {name: [] for name in LIMITS} for way in WAYS}
    async with ENGINES[engine][1]() as http:
        clients = {
            name: AsyncKimi(
                provider,
                model="m",
                timeouts=timeouts,
                http_client=http,
                retries=kimi.Retries.none(),
            )
            for name, timeouts in LIMITS.items()
        }
        for number in range(-1, rounds):
            # Who comes first changes, because the first one finds the caches cold.
            order = list(LIMITS)[:: 1 if number % 2 else -1]
            for way, name in product(WAYS, order):
                seconds = await seconds_of_one(clients[name], way)
                if number >= 0:
                    taken[way][name].append(seconds)
    return taken


def table(url: str, rounds: int) -> tuple[list[str], float]:
    """The lines of the table, and the largest ratio in it."""
    lines = [
        "| HTTP engine | The server writes | No limit | Default limits and `total` | Ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    worst = 0.0
    for engine, (packages, _) in ENGINES.items():
        try:
            versions = ", ".join(f"{package} {version(package)}" for package in packages)
            taken = asyncio.run(measure(url, engine, rounds))
        except (ImportError, TypeError) as error:
            print(f"{engine}: left out: {error}", file=sys.stderr)
            continue
        for way, by_limits in taken.items():
            ratio = statistics.median(
                map(operator.truediv, by_limits["default"], by_limits["none"])
            )
            none, default = (
                statistics.median(by_limits[name]) / CHUNKS * 1e6 for name in ("none", "default")
            )
            worst = max(worst, ratio)
            lines.append(f"| {versions} | {way} | {none:.1f} us | {default:.1f} us | {ratio:.3f} |")
    return lines, worst


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=31)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    with serving(serve) as (url, _):
        lines, worst = table(url, arguments.rounds)
    lines.append(
        f"\nCPU time of the client's process for each chunk: medians of {arguments.rounds} rounds of {CHUNKS} chunks. "
        f"The ratio is the median of the rounds' own. Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}."
    )
    page = "\n".join(lines) + "\n"
    print(page)
    if arguments.save:
        FIGURES.write_text(page, "utf-8")
    return 0 if worst <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
