"""Results as tables of Markdown, narrow enough for a terminal."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from _bodies import WAYS
from _budgets import rows
from _clients import CLIENTS
from _results import OURS, Results, Rounds, middle, ratio

__all__ = [
    "LABELS",
    "README_MARKS",
    "budget_table",
    "page",
    "readme_table",
    "save_tables",
    "with_table",
]

#: Between these the README has its table.
README_MARKS: Final = ("<!-- speed begins: `nox -s bench` writes it -->\n", "<!-- speed ends -->\n")
#: The rows of the README, in this order.
README_CLIENTS: Final = (
    *("kimi_async, aiohttp", "kimi_async", "openai", "openai .stream()"),
    *("kosong", "litellm", "httpx-aiohttp", "httpx"),
)
#: The names of the clients in the tables.
LABELS: Final = {
    "asyncio": "bare asyncio, orjson",
    "asyncio, uvloop": "bare asyncio, orjson, uvloop",
    "httpx": "bare httpx, msgspec",
    "httpx2": "bare httpx2, msgspec",
    "httpx-aiohttp": "bare httpx-aiohttp, msgspec",
    "aiohttp": "bare aiohttp, msgspec",
    "httpx-sse": "httpx, httpx-sse, json",
}


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Write a table whose columns are straight in a terminal, too; all but the first hold numbers."""
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    lines = [head, *body]
    texts = [
        "| " + " | ".join(_cell(at, cell, widths[at]) for at, cell in enumerate(line)) + " |"
        for line in lines
    ]
    rule = (f"{'-' * (width - 1)}{':' if at else '-'}" for at, width in enumerate(widths))
    texts.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(texts) + "\n"


def _cell(at: int, text: str, width: int) -> str:
    return text.rjust(width) if at else text.ljust(width)


def number(value: float | None, unit: str = "") -> str:
    """Write a number with as many digits as say something."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{unit}"


def page(results: Results) -> str:
    """Write all tables."""
    sections = {
        "CPU time of each chunk, one stream at a time": _cpu(results),
        "Many replies at once": _at_once(results),
        "Memory": _memory(results),
        "Before the first output": _first(results),
        "Import": _imports(results),
        "Long streams": _growth(results),
        "The budgets": budget_table(results),
        "What was measured, and on what": _facts(results),
    }
    return "\n".join(f"### {title}\n\n{text}" for title, text in sections.items() if text)


def _named(measured: Collection[str]) -> list[str]:
    """Give those of the clients that a table has, cheapest kind of thing first."""
    kinds = ("floor", "peer", "ours")
    return [
        name
        for kind in kinds
        for name, entry in CLIENTS.items()
        if entry.kind == kind and name in measured
    ]


def _label(name: str) -> str:
    return LABELS.get(name, name)


def _cpu(results: Results) -> str:
    parts: list[str] = []
    for way in WAYS:
        streams = [what for what in results.cpu if what.endswith(f", {way}")]
        if not streams:
            continue
        head = [
            f"us, {way}",
            *(what.partition(",")[0] for what in streams),
            "text, to ours",
            "wall",
        ]
        lines = [
            [
                _label(name),
                *(_cost(results, name, what) for what in streams),
                number(ratio(results.cpu.get(f"text, {way}"), name, OURS), " x"),
                number(middle(results.wall.get(f"text, {way}"), name)),
            ]
            for name in _named(results.cpu[streams[0]])
        ]
        parts.append(table(head, lines))
    return "\n".join(parts)


def _cost(results: Results, name: str, what: str) -> str:
    return (
        "wrong"
        if what.partition(",")[0] in CLIENTS[name].cannot
        else number(middle(results.cpu[what], name))
    )


def _at_once(results: Results) -> str:
    ways = dict.fromkeys(load.partition(", ")[0] for load in results.at_once_cpu)
    return "\n".join(_loads(results, way) for way in ways)


def _loads(results: Results, way: str) -> str:
    """Write the loads of one way: the CPU time of a reply, and the rate of the largest load."""
    loads = [load for load in results.at_once_cpu if load.startswith(f"{way}, ")]
    chunks = results.at_once_chunks
    head = [
        f"ms, {way}, {chunks[loads[-1]]} chunks",
        *(load.rpartition(" ")[2] for load in loads),
        "to ours",
        "chunks/s",
    ]
    lines = [
        [
            _label(name),
            *(_reply(results.at_once_cpu[load], name, chunks[load]) for load in loads),
            number(ratio(results.at_once_cpu[loads[-1]], name, OURS), " x"),
            number(middle(results.at_once_rate[loads[-1]], name)),
        ]
        for name in _named(results.at_once_cpu[loads[-1]])
    ]
    return table(head, lines)


def _reply(rounds: Rounds, name: str, chunks: int) -> str:
    """Write the milliseconds of a whole reply."""
    cost = middle(rounds, name)
    return number(None if cost is None else cost * chunks / 1000)


def _memory(results: Results) -> str:
    head = ["", "KiB for each stream", "uncollected", "MiB at most"]
    lines = [
        [
            _label(name),
            number(middle(results.stream_kib, name)),
            number(middle(results.stream_kib_uncollected, name)),
            number(middle(results.peak_mib, name)),
        ]
        for name in _named(results.peak_mib)
    ]
    return table(head, lines) if lines else ""


def _first(results: Results) -> str:
    head = ["ms of CPU", "first stream", "a later one"]
    lines = [
        [
            _label(name),
            number(middle(results.first_cold_ms, name)),
            number(middle(results.first_warm_ms, name)),
        ]
        for name in _named(results.first_cold_ms)
    ]
    return table(head, lines) if lines else ""


def _imports(results: Results) -> str:
    head = ["ms of CPU", "median", "least", "to httpx", "modules"]
    lines = [
        [
            package,
            number(middle(results.import_ms, package)),
            number(min(rounds)),
            number(ratio(results.import_ms, package, "httpx"), " x"),
            str(results.modules[package]),
        ]
        for package, rounds in results.import_ms.items()
    ]
    return table(head, lines)


def _growth(results: Results) -> str:
    parts: list[str] = []
    for body, by_client in results.growth.items():
        sizes = sorted({size for costs in by_client.values() for size in costs})
        head = [f"us, {body}", *(f"{size:,}" for size in sizes)]
        lines = [
            [
                _label(name),
                *(
                    number(middle({"": costs[size]}, "")) if size in costs else "too long"
                    for size in sizes
                ),
            ]
            for name, costs in by_client.items()
        ]
        lines.sort()
        parts.append(table(head, lines))
    return "\n".join(parts)


def budget_table(results: Results) -> str:
    """Write each budget, the measured value, and whether it holds."""
    words = {True: "yes", False: "NO", None: "-"}
    lines = [
        [
            row.what,
            number(row.number, row.unit),
            f"{'<=' if row.at_most else '>='} {row.budget:g}",
            "-" if row.stretch is None else f"{row.stretch:g}",
            words[row.holds],
        ]
        for row in rows(results)
    ]
    return table(["", "measured", "budget", "stretch", "holds"], lines)


def _facts(results: Results) -> str:
    told = results.machine
    reads = ", ".join(f"{way} {number(count)}" for way, count in results.reads.items())
    where = f"{told['processor']}, {told['cores']} cores, {told['system']}, Python {told['python']}"
    lines = [
        f"- {results.form.capitalize()} form, {results.date}: {where}.",
        f"- One stream at a time: medians of {results.rounds} rounds of {results.chunks:,} chunks.",
        f"- Reads for each chunk, by bare asyncio: {reads or 'not counted'}.",
    ]
    for name in _named(results.versions):
        versions = results.versions[name].items()
        said = ", ".join(f"{package} {version}" for package, version in versions)
        lines.append(f"- {_label(name)}: {said}.")
        lines += [f"  Cannot read {body}: {why}." for body, why in CLIENTS[name].cannot.items()]
    lines += [f"- {name} was left out: {why}" for name, why in results.missing.items()]
    return "\n".join(lines) + "\n"


def readme_table(results: Results) -> str:
    """Write the rows of the README."""
    cpu = results.cpu.get("text, flushed")
    head = ["", "CPU of a chunk", "openai takes", "500 at once", "memory"]
    lines = [
        [
            _label(name),
            number(middle(cpu, name), " us"),
            number(ratio(cpu, "openai", name), " x"),
            number(middle(results.at_once_rate.get("flushed, 500"), name), " chunks/s"),
            number(middle(results.stream_kib, name), " KiB"),
        ]
        for name in README_CLIENTS
        if name not in results.missing
    ]
    told = results.machine
    peers = {
        f"{name} {versions[name]}"
        for versions in results.versions.values()
        for name in ("openai", "kosong", "litellm")
        if list(versions)[:1] == [name]
    }
    where = (
        f"{results.form.capitalize()} run of {results.date}: {told['processor']}, {told['cores']} cores, "
        f"Python {told['python']}; {', '.join(sorted(peers))}."
    )
    return f"{table(head, lines)}\n{where}\n"


def with_table(readme: str, results: Results) -> str:
    """Put the rows between their marks."""
    begin, end = README_MARKS
    between = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
    return between.sub(lambda _: f"\n{readme_table(results)}\n", readme)


def save_tables(folder: Path, readme: Path, results: Results) -> None:
    """Write the tables of the documentation and the rows of the README."""
    (folder / "benchmarks.md").write_text(page(results), "utf-8")
    readme.write_text(with_table(readme.read_text("utf-8"), results), "utf-8")
