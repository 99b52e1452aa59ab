"""The page docs/faults.md has a line for each case of the tests, and is up to date."""

from __future__ import annotations

from typing import TypeAlias

import fault_page
import pytest
from attrs import evolve
from ending_cases import BROKEN, WHOLE
from fault_cases import FAULTS
from fault_page import PAGE, as_markdown
from markdown_it import MarkdownIt
from scripts import written_by

import kimi_async as kimi

Cells: TypeAlias = list[list[str]]


def cells(page: str) -> Cells:
    """Return the rows of all tables of *page* without their heads, as rendered."""
    lines: Cells = []
    in_body = False
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        in_body = token.type == "tbody_open" or (in_body and token.type != "tbody_close")
        if token.type == "tr_open" and in_body:
            lines.append([])
        elif token.type == "inline" and in_body:
            lines[-1].append(token.content)
    return lines


def test_every_row_is_on_the_page_and_nothing_else() -> None:
    servers = [row.server for row in FAULTS]
    servers += [row.server for row in BROKEN.values()]
    servers += [row.server for row in WHOLE.values()]
    assert sorted(line[0] for line in cells(as_markdown())) == sorted(servers)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(
            "goes silent in the middle of the reply"
            " | the events that arrived, then an error with the text so far"
            " | `timeout` | {class}`~kimi_async.IdleTimeout` | `Hello `",
            id="fault",
        ),
        pytest.param(
            "declares the stream as plain text | the whole reply | `complete` |  | ",
            id="fault-and-a-whole-reply",
        ),
        pytest.param(
            "goes silent in the middle of the answer"
            " | `timeout` | {class}`~kimi_async.IdleTimeout` | `half an ans`",
            id="answer-has-begun",
        ),
        pytest.param(
            "ends the body at once | `error` | {class}`~kimi_async.EmptyResponseError` | `None`",
            id="before-output",
        ),
        pytest.param(
            "sends an error object after the usage"
            " | `complete` | reported | `OverloadedError: busy…`",
            id="whole-and-a-late-error",
        ),
        pytest.param(
            "ends the body after the finish reason | `complete` | `None` | `None`", id="whole"
        ),
    ],
)
def test_a_row_says_what_the_caller_gets(line: str) -> None:
    assert line.split(" | ") in cells(as_markdown())


def test_a_changed_row_changes_the_page() -> None:
    reset = BROKEN["reset"]
    broken = {
        "x": evolve(reset, server="a|b", error=kimi.ProtocolError, outcome="other"),
        "y": evolve(reset, server="before", partial=None),
    }
    whole = {"z": evolve(WHOLE["plain"], server="nothing wrong", usage=False)}
    fault = evolve(FAULTS[0], server="odd", gets="luck", outcome="other", error=None)
    assert cells(as_markdown([fault], broken, whole)) == [
        ["odd", "luck", "`other`", "", ""],
        ["a|b", "`other`", "{class}`~kimi_async.ProtocolError`", "`half an ans`"],
        ["before", "`interrupted`", "{class}`~kimi_async.StreamInterrupted`", "`None`"],
        ["nothing wrong", "`complete`", "`None`", "`None`"],
    ]


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a case has changed, ``python tests/support/fault_page.py`` writes the page."""
    assert written_by(fault_page, monkeypatch) == [(PAGE, PAGE.read_text("utf-8"))]
