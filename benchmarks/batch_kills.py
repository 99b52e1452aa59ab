"""Answer a file with ``kimi-async batch``, undisturbed, and killed at ten random moments and started again.

``python benchmarks/batch_kills.py [ROWS] [--kills N] [--save]``: the batch and the fake provider are processes of their
own. The fake has the rate limit of Ace Data Cloud, and 5 % of its answers are faults. The seed decides the faults and
the moments.
Ends with 1 when a bound does not hold. ``--save`` writes the figures into the documentation. Needs Linux, for the
memory of another process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
from _server import Pipe, serving
from attrs import Factory, define, frozen

from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    FakeRateLimits,
    Latency,
    RawReply,
    ReceivedRequest,
    Reply,
    ScriptedReply,
)

FIGURES: Final = Path(__file__).parent.parent / "docs" / "figures" / "batch_kills.md"
SEED: Final = 17
ROWS: Final = 10_000
KILLS: Final = 10
IN_FLIGHT: Final = 20
FAULTS: Final = 0.05
#: Seconds to the first byte of an answer: less than a model takes, so the starts of the killed runs count for more.
LATENCY: Final = 0.2
#: MiB that a run of all rows may take above a run of one row.
MOST_GROWTH: Final = 30
#: The killed runs together against the undisturbed one.
MOST_TIME: Final = 1.5
#: Seconds between two looks at the process and at the counts of the fake.
LOOK: Final = 0.02

FAULTY: Final[tuple[ScriptedReply, ...]] = (
    ErrorReply(500),
    ErrorReply(503),
    RawReply(b"", headers=(("content-type", "text/event-stream"),)),
    Reply("Hello", cut_after=1, end="reset"),
    Reply("Hello, you", cut_after=2),
)


async def serve(pipe: Pipe) -> None:
    """A fake provider; sends its counts whenever it is asked."""
    counts: Counter[str] = Counter()

    def answer(request: ReceivedRequest) -> ScriptedReply:
        counts["requests"] += len(fake.requests)
        fake.requests.clear()  # ten thousand would fill the memory
        text: str = request.body["messages"][-1]["content"]
        counts[text] += 1
        chance = random.Random(f"{SEED} {text} {counts[text]}")
        if chance.random() < FAULTS:
            counts["faults"] += 1
            return chance.choice(FAULTY)
        counts["replies"] += 1
        return Reply(f"{text}!")

    limits = FakeRateLimits(concurrency=IN_FLIGHT)
    latency = Latency(headers=LATENCY)
    async with FakeProvider(answer, rate_limits=limits, latency=latency) as fake:
        pipe.send(fake.url)
        while True:
            await anyio.to_thread.run_sync(pipe.recv)
            requests = counts["requests"] + len(fake.requests)
            pipe.send(Seen(requests, counts["replies"], counts["faults"]))


@frozen
class Seen:
    """The counts of the fake.

    Attributes:
        requests: All requests.
        replies: Those that got a whole reply, whether or not the batch was alive to read it.
        faults: Those that got a fault.
    """

    requests: int
    replies: int
    faults: int

    @property
    def refused(self) -> int:
        """The requests over the rate limit."""
        return self.requests - self.replies - self.faults


def now(pipe: Pipe) -> Seen:
    """Return the counts of the fake."""
    pipe.send(None)
    seen: Seen = pipe.recv()
    return seen


@define
class Run:
    """One input that was answered, by one process or by several.

    Attributes:
        seconds: The time of all processes together, with their starts.
        seen: The counts of the fake.
        kills: How many processes were killed.
        peak: The largest memory of a process, in bytes.
        wrong: Each way in which the files are not as they must be.
    """

    seconds: float
    seen: Seen
    kills: int
    peak: int
    wrong: list[str] = Factory(list)


@define
class Folder:
    """The files of one run.

    Attributes:
        path: The folder.
        rows: How many requests the input has.
    """

    path: Path
    rows: int

    def write_input(self) -> None:
        """Write the rows."""
        rows = ({"custom_id": f"id-{each}", "prompt": f"row {each}"} for each in range(self.rows))
        text = "".join(f"{json.dumps(row)}\n" for row in rows)
        self.path.joinpath("in.jsonl").write_text(text, "utf-8")

    def start(self, url: str) -> subprocess.Popen[bytes]:
        """Start a process that answers the rows."""
        files = [str(self.path / name) for name in ("in.jsonl", "out.jsonl")]
        options = ["--base-url", f"{url}/acedata/kimi", "--model", "kimi-k3"]
        options += ["--concurrency", str(IN_FLIGHT)]
        return subprocess.Popen(
            [sys.executable, "-m", "kimi_async", "batch", *files, *options],
            env=os.environ | {"ACEDATACLOUD_API_TOKEN": "test-key", "NO_PROXY": "*"},
            stderr=subprocess.DEVNULL,
        )

    def wrong(self) -> Iterator[str]:
        """Compare the output and the error file with the input."""
        found: Counter[str] = Counter()
        for name in ("out.jsonl", "out.errors.jsonl"):
            path = self.path / name
            for line in path.read_bytes().splitlines() if path.exists() else ():
                value = json.loads(line)
                found[value["custom_id"]] += 1
                if value["error"] is None and text_of(value) != f"row {value['custom_id'][3:]}!":
                    yield f"{value['custom_id']} has the reply of another row"
        expected = {f"id-{each}" for each in range(self.rows)}
        yield from (f"{name} is missing" for name in expected - found.keys())
        yield from (f"{name} is there {count} times" for name, count in found.items() if count > 1)
        yield from (f"{name} is not of the input" for name in found.keys() - expected)


def text_of(line: Any) -> str:
    text: str = line["response"]["body"]["choices"][0]["message"]["content"]
    return text


def answered(rows: int, moments: list[int]) -> Run:
    """Answer so many rows, and kill the process when the fake has given so many replies, at each of the moments."""
    with tempfile.TemporaryDirectory() as name, serving(serve) as (url, pipe):
        folder = Folder(Path(name), rows)
        folder.write_input()
        begun = time.monotonic()
        peak = kills = 0
        for moment in [*moments, None]:
            process = folder.start(url)
            while process.poll() is None:
                peak = max(peak, memory(process.pid))
                if moment is not None and now(pipe).replies >= moment:
                    process.kill()
                    kills += process.wait() < 0
                time.sleep(LOOK)
        seconds = time.monotonic() - begun
        return Run(seconds, now(pipe), kills, peak, [*folder.wrong()])


def memory(pid: int) -> int:
    """Return the largest memory that a process has had so far, in bytes; 0 if it has just ended."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def bounds(calm: Run, killed: Run, one: Run, rows: int, kills: int) -> list[tuple[str, str, bool]]:
    """Return each bound, the observation, and whether it holds."""
    wrong = [*calm.wrong, *killed.wrong]
    most = rows + killed.kills * IN_FLIGHT + killed.seen.faults + killed.seen.refused
    growth = (max(calm.peak, killed.peak) - one.peak) / 2**20
    ratio = killed.seconds / calm.seconds
    return [
        ("each `custom_id` is there once", f"{len(wrong)} wrong", not wrong),
        (f"killed {kills} times", f"{killed.kills}", killed.kills == kills),
        (
            f"at most {most:,} requests: rows + kills x {IN_FLIGHT} + retries",
            f"{killed.seen.requests:,}",
            killed.seen.requests <= most,
        ),
        (
            f"memory at most {MOST_GROWTH} MiB above that of a run of one row",
            f"{growth:+.1f} MiB, from {one.peak / 2**20:.1f} MiB",
            growth <= MOST_GROWTH,
        ),
        (f"at most {MOST_TIME} x the undisturbed time", f"{ratio:.2f} x", ratio <= MOST_TIME),
    ]


def table(calm: Run, killed: Run, found: list[tuple[str, str, bool]], rows: int) -> Iterator[str]:
    """The lines of the page."""
    yield from ("| Bound | Observation | |", "| --- | --- | --- |")
    for bound, observation, holds in found:
        yield f"| {bound} | {observation} | {'holds' if holds else '**broken**'} |"
    yield from ("", "| The run | Time | Requests | Faults | Over the rate limit |")
    yield "| --- | --- | --- | --- | --- |"
    for name, run in {"undisturbed": calm, "killed": killed}.items():
        seen = run.seen
        counts = f"{seen.requests:,} | {seen.faults:,} | {seen.refused:,}"
        yield f"| {name} | {run.seconds:.1f} s | {counts} |"
    yield (
        f"\n{rows:,} rows, {IN_FLIGHT} in flight, seed {SEED}; Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    rows: int = arguments.rows
    kills: int = arguments.kills
    chance = random.Random(SEED)
    # Before the last rows, so that each process is killed and does not end by itself.
    moments = sorted(chance.randrange(rows * 9 // 10) for _ in range(kills))
    one, calm, killed = answered(1, []), answered(rows, []), answered(rows, moments)
    found = bounds(calm, killed, one, rows, kills)
    page = "\n".join(table(calm, killed, found, rows)) + "\n"
    print(page)
    for wrong in [*calm.wrong, *killed.wrong][:20]:
        print(wrong, file=sys.stderr)
    if arguments.save:
        FIGURES.write_text(page, "utf-8")
    return 0 if all(holds for _, _, holds in found) else 1


if __name__ == "__main__":
    sys.exit(main())
