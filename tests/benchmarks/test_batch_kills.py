"""The batch that is killed: a short run keeps its bounds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "batch_kills.py"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no memory")
def test_a_short_batch_that_is_killed_keeps_its_bounds() -> None:
    """Its time says nothing: the starts are most of it."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "200", "--kills", "2"],
        env=os.environ | {"PYTHONSAFEPATH": ""},  # it has a helper beside it
        check=False,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert "| each `custom_id` is there once | 0 wrong | holds |" in lines, done.stderr
    assert "| killed 2 times | 2 | holds |" in lines
    for bound in ("at most 2", "memory"):
        assert [line[-7:] for line in lines if line.startswith(f"| {bound}")] == ["holds |"]
