"""The budgets of DESIGN.md, as rows that are compared with the results."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from _results import Results, middle, ratio
from attrs import frozen

__all__ = ["Row", "rows"]

#: Both are asked for, and each is a row.
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
    return [*_chunks(results), *_growth(results), *_at_once(results), *_import(results)]


def _chunks(results: Results) -> Iterator[Row]:
    for way in WAYS:
        cpu = results.cpu.get(f"text, {way}")
        yield Row(
            what=f"{way}: CPU of a chunk, to bare httpx",
            number=ratio(cpu, "kimi_async", "httpx"),
            budget=1.7,
        )
        yield from _less(
            results, way, "kimi_async", {"openai": (6, 8), "openai .stream()": (11, 15)}
        )
        yield Row(
            what=f"{way}: aiohttp, CPU of a chunk above bare",
            number=_above(results, way, "kimi_async, aiohttp", "aiohttp"),
            budget=10,
            unit=" us",
        )
        aiohttp = {"openai": (12.0, 18.0), "openai .stream()": (24.0, 36.0)}
        yield from _less(results, way, "kimi_async, aiohttp", aiohttp)
        yield Row(
            what=f"{way}: limits and total, to no limits",
            number=ratio(cpu, "kimi_async, total", "kimi_async, no limits"),
            budget=1.10,
            stretch=1.03,
        )


def _less(
    results: Results, way: str, ours: str, budgets: dict[str, tuple[float, float]]
) -> Iterator[Row]:
    engine = ours.partition(", ")[2]
    for peer, (budget, stretch) in budgets.items():
        yield Row(
            what=f"{way}: {f'{engine}, ' if engine else ''}less than {peer}",
            number=ratio(results.cpu.get(f"text, {way}"), peer, ours),
            budget=budget,
            stretch=stretch,
            at_most=False,
        )


def _above(results: Results, way: str, ours: str, floor: str) -> float | None:
    """Give the median of the differences of each round."""
    cpu = results.cpu.get(f"text, {way}", {})
    if ours not in cpu or floor not in cpu:
        return None
    return median(one - other for one, other in zip(cpu[ours], cpu[floor], strict=True))


def _growth(results: Results) -> Iterator[Row]:
    for body, client in (("text", "kimi_async"), ("one call", "kimi_async, partial()")):
        costs = results.growth.get(body, {}).get(client, {})
        by_size = {str(size): rounds for size, rounds in costs.items()}
        yield Row(
            what=f"growth: {body.replace('one call', 'call and partial()')}, 64,000 to 1,000",
            number=ratio(by_size, "64000", "1000"),
            budget=1.3,
            stretch=1.1,
        )


def _at_once(results: Results) -> Iterator[Row]:
    rate = results.at_once_rate.get(500)
    for ours, budget, stretch in (("kimi_async", 4, 6), ("kimi_async, aiohttp", 10, 14)):
        yield Row(
            what=f"500 at once: {ours}, to openai",
            number=ratio(rate, ours, "openai"),
            budget=budget,
            stretch=stretch,
            at_most=False,
        )
    for ours in ("kimi_async", "kimi_async, aiohttp"):
        memory = [middle(results.stream_kib, client) for client in (ours, "openai")]
        yield Row(
            what=f"memory of a stream: {ours}, to openai",
            number=None if memory[0] is None or memory[1] is None else memory[0] / memory[1],
            budget=1.0,
        )


def _import(results: Results) -> Iterator[Row]:
    yield Row(
        what="import, to that of httpx",
        number=ratio(results.import_ms, "kimi_async", "httpx"),
        budget=1.5,
        stretch=1.3,
    )
    bare = results.import_ms.get("nothing", [])
    net = {
        package: [one - nothing for one, nothing in zip(rounds, bare, strict=True)]
        for package, rounds in results.import_ms.items()
    }
    yield Row(
        what="import, the same without the interpreter",
        number=ratio(net, "kimi_async", "httpx"),
        budget=1.5,
        stretch=1.3,
    )
    yield Row(
        what="packages of extras that it imports",
        number=float(len(results.extras)),
        budget=0,
        unit="",
    )
