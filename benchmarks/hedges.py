"""The first output with and without a hedge, in virtual time: ``python benchmarks/hedges.py --save`` draws the plot.

98 of 100 requests have their first output after about 0.05 s and the others after 5 s, at two providers. The second
half of each run is five times slower.
"""

from __future__ import annotations

import argparse
import importlib
import random
from pathlib import Path
from typing import Any, Final

import anyio
from attrs import frozen

from kimi_async.testing import (
    FakeTransport,
    Faulty,
    ReceivedRequest,
    Reply,
    ScriptedReply,
    SlowHeaders,
    virtual_time,
)

__all__ = ["Phase", "main", "measure"]

PLOT: Final = Path(__file__).parents[1] / "docs" / "figures" / "hedge.svg"
SLOWER: Final = 5.0


@frozen(kw_only=True)
class Phase:
    """The replies of one half of a run.

    Attributes:
        seconds: The time of each call until its first output, shortest first.
        extra: Requests that were more than the calls, as a fraction of the calls.
    """

    seconds: tuple[float, ...]
    extra: float

    def percentile(self, percent: float) -> float:
        """Return the time that *percent* of 100 calls do not exceed."""
        return self.seconds[round(len(self.seconds) * percent / 100) - 1]


class _Hosts:
    """Two providers with the same distribution of first outputs.

    Attributes:
        factor: Every time is multiplied by it.
    """

    def __init__(self, seed: int) -> None:
        self.factor = 1.0
        self._random = random.Random(seed)

    def __call__(self, _request: ReceivedRequest) -> ScriptedReply:
        usual = self._random.lognormvariate(0.0, 0.2) * 0.05
        seconds = 5.0 if self._random.random() < 0.02 else usual
        return Faulty(Reply("Hello"), SlowHeaders(self.factor * seconds))


def measure(calls: int, hedge_after: float | str | None, *, seed: int = 1) -> tuple[Phase, Phase]:
    """Return the two halves of a run: *calls* as usual, and *calls* after everything became five times slower."""

    async def main() -> tuple[Phase, Phase]:
        hosts = _Hosts(seed)
        fake = FakeTransport(hosts)
        client = fake.client(
            provider=[fake.acedata(), fake.cloudsway()], hedge_after=hedge_after, checks="off"
        )

        async def phase() -> Phase:
            before = len(fake.requests)
            seconds: list[float] = []
            for _ in range(calls):
                begun = anyio.current_time()
                await client.chat("Hi")
                seconds.append(anyio.current_time() - begun)
            extra = (len(fake.requests) - before) / calls - 1
            return Phase(seconds=tuple(sorted(seconds)), extra=extra)

        usual = await phase()
        hosts.factor = SLOWER
        return usual, await phase()

    backend, options = virtual_time()
    return anyio.run(main, backend=backend, backend_options=options)


def _save(path: Path, calls: int) -> None:
    """Draw the share of calls that take longer than each time, both as logarithms."""
    from _plots import COLOURS, SETTINGS

    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams.update(SETTINGS)
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, plots = pyplot.subplots(1, 2, figsize=(7.6, 3.2), sharey=True)
    titles = ("As usual", "Every time five times longer")
    colours = {None: COLOURS["peer"], "p95": COLOURS["ours"]}
    labels = {None: "without a hedge", "p95": 'hedge_after="p95"'}
    for hedge_after, colour in colours.items():
        for axes, phase in zip(plots, measure(calls, hedge_after), strict=True):
            longer = [100 * (1 - rank / calls) for rank in range(calls)]
            label = f"{labels[hedge_after]}, {100 * phase.extra:.1f} % more requests"
            axes.plot(phase.seconds, longer, color=colour, label=label)
    for axes, title in zip(plots, titles, strict=True):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(*_ticks(0.05, 0.25, 1, 5, 25))
        axes.set_xlim(0.02, 40)
        axes.set_yticks(*_ticks(0.1, 1, 5, 50))
        axes.set_ylim(0.05, 100)
        axes.minorticks_off()
        axes.axhline(1, color=COLOURS["floor"], linewidth=0.8)
        axes.set_xlabel("seconds to the first output")
        axes.set_title(title, loc="left", fontsize=10)
        axes.legend(frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.18))
    plots[0].set_ylabel("% of the calls take longer")
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", facecolor="white")


def _ticks(*values: float) -> tuple[tuple[float, ...], list[str]]:
    return values, [f"{value:g}" for value in values]


def main(arguments: list[str] | None = None) -> None:
    """Print the figures of the page, and draw its plot with ``--save``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args(arguments)
    for hedge_after in (None, "p95"):
        for phase in measure(given.calls, hedge_after):
            told = ", ".join(
                f"p{percent} {phase.percentile(percent):.3f} s" for percent in (50, 95, 99)
            )
            print(f"hedge_after={hedge_after!r}: {told}, {100 * phase.extra:.1f} % more requests")
    if given.save:
        _save(PLOT, given.calls)


if __name__ == "__main__":
    main()
