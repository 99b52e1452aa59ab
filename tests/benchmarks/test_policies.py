"""The benchmark of the policies: it measures both hosts, and a figure over its budget ends it with an error."""

from __future__ import annotations

import policies
import pytest
from policies import EVERYTHING, PLAIN, Measured


def test_a_short_run_measures_both_hosts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a real process; the figures of so few rounds say nothing."""
    monkeypatch.setattr(policies, "BUDGETS", dict.fromkeys(policies.SIZES, 1_000.0))
    monkeypatch.setattr(policies, "ROUND", 20)
    assert policies.main(["1"]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 2 * len(policies.SIZES)
    assert all(line.count("|") == table[0].count("|") for line in table)


@pytest.mark.parametrize(
    ("chunks", "ratio", "holds"),
    [(1_000, 1.03, True), (1_000, 1.04, False), (10, 1.04, True)],
)
def test_a_stream_is_held_against_its_budget(chunks: int, ratio: float, holds: bool) -> None:
    """A ratio is the median of the rounds' own: one bad round changes nothing."""
    seconds = {PLAIN: [1.0, 2.0, 4.0], EVERYTHING: [ratio, 2 * ratio, 40.0]}
    measured = Measured("another process", chunks, seconds)
    assert measured.ratio(EVERYTHING) == pytest.approx(ratio)
    assert measured.holds is holds
