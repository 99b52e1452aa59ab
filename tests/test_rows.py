"""Every row of the tables of wire facts has a test that shows it, or a policy."""

from __future__ import annotations

import runpy
import subprocess
from collections.abc import Callable

import list_rows
import pytest
from list_rows import (
    Cases,
    Register,
    cases_of,
    collected,
    files_of,
    problems,
    register,
    rows,
    sections,
)


def test_the_register_is_complete_and_names_tests_that_exist(
    request: pytest.FixtureRequest,
) -> None:
    """A run of the whole suite has found them all already; the others take a second look."""
    keys = rows(list_rows.PAGE.read_text("utf-8"))
    entries = register(list_rows.REGISTER.read_text("utf-8"))
    cases = cases_of(item.nodeid for item in request.session.items)
    unseen = {key for key in entries if problems([key], {key: entries[key]}, cases)}
    cases |= collected(files_of({key: entries[key] for key in unseen}))
    assert problems(keys, entries, cases) == []


def test_a_file_can_be_collected_from_within_a_run() -> None:
    cases = collected(["test_record.py"])
    assert cases["test_record.py::test_the_outcomes"] == {""}
    assert {file.partition("::")[0] for file in cases} == {"test_record.py"}
    assert collected([]) == {}


def test_the_script_prints_every_row_and_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where pytest finds nothing, every test that is named is missing."""

    def find_nothing(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess("", 5, stdout="no tests collected")

    monkeypatch.setattr(subprocess, "run", find_nothing)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(list_rows.__file__, run_name="__main__")
    assert ended.value.code == 1
    printed = capsys.readouterr().out.splitlines()
    wrong = [line for line in printed if line.startswith("WRONG ")]
    keys = [line for line in printed[:-1] if not line.startswith((" ", "WRONG "))]
    assert keys == rows(list_rows.PAGE.read_text("utf-8"))
    assert printed[-1] == f"{len(keys)} rows, {len(wrong)} problems"
    assert all(": no such test: test_" in line for line in wrong)


PAGE = """\
# Page
## 1. One
| not | asked for |
|---|---|
| a | b |
### 1.5 Errors: `{"a"}`
Text.

| HTTP | code | Meaning |
|---|---|---|
| 400 | no_token | x |
| 400 or 401 | (x402 body) | y |
| 409 | | z |

### 6.3 Tool calls [[mark]]

| Quirk | Behaviour |
|---|---|
| Marker tokens (`<\\|begin\\|>` …) | hide |
| `index` missing | guess |
## At a glance
"""


def test_sections_are_found_by_their_number() -> None:
    found = sections(PAGE)
    assert list(found) == ["1", "1.5", "6.3"]
    assert found["1"] == "\n| not | asked for |\n|---|---|\n| a | b |\n"


def test_the_key_of_a_row_is_its_section_and_its_first_cells() -> None:
    assert rows(PAGE) == [
        "1.5/400-no-token",
        "1.5/400-or-401-x402-body",
        "1.5/409",
        "6.3/marker-tokens-begin",
        "6.3/index-missing",
    ]


CASES: Cases = {"test_a.py::test_x": {"asyncio-odd-id", "trio-odd-id"}, "test_a.py::test_y": {""}}
FINE: Register = {
    "1.5/a": {"tests": ["test_a.py::test_x", "test_a.py::test_x[odd-id]", "test_a.py::test_y"]},
    "1.5/b": {"policy": "It is the caller's."},
}

# The rows, the register, and what is wrong with it.
WRONG: dict[str, tuple[list[str], Register, list[str]]] = {
    "nothing": (["1.5/a", "1.5/b"], FINE, []),
    "missing": (["1.5/a", "1.5/b", "1.5/c"], FINE, ["1.5/c: not in rows.toml"]),
    "unknown": (["1.5/a"], FINE, ["1.5/b: no such row"]),
    "twice": (["1.5/a", "1.5/b", "1.5/a"], FINE, ["1.5/a: more than one row has this key"]),
    "empty": (["1.5/a"], {"1.5/a": {}}, ["1.5/a: neither a test nor a policy"]),
    "no-tests": (
        ["1.5/a"],
        {"1.5/a": {"tests": []}},
        ["1.5/a: neither a test nor a policy"],
    ),
    "unknown-test": (
        ["1.5/a"],
        {"1.5/a": {"tests": ["test_a.py::test_z"], "policy": "Yes."}},
        ["1.5/a: no such test: test_a.py::test_z"],
    ),
    "unknown-case": (
        ["1.5/a"],
        {"1.5/a": {"tests": ["test_a.py::test_x[odd-i]", "test_a.py::test_y[odd-id]"]}},
        [
            "1.5/a: no such test: test_a.py::test_x[odd-i]",
            "1.5/a: no such test: test_a.py::test_y[odd-id]",
        ],
    ),
}


@pytest.mark.parametrize(("keys", "entries", "wrong"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_register(
    keys: list[str], entries: Register, wrong: list[str]
) -> None:
    assert problems(keys, entries, CASES) == wrong


def constant(value: object) -> Callable[[object], object]:
    """A function of one argument that gives *value*."""

    def give(_: object) -> object:
        return value

    return give


def test_the_script_ends_with_0_when_nothing_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"rows": list(FINE), "register": FINE, "collected": CASES}.items():
        monkeypatch.setattr(list_rows, name, constant(value))
    assert list_rows.main() == 0
    assert capsys.readouterr().out == (
        "1.5/a\n    test_a.py::test_x\n    test_a.py::test_x[odd-id]\n    test_a.py::test_y\n"
        "1.5/b\n    It is the caller's.\n"
        "2 rows, 0 problems\n"
    )


def test_a_register_is_written_by_section() -> None:
    text = '["1.5"]\na.tests = ["test_a.py::test_y"]\nb.policy = "No."\n["6.3"]\na.policy = "Yes."'
    entries = register(text)
    assert entries == {
        "1.5/a": {"tests": ["test_a.py::test_y"]},
        "1.5/b": {"policy": "No."},
        "6.3/a": {"policy": "Yes."},
    }
    assert files_of(entries) == {"test_a.py"}
