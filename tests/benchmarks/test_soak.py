"""The soak session: a short run passes its own checks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_a_short_soak_finds_no_wrong_outcome_and_nothing_left() -> None:
    """Its memory says nothing: so few streams are still warming up."""
    done = subprocess.run(
        [sys.executable, str(SOAK), "200"],
        env=os.environ | {"PYTHONSAFEPATH": ""},  # it has a helper beside it
        check=False,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert "| Wrong outcomes | 0 |" in lines, done.stderr
    assert "| Connections, and tasks, left after the client was closed | 0, and 0 |" in lines
