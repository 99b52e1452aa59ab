"""Results as SVG plots."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from _clients import CLIENTS
from _report import LABELS
from _results import Results, middle

__all__ = ["save_plots"]

COLOURS: Final = {"floor": "#9aa5b1", "peer": "#d98e04", "ours": "#2463c4", "variant": "#2463c4"}
KINDS: Final = {"floor": "only reading and decoding", "peer": "other SDKs", "ours": "kimi_async"}
#: By who is in the plot of growth.
LINES: Final = {
    "httpx": COLOURS["floor"],
    "openai": "#e8b45c",
    "openai .stream()": COLOURS["peer"],
    "kosong generate()": "#8a5a00",
    "kimi_async": COLOURS["ours"],
    "kimi_async, partial()": COLOURS["ours"],
}
#: Chunks of a stream, and microseconds of a chunk, that are marked there.
TICKS: Final = (1_000, 4_000, 16_000, 64_000)
COSTS: Final = (10, 100, 1_000, 10_000)
SETTINGS: Final = {
    "font.size": 9,
    "svg.hashsalt": "kimi_async",  # the same plot is the same file
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def save_plots(folder: Path, results: Results) -> None:
    """Draw the plots of the documentation."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update(SETTINGS)
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    bars = {
        "cpu": (
            results.cpu.get("text, flushed"),
            "CPU time of a chunk in microseconds: one stream of text, flushed event by event",
        ),
        "short": (
            results.at_once_cpu.get("burst, 50"),
            "CPU time of a chunk in microseconds: 50 short replies at once, each in one burst",
        ),
        "paced": (
            results.at_once_cpu.get("paced, 50"),
            "CPU time of a chunk in microseconds: 50 streams, an event every 2 ms",
        ),
        "at-once": (
            results.at_once_rate.get("flushed, 500"),
            "Chunks in a second: 500 streams at once, one process",
        ),
        "memory": (results.stream_kib, "Memory of an open stream in KiB: 500 of them open"),
    }
    for name, (rounds, title) in bars.items():
        if rounds:
            _save(pyplot, _bars(pyplot, rounds, title), folder / f"{name}.svg")
    if results.growth:
        _save(pyplot, _growth(pyplot, results), folder / "growth.svg")


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", facecolor="white")
    pyplot.close(figure)


def _bars(pyplot: Any, rounds: Mapping[str, list[float]], title: str) -> Any:
    """Draw a bar for each client, from zero on; a logarithm would make the long ones look harmless."""
    names = [name for name in rounds if CLIENTS[name].kind != "variant"]
    names.sort(key=lambda name: middle(rounds, name) or 0)
    values = [middle(rounds, name) or 0 for name in names]
    figure, axes = pyplot.subplots(figsize=(7.6, 0.5 + 0.27 * len(names)))
    colours = [COLOURS[CLIENTS[name].kind] for name in names]
    bars = axes.barh([LABELS.get(name, name) for name in names], values, color=colours, height=0.7)
    axes.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_title(title, loc="left", fontsize=10)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    patches = [pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[kind]) for kind in KINDS]
    axes.legend(patches, KINDS.values(), loc="best", frameon=False)
    return figure


def _growth(pyplot: Any, results: Results) -> Any:
    """Draw costs by length, both as logarithms: a flat line is linear."""
    figure, plots = pyplot.subplots(1, len(results.growth), figsize=(7.6, 3.2), sharey=True)
    titles = {"text": "Text", "one call": "One tool call"}
    for axes, (body, by_client) in zip(plots, results.growth.items(), strict=True):
        for name in filter(by_client.__contains__, CLIENTS):
            sizes = sorted(by_client[name])
            values = [middle({name: by_client[name][size]}, name) for size in sizes]
            label = LABELS.get(name, name)
            axes.plot(sizes, values, marker="o", markersize=4, label=label, color=LINES[name])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(TICKS, [f"{size:,}" for size in TICKS])
        axes.set_yticks(COSTS, [f"{cost:,}" for cost in COSTS])
        axes.set_ylim(5, 20_000)
        axes.minorticks_off()
        axes.set_xlabel("chunks of the stream")
        axes.set_title(titles[body], loc="left", fontsize=10)
        axes.legend(frameon=False, fontsize=7.5)
    plots[0].set_ylabel("CPU time of a chunk, us")
    return figure
