"""Take each protection out, one at a time, and see a test fail: ``nox -s mutants``.

``python tests/mutants/mutants.py [NAME ...]`` works on a copy of the installed package, and ends with 1 when a mutant
survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from mutant_rows import MUTANTS, Mutant

import kimi_async

__all__ = ["Run", "applied", "main", "run_tests"]

#: Runs tests against the package in a folder; gives the exit code of pytest.
Run: TypeAlias = Callable[[Path, Sequence[str]], int]

ROOT = Path(__file__).parents[2]
PACKAGE = Path(kimi_async.__file__).parent

#: The exit codes of pytest that are an answer. Every other means that it could not ask.
VERDICTS = {0: "SURVIVED", 1: "killed"}


def run_tests(folder: Path, tests: Sequence[str]) -> int:
    """Run *tests* against the package in *folder*; give the exit code of pytest."""
    environment = {
        "PYTHONPATH": str(folder),
        "PYTHONSAFEPATH": "1",  # the checkout must not come before the copy
        "PYTHONDONTWRITEBYTECODE": "1",  # a mutant as long as the original would not be noticed
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
    }
    # Without a limit a mutant that hangs would take the usual minute.
    quick = ["-x", "-q", "--timeout=15", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *quick, *tests],
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    return done.returncode


@contextmanager
def applied(mutant: Mutant, package: Path) -> Generator[None]:
    """Take the protection out of *package* for a while.

    Raises:
        ValueError: The text to find is not there exactly once, so the row is no longer about this code.
    """
    path = package / mutant.file
    text = path.read_text("utf-8")
    if text.count(mutant.find) != 1:
        raise ValueError(f"{mutant.file} has {text.count(mutant.find)} times: {mutant.find!r}")
    path.write_text(text.replace(mutant.find, mutant.replace), "utf-8")
    try:
        yield
    finally:
        path.write_text(text, "utf-8")


def main(mutants: Mapping[str, Mutant] = MUTANTS, run: Run = run_tests) -> int:
    """Try all *mutants*; give 0 when each of them was killed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        package = folder / "kimi_async"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        tests = sorted({test for mutant in mutants.values() for test in mutant.tests})
        if run(folder, tests) != 0:
            print("the tests fail without any mutant")
            return 1
        verdicts: list[str] = []
        for name, mutant in mutants.items():
            with applied(mutant, package):
                code = run(folder, mutant.tests)
            verdicts.append(VERDICTS.get(code, f"pytest ended with {code}"))
            print(f"{name}: {verdicts[-1]}", flush=True)
    return int(set(verdicts) != {"killed"})


if __name__ == "__main__":
    chosen = sys.argv[1:] or MUTANTS
    sys.exit(main({name: MUTANTS[name] for name in chosen}))
