"""The comparison with other SDKs: its clients read the streams correctly, and its tables show the measured figures."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import _clients
import pytest
from _bodies import BODIES, WAYS, Ask, Body, BodyName, Said, Way, body_of
from _budgets import rows
from _clients import CLIENTS, Client, bare_aiohttp, bare_httpx, bare_sse, kimi
from _measure import Form, Load, Measurement, in_turn
from _replay import Server, certified, serve
from _report import README_MARKS, page, readme_table, table, with_table
from _results import Results, dump, load, ratio
from _server import serving
from _worker import Worker
from paths import ROOT

from kimi_async._http._clients import tls_context

SAVED = ROOT / "docs" / "figures" / "benchmarks.json"

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])

#: The clients that need no package except those of the tests.
MAKERS: dict[str, Callable[[str], Client]] = {
    "kimi_async": lambda url: kimi.make(url, "httpx"),
    "kimi_async, partial()": lambda url: kimi.make(url, "httpx", "total", partial=True),
    "bare httpx": lambda url: bare_httpx.make(url, "httpx"),
    "bare aiohttp": bare_aiohttp.make,
    "httpx-sse": bare_sse.make,
}
#: Two clients, of which ours is twice as fast as the others and as its own limits.
CPU = {"kimi_async": [10.0, 20.0], "httpx": [8.0, 10.0], "openai": [60.0, 140.0]}
CANNED = Results(
    form="full",
    date="2026-11-22",
    machine={"processor": "A", "cores": "2", "system": "B", "python": "3.13.0"},
    rounds=2,
    chunks=100,
    cpu={"text, burst": CPU},
    wall={"text, burst": CPU},
    reads={"burst": 0.5},
    at_once_chunks={"flushed, 500": 10, "burst, 1": 10, "burst, 50": 10, "burst, 200": 10},
    at_once_rate={
        "flushed, 500": {"kimi_async": [9000.0], "openai": [3000.0]},
        "burst, 200": {"kimi_async": [5000.0], "httpx": [3000.0]},
    },
    at_once_cpu={
        "flushed, 500": {"kimi_async": [20.0], "openai": [60.0]},
        "burst, 1": {"kimi_async": [80.0, 100.0]},
        "burst, 50": {"kimi_async": [90.0], "kimi_async, aiohttp": [70.0], "openai": [450.0]},
        "burst, 200": {"kimi_async": [88.0, 110.0], "httpx": [200.0, 200.0]},
    },
    stream_kib={"kimi_async": [30.0], "openai": [40.0]},
    peak_mib={"kimi_async": [50.0]},
    first_cold_ms={"kimi_async": [9.0]},
    import_ms={"nothing": [10.0], "httpx": [110.0], "kimi_async": [170.0]},
    modules={"nothing": 50, "httpx": 400, "kimi_async": 600},
    extras=["rich"],
    growth={"text": {"kimi_async": {1000: [10.0], 64000: [12.0]}, "httpx": {1000: [8.0]}}},
    missing={"litellm": "no module named litellm"},
)


@asynccontextmanager
async def replaying(server: Server, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """Serve in this event loop; give the URL."""
    async with await asyncio.start_server(server.answer, "127.0.0.1", 0, ssl=tls) as listener:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Return the server's side of TLS, trusted by every client that takes authorities from the environment."""
    context, authority = certified()
    (tmp_path / "authority.pem").write_bytes(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    tls_context.cache_clear()
    yield context
    tls_context.cache_clear()


@on_asyncio
@pytest.mark.anyio
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_streamed_is_read(
    anyio_backend: str,
    make: Callable[[str], Client],
    body: BodyName,
    way: Way,
    tls: ssl.SSLContext,
) -> None:
    ask = Ask(body, 25, way)
    firsts: list[None] = []
    async with replaying(Server(), tls if ask.tls else None) as url:
        client = make(url)
        said = await client.run(ask, lambda: firsts.append(None))
        await client.close()
    assert said == body_of(body, 25).said
    assert len(firsts) == 1


@on_asyncio
@pytest.mark.anyio
async def test_a_stream_is_held_until_it_is_released(anyio_backend: str) -> None:
    server = Server()
    first = asyncio.Event()
    async with replaying(server) as url:
        client = kimi.make(url, "httpx")
        running = asyncio.ensure_future(client.run(Ask("text", 4, "flushed", 3), first.set))
        await first.wait()
        await server.held.wait()
        assert (server.holding, running.done()) == (1, False)
        server.release()
        assert await running == body_of("text", 4).said
        await client.close()
    assert server.holding == 0


@pytest.mark.parametrize("name", BODIES)
def test_a_body_says_what_its_events_say(name: BodyName) -> None:
    """Both halves of a text are there, and arguments are JSON."""
    body = body_of(name, 30)
    assert len(body.events) == 34
    assert joined(body) == body.said
    text, reasoning, calls = body.said
    assert (bool(text and reasoning), len(calls)) == {
        "text": (True, 0),
        "cjk": (True, 0),
        "one call": (False, 1),
        "five calls": (False, 5),
    }[name]
    assert all(set(json.loads(arguments)) == {"text"} for _, arguments in calls)


def joined(body: Body) -> Said:
    """Return the content of a body, read by its own rules."""
    deltas = [
        choice["delta"]
        for event in body.events[:-1]
        for choice in json.loads(event.removeprefix(b"data: "))["choices"]
    ]
    pieces = [call for delta in deltas for call in delta.get("tool_calls", [])]
    names = {
        call["index"]: call["function"]["name"] for call in pieces if "name" in call["function"]
    }
    arguments = {
        index: "".join(call["function"]["arguments"] for call in pieces if call["index"] == index)
        for index in names
    }
    return Said(
        "".join(delta.get("content", "") for delta in deltas),
        "".join(delta.get("reasoning_content", "") for delta in deltas),
        tuple((name, arguments[index]) for index, name in names.items()),
    )


def test_what_is_asked_travels_as_the_name_of_a_model() -> None:
    ask = Ask("five calls", 7, "paced", 3)
    assert Ask.of(ask.model) == ask


@pytest.mark.parametrize("name", CLIENTS)
def test_each_client_has_its_module(name: str) -> None:
    folder = Path(*_clients.__path__)
    assert (folder / f"{CLIENTS[name].module}.py").is_file()


@on_asyncio
@pytest.mark.anyio
@pytest.mark.parametrize(
    "said",
    [Said("The river runs"), Said(" river runs", "The"), Said(calls=(("f", "{}"),))],
    ids=["other text", "cut elsewhere", "a call"],
)
async def test_a_client_that_reads_something_else_ends_the_benchmark(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    async def wrong(self: Any, ask: Ask, first: Callable[[], None]) -> Said:
        first()
        return said

    monkeypatch.setattr(kimi.Kimi, "run", wrong)
    worker = Worker(CLIENTS["kimi_async"], "http://127.0.0.1:1")
    with pytest.raises(AssertionError, match="did not arrive"):
        await worker.run(["text", 4, "burst", 0])
    await worker.close()


@on_asyncio
@pytest.mark.anyio
async def test_a_worker_asks_for_tls_with_a_client_of_its_own(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[tuple[str, ...]] = []

    class Recorded:
        def __init__(self, url: str, **arguments: Any) -> None:
            self.url = url
            did.append(("make", url))

        async def run(self, ask: Ask, first: Callable[[], None]) -> Said:
            first()
            did.append((ask.way, self.url))
            return body_of(ask.body, ask.chunks).said

        async def close(self) -> None:
            did.append(("close", self.url))

    monkeypatch.setattr(kimi, "make", Recorded)
    worker = Worker(CLIENTS["kimi_async"], "http://plain", "https://secret")
    for way in ("flushed", "tls flushed", "paced", "tls paced"):
        await worker.run(["text", 4, way, 0])
    await worker.close()
    assert did == [
        ("make", "http://plain"),
        ("flushed", "http://plain"),
        ("make", "https://secret"),
        ("tls flushed", "https://secret"),
        ("paced", "http://plain"),
        ("tls paced", "https://secret"),
        ("close", "http://plain"),
        ("close", "https://secret"),
    ]


def test_a_short_comparison_measures_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over real processes; a client that is not installed is left out, and that is said."""
    form = Form(
        name="tiny",
        rounds=1,
        chunks=20,
        streams=(("text", "burst"), ("five calls", "flushed"), ("cjk", "tls flushed")),
        at_once=(Load("burst", 2, 10, 3), Load("tls paced", 2, 5)),
        at_once_rounds=1,
        probes=1,
        held=3,
        imports=1,
        packages=("nothing", "kimi_async"),
        sizes=(100, 200),
        growth_rounds=1,
        peers_too=False,
    )
    monkeypatch.setitem(CLIENTS, "absent", CLIENTS["kimi_async"])  # no worker knows it
    clients = ("kimi_async", "absent", "kimi_async, partial()")
    with serving(serve) as (served, pipe):
        results = Measurement(form, {}, clients).run(served, pipe)
    assert results.missing == {"absent": "KeyError: 'absent'"}
    assert list(results.cpu) == [f"{body}, {way}" for body, way in form.streams]
    assert all(len(rounds["kimi_async"]) == 1 for rounds in results.cpu.values())
    assert list(results.at_once_rate) == list(results.at_once_cpu) == ["burst, 2", "tls paced, 2"]
    assert all(rounds.keys() == {"kimi_async"} for rounds in results.at_once_cpu.values())
    assert results.stream_kib.keys() == results.peak_mib.keys() == {"kimi_async"}
    assert results.growth["text"]["kimi_async"].keys() == {100, 200}
    assert results.growth["one call"].keys() == {"kimi_async, partial()"}
    assert results.import_ms["nothing"] < results.import_ms["kimi_async"]
    assert results.extras == []
    assert load(dump(results)) == results


def test_rounds_differ_in_their_order() -> None:
    names = ["a", "b", "c", "d"]
    orders = {tuple(in_turn(names, number)) for number in range(4)}
    assert len(orders) == 4
    assert all(sorted(order) == names for order in orders)


def numbers(results: Results) -> dict[str, tuple[float | None, bool | None, bool | None]]:
    return {row.what: (row.number, row.holds, row.stretched) for row in rows(results)}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        # Each round has its own ratio: 10 to 8 and 20 to 10, 60 to 10 and 140 to 20.
        ("burst: kimi_async, to bare httpx", (1.625, False, None)),
        ("burst: kimi_async, openai takes", (6.5, False, False)),
        ("burst: kimi_async, openai .stream() takes", (None, None, None)),
        ("flushed: kimi_async, openai takes", (None, None, None)),
        ("50 short replies: kimi_async, openai takes", (5.0, True, False)),
        ("200 short replies: kimi_async, to one at a time", (1.1, True, True)),
        ("50 paced streams: kimi_async, openai takes", (None, None, None)),
        ("500 streams: kimi_async, openai takes", (3.0, False, False)),
        ("growth: text, 64,000 to 1,000", (1.2, False, False)),
        ("memory of a stream: kimi_async, to openai", (0.75, True, False)),
        ("import, to that of httpx", (1.5454545, False, False)),
        ("packages of extras that it imports", (1.0, False, None)),
    ],
)
def test_a_budget_is_held_against_its_number(
    what: str, expected: tuple[float | None, bool | None, bool | None]
) -> None:
    assert numbers(CANNED)[what] == pytest.approx(expected)


def test_what_was_not_measured_breaks_no_budget() -> None:
    nothing = Results(form="quick", date="", machine=CANNED.machine, rounds=0, chunks=0)
    found = numbers(nothing)
    assert found.pop("packages of extras that it imports") == (0.0, True, None)
    assert set(found.values()) == {(None, None, None)}


def test_a_ratio_is_that_of_the_rounds() -> None:
    assert ratio({"a": [1.0, 8.0, 3.0], "b": [1.0, 2.0, 1.0]}, "a", "b") == 3.0
    assert ratio(None, "a", "b") is None


def test_columns_are_straight() -> None:
    assert table(["", "us"], [["one", "1"], ["eleven", "11.0"]]).splitlines() == [
        "|        |   us |",
        "| ------ | ---: |",
        "| one    |    1 |",
        "| eleven | 11.0 |",
    ]


def test_the_page_shows_what_was_measured() -> None:
    text = page(CANNED)
    for line in (
        "| openai | 100 | 6.50 x | 100 |",
        "| kimi_async | 15.0 | 1.00 x | 15.0 |",
        "| ms, burst, 10 chunks | 1 | 50 | 200 | to ours | chunks/s |",
        "| kimi_async | 0.90 | 0.90 | 0.99 | 1.00 x | 5,000 |",
        "| bare httpx, msgspec | - | - | 2.00 | 2.05 x | 3,000 |",
    ):
        assert line in re.sub(" +", " ", text)
    assert "litellm was left out: no module named litellm" in text
    assert " NO |" in text


def test_the_readme_gets_its_rows() -> None:
    begin, end = README_MARKS
    readme = f"before\n{begin}{end}behind\n"
    once = with_table(readme, CANNED)
    assert once == f"before\n{begin}\n{readme_table(CANNED)}\n{end}behind\n"
    assert with_table(once, CANNED) == once


def test_what_is_shown_is_what_was_saved() -> None:
    """``--save`` writes all of it; nobody writes numbers by hand."""
    results = load(SAVED.read_bytes())
    readme = (ROOT / "README.md").read_text("utf-8")
    assert with_table(readme, results) == readme
    assert readme_table(results) in readme
    assert SAVED.with_suffix(".md").read_text("utf-8") == page(results)
