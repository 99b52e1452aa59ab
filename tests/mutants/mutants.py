"""Remove one protection at a time from a copy of the package, and check that a test fails: ``nox -s mutants``.

``python tests/mutants/mutants.py [NAME ...]`` exits with 1 if the tests pass although a protection is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from mutant_rows import MUTANTS, Mutant

import kimi_async

__all__ = ["PACKAGE", "ROOT", "Run", "main", "mutated", "run_tests"]

#: Runs tests against the package in a folder and returns the exit code of pytest.
Run: TypeAlias = Callable[[Path, Sequence[str]], int]

ROOT = Path(__file__).parents[2]
PACKAGE = Path(kimi_async.__file__).parent

#: The exit codes of pytest that give a verdict. With any other code, pytest could not run the tests.
VERDICTS = {0: "SURVIVED", 1: "killed"}


def mutated(name: str, mutant: Mutant) -> str:
    """Return the text of the file of *mutant* without its protection.

    Raises:
        ValueError: The file does not hold the text exactly once, so the row does not apply to the code any more.
    """
    path = PACKAGE / mutant.file
    text = path.read_text("utf-8") if path.exists() else ""
    if (times := text.count(mutant.find)) != 1:
        raise ValueError(
            f"row {name!r} of tests/mutants/mutant_rows.py no longer applies: "
            f"kimi_async/{mutant.file} has this text {times} times, expected once: {mutant.find!r}"
        )
    return text.replace(mutant.find, mutant.replace)


def run_tests(folder: Path, tests: Sequence[str]) -> int:
    """Run *tests* against the package in *folder* and return the exit code of pytest."""
    environment = {
        "PYTHONPATH": str(folder),
        "PYTHONSAFEPATH": "1",  # the checkout must not come before the copy
        "PYTHONDONTWRITEBYTECODE": "1",  # Python would not notice a mutant of the same length
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
    }
    # The short timeout is for mutants that hang.
    quick = ["-x", "-q", "--timeout=15", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quick, *tests],
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    return done.returncode


def main(mutants: Mapping[str, Mutant] = MUTANTS, run: Run = run_tests) -> int:
    """Try all *mutants*. Return 0 if the tests killed each of them."""
    texts = {name: mutated(name, mutant) for name, mutant in mutants.items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package = folder / "kimi_async"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        if run(folder, sorted({mutant.test for mutant in mutants.values()})) != 0:
            print("the tests fail without any mutant")
            return 1
        verdicts: list[str] = []
        for name, mutant in mutants.items():
            (package / mutant.file).write_text(texts[name], "utf-8")
            code = run(folder, [mutant.test])
            shutil.copy(PACKAGE / mutant.file, package / mutant.file)
            verdicts.append(VERDICTS.get(code, f"pytest ended with {code}"))
            print(f"{name}: {verdicts[-1]}", flush=True)
    return int(set(verdicts) != {"killed"})


if __name__ == "__main__":
    chosen = sys.argv[1:] or MUTANTS
    sys.exit(main({name: MUTANTS[name] for name in chosen}))
