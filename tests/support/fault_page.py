"""The tables of faults in the documentation: what the server does, and what you get.

Made from the rows that the tests play; ``docs/conf.py`` puts them onto their page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ending_cases import BROKEN, WHOLE, Broken, Whole
from fault_cases import FAULTS, FaultCase

import kimi_async as kimi

__all__ = ["as_markdown"]

_SERVER = "What the server does"


def as_markdown(
    faults: Iterable[FaultCase] = FAULTS,
    broken: Mapping[str, Broken] = BROKEN,
    whole: Mapping[str, Whole] = WHOLE,
) -> str:
    """Four sections of a page: over a connection, broken after the first output, before it, and not broken."""
    wrong = (_SERVER, "Outcome", "Error", "In `partial`")
    sections = {
        "Over a connection": (
            (_SERVER, "You get", "Outcome", "Error", "In `partial`"),
            [_fault(row) for row in faults],
        ),
        "When the answer has begun": (
            wrong,
            [_broken(row) for row in broken.values() if row.partial is not None],
        ),
        "Before any output": (
            wrong,
            [_broken(row) for row in broken.values() if row.partial is None],
        ),
        "When the answer is whole all the same": (
            (_SERVER, "Outcome", "`usage`", "`record.late_error`"),
            [_whole(row) for row in whole.values()],
        ),
    }
    return "\n".join(
        f"## {heading}\n\n{_table(head, rows)}" for heading, (head, rows) in sections.items()
    )


def _fault(row: FaultCase) -> list[str]:
    partial = "" if row.error is None else _code(row.text)
    return [row.server, row.gets, _code(row.outcome), _linked(row.error), partial]


def _broken(row: Broken) -> list[str]:
    return [row.server, _code(row.outcome), _linked(row.error), _code(row.partial)]


def _whole(row: Whole) -> list[str]:
    late = _code(row.late_error and f"{row.late_error}…")
    return [row.server, _code("complete"), "reported" if row.usage else _code(None), late]


def _code(text: str | None) -> str:
    return f"`{text}`"


def _linked(error: type[kimi.KimiError] | None) -> str:
    return "" if error is None else f"{{class}}`~kimi_async.{error.__name__}`"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(_line(cells) for cells in (head, ["---"] * len(head), *rows))


def _line(cells: Iterable[str]) -> str:
    # A bar inside of a cell would end it.
    told = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {told} |\n"
