"""The rows of the tables of wire facts in ``docs/providers.md``, by section and name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from paths import ROOT

__all__ = ["PAGE", "fact_rows", "sections"]

PAGE = ROOT / "docs" / "providers.md"
#: The sections whose tables need tests. The other sections describe or sum up.
SECTIONS = (
    *("1.3", "1.4", "1.5", "2.3", "2.4", "2.5", "3.3", "3.4", "3.5"),
    *("6.1", "6.2", "6.3", "6.4", "6.5"),
)
#: Words of the first cell that make the name of a row.
WORDS = 5


def sections(page: str) -> dict[str, str]:
    """Return the text below each numbered heading of *page*, by number."""
    parts = re.split(r"^##+ (\d[\d.]*?)\.? .*$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def fact_rows(page: str) -> list[str]:
    """Return the names of the rows of *page*, in order: ``6.1/no-done``."""
    texts = sections(page)
    return [f"{number}/{name}" for number in SECTIONS for name in _names(texts.get(number, ""))]


def _names(text: str) -> Iterator[str]:
    table = [_cells(line) for line in text.splitlines() if line.startswith("|")]
    for cells in table[2:]:
        # One status stands for several errors, so the tables of errors need the second cell too.
        told = " ".join(cells[: 2 if table[0][0] == "HTTP" else 1])
        yield "-".join(re.findall(r"[a-z0-9]+", told.lower())[:WORDS])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
