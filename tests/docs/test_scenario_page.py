"""The page docs/scenarios.md has a line for each scenario of the tests, and is up to date."""

from __future__ import annotations

import pytest
import scenario_page
from attrs import evolve
from scenario_cases import CROWDS, SCENARIOS
from scenario_page import PAGE, as_markdown
from scenario_table import ALL_CROWDS, ALL_SCENARIOS
from scenarios import Seen
from scripts import written_by

import kimi_async as kimi


def lines(page: str) -> list[str]:
    """Return the lines of the tables of *page*, heads and rules left out."""
    told = [line for line in page.splitlines() if line.startswith("|")]
    return [line for line in told if not line.startswith(("| A |", "| ---"))]


def test_every_row_is_on_the_page() -> None:
    assert len(lines(as_markdown())) == len(ALL_SCENARIOS) + len(ALL_CROWDS)


def test_a_row_says_what_the_caller_gets() -> None:
    by_id = {row.id: row for row in SCENARIOS}
    alone = evolve(by_id["hedge-with-one-provider"], seconds=None, text=None)
    failed = evolve(by_id["refused-without-hedge"], error=kimi.ServerError)
    assert lines(as_markdown([alone, failed], [])) == [
        (
            "| answers after 60 s |  | `hedge_after=2.0` | start A, text, end |  | A complete | A 1 | `complete`"
            " | by chance |"
        ),
        (
            "| answers with status 400 | answers | `hedge_after=2.0` |  |  | A error | A 1, B 0"
            " | `error`, {class}`~kimi_async.ServerError` | 0 |"
        ),
    ]


def test_a_row_of_many_calls() -> None:
    by_id = {row.id: row for row in CROWDS}
    cap = evolve(
        by_id["hedges-have-a-cap"], pause=0.5, slowest=3.0, seen=Seen(a=1_000, b=range(3, 5))
    )
    one = evolve(cap, together=1, pause=0.0, before=2, rest=5.0, models=("a", "b"))
    (many, few) = lines(as_markdown([], [cap, one]))
    assert (
        "| 200, 10 at once, 0.5 s between them | 200 `complete`; none takes more than 3 s |" in many
    )
    assert many.endswith("| A 1,000, B 3 to 4 |")
    assert "| 2, then 5 s of rest, then 200, for `a` and `b` in turn | 200 `complete`" in few


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a case has changed, ``python tests/support/scenario_page.py`` writes the page."""
    assert written_by(scenario_page, monkeypatch) == [(PAGE, PAGE.read_text("utf-8"))]
