"""Many short streams against a server that misbehaves: none may end wrongly, and no connection and no task may be left.

``python benchmarks/soak.py [STREAMS] [--save]``: 20 % of the streams meet a fault, 10 % are left early by their reader
(one cancel, two cancels one turn of the loop apart, a ``break``). The seed decides the fault of each stream.
Ends with 1 when an outcome was wrong, a connection or task was left, or the memory grew. ``--save`` writes the figures
into the documentation.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import platform
import random
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

import anyio.to_thread
from _server import Pipe, serving
from attrs import Factory, define, evolve, frozen

import kimi_async as kimi
from kimi_async import AsyncKimi, Provider, Retries, Timeouts
from kimi_async.testing import (
    Answer,
    ErrorReply,
    FakeProvider,
    RawReply,
    ReceivedRequest,
    RenderContext,
    Reply,
    ScriptedReply,
    Send,
)

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures" / "soak.md"
SEED: Final = 4711
IN_FLIGHT: Final = 50
#: A retired HTTP client keeps its idle connections until its last stream ends, beside those of its successor (without
#: retirement there were never more than IN_FLIGHT, with one after every 20 cancelled requests 71).
MOST_CONNECTIONS: Final = 2 * IN_FLIGHT
#: Second half against first half.
MAX_GROWTH: Final = 0.10

TEXT: Final = "Once upon a time there was a server."
BEGUN: Final = "Once upon a time"
STREAM: Final = (("content-type", "text/event-stream"),)
EVENTS: Final = [
    step.data for step in Reply(TEXT).render(RenderContext()).steps if isinstance(step, Send)
]
#: The role and the two pieces of :data:`BEGUN`.
HALF: Final = b"".join(EVENTS[:3])
OVERLOADED: Final = b'data: {"error":{"type":"engine_overloaded_error","message":"busy"}}\n\n'

Leave: TypeAlias = Literal["cancel", "two cancels", "break"]


@frozen(kw_only=True)
class Fault:
    """One fault of the server, and its expected result; without an *error* the reply must be complete.

    A limit is short only where it must run out: on a busy machine any other would, too.
    """

    reply: ScriptedReply
    outcome: str = "error"
    error: type[kimi.KimiError] | None = None
    text: str | None = None
    timeouts: Timeouts = Timeouts()


def broken(body: bytes, error: type[kimi.KimiError], outcome: str = "error") -> Fault:
    """A fault after half of the answer."""
    reply = RawReply(body, headers=STREAM)
    return Fault(reply=reply, outcome=outcome, error=error, text=BEGUN)


GOOD: Final = Fault(reply=Reply(TEXT), outcome="complete", text=TEXT)
FAULTS: Final[dict[str, Fault]] = {
    "ends in mid answer": broken(HALF, kimi.StreamInterrupted, "interrupted"),
    "no finish reason": broken(HALF + EVENTS[-1], kimi.StreamInterrupted, "interrupted"),
    "error object": broken(HALF + OVERLOADED, kimi.OverloadedError),
    "broken JSON": broken(HALF + b"data: {\n\n", kimi.ProtocolError),
    "hangs up": Fault(
        reply=Reply(TEXT, cut_after=3, end="hangup"),
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text=BEGUN,
    ),
    "resets": Fault(
        reply=Reply(TEXT, cut_after=3, end="reset"),
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text=BEGUN,
    ),
    "goes silent": Fault(
        reply=Reply(TEXT, cut_after=3, end="stall"),
        outcome="timeout",
        error=kimi.IdleTimeout,
        text=BEGUN,
        timeouts=Timeouts(idle=2.0),
    ),
    "never begins": Fault(
        reply=Reply(TEXT, cut_after=1, end="stall"),
        outcome="timeout",
        error=kimi.FirstOutputTimeout,
        timeouts=Timeouts(first_output=2.0),
    ),
    "resets before output": Fault(
        reply=Reply(TEXT, cut_after=1, end="reset"), error=kimi.TransportError
    ),
    "empty body": Fault(reply=RawReply(b"", headers=STREAM), error=kimi.EmptyResponseError),
    "HTML page": Fault(reply=RawReply(b"<html>Bad Gateway"), error=kimi.ProtocolError),
    "status 429": Fault(reply=ErrorReply(429), error=kimi.RateLimitError),
    "status 500": Fault(reply=ErrorReply(500), error=kimi.ServerError),
    "no [DONE]": Fault(reply=Reply(TEXT, cut_after=-1), outcome="complete", text=TEXT),
    "silent after the answer": Fault(
        reply=Reply(TEXT, cut_after=-1, end="stall"),
        outcome="complete",
        text=TEXT,
        timeouts=Timeouts(finish_grace=0.5),
    ),
    "resets after the answer": Fault(
        reply=Reply(TEXT, cut_after=-1, end="reset"), outcome="complete", text=TEXT
    ),
}
#: The reply that is left early: slow enough to be left at every stage.
SLOW: Final = Fault(reply=Reply(TEXT, pace=0.005), outcome="complete", text=TEXT)
ALL: Final = {**FAULTS, "good": GOOD, "left early": SLOW}
LEAVES: Final[tuple[Leave, ...]] = ("cancel", "two cancels", "break")


async def serve(pipe: Pipe) -> None:
    """A fake provider; tells how many connections it has open whenever it is asked."""

    def answer(request: ReceivedRequest) -> Answer:
        # Nobody reads them here, and a hundred thousand would fill the memory.
        fake.requests.clear()
        return _rendered(request.body["messages"][0]["content"])

    async with FakeProvider(answer) as fake:
        pipe.send(fake.url)
        while True:
            await anyio.to_thread.run_sync(pipe.recv)
            pipe.send(fake.open_connections)


@functools.cache
def _rendered(name: str) -> Answer:
    return ALL[name].reply.render(RenderContext())


@define
class Report:
    """The observations."""

    streams: int
    seconds: float = 0.0
    outcomes: dict[str, Counter[str]] = Factory(dict)
    wrong: list[str] = Factory(list)
    memory: list[int] = Factory(list)
    most_connections: int = 0
    left_connections: int = 0
    left_tasks: int = 0

    def halves(self) -> tuple[float, float]:
        """Median of the memory in the first and in the second half, in MiB."""
        middle = len(self.memory) // 2
        first, second = self.memory[:middle], self.memory[middle:]
        return statistics.median(first) / 2**20, statistics.median(second) / 2**20

    @property
    def growth(self) -> float:
        """How much more memory the second half took, as a part of the first."""
        first, second = self.halves()
        return second / first - 1

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        left = self.left_connections or self.left_tasks or self.most_connections > MOST_CONNECTIONS
        return not self.wrong and not left and self.growth <= MAX_GROWTH

    def note(self, name: str, outcome: str, wrong: str | None) -> None:
        """One stream has ended."""
        self.outcomes.setdefault(name, Counter())[outcome] += 1
        if wrong is not None:
            self.wrong.append(f"{name}: {wrong}")


class Soak:
    """The streams of one run, numbered, :data:`IN_FLIGHT` of them at a time."""

    def __init__(self, provider: Provider, pipe: Pipe, streams: int) -> None:
        self._provider = provider
        self._pipe = pipe
        self._numbers = iter(range(streams))
        self._sample_every = max(streams // 100, 1)
        self.report = Report(streams)

    async def run(self) -> Report:
        """Run all streams, then close the client and count the connections and tasks that are left."""
        begun = time.monotonic()
        # Each fault must reach its check, and no limit may keep the host from being busy.
        provider = evolve(cast(Any, self._provider), rate_limits=None)
        async with AsyncKimi(provider, model="kimi-k3", retries=Retries.none()) as client:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(IN_FLIGHT):
                    tasks.create_task(self._work(client))
        report = self.report
        report.seconds = time.monotonic() - begun
        for _ in range(100):
            report.left_connections = self._open_connections()
            report.left_tasks = len(asyncio.all_tasks()) - 1
            if not report.left_connections and not report.left_tasks:
                break
            await asyncio.sleep(0.05)
        return report

    async def _work(self, client: AsyncKimi) -> None:
        for number in self._numbers:
            chance = random.Random(SEED * 1_000_003 + number)
            await self._one(client, *_drawn(chance), chance)
            if number % self._sample_every == 0:
                self._sample(number)

    def _sample(self, number: int) -> None:
        report = self.report
        report.memory.append(_resident())
        report.most_connections = max(report.most_connections, self._open_connections())
        told = f"{number:,} streams, {len(report.wrong)} wrong, {report.memory[-1] / 2**20:.1f} MiB"
        print(told, file=sys.stderr)

    def _open_connections(self) -> int:
        self._pipe.send(None)
        count: int = self._pipe.recv()
        return count

    async def _one(
        self, client: AsyncKimi, name: str, leave: Leave | None, chance: random.Random
    ) -> None:
        records: list[kimi.ReplyRecord] = []
        fault = ALL[name]
        asked = client.with_options(timeouts=fault.timeouts, on_complete=records.append)
        label = leave or name
        if leave is None:
            wrong = await _to_its_end(asked, name, fault)
        elif leave == "break":
            wrong = await _broken_off(asked, name, chance.randrange(6))
        else:
            wrong = await _cancelled(asked, name, chance.uniform(0, 0.05), twice=leave != "cancel")
        told = [record.outcome for record in records]
        allowed = {fault.outcome} if leave is None else {fault.outcome, "cancelled"}
        if len(told) != 1 or told[0] not in allowed:
            wrong = f"on_complete said {told}"
        self.report.note(label, "+".join(told), wrong)


def _drawn(chance: random.Random) -> tuple[str, Leave | None]:
    """Which fault a stream meets, and how its reader leaves it early."""
    luck = chance.random()
    if luck < 0.20:
        return chance.choice([*FAULTS]), None
    if luck < 0.30:
        return "left early", chance.choice(LEAVES)
    return "good", None


async def _to_its_end(client: AsyncKimi, name: str, fault: Fault) -> str | None:
    """Read a stream to its end; return the problem with that end."""
    try:
        reply = await client.chat(name)
    except kimi.KimiError as error:
        text = error.partial and error.partial.text
        if type(error) is fault.error and text == fault.text:
            return None
        return f"{type(error).__name__} with {text!r}: {error}"
    if fault.error is None and (reply.text, reply.finish_reason) == (fault.text, "stop"):
        return None
    return f"a whole reply, {reply.text!r}"


async def _broken_off(client: AsyncKimi, name: str, events: int) -> str | None:
    async with client.stream(name) as stream:
        async for _ in stream:
            if events == 0:
                break
            events -= 1
    return None


async def _cancelled(client: AsyncKimi, name: str, after: float, *, twice: bool) -> str | None:
    task = asyncio.create_task(client.chat(name))
    await asyncio.sleep(after)
    task.cancel()
    if twice:
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    if task.cancelled():
        return None
    error = task.exception()
    if error is not None:
        return f"{type(error).__name__}: {error}"
    return None if task.result().text == TEXT else "a reply that is not what was said"


def _resident() -> int:
    """Bytes of this process in memory; where the system does not say so, the most there ever were."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def table(report: Report) -> Iterator[str]:
    """The lines of the page."""
    first, second = report.halves()
    rows = {
        "Streams": f"{report.streams:,} in {report.seconds:,.0f} s, {IN_FLIGHT} at a time",
        "Wrong outcomes": len(report.wrong),
        "Connections that the server had open at once, at most": report.most_connections,
        "Connections, and tasks, left after the client was closed": (
            f"{report.left_connections}, and {report.left_tasks}"
        ),
        "Memory, median of the first half and of the second": (
            f"{first:.1f} MiB and {second:.1f} MiB ({report.growth:+.1%})"
        ),
    }
    yield from ("| | |", "| --- | --- |")
    yield from (f"| {name} | {value} |" for name, value in rows.items())
    yield from ("", "| The stream | How many | Outcomes |", "| --- | --- | --- |")
    for name in ("good", *FAULTS, *LEAVES):
        told = report.outcomes.get(name, Counter())
        words = ", ".join(f"{count:,} `{outcome}`" for outcome, count in told.most_common())
        yield f"| {name} | {told.total():,} | {words} |"
    yield (
        f"\nSeed {SEED}; Python {platform.python_version()}, httpx {version('httpx')}, "
        f"{time.strftime('%Y-%m-%d')}."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("streams", nargs="?", type=int, default=100_000)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    with serving(serve) as (url, pipe):
        provider = kimi.AceDataCloud("test-key", f"{url}/acedata/kimi")
        report = asyncio.run(Soak(provider, pipe, arguments.streams).run())
    page = "\n".join(table(report)) + "\n"
    print(page)
    for wrong in report.wrong[:20]:
        print(wrong, file=sys.stderr)
    if arguments.save:
        FIGURES.write_text(page, "utf-8")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
