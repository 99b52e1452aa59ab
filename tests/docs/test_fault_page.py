"""The page of faults says what the rows say that the tests play."""

from __future__ import annotations

import runpy
from typing import TypeAlias

import pytest
from attrs import evolve
from ending_cases import BROKEN, WHOLE
from fact_rows import PAGE
from fault_cases import FAULTS
from fault_page import as_markdown
from markdown_it import MarkdownIt

import kimi_async as kimi

Cells: TypeAlias = list[list[str]]


def cells(page: str) -> Cells:
    """The lines of all tables of *page* without their heads, as a reader of Markdown sees them."""
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
            " | the events that came, then an error with the text so far"
            " | `timeout` | {class}`~kimi_async.IdleTimeout` | `Hello `",
            id="fault",
        ),
        pytest.param(
            "calls the stream plain text | the whole reply | `complete` |  | ",
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
            "sends an error object behind the usage"
            " | `complete` | reported | `OverloadedError: busy…`",
            id="whole-and-a-late-error",
        ),
        pytest.param(
            "ends the body behind the finish reason | `complete` | `None` | `None`", id="whole"
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


def test_the_page_of_the_documentation_shows_the_table() -> None:
    conf = runpy.run_path(str(PAGE.with_name("conf.py")))
    pages = {"faults": ["# Faults\n"], "index": ["# Index\n"]}
    for name, source in pages.items():
        conf["add_faults"](None, name, source)
    assert pages["index"] == ["# Index\n"]
    assert pages["faults"][0].endswith(as_markdown())
    assert PAGE.with_name("faults.md").is_file()
