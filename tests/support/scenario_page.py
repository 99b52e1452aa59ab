"""The page docs/scenarios.md: two providers, their behaviour and the result for the caller, made from the test cases.

``python tests/support/scenario_page.py`` writes the page after a case has changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from fault_page import code, linked, table
from paths import ROOT
from scenario_table import ALL_CROWDS, ALL_SCENARIOS
from scenarios import Crowd, Host, Scenario, Seen

__all__ = ["PAGE", "as_markdown"]

PAGE = ROOT / "docs" / "scenarios.md"

_INTRO = """\
# Scenarios

Two providers, A and B, in trouble, and the result for the caller.
Each row is a case of the tests, which write this page.
The tests play it in virtual time on asyncio and on trio, and some of the rows over sockets too.
A is the first provider of the client and B the second one; a row without B has only one provider.

"""

_ONE = """\
## One call

*Events* are the events that the caller of a stream gets, without those that only end a part; a run of text is one.
A row without events is a call of `chat()`, or failed before there was an event.
*Attempts* are those of `reply.attempts`, and *requests* the numbers that A and B received.

"""

_MANY = """\
## Many calls

"""


def as_markdown(
    scenarios: Iterable[Scenario] = ALL_SCENARIOS, crowds: Iterable[Crowd] = ALL_CROWDS
) -> str:
    """Return the page: single calls, then many calls of one client."""
    one = table(
        ("A", "B", "Client", "Events", "Text", "Attempts", "Requests", "Outcome", "Seconds"),
        map(_scenario, scenarios),
    )
    many = table(("A", "B", "Client", "Calls", "Results", "Requests"), map(_crowd, crowds))
    return f"{_INTRO}{_ONE}{one}\n{_MANY}{many}"


def _scenario(row: Scenario) -> list[str]:
    outcome = (
        code(row.outcome) if row.error is None else f"{code(row.outcome)}, {linked(row.error)}"
    )
    return [
        row.a.told,
        _told(row.b),
        row.policy.told,
        row.events,
        "" if row.text is None else code(row.text),
        row.attempts,
        _requests(row),
        outcome,
        "by chance" if row.seconds is None else f"{row.seconds:g}",
    ]


def _crowd(row: Crowd) -> list[str]:
    calls = f"{row.calls:,}"
    if row.before:
        calls = f"{row.before:,}, then {row.rest:g} s of rest, then {calls}"
    if len(row.models) > 1:
        calls += f", for {' and '.join(map(code, row.models))} in turn"
    if row.together > 1:
        calls += f", {row.together:,} at once"
    if row.pause:
        calls += f", {row.pause:g} s between them"
    slowest = "" if row.slowest == math.inf else f"; none takes more than {row.slowest:g} s"
    return [
        row.a.told,
        _told(row.b),
        row.policy.told,
        calls,
        _outcomes(row.outcomes) + slowest,
        _requests(row) + _more(row),
    ]


def _told(host: Host | None) -> str:
    return "" if host is None else host.told


def _outcomes(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {code(outcome)}" for outcome, number in outcomes.items())


def _requests(row: Scenario | Crowd) -> str:
    return f"A {_number(row.seen.a)}" if row.b is None else _each(row.seen)


def _more(row: Crowd) -> str:
    failures = "" if row.failures is None else f"; {_each(row.failures)} of them fail"
    later = "" if row.later is None else f"; of ten calls a minute later: {_each(row.later)}"
    return failures + later


def _each(seen: Seen) -> str:
    return f"A {_number(seen.a)}, B {_number(seen.b)}"


def _number(seen: int | range) -> str:
    return f"{seen:,}" if isinstance(seen, int) else f"{seen[0]:,} to {seen[-1]:,}"


if __name__ == "__main__":
    PAGE.write_text(as_markdown(), "utf-8")
