"""The budgets of DESIGN.md, as rows that are compared with the results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from _results import OURS, Results, Rounds, middle, ratio
from attrs import frozen

__all__ = ["Row", "rows"]

AIOHTTP: Final = "kimi_async, aiohttp"
#: Both are asked for, and each has its rows.
WAYS: Final = ("burst", "flushed")


@frozen(kw_only=True)
class Row:
    """One budget.

    Attributes:
        what: The subject.
        number: The measured value; ``None`` if there is none.
        budget: The largest or smallest value that is allowed.
        stretch: The same, as one would like it to be.
        at_most: Which of the two.
        unit: The unit after the numbers.
    """

    what: str
    number: float | None
    budget: float
    stretch: float | None = None
    at_most: bool = True
    unit: str = " x"

    @property
    def holds(self) -> bool | None:
        """Whether the budget holds; ``None`` where it was not measured."""
        return self._within(self.budget)

    @property
    def stretched(self) -> bool | None:
        """Whether even the stretch holds."""
        return self._within(self.stretch)

    def _within(self, limit: float | None) -> bool | None:
        if self.number is None or limit is None:
            return None
        return self.number <= limit if self.at_most else self.number >= limit


def rows(results: Results) -> list[Row]:
    """Give the budgets of the benchmarks; ``tests/faults/test_bounds.py`` shows that memory is bounded."""
    return [
        *_chunks(results),
        *_short(results),
        *_paced(results),
        *_at_once(results),
        *_growth(results),
        *_import(results),
    ]


def _less(
    what: str, rounds: Rounds | None, ours: str, other: str, budget: float, stretch: float
) -> Row:
    """Give how many times as much another client takes, at least."""
    return Row(
        what=f"{what}: {ours}, {other} takes",
        number=ratio(rounds, other, ours),
        budget=budget,
        stretch=stretch,
        at_most=False,
    )


def _more(
    what: str,
    rounds: Rounds | None,
    ours: str,
    floor: str,
    budget: float,
    stretch: float | None = None,
) -> Row:
    """Give how many times as much as a floor we take, at most."""
    return Row(
        what=f"{what}: {ours}, to bare {floor}",
        number=ratio(rounds, ours, floor),
        budget=budget,
        stretch=stretch,
    )


def _chunks(results: Results) -> Iterator[Row]:
    for way in WAYS:
        cpu = results.cpu.get(f"text, {way}")
        yield _more(way, cpu, OURS, "httpx", 0.8)
        yield _less(way, cpu, OURS, "openai", 12, 16)
        yield _less(way, cpu, OURS, "openai .stream()", 22, 30)
        yield _more(way, cpu, AIOHTTP, "httpx-aiohttp", 1.4)
        yield _less(way, cpu, AIOHTTP, "openai", 13, 18)
        yield _less(way, cpu, AIOHTTP, "openai .stream()", 24, 36)
        yield Row(
            what=f"{way}: limits and total, to no limits",
            number=ratio(cpu, "kimi_async, total", "kimi_async, no limits"),
            budget=1.03,
            stretch=1.01,
        )


def _short(results: Results) -> Iterator[Row]:
    cpu = results.at_once_cpu
    what, fifty = "50 short replies", cpu.get("burst, 50")
    yield _more(what, fifty, OURS, "httpx", 0.5)
    yield _less(what, fifty, OURS, "openai", 4.5, 6)
    by_load = {load: cpu.get(load, {}).get(OURS, []) for load in ("burst, 200", "burst, 1")}
    yield Row(
        what=f"200 short replies: {OURS}, to one at a time",
        number=ratio(by_load, "burst, 200", "burst, 1"),
        budget=1.2,
        stretch=1.1,
    )
    yield _more(what, fifty, AIOHTTP, "httpx-aiohttp", 1.3, 1.1)
    yield _less(what, fifty, AIOHTTP, "openai", 6, 9)


def _paced(results: Results) -> Iterator[Row]:
    what, cpu = "50 paced streams", results.at_once_cpu.get("paced, 50")
    yield _more(what, cpu, OURS, "aiohttp", 2.2, 1.7)
    yield _less(what, cpu, OURS, "openai", 4, 5.5)
    yield _more(what, cpu, AIOHTTP, "aiohttp", 1.7, 1.4)
    yield _less(what, cpu, AIOHTTP, "openai", 5.3, 6.5)


def _growth(results: Results) -> Iterator[Row]:
    for body, client in (("text", "kimi_async"), ("one call", "kimi_async, partial()")):
        costs = results.growth.get(body, {}).get(client, {})
        by_size = {str(size): rounds for size, rounds in costs.items()}
        yield Row(
            what=f"growth: {body.replace('one call', 'call and partial()')}, 64,000 to 1,000",
            number=ratio(by_size, "64000", "1000"),
            budget=1.1,
            stretch=1.0,
        )


def _at_once(results: Results) -> Iterator[Row]:
    cpu = results.at_once_cpu.get("flushed, 500")
    yield _less("500 streams", cpu, OURS, "openai", 8, 12)
    yield _less("500 streams", cpu, AIOHTTP, "openai", 11, 14)
    for ours in (OURS, AIOHTTP):
        memory = [middle(results.stream_kib, client) for client in (ours, "openai")]
        yield Row(
            what=f"memory of a stream: {ours}, to openai",
            number=None if memory[0] is None or memory[1] is None else memory[0] / memory[1],
            budget=0.85,
            stretch=0.6,
        )


def _import(results: Results) -> Iterator[Row]:
    yield Row(
        what="import, to that of httpx",
        number=ratio(results.import_ms, "kimi_async", "httpx"),
        budget=1.25,
        stretch=1.1,
    )
    yield Row(
        what="packages of extras that it imports",
        number=float(len(results.extras)),
        budget=0,
        unit="",
    )
