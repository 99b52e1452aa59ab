"""The Python examples of the README and of the pages in docs/."""

from __future__ import annotations

import ast
from types import CodeType
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt
from paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from markdown_it.token import Token

__all__ = ["PAGES", "compiled", "examples", "first_line"]

PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(page: str) -> list[Token]:
    """Return the Python blocks of *page* in their order."""
    fences = [token for token in MarkdownIt().parse(page) if token.type == "fence"]
    for fence in fences:
        claims = [word for word in fence.info.lower().split() if word.startswith("py")]
        if claims and fence.info != "python":
            raise ValueError(f"fenced as {fence.info!r}: use 'python', or 'text' if it cannot run")
    return [fence for fence in fences if fence.info == "python"]


def first_line(block: Token) -> int:
    """Return the number of the line of its page on which the code of *block* begins."""
    assert block.map is not None
    return block.map[0] + 2  # after the line of the fence; lines count from 1, and the map from 0


def compiled(block: Token, path: Path) -> CodeType:
    """Compile *block*, with ``await`` allowed at top level, so that its line numbers are those of the page."""
    source = "\n" * (first_line(block) - 1) + block.content
    code = compile(source, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    assert isinstance(code, CodeType)
    return code
