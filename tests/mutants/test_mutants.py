"""Every mutant applies to the code as it is, and the session reports mutants that survive."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve
from mutant_rows import MUTANTS, Mutant
from mutants import PACKAGE, ROOT, main, mutated

ROW = next(iter(MUTANTS.values()))


@pytest.mark.parametrize("name", MUTANTS)
def test_each_row_applies_to_the_code(name: str) -> None:
    before = (PACKAGE / MUTANTS[name].file).read_text("utf-8")
    assert ast.dump(ast.parse(mutated(name, MUTANTS[name]))) != ast.dump(ast.parse(before))


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_the_test_of_each_row_exists(mutant: Mutant) -> None:
    file, _, name = re.sub(r"\[.*", "", mutant.test).partition("::")
    assert f"def {name}" in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize(
    ("file", "find", "times"),
    [
        pytest.param(ROW.file, "import", r"\d+", id="many"),
        pytest.param(ROW.file, "nowhere", "0", id="none"),
        pytest.param("gone.py", "x", "0", id="no-file"),
    ],
)
def test_a_row_that_does_not_apply_is_named(file: str, find: str, times: str) -> None:
    with pytest.raises(ValueError, match=rf"row 'a' .*/{file} has .* {times} times.*: '{find}'$"):
        mutated("a", evolve(ROW, file=file, find=find))


@pytest.mark.parametrize(
    ("codes", "ended", "said"),
    [
        pytest.param([0, 1, 1], 0, ["a: killed", "b: killed"], id="all-killed"),
        pytest.param([0, 0, 1], 1, ["a: SURVIVED", "b: killed"], id="a-survivor"),
        pytest.param([0, 1, 2], 1, ["a: killed", "b: pytest ended with 2"], id="no-verdict"),
        pytest.param([1], 1, ["the tests fail without any mutant"], id="red-without-a-mutant"),
    ],
)
def test_the_session_demands_that_every_mutant_is_killed(
    codes: list[int], ended: int, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    original = (PACKAGE / ROW.file).read_text("utf-8")
    runs: list[tuple[bool, Sequence[str]]] = []

    def run(folder: Path, tests: Sequence[str]) -> int:
        text = (folder / "kimi_async" / ROW.file).read_text("utf-8")
        runs.append((text == original, tests))
        return codes.pop(0)

    assert main({"a": evolve(ROW, test="x"), "b": evolve(ROW, test="y")}, run) == ended
    assert codes == []
    assert runs == [(True, ["x", "y"]), (False, ["x"]), (False, ["y"])][: len(runs)]
    assert capsys.readouterr().out.splitlines() == said


def test_a_mutant_is_killed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the script once: the tests run in another process, against the copy."""
    monkeypatch.setattr(sys, "argv", ["mutants.py", "first-output-timeout"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "tests" / "mutants" / "mutants.py"), run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, "first-output-timeout: killed\n")
