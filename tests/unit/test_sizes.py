"""Modules and functions are short, in the package and around it."""

from __future__ import annotations

import ast

import pytest
from paths import ROOT

FOLDERS = ("kimi_async", "tests", "benchmarks", "examples", "docs")
SOURCES = [
    ROOT / "noxfile.py",
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))),
]


def test_modules_are_short() -> None:
    """At most 500 lines; a table of cases is a list, which may be longer."""
    modules = [path for path in SOURCES if not path.name.endswith("_cases.py")]
    long = [path for path in modules if len(path.read_text("utf-8").splitlines()) > 500]
    assert long == []


def test_functions_are_short() -> None:
    """At most 40 lines in a body, its docstring not counted."""
    long = [
        (path.relative_to(ROOT).as_posix(), function.name)
        for path in SOURCES
        for function in long_functions(path.read_text("utf-8"))
    ]
    assert long == []


def long_functions(source: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    return [each for each in functions if body_lines(each) > 40]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a body; a signature of many settings is long and simple."""
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    first, last = statements[:1], statements[-1:]
    return sum((node.end_lineno or 0) + 1 for node in last) - sum(node.lineno for node in first)


@pytest.mark.parametrize(
    ("begin", "lines", "is_long"),
    [("'It.'", 41, True), ("'It.'", 40, False), ("a = 0", 40, True)],
)
def test_a_docstring_does_not_count(begin: str, lines: int, is_long: bool) -> None:
    body = "".join(f"    a = {number}\n" for number in range(lines))
    assert bool(long_functions(f"async def f():\n    {begin}\n{body}")) is is_long
