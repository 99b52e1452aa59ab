"""The experiment with hedges: a long tail becomes short for a few more requests."""

from __future__ import annotations

import hedges
import pytest

CALLS = 1_000


def test_a_hedge_cuts_the_tail_and_its_cost_is_bounded() -> None:
    plain, _ = hedges.measure(CALLS, None)
    usual, slower = hedges.measure(CALLS, "p95")
    assert plain.percentile(99) >= 10 * usual.percentile(99)
    assert (plain.extra, usual.extra <= 0.06, slower.extra <= 0.06) == (0.0, True, True)


def test_the_figures_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    hedges.main(["--calls", "50"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("hedge_after=None: p50 0.")
    assert lines[-1].endswith("% more requests")
