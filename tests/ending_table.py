"""The table of faults in the documentation: what the server does, and what you get.

Made from the rows that the tests play; ``docs/conf.py`` puts it onto its page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ending_cases import BROKEN, WHOLE, Broken, Whole

__all__ = ["as_markdown"]


def as_markdown(broken: Mapping[str, Broken] = BROKEN, whole: Mapping[str, Whole] = WHOLE) -> str:
    """Three sections of a page: broken after the first output, broken before it, and not broken at all."""
    after = [row for row in broken.values() if row.partial is not None]
    before = [row for row in broken.values() if row.partial is None]
    wrong = ("What the server does", "Outcome", "You get", "In `partial`")
    return "\n".join(
        [
            "## When the answer has begun\n",
            *_table(wrong, ([*_error(row), f"`{row.partial}`"] for row in after)),
            "\n## Before any output\n",
            *_table(wrong, ([*_error(row), "`None`"] for row in before)),
            "\n## When the answer is whole all the same\n",
            *_table(
                ("What the server does", "Outcome", "You get", "`usage`", "`record.late_error`"),
                (_reply(row) for row in whole.values()),
            ),
            "",
        ]
    )


def _error(row: Broken) -> list[str]:
    return [row.server, f"`{row.outcome}`", f"{{class}}`~kimi_async.{row.error.__name__}`"]


def _reply(row: Whole) -> list[str]:
    late = f"`{row.late_error}…`" if row.late_error else "`None`"
    return [row.server, "`complete`", "the reply", "reported" if row.usage else "`None`", late]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(cells) for cells in (head, ["---"] * len(head), *rows)]


def _line(cells: Iterable[str]) -> str:
    # A bar inside of a cell would end it.
    told = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {told} |"
