"""Text output to a file or terminal."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest
from commands import Tty
from hypothesis import given
from hypothesis import strategies as st

from kimi_async.cli._output import (
    BOLD,
    DIM,
    ChangingLine,
    Output,
    clean,
    never_fail_on_characters,
    report,
    shows_styles,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("안녕하세요 北京 ✓", "안녕하세요 北京 ✓", id="text"),
        pytest.param("a\n\tb", "a\n\tb", id="line-end-and-tab"),
        pytest.param("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m", id="escape-sequence"),
        pytest.param("\x1b]0;title\x07", "\\x1b]0;title\\x07", id="title"),
        pytest.param("a\x00\x08\x7fb", "a\\x00\\x08\\x7fb", id="c0-and-del"),
        pytest.param("\x9b31m\x85", "\\x9b31m\\x85", id="c1"),
        pytest.param("one\r\ntwo\rthree", "one\ntwothree", id="carriage-return"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\u202eb\u2066c\u2069", "a\\u202eb\\u2066c\\u2069", id="bidi"),
        pytest.param("a\u200bb\u2060c\ufeff\xad", "a\\u200bb\\u2060c\\ufeff\\u00ad", id="unseen"),
        pytest.param("\u2028\u2029", "\\u2028\\u2029", id="separators"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag"),
        pytest.param("👨\u200d👩", "👨\u200d👩", id="zwj"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="zwnj"),
    ],
)
def test_unseen_characters_become_visible_on_a_terminal_only(text: str, shown: str) -> None:
    for file, expected in ((Tty(), shown), (io.StringIO(), text)):
        Output(file, styled=False).write(text)
        assert file.getvalue() == expected


@given(st.lists(st.text()))
def test_no_text_is_lost_and_no_control_character_gets_through(pieces: list[str]) -> None:
    file = io.StringIO(newline="")
    output = Output(file, styled=False)
    for piece in pieces:
        output.write(piece)
    shown = file.getvalue()
    assert {char for char in shown if unicodedata.category(char) == "Cc"} <= {"\n", "\t"}
    plain = "".join(char for char in "".join(pieces) if unicodedata.category(char) != "Cc")
    rest = iter(shown)
    assert all(char in rest for char in plain)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        pytest.param("plain", "kimi-async: plain\n", id="plain"),
        pytest.param("one\n  two\r\nthree\n", "kimi-async: one two three\n", id="several-lines"),
        pytest.param(ValueError("\x1b[2J"), "kimi-async: \\x1b[2J\n", id="control-characters"),
    ],
)
def test_a_report_is_one_line_on_stderr(
    message: object, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report(message)
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


def test_a_report_on_a_terminal_breaks_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Tty()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "30")
    report("set ACEDATACLOUD_API_TOKEN or --endpoint-path https://a-very-long-host.example/path")
    assert terminal.getvalue() == (
        "kimi-async: set\nACEDATACLOUD_API_TOKEN or\n--endpoint-path\nhttps://a-very-long-host.example/path\n"
    )


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        pytest.param(None, b"\xe9\\uac00", id="kept"),
        pytest.param("utf-8", "é가".encode(), id="replaced"),
    ],
)
def test_what_the_encoding_lacks_is_escaped(encoding: str | None, written: bytes) -> None:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding="latin-1")
    never_fail_on_characters(file, encoding)
    file.write("é가")
    file.flush()
    assert buffer.getvalue() == written


def test_a_file_without_encoding_stays_as_it_is() -> None:
    file = io.StringIO()
    never_fail_on_characters(file)
    Output(file, styled=False).write("가")
    assert file.getvalue() == "가"


@pytest.mark.parametrize(
    ("file", "environment", "styled"),
    [
        pytest.param(Tty, {"TERM": "xterm"}, True, id="terminal"),
        pytest.param(Tty, {"TERM": "xterm", "NO_COLOR": "1"}, False, id="no-color"),
        pytest.param(Tty, {"TERM": "dumb"}, False, id="dumb"),
        pytest.param(io.StringIO, {"TERM": "xterm"}, False, id="file"),
    ],
)
def test_styles_are_for_terminals_that_want_them(
    file: type[io.StringIO],
    environment: dict[str, str],
    styled: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert shows_styles(file()) is styled


@pytest.mark.parametrize(
    ("styled", "written"),
    [
        pytest.param(True, "\x1b[1ma\x1b[0mb", id="styled"),
        pytest.param(False, "ab", id="not-styled"),
    ],
)
def test_each_piece_is_reset_behind_itself(styled: bool, written: str) -> None:
    file = io.StringIO()
    output = Output(file, styled=styled)
    output.write("a", BOLD)
    output.write("b")
    output.write("", DIM)
    assert file.getvalue() == written


@pytest.mark.parametrize(
    ("pieces", "line", "paragraph"),
    [
        pytest.param([], "", "", id="nothing-yet"),
        pytest.param(["a"], "a\n", "a\n\n", id="in-a-line"),
        pytest.param(["a\n"], "a\n", "a\n\n", id="behind-a-line"),
        pytest.param(["a", "\n", "\n"], "a\n\n", "a\n\n", id="behind-an-empty-line"),
        pytest.param(["a\n\n\n"], "a\n\n\n", "a\n\n\n", id="behind-two"),
    ],
)
def test_lines_and_paragraphs_are_ended_once(pieces: list[str], line: str, paragraph: str) -> None:
    file = io.StringIO()
    output = Output(file, styled=False)
    for piece in pieces:
        output.write(piece)
    output.end_line()
    output.end_line()
    assert file.getvalue() == line
    output.end_paragraph()
    output.end_paragraph()
    assert file.getvalue() == paragraph


def test_a_report_erases_a_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Tty()
    monkeypatch.setattr(sys, "stderr", screen)
    line = ChangingLine(screen)
    line.change("10 rows")
    line.change("9 行")
    report("careful")
    report("very careful")
    line.change("11 rows")
    line.erase()
    line.erase()
    assert screen.getvalue() == (
        "\r10 rows\r9 行   \r    \rkimi-async: careful\nkimi-async: very careful\n"
        "\r11 rows\r       \r"
    )
