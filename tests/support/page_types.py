"""Check the types of every example: ``python tests/support/page_types.py CHECKER ...`` runs that command once.

A type checker reads files, so each Python block of a page becomes a module in a temporary folder. It imports the names
that it uses from the blocks above it. A page is not one module, because it may have two programs, each with a
``main()``. A block keeps the line numbers that it has in its page, and the messages of the checker name the page.
The programs of examples/ are copied into the same folder.

``await`` at top level works in ``python -m asyncio``. The type checkers do not know that, so their messages about it
are left out.
"""

from __future__ import annotations

import dis
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Final

from page_examples import PAGES, compiled, examples, first_line
from paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["complaints"]

#: The settings of both checkers: strict, as a user would have them, for the oldest Python that we support.
_SETTINGS: Final = {
    "mypy.ini": """
[mypy]
files = .
strict = true
python_version = 3.11
explicit_package_bases = true
error_summary = false
# A block uses what the blocks above it have imported.
[mypy-blocks.*]
implicit_reexport = true
""",
    "pyrightconfig.json": '{"typeCheckingMode": "strict", "pythonVersion": "3.11"}',
}
_COMPLAINT: Final = re.compile(r".*\.(md|py):\d+.* (error|warning): ")
_TOP_LEVEL_AWAIT: Final = re.compile(
    r'\[top-level-await\]|"async (for|with)" outside async function'  # mypy
    r'|"await" allowed only within async function|Use of "async" not allowed outside of async'
)


def complaints(checker: Sequence[str], pages: Mapping[str, str]) -> list[str]:
    """Return the messages of the command *checker* about the examples of *pages*, by their names, and of examples/.

    Raises:
        RuntimeError: The command failed, so it has no verdict.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, text in _SETTINGS.items():
            (folder / name).write_text(text, encoding="utf-8")
        shutil.copytree(ROOT / "examples", folder / "examples")
        (folder / "blocks").mkdir()
        origins: dict[str, str] = {}
        for page, source in pages.items():
            for block, text in _modules(source, len(origins)).items():
                (folder / "blocks" / f"{block}.py").write_text(text, encoding="utf-8")
                origins[block] = page
        done = subprocess.run(
            checker, cwd=folder, capture_output=True, encoding="utf-8", check=False
        )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{checker} failed:\n{done.stdout}{done.stderr}")
    output = done.stdout
    for block, page in origins.items():
        output = re.sub(rf"\S*\b{block}\.py", page, output)
    return list(_kept(output))


def _modules(page: str, number: int) -> dict[str, str]:
    """Return the text of a module for each block of *page*; their numbers begin with *number*."""
    modules: dict[str, str] = {}
    owners: dict[str, str] = {}
    for block in examples(page):
        name = f"block{number + len(modules)}"
        code = compiled(block, Path(name))
        bound = set(_names(code, "STORE"))
        used = {each for part in _parts(code) for each in _names(part, "LOAD")} - bound
        needed = sorted(used & owners.keys())
        imports = [f"from blocks.{owners[each]} import {each}" for each in needed]
        modules[name] = "; ".join(imports) + "\n" * (first_line(block) - 1) + block.content
        owners |= dict.fromkeys(bound, name)
    return modules


def _parts(code: CodeType) -> Iterator[CodeType]:
    """Yield *code* and the code of the functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def _names(code: CodeType, action: str) -> Iterator[str]:
    """Yield the names of its module that *code* reads (``LOAD``) or binds (``STORE``)."""
    for instruction in dis.get_instructions(code):
        if re.fullmatch(f"{action}_(NAME|GLOBAL)", instruction.opname):
            yield instruction.argval


def _kept(output: str) -> Iterator[str]:
    """Yield the complaints of *output*, with the indented lines that explain them, but not those about ``await``."""
    keep = False
    for line in output.splitlines():
        if not line.startswith("    "):
            keep = bool(_COMPLAINT.match(line)) and not _TOP_LEVEL_AWAIT.search(line)
        if keep:
            yield line


if __name__ == "__main__":
    texts = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
    sys.exit("\n".join(complaints(sys.argv[1:], texts)) or None)
