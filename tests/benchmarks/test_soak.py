"""The soak session: a short run passes its own checks."""

from __future__ import annotations

from scripts import run_benchmark


def test_a_short_soak_finds_no_wrong_outcome_and_nothing_left() -> None:
    """Its memory says nothing: so few streams are still warming up."""
    done = run_benchmark("soak.py", "200")
    lines = done.stdout.splitlines()
    assert "| Wrong outcomes | 0 |" in lines, done.stderr
    assert "| Connections, and tasks, left after the client was closed | 0, and 0 |" in lines
