"""Print every row of the tables of wire facts with the tests that show it: ``python tests/list_rows.py``.

``rows.toml`` is the register: a key for each row of ``docs/providers.md`` (section, and slug of the row's first cells)
and, for it, ``tests`` (``"test_sse.py::test_comments"``, or with one case of it in brackets) or ``policy``: what the
library leaves to the caller, or does not do, and why. Ends with 1 when a row is missing, when a key is no row, or when
there is no such test.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "providers.md"
REGISTER = Path(__file__).with_name("rows.toml")
#: The sections whose tables are promises; the others describe or sum up.
SECTIONS = (
    *("1.3", "1.4", "1.5", "2.3", "2.4", "2.5", "3.3", "3.4", "3.5"),
    *("6.1", "6.2", "6.3", "6.4"),
)

#: The key of a row, ``6.1/no-done``, and what is said of it.
Register: TypeAlias = Mapping[str, Mapping[str, Any]]
#: The cases of each test by its name, ``test_sse.py::test_comments``; ``""`` for a test without cases.
Cases: TypeAlias = Mapping[str, set[str]]

_ID = re.compile(r"tests/(\S+?::\w+)(?:\[(.*)\])?")


def sections(page: str) -> dict[str, str]:
    """The text below each numbered heading of *page*, by number."""
    parts = re.split(r"^##+ (\d[\d.]*?)\.? .*$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def rows(page: str) -> list[str]:
    """The keys of the rows of *page*, in order."""
    texts = sections(page)
    return [
        f"{number}/{key}" for number in SECTIONS if number in texts for key in _keys(texts[number])
    ]


def _keys(text: str) -> Iterator[str]:
    head, _, *lines = (_cells(line) for line in text.splitlines() if line.startswith("|"))
    # One status stands for several errors, so there the second cell is needed too.
    many = 2 if head[0] == "HTTP" else 1
    for cells in lines:
        yield re.sub(r"[^a-z0-9]+", "-", " ".join(cells[:many]).lower()).strip("-")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def register(text: str) -> dict[str, Mapping[str, Any]]:
    """The entries of ``rows.toml`` by the key of their row."""
    return {
        f"{section}/{key}": entry
        for section, entries in tomllib.loads(text).items()
        for key, entry in entries.items()
    }


def cases_of(ids: Iterable[str]) -> dict[str, set[str]]:
    """The cases of each test, out of what pytest calls them: ``tests/test_sse.py::test_comments[case]``."""
    cases: dict[str, set[str]] = {}
    for found in filter(None, map(_ID.fullmatch, ids)):
        cases.setdefault(found[1], set()).add(found[2] or "")
    return cases


def collected(files: Iterable[str]) -> dict[str, set[str]]:
    """The cases of the tests that pytest finds in *files* of this folder."""
    paths = [f"tests/{file}" for file in sorted(files)]
    if not paths:
        return {}
    options = ("--collect-only", "-q", "-p", "no:cacheprovider")
    # Not in this process, where pytest may already be running.
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *paths],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return cases_of(found.stdout.splitlines())


def files_of(entries: Register) -> set[str]:
    """The test modules that the register names."""
    return {
        test.partition("::")[0] for entry in entries.values() for test in entry.get("tests", ())
    }


def problems(keys: list[str], entries: Register, cases: Cases) -> list[str]:
    """What is wrong with the register, one line each."""
    found = [f"{key}: more than one row has this key" for key, n in Counter(keys).items() if n > 1]
    found += [f"{key}: not in rows.toml" for key in keys if key not in entries]
    found += [f"{key}: no such row" for key in entries if key not in keys]
    for key, entry in entries.items():
        if not entry.get("tests") and not entry.get("policy"):
            found.append(f"{key}: neither a test nor a policy")
        found += [
            f"{key}: no such test: {test}"
            for test in entry.get("tests", ())
            if not _exists(test, cases)
        ]
    return found


def _exists(test: str, cases: Cases) -> bool:
    """Whether *test* is there; a case may be one part of several in the same brackets (``asyncio-case``)."""
    name, bracket, case = test.partition("[")
    case = case.removesuffix("]")
    return any(not bracket or f"-{case}-" in f"-{found}-" for found in cases.get(name, ()))


def main() -> int:
    """Print the rows and what is wrong; 1 when anything is."""
    keys = rows(PAGE.read_text("utf-8"))
    entries = register(REGISTER.read_text("utf-8"))
    for key in keys:
        entry = entries.get(key, {})
        said = [*entry.get("tests", ()), *([entry["policy"]] if "policy" in entry else [])]
        sys.stdout.write("\n    ".join([key, *said]) + "\n")
    wrong = problems(keys, entries, collected(files_of(entries)))
    sys.stdout.write("".join(f"WRONG {line}\n" for line in wrong))
    sys.stdout.write(f"{len(keys)} rows, {len(wrong)} problems\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
