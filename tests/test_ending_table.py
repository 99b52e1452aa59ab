"""The page of faults says what the rows say that the tests play."""

from __future__ import annotations

import runpy
from typing import TypeAlias

from attrs import evolve
from ending_cases import BROKEN, WHOLE
from ending_table import as_markdown
from list_rows import PAGE
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


def test_every_row_is_on_the_page_once() -> None:
    told = [line[0] for line in cells(as_markdown())]
    assert told == sorted(set(told), key=told.index)
    assert set(told) == {row.server for row in BROKEN.values()} | {
        row.server for row in WHOLE.values()
    }


def test_a_row_says_what_the_caller_gets() -> None:
    lines = cells(as_markdown())
    assert [
        "goes silent in the middle of the answer",
        "`timeout`",
        "{class}`~kimi_async.IdleTimeout`",
        "`half an ans`",
    ] in lines
    assert [
        "ends the body at once",
        "`error`",
        "{class}`~kimi_async.EmptyResponseError`",
        "`None`",
    ] in lines
    assert [
        "sends an error object behind the usage",
        "`complete`",
        "the reply",
        "reported",
        "`OverloadedError: busy…`",
    ] in lines


def test_a_changed_row_changes_the_page() -> None:
    broken = {
        "x": evolve(BROKEN["reset"], server="a|b", error=kimi.ProtocolError, outcome="other"),
        "y": evolve(BROKEN["reset"], partial=None),
    }
    whole = {"z": evolve(WHOLE["plain"], usage=False)}
    assert cells(as_markdown(broken, whole)) == [
        ["a|b", "`other`", "{class}`~kimi_async.ProtocolError`", "`half an ans`"],
        [
            BROKEN["reset"].server,
            "`interrupted`",
            "{class}`~kimi_async.StreamInterrupted`",
            "`None`",
        ],
        [WHOLE["plain"].server, "`complete`", "the reply", "`None`", "`None`"],
    ]


def test_the_page_of_the_documentation_shows_the_table() -> None:
    conf = runpy.run_path(str(PAGE.with_name("conf.py")))
    pages = {"faults": ["# Faults\n"], "index": ["# Index\n"]}
    for name, source in pages.items():
        conf["add_faults"](None, name, source)
    assert pages["index"] == ["# Index\n"]
    assert pages["faults"][0].endswith(as_markdown())
    assert PAGE.with_name("faults.md").is_file()
