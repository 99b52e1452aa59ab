"""Run the clients, each in its process, against the server of the comparison, and record their costs."""

from __future__ import annotations

import functools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from _bodies import BODIES, Ask, BodyName, Way
from _clients import CLIENTS
from _replay import Served
from _results import Results, Rounds
from _server import Pipe
from attrs import frozen

__all__ = ["FULL", "QUICK", "Form", "Load", "Measurement"]

WORKER: Final = Path(__file__).with_name("_worker.py")
#: The packages whose import is timed, and the group of the environment that has each. With rich and click, which are
#: extras of ours, ``import httpx`` also imports a command, so the first ones have an environment without extras.
IMPORTS: Final = {
    "nothing": "bench-core",
    "httpx": "bench-core",
    "kimi_async": "bench-core",
    "openai": "bench-core",
    "litellm": "bench-litellm",
    "kosong": "bench-kosong",
}
#: The packages of extras, which the core must not import.
EXTRAS: Final = frozenset(
    [
        "aiohttp",
        "httpx2",
        "httpx_aiohttp",
        "opentelemetry",
        "pydantic",
        "redis",
        "respx",
        "rich",
        "starlette",
        "typer",
    ]
)
#: A size whose single stream is likely to take a client longer is left out; seconds.
TOO_LONG: Final = 20.0
#: The length of the streams that are held open in their middle to measure the memory of each.
HELD_CHUNKS: Final = 100
#: How often one looks, a tenth of a second apart, whether all of them are there.
PATIENCE: Final = 300
#: The bodies that growth is seen with, and who is measured: floor, peers, and ours.
GROWTH: Final[Mapping[BodyName, tuple[str, ...]]] = {
    "text": ("httpx", "openai", "openai .stream()", "kosong generate()", "kimi_async"),
    "one call": (
        "httpx",
        "openai",
        "openai .stream()",
        "kosong generate()",
        "kimi_async, partial()",
    ),
}


class Load(NamedTuple):
    """Streams of text that run at once.

    Attributes:
        way: How each is written.
        streams: How many there are.
        chunks: The chunks of each reply.
        replies: How many replies follow one another in the place of each stream.
    """

    way: Way
    streams: int
    chunks: int
    replies: int = 1

    @property
    def name(self) -> str:
        return f"{self.way}, {self.streams}"


def short(streams: int, replies: int, way: Way = "burst") -> Load:
    """Whole short replies: ten chunks in one write."""
    return Load(way, streams, 10, replies)


@frozen(kw_only=True)
class Form:
    """How much is measured.

    Attributes:
        name: Its name.
        rounds: Rounds of one stream at a time.
        chunks: Chunks of each of these.
        streams: The bodies and ways that are streamed.
        at_once: The loads of several streams at once, and of one in the same way to compare them with.
        at_once_rounds: Rounds of these.
        probes: New processes for each client, to measure its start and its memory.
        held: How many streams are held open for that.
        imports: Rounds of imports.
        packages: Whose.
        sizes: The lengths with which growth is measured.
        growth_rounds: Rounds of that.
        peers_too: Whether the long measurements (many streams at once, memory, growth) include all clients.
    """

    name: str
    rounds: int
    chunks: int
    streams: tuple[tuple[BodyName, Way], ...]
    at_once: tuple[Load, ...]
    at_once_rounds: int
    probes: int
    held: int = 500
    imports: int
    packages: tuple[str, ...] = tuple(IMPORTS)
    sizes: tuple[int, ...]
    growth_rounds: int
    peers_too: bool


QUICK: Final = Form(
    name="quick",
    rounds=3,
    chunks=500,
    streams=(("text", "burst"), ("text", "flushed"), ("one call", "burst")),
    at_once=(
        Load("flushed", 500, 20),
        short(1, 50),
        short(50, 2),
        short(200, 1),
        short(50, 2, "tls burst"),
        Load("paced", 50, 100),
        Load("tls paced", 50, 50),
    ),
    at_once_rounds=1,
    probes=1,
    held=100,
    imports=3,
    packages=("nothing", "httpx", "kimi_async", "openai"),
    sizes=(1_000, 64_000),
    growth_rounds=1,
    peers_too=False,
)
#: How many short replies are asked for at once, and how many follow one another; and how many paced streams run.
SHORT: Final = ((1, 100), (50, 8), (200, 3))
PACED: Final = (1, 50)
FULL: Final = Form(
    name="full",
    rounds=7,
    chunks=1_000,
    streams=(
        *((body, "burst") for body in BODIES),
        *((body, "flushed") for body in BODIES),
        ("text", "tls flushed"),
    ),
    at_once=(
        Load("flushed", 1, 100, 10),
        Load("flushed", 100, 100),
        Load("flushed", 500, 100),
        *(short(*load) for load in SHORT),
        *(short(*load, "tls burst") for load in SHORT),
        *(Load("paced", streams, 200) for streams in PACED),
        *(Load("tls paced", streams, 200) for streams in PACED),
    ),
    at_once_rounds=3,
    probes=2,
    imports=9,
    sizes=(1_000, 4_000, 16_000, 64_000),
    growth_rounds=2,
    peers_too=True,
)
#: The clients of the long measurements, in any form.
ESSENTIAL: Final = (
    *("asyncio", "httpx", "httpx-aiohttp", "aiohttp", "openai", "kimi_async"),
    *("kimi_async, httpx2", "kimi_async, aiohttp"),
)


class Process:
    """A worker, as :func:`working` gives it."""

    def __init__(self, client: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._client = client
        self._process = process
        self._commands = process.stdin
        self._answers = process.stdout
        self._errors = errors
        self.versions: dict[str, str] = self._answer()["versions"]

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have a command done."""
        self._commands.write(json.dumps({"do": do, **arguments}) + "\n")
        self._commands.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        ended = f"the worker of {self._client} ended with {self._process.wait()}"
        self._errors.seek(0)
        told = self._errors.read().strip().splitlines()[-12:]
        raise RuntimeError("\n".join([ended, *told]))


@contextmanager
def working(python: str, client: str, *urls: str, **env: str) -> Generator[Process]:
    """Run a client in its own process; its output is kept for the case that it fails."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            [python, str(WORKER), client, *urls],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            env=os.environ | {"PYTHONSAFEPATH": ""} | env,
        ) as process,
    ):
        try:
            yield Process(client, process, errors)
        finally:
            process.kill()


class Measurement:
    """One comparison.

    Args:
        form: How much is measured.
        pythons: The interpreter of each dependency group; the one that runs this is used for any other.
        clients: Who is measured.
        rounds: Rounds of one stream at a time, in place of the form's.
    """

    def __init__(
        self,
        form: Form,
        pythons: Mapping[str, str],
        clients: Iterable[str] = CLIENTS,
        rounds: int | None = None,
    ) -> None:
        self._form = form
        self._pythons = pythons
        self._clients = list(clients)
        self._rounds = rounds or form.rounds
        self.results = Results(
            form=form.name,
            date=time.strftime("%Y-%m-%d"),
            machine=machine(),
            rounds=self._rounds,
            chunks=form.chunks,
            at_once_chunks={load.name: load.chunks for load in form.at_once},
        )

    def run(self, served: Served, pipe: Pipe) -> Results:
        """Measure everything."""
        self._imports()
        with tempfile.NamedTemporaryFile(suffix=".pem") as authority, ExitStack() as stack:
            Path(authority.name).write_bytes(served.authority)
            workers = self._workers(stack, served, authority.name)
            self._one_at_a_time(workers)
            self._many_at_once(workers)
        for name in filter(self._is_worth_it, self._clients):
            self._probe(name, served.url, pipe)
        self._growth(served.url)
        return self.results

    def _python(self, group: str) -> str:
        return self._pythons.get(group, sys.executable)

    def _workers(self, stack: ExitStack, served: Served, authority: str) -> dict[str, Process]:
        """Start all clients; one that is not installed is left out from here on, and that is written down."""
        workers: dict[str, Process] = {}
        for name in list(self._clients):
            try:
                # Not for the probes: with one authority in place of all, a client begins sooner.
                worker = self._working(name, served.url, served.tls_url, SSL_CERT_FILE=authority)
                workers[name] = stack.enter_context(worker)
            except RuntimeError as error:
                self.results.missing[name] = str(error).splitlines()[-1]
                self._clients.remove(name)
                continue
            self.results.versions[name] = workers[name].versions
        return workers

    def _imports(self) -> None:
        self.results.import_ms = {package: [] for package in self._form.packages}
        for number in range(-1, self._form.imports):
            self._say("imports", number, self._form.imports)
            for package in in_turn(list(self._form.packages), number):
                spent, modules = imported(self._python(IMPORTS[package]), package)
                if number < 0 and modules:
                    self.results.modules[package] = len(modules)
                elif modules:
                    note(self.results.import_ms, package, spent * 1e3)
        _, modules = imported(self._python("bench"), "kimi_async")
        self.results.extras = sorted(modules & EXTRAS)

    def _one_at_a_time(self, workers: Mapping[str, Process]) -> None:
        for number in range(-1, self._rounds):
            self._say("one stream at a time", number, self._rounds)
            for body, way in self._form.streams:
                for name in in_turn(list(workers), number):
                    if body not in CLIENTS[name].cannot:
                        self._one(workers[name], name, Ask(body, self._form.chunks, way), number)

    def _one(self, worker: Process, name: str, ask: Ask, number: int) -> None:
        took = worker.ask("run", ask=ask)
        if number < 0:
            return
        what = f"{ask.body}, {ask.way}"
        note(self.results.cpu.setdefault(what, {}), name, took["cpu"] / ask.chunks * 1e6)
        note(self.results.wall.setdefault(what, {}), name, took["wall"] / ask.chunks * 1e6)
        if name == "asyncio":
            self.results.reads[ask.way] = took["reads"] / ask.chunks

    def _many_at_once(self, workers: Mapping[str, Process]) -> None:
        names = list(filter(self._is_worth_it, workers))
        for load in self._form.at_once:
            for number in range(self._form.at_once_rounds):
                self._say(f"{load.name} at once", number, self._form.at_once_rounds)
                for name in in_turn(names, number):
                    self._many(workers[name], name, load)

    def _many(self, worker: Process, name: str, load: Load) -> None:
        """Run a load. A short one before it opens the connections, which some clients keep for five seconds only."""
        worker.ask("run", ask=Ask("text", 4, load.way), streams=load.streams)
        ask = Ask("text", load.chunks, load.way)
        took = worker.ask("run", ask=ask, streams=load.streams, replies=load.replies)
        chunks = load.streams * load.chunks * load.replies
        results = self.results
        note(results.at_once_rate.setdefault(load.name, {}), name, chunks / took["wall"])
        note(results.at_once_cpu.setdefault(load.name, {}), name, took["cpu"] / chunks * 1e6)

    def _is_worth_it(self, name: str) -> bool:
        """Return whether the long measurements include a client."""
        if not self._form.peers_too:
            return name in ESSENTIAL
        return CLIENTS[name].kind != "variant"

    def _probe(self, name: str, url: str, pipe: Pipe) -> None:
        """Measure a client in a new process: its start, each open stream, and the peak."""
        for number in range(self._form.probes):
            self._say(f"memory of {name}", number, self._form.probes)
            with self._working(name, url) as worker:
                cold = worker.ask("run", ask=Ask("text", 10, "burst"))
                note(self.results.first_cold_ms, name, cold["first"] * 1e3)
                for _ in range(5):
                    warm = worker.ask("run", ask=Ask("text", 10, "burst"))
                    note(self.results.first_warm_ms, name, warm["first"] * 1e3)
                for body in BODIES:
                    for way in ("burst", "flushed"):
                        if body not in CLIENTS[name].cannot:
                            worker.ask("run", ask=Ask(body, self._form.chunks, way))
                note(self.results.peak_mib, name, worker.ask("memory")["peak"] / 2**20)
                self._hold(worker, name, pipe)

    def _hold(self, worker: Process, name: str, pipe: Pipe) -> None:
        """Hold many streams open in their middle, and measure the memory of each."""
        before = worker.ask("memory")["collected"]
        worker.ask(
            "open",
            ask=Ask("text", HELD_CHUNKS, "flushed", HELD_CHUNKS // 2),
            streams=self._form.held,
        )
        for _ in range(PATIENCE):
            worker.ask("settle")
            if holding(pipe, "holding") == self._form.held:
                break
        else:
            raise RuntimeError(f"{name} does not hold {self._form.held} streams open at once")
        open_now = worker.ask("memory")
        holding(pipe, "release")
        worker.ask("finish")
        per_stream = [
            (open_now[key] - before) / self._form.held / 1024 for key in ("collected", "now")
        ]
        note(self.results.stream_kib, name, per_stream[0])
        note(self.results.stream_kib_uncollected, name, per_stream[1])

    def _growth(self, url: str) -> None:
        for body, names in GROWTH.items():
            chosen = [
                name
                for name in names
                if name in self._clients and (self._form.peers_too or CLIENTS[name].kind != "peer")
            ]
            with ExitStack() as stack:
                workers = {name: stack.enter_context(self._working(name, url)) for name in chosen}
                for number in range(self._form.growth_rounds):
                    self._say(f"growth of {body}", number, self._form.growth_rounds)
                    for name in in_turn(chosen, number):
                        self._grow(workers[name], name, body)

    def _grow(self, worker: Process, name: str, body: BodyName) -> None:
        """Take streams of each length, as many chunks of each, until one would take too long."""
        sizes = self._form.sizes
        costs = self.results.growth.setdefault(body, {}).setdefault(name, {})
        worker.ask("run", ask=Ask(body, sizes[0], "burst"))
        longest = 0.0
        for size in sizes:
            if longest * size / sizes[0] > TOO_LONG:
                return
            repeats = max(sizes[-1] // 4 // size, 1)
            spent = sum(
                worker.ask("run", ask=Ask(body, size, "burst"))["cpu"] for _ in range(repeats)
            )
            costs.setdefault(size, []).append(spent / repeats / size * 1e6)
            # Quadratic growth is expected to continue.
            longest = max(longest, spent / repeats / size * sizes[0])

    def _working(self, name: str, *urls: str, **env: str) -> AbstractContextManager[Process]:
        return working(self._python(CLIENTS[name].group), name, *urls, **env)

    def _say(self, what: str, number: int, rounds: int) -> None:
        told = "warming up" if number < 0 else f"round {number + 1} of {rounds}"
        print(f"{time.strftime('%H:%M:%S')} {what}: {told}", file=sys.stderr)


def in_turn(names: list[str], number: int) -> list[str]:
    """Return the order of the clients in a round, which changes from round to round."""
    order = deque(names)
    order.rotate(-number // 2)
    return list(order)[:: 1 if number % 2 else -1]


def note(rounds: Rounds, name: str, value: float) -> None:
    rounds.setdefault(name, []).append(round(value, 3))


def holding(pipe: Pipe, command: str) -> int:
    """Send a command to the server; give how many streams it holds."""
    pipe.send(command)
    count: int = pipe.recv()
    return count


def imported(python: str, package: str) -> tuple[float, set[str]]:
    """Import a package in a new interpreter; give the seconds of CPU that took, and the modules that are there then."""
    code = "import sys; print(*sys.modules)"
    if package != "nothing":
        code = f"import {package}; {code}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        # As for users, the first import leaves compiled files for the others.
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONDONTWRITEBYTECODE": ""},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    modules = set(done.stdout.split()) if done.returncode == 0 else set[str]()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, modules


@functools.cache
def machine() -> dict[str, str]:
    """Return the description of the machine."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "kimi_async": version("kimi-async"),
    }


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text("ascii").partition("model name\t: ")[2]
    except OSError:
        told = ""
    return told.partition("\n")[0] or platform.processor() or platform.machine()
