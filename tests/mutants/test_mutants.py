"""The table of mutants is about the code as it is, and the session tells a survivor from a mutant that was killed."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve
from mutant_rows import MUTANTS, Mutant
from mutants import PACKAGE, ROOT, applied, main

#: The protections that the session must have, whatever else it has.
NEEDED = {
    "grace",
    "progress-clock",
    "two-cancels-while-sending",
    "two-cancels-while-closing",
    "retirement",
    "own-close-task",
    "error-before-choices",
    "no-invented-finish",
    "drain-bound",
    "size-bound-of-an-event",
    "tail-rule",
    "usage-not-erased",
    "key-redaction-of-errors",
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_every_row_still_applies(mutant: Mutant, tmp_path: Path) -> None:
    path = tmp_path / mutant.file
    path.parent.mkdir(exist_ok=True)
    shutil.copy(PACKAGE / mutant.file, path)
    before = path.read_text("utf-8")
    with applied(mutant, tmp_path):
        assert ast.dump(ast.parse(path.read_text("utf-8"))) != ast.dump(ast.parse(before))
    assert path.read_text("utf-8") == before


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_the_tests_of_every_row_are_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        file, _, name = re.sub(r"\[.*", "", test).partition("::")
        assert f"def {name}" in (ROOT / file).read_text("utf-8")


def test_the_table_has_what_matters_most() -> None:
    assert MUTANTS.keys() >= NEEDED


@pytest.mark.parametrize(("find", "times"), [("twice", 2), ("never", 0)])
def test_a_row_that_does_not_apply_is_an_error(find: str, times: int, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("twice, twice", "utf-8")
    row = evolve(MUTANTS["grace"], file="a.py", find=find)
    with pytest.raises(ValueError, match=rf"^a\.py has {times} times: '{find}'$"):
        applied(row, tmp_path).__enter__()


@pytest.mark.parametrize(
    ("codes", "ended", "said"),
    [
        pytest.param([0, 1, 1], 0, ["a: killed", "b: killed"], id="all-killed"),
        pytest.param([0, 0, 1], 1, ["a: SURVIVED", "b: killed"], id="a-survivor"),
        pytest.param([0, 1, 2], 1, ["a: killed", "b: pytest ended with 2"], id="no-verdict"),
        pytest.param([1], 1, [], id="red-without-a-mutant"),
    ],
)
def test_the_session_demands_that_every_mutant_is_killed(
    codes: list[int], ended: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    texts: list[str] = []
    asked: list[Sequence[str]] = []

    def run(folder: Path, tests: Sequence[str]) -> int:
        texts.append((folder / "kimi_async" / "_reply" / "_deadlines.py").read_text("utf-8"))
        asked.append(tests)
        return codes.pop(0)

    row = MUTANTS["grace"]
    assert main({"a": evolve(row, tests=("x",)), "b": evolve(row, tests=("y",))}, run) == ended
    assert codes == []
    assert asked == [["x", "y"], ("x",), ("y",)][: len(asked)]
    whole, *mutated = texts
    assert set(mutated) <= {whole.replace(row.find, row.replace)}
    told = capsys.readouterr().out.splitlines()
    assert told == (said or ["the tests fail without any mutant"])


def test_a_mutant_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real thing, once: the tests run in a process of their own, against the copy."""
    monkeypatch.setattr(sys, "argv", ["mutants.py", "first-output"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "tests" / "mutants" / "mutants.py"), run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, "first-output: killed\n")
