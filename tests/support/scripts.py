"""Scripts of the checkout, run by their tests."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from paths import ROOT

__all__ = ["run_benchmark", "written_by"]


def run_benchmark(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the folder ``benchmarks`` to its end, whatever its exit code."""
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *arguments],
        env=os.environ | {"PYTHONSAFEPATH": ""},  # it has a helper beside it
        check=False,
        capture_output=True,
        text=True,
    )


def written_by(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """Run *script* and return the files that it would write, with their texts."""
    written: list[tuple[Path, str]] = []

    def write_text(path: Path, text: str, encoding: str) -> None:
        written.append((path, text))

    monkeypatch.setattr(Path, "write_text", write_text)
    runpy.run_path(str(script.__file__), run_name="__main__")
    return written
