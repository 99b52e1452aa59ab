"""The batch that is killed: a short run keeps its bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import run_benchmark


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells no memory")
def test_a_short_batch_that_is_killed_keeps_its_bounds() -> None:
    """Its time says nothing: the starts are most of it."""
    done = run_benchmark("batch_kills.py", "200", "--kills", "2")
    lines = done.stdout.splitlines()
    assert "| each `custom_id` is there once | 0 wrong | holds |" in lines, done.stderr
    assert "| killed 2 times | 2 | holds |" in lines
    for bound in ("at most 2", "memory"):
        assert [line[-7:] for line in lines if line.startswith(f"| {bound}")] == ["holds |"]
