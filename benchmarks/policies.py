"""Measure the cost of retries, breakers, rate limits and hedges for a reply that needs none of them.

``python benchmarks/policies.py [ROUNDS] [--save]``: CPU time of this process for whole streams, all events taken. A
client with two providers and every policy is compared with one that has one provider and no retries. The rounds are
interleaved, and a ratio is the median of the rounds' own. One host is a server in another process, which is the
cost of a real reply; the other is a function of this process, which is the least that a reply can cost. ``--save``
writes the table into the documentation. Ends with 1 when a ratio is over its budget.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import operator
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from itertools import product
from pathlib import Path
from typing import Final, Unpack

import httpx
from _server import LAST, Pipe, chunk, serve_streams, serving
from attrs import evolve, frozen

from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    Breaker,
    ClientOptions,
    Cloudsway,
    Provider,
    RateLimits,
    Retries,
    http_client,
)
from kimi_async._reply._endpoints import endpoint_of
from kimi_async.testing import RenderContext, Reply, Send

__all__ = ["Measured", "main", "measure", "page"]

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures" / "policies.md"
SIZES: Final = (10, 100, 1_000)
#: The largest ratio, for streams of at least so many chunks. A shorter one has less work that could hide a policy.
BUDGETS: Final = {10: 1.05, 100: 1.03, 1_000: 1.03}
#: Chunks of all streams of one round.
ROUND: Final = 1_000
#: The client that the others are compared with: ``Retries.none()`` and one provider.
PLAIN: Final = "no retries"
EVERYTHING: Final = "everything"
WHERE: Final = ("another process", "this process")


@frozen
class Measured:
    """The CPU seconds of one stream in each round, by client.

    Attributes:
        where: The place of the host.
        chunks: The chunks of a stream.
        seconds: The rounds of each client.
    """

    where: str
    chunks: int
    seconds: Mapping[str, list[float]]

    def ratio(self, client: str) -> float:
        """Return the cost of a stream, relative to that of the client without policies."""
        ratios = map(operator.truediv, self.seconds[client], self.seconds[PLAIN])
        return float(statistics.median(ratios))

    @property
    def holds(self) -> bool:
        """Whether everything costs no more than its budget."""
        return self.ratio(EVERYTHING) <= BUDGETS.get(self.chunks, 1.0)


def body_of(chunks: int) -> list[bytes]:
    """Return the events of a stream in writes of 4 KiB."""
    steps = Reply("abcdefgh" * chunks).render(RenderContext(provider="openai")).steps
    body = b"".join(step.data for step in steps if isinstance(step, Send))
    return [body[at : at + 4096] for at in range(0, len(body), 4096)]


async def serve(pipe: Pipe) -> None:
    """Answer every request with a stream of as many chunks as the request names."""
    await serve_streams(pipe, write)


async def write(chunks: str, writer: asyncio.StreamWriter) -> None:
    """Write the stream of so many *chunks*."""
    for part in body_of(int(chunks)):
        writer.write(chunk(part))
        await writer.drain()
    writer.write(LAST)


class Parts(httpx.AsyncByteStream):
    """A body of parts that are there already."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


def in_this_process() -> httpx.AsyncClient:
    """Return an HTTP client that is its own host."""
    bodies = {str(chunks): body_of(chunks) for chunks in SIZES}

    def respond(request: httpx.Request) -> httpx.Response:
        parts = bodies[json.loads(request.content)["user"]]
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=headers, stream=Parts(parts))

    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


def clients(url: str, http: httpx.AsyncClient) -> dict[str, AsyncKimi]:
    """Return the clients that are compared, by their names in the table."""
    a, b = AceDataCloud("test-key-1", url), Cloudsway("test-key-2", "endpoint", url)
    minutes = RateLimits(requests_per_minute=10**7, tokens_per_minute=10**10)

    def client(*providers: Provider, **options: Unpack[ClientOptions]) -> AsyncKimi:
        ours = AsyncKimi(providers, model="kimi-k3", http_client=http)
        return ours.with_options(**options)

    return {
        "no limits": client(evolve(a, rate_limits=None), retries=Retries.none()),
        PLAIN: client(a, retries=Retries.none()),
        "limits of a minute": client(evolve(a, rate_limits=minutes), retries=Retries.none()),
        "default": client(a, b, retries=Retries()),
        EVERYTHING: client(
            a,
            b,
            retries=Retries(),
            breaker=Breaker(slow_first_output=60.0),
            on_interrupt="continue",
            hedge_after="p95",
        ),
    }


def expect_slow_replies(client: AsyncKimi) -> None:
    """Let the percentile of first outputs be a minute, so that no reply of a round is slow enough for a hedge."""
    model = endpoint_of(client.providers[0], "kimi-k3")
    for _ in range(100):
        client._caller.shared.hedges.outputs_of(model).add(60.0)


async def seconds_of_one(client: AsyncKimi, chunks: int) -> float:
    """Return the CPU seconds of this process for one stream of so many *chunks*."""
    count = max(1, ROUND // chunks)
    expect_slow_replies(client)
    gc.collect()
    begun = time.process_time()
    reply = None
    for _ in range(count):
        async with client.stream("Hi", user=str(chunks)) as stream:
            async for _ in stream:
                pass
            reply = await stream.final()
    taken = time.process_time() - begun
    assert reply is not None
    if reply.text != "abcdefgh" * chunks or len(reply.record.attempts) > 1:
        raise AssertionError("the text did not arrive as it was sent, or not from one attempt")
    return taken / count


async def measure(url: str, rounds: int, sizes: tuple[int, ...] = SIZES) -> list[Measured]:
    """Measure both hosts and all *sizes*; *url* is that of the server in another process."""
    measured: list[Measured] = []
    for where, chunks in product(WHERE, sizes):
        async with http_client() if where == WHERE[0] else in_this_process() as http:
            compared = clients(url, http)
            taken: dict[str, list[float]] = {name: [] for name in compared}
            for number in range(-2, rounds):
                # Who comes first changes, because the first one finds the caches cold.
                for name in list(compared)[:: 1 if number % 2 else -1]:
                    seconds = await seconds_of_one(compared[name], chunks)
                    if number >= 0:
                        taken[name].append(seconds)
        measured.append(Measured(where, chunks, taken))
    return measured


def page(measured: list[Measured]) -> str:
    """Return the table, and the sentence below it."""
    names = [name for name in measured[0].seconds if name != PLAIN]
    lines = [
        f"| Host in | Chunks | {PLAIN.capitalize()} | {' | '.join(names).capitalize()} | Budget |",
        f"| --- | --- | --- | {'--- | ' * len(names)}--- |",
    ]
    for each in measured:
        plain = f"{statistics.median(each.seconds[PLAIN]) * 1e3:.2f} ms"
        ratios = " | ".join(f"{each.ratio(name):.3f}" for name in names)
        budget = f"{BUDGETS.get(each.chunks, 1.0):.2f}"
        lines.append(f"| {each.where} | {each.chunks:,} | {plain} | {ratios} | {budget} |")
    rounds = len(measured[0].seconds[PLAIN])
    lines.append(
        "\nCPU time of the client's process for one stream with `Retries.none()` and one provider, the median of "
        f"{rounds} rounds. The other figures are its multiples, the medians of the rounds' own; the last one has the "
        f"budget. Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}."
    )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and write it with ``--save``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=101)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args(arguments)
    with serving(serve) as (url, _):
        measured = asyncio.run(measure(url, given.rounds))
    print(page(measured))
    if given.save:
        FIGURES.write_text(page(measured), "utf-8")
    return 0 if all(each.holds for each in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
