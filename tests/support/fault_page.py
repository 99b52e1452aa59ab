"""The page docs/faults.md: faults of a server and their results for the caller, made from the cases of the tests.

``python tests/support/fault_page.py`` writes the page after a case has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ending_cases import BROKEN, WHOLE, Broken, Whole
from fault_cases import FAULTS, FaultCase
from paths import ROOT

import kimi_async as kimi

__all__ = ["PAGE", "as_markdown", "code", "linked", "table"]

PAGE = ROOT / "docs" / "faults.md"

_INTRO = """\
# Server faults

The kinds of failed replies that we know of, and some replies that are complete although the server broke a rule.
Each row is a case of the tests, which write this page.

*Outcome* is the value of `reply.record.outcome` or `error.record.outcome`.
`error.partial` holds the text that arrived before the failure, and never a finish reason that the server did not send.
In the first table, played over a real connection, a reply that breaks has delivered `Hello `.
In the other tables, played read by read, it has delivered `half an ans`.
[Errors and endings](errors-and-endings.md) explains the rules behind the rows.
"""

_SERVER = "The server"


def as_markdown(
    faults: Iterable[FaultCase] = FAULTS,
    broken: Mapping[str, Broken] = BROKEN,
    whole: Mapping[str, Whole] = WHOLE,
) -> str:
    """Return the page: faults over a connection, then broken replies, then complete ones."""
    wrong = (_SERVER, "Outcome", "Error", "In `partial`")
    sections = {
        "Over a connection": (
            (_SERVER, "You get", "Outcome", "Error", "In `partial`"),
            [_fault(row) for row in faults],
        ),
        "After the first output": (
            wrong,
            [_broken(row) for row in broken.values() if row.partial is not None],
        ),
        "Before the first output": (
            wrong,
            [_broken(row) for row in broken.values() if row.partial is None],
        ),
        "Replies that are complete": (
            (_SERVER, "Outcome", "`usage`", "`record.late_error`"),
            [_whole(row) for row in whole.values()],
        ),
    }
    tables = (f"\n## {name}\n\n{table(head, rows)}" for name, (head, rows) in sections.items())
    return _INTRO + "".join(tables)


def _fault(row: FaultCase) -> list[str]:
    partial = "" if row.error is None else code(row.text)
    return [row.server, row.gets, code(row.outcome), linked(row.error), partial]


def _broken(row: Broken) -> list[str]:
    return [row.server, code(row.outcome), linked(row.error), code(row.partial)]


def _whole(row: Whole) -> list[str]:
    late = code(row.late_error and f"{row.late_error}…")
    return [row.server, code("complete"), "reported" if row.usage else code(None), late]


def code(text: str | None) -> str:
    """Return *text* as code of Markdown."""
    return f"`{text}`"


def linked(error: type[kimi.KimiError] | None) -> str:
    """Return a link to a class of errors, or nothing."""
    return "" if error is None else f"{{class}}`~kimi_async.{error.__name__}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    return "".join(_line(cells) for cells in (head, ["---"] * len(head), *rows))


def _line(cells: Iterable[str]) -> str:
    # A bar inside a cell would end the cell.
    told = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {told} |\n"


if __name__ == "__main__":
    PAGE.write_text(as_markdown(), "utf-8")
