"""A guard against a hot path that has become slow; CI runs it.

    python benchmarks/guard.py [--slowed] [--patience SECONDS]

The cost of a stream is compared with that of the least code that reads it, in the same process and in turns, over bytes
that are there already: no socket, no other process, no absolute time. A busy machine only ever makes a round longer, so
the shortest round of either side is taken, and there are more rounds for as long as a ratio is over its limit: a
machine's bad moment passes, and a slow hot path does not. Ends with 1 when a ratio stays over its limit.

``--slowed`` reads the whole reply again at each chunk; the guard must detect that.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final
from unittest import mock

import httpx
import msgspec

from kimi_async import AsyncKimi, OpenAICompatible
from kimi_async._events import StreamEvent
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._protocol._chunk import Chunk
from kimi_async.testing import RenderContext, Reply, Send

CHUNKS: Final = 1_000
GROWN: Final = 16_000
LEAST_ROUNDS: Final = 10
#: The allowed cost of a chunk, relative to the least.
#: Measured on CPython 3.11 and 3.13: 2.1 to 3.5, 2.2 to 2.8 and 0.8 to 1.0.
LIMITS: Final = {"each event in a read of its own": 4.5, "16 KiB in a read": 4.5, "growth": 1.5}


def events(chunks: int) -> list[bytes]:
    """The events of a stream, half reasoning and half text."""
    text = "abcdefgh" * (chunks // 2)
    steps = Reply(text, text.upper()).render(RenderContext(provider="openai")).steps
    return [step.data for step in steps if isinstance(step, Send)]


def in_large_reads(parts: list[bytes]) -> list[bytes]:
    body = b"".join(parts)
    return [body[at : at + 16384] for at in range(0, len(body), 16384)]


class Ready(httpx.AsyncByteStream):
    """A body of :attr:`parts`, one a read."""

    parts: list[bytes]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part


Client = Callable[[], Awaitable[int]]


def clients(http: httpx.AsyncClient) -> tuple[Client, Client]:
    """Ours, and the least: each reads a stream and gives the number of characters."""
    kimi = AsyncKimi(OpenAICompatible("test-key", "http://localhost"), model="m", http_client=http)
    decode = msgspec.json.Decoder().decode

    async def ours() -> int:
        async with kimi.stream("Hi") as stream:
            async for _ in stream:
                pass
            reply = await stream.final()
        return len(reply.text) + len(reply.reasoning or "")

    async def least() -> int:
        said: list[str] = []
        rest = b""
        async with http.stream("POST", "http://localhost", json={}) as response:
            async for data in response.aiter_raw():
                *blocks, rest = (rest + data).split(b"\n\n")
                for block in blocks:
                    if block != b"data: [DONE]":
                        for choice in decode(block[6:])["choices"]:
                            said.extend(text for text in choice["delta"].values() if text)
        return len("".join(said[1:]))  # the first is the role

    return ours, least


async def seconds(client: Client, repeats: int, characters: int) -> float:
    """CPU time of so many streams, each of which must have been read whole."""
    gc.collect()
    begun = time.process_time()
    for _ in range(repeats):
        if await client() != characters:
            raise AssertionError("the text did not arrive as it was sent")
    return time.process_time() - begun


async def ratio(limit: float, patience: float, *sides: Callable[[], Awaitable[float]]) -> float:
    """The shortest of the first of two *sides* to the shortest of the second.

    There are more rounds for so many seconds while it is over *limit*.
    """
    shortest = [float("inf"), float("inf")]
    begun = time.monotonic()
    rounds = 0
    while True:
        for side, measure in enumerate(sides):
            shortest[side] = min(shortest[side], await measure())
        found = shortest[0] / shortest[1]
        rounds += 1
        if rounds >= LEAST_ROUNDS and (found <= limit or time.monotonic() - begun > patience):
            return found


async def measure(patience: float) -> dict[str, float]:
    """All ratios, under the names of :data:`LIMITS`."""
    few, many = events(CHUNKS), events(GROWN)
    ready = Ready()

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=ready)

    found: dict[str, float] = {}
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        ours, least = clients(http)
        for name, parts in zip(LIMITS, (few, in_large_reads(few)), strict=False):
            ready.parts = parts
            found[name] = await ratio(
                LIMITS[name],
                patience,
                lambda: seconds(ours, 2, 8 * CHUNKS),
                lambda: seconds(least, 2, 8 * CHUNKS),
            )

        async def of(parts: list[bytes], chunks: int) -> float:
            ready.parts = parts
            return await seconds(ours, GROWN // chunks, 8 * chunks)

        found["growth"] = await ratio(
            LIMITS["growth"], patience, lambda: of(many, GROWN), lambda: of(few, CHUNKS)
        )
    return found


def slow_down() -> None:
    """Have the reply looked at again at each chunk."""
    feed = MessageAssembler.feed

    def feed_and_look(self: MessageAssembler, chunk: Chunk) -> list[StreamEvent]:
        self.snapshot()
        return feed(self, chunk)

    mock.patch.object(MessageAssembler, "feed", feed_and_look).start()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slowed", action="store_true")
    parser.add_argument("--patience", type=float, default=60.0, metavar="SECONDS")
    arguments = parser.parse_args()
    if arguments.slowed:
        slow_down()
    found = asyncio.run(measure(arguments.patience))
    for name, value in found.items():
        print(f"{name:32} {value:6.2f}   limit {LIMITS[name]:.1f}")
    slow = [name for name, value in found.items() if value > LIMITS[name]]
    print("too slow: " + ", ".join(slow) if slow else "as fast as it should be")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
