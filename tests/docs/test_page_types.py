"""The examples reach a type checker as their readers would run them, and its messages name their pages."""

from __future__ import annotations

import runpy
import sys

import page_types
import pytest
from page_types import complaints

#: A checker that objects to every line.
STRICTEST = """
from pathlib import Path

for path in sorted(Path("blocks").iterdir()):
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line:
            print(f"{path.absolute()}:{number}: error: {line}")
"""
FIRST = """Text.
```python
import asyncio
async def main() -> None: ...
```
- In a list:
  ```python
  class Other:
      made = main
  ```
```python
asyncio.run(main())
```
"""
SECOND = """
```python
main = await other()
```
"""


def said_by(program: str, pages: dict[str, str]) -> list[str]:
    return complaints([sys.executable, "-c", program], pages)


def test_a_block_keeps_its_lines_and_imports_from_the_blocks_above_it() -> None:
    assert said_by(STRICTEST, {"docs/first.md": FIRST, "README.md": SECOND}) == [
        "docs/first.md:3: error: import asyncio",
        "docs/first.md:4: error: async def main() -> None: ...",
        "docs/first.md:1: error: from blocks.block0 import main",
        "docs/first.md:8: error: class Other:",
        "docs/first.md:9: error:     made = main",
        "docs/first.md:1: error: from blocks.block0 import asyncio; from blocks.block0 import main",
        "docs/first.md:12: error: asyncio.run(main())",
        "README.md:3: error: main = await other()",
    ]


@pytest.mark.parametrize(
    "line",
    [
        'blocks/block0.py:3: error: "await" outside function  [top-level-await]',
        'blocks/block0.py:3: error: "async with" outside async function  [syntax]',
        '  /tmp/blocks/block0.py:3:8 - error: "await" allowed only within async function',
        '  /tmp/blocks/block0.py:3:1 - error: Use of "async" not allowed outside of async function',
        "/tmp/blocks/block0.py",
        "0 errors, 0 warnings, 0 notes",
    ],
)
def test_lines_that_are_no_fault_of_an_example_are_left_out(line: str) -> None:
    assert said_by(f"print({line!r})", {"README.md": SECOND}) == []


def test_the_explanation_of_a_complaint_is_kept() -> None:
    output = (
        "/tmp/blocks/block0.py\n"
        '  /tmp/blocks/block0.py:3:1 - error: "main" is of another type\n'
        '    "None" is not assignable to "str" (reportAssignmentType)\n'
        "1 error, 0 warnings, 0 notes\n"
        "examples/tools.py:1: error: wrong  [misc]\n"
    )
    assert said_by(f"print({output!r})", {"README.md": SECOND}) == [
        '  README.md:3:1 - error: "main" is of another type',
        '    "None" is not assignable to "str" (reportAssignmentType)',
        "examples/tools.py:1: error: wrong  [misc]",
    ]


def test_a_checker_that_fails_gives_no_verdict() -> None:
    with pytest.raises(RuntimeError, match="no such option"):
        said_by("import sys; print('no such option'); sys.exit(2)", {})


@pytest.mark.parametrize(("program", "result"), [("pass", None), (STRICTEST, "README.md:")])
def test_the_script_fails_if_there_are_complaints(
    program: str, result: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["page_types.py", sys.executable, "-c", program])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(page_types.__file__, run_name="__main__")
    assert str(caught.value.code).startswith(str(result))
