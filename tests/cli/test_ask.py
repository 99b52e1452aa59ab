"""The sources of the prompt of ``kimi-async ask``; ``test_app.py`` shows its use."""

from __future__ import annotations

import io
from typing import TextIO

import pytest
from commands import Tty

from kimi_async import ConfigurationError
from kimi_async.cli._ask import read_prompt


@pytest.mark.parametrize(
    ("argument", "stdin", "prompt"),
    [
        pytest.param("Hello\n", io.StringIO(""), "Hello\n", id="argument-and-empty-stdin"),
        pytest.param("Hello\n", Tty("typed"), "Hello\n", id="argument-at-a-terminal"),
        pytest.param("Explain:", io.StringIO("a diff\n"), "Explain:\n\na diff", id="both"),
        pytest.param("-", io.StringIO("a diff\n"), "a diff", id="dash"),
        pytest.param("-", Tty("typed\n"), "typed", id="dash-at-a-terminal"),
        pytest.param("Hello", None, "Hello", id="argument-without-stdin"),
        pytest.param(None, io.StringIO(" Hello\n\nyou \n\n"), " Hello\n\nyou ", id="stdin"),
    ],
)
def test_prompt(argument: str | None, stdin: TextIO | None, prompt: str) -> None:
    assert read_prompt(argument, stdin) == prompt


@pytest.mark.parametrize(
    ("argument", "stdin", "words"),
    [
        pytest.param("", None, "is empty", id="empty-argument"),
        pytest.param("", io.StringIO("a diff"), "is empty", id="empty-argument-and-stdin"),
        pytest.param(None, io.StringIO(" \n"), "is empty", id="empty-stdin"),
        pytest.param(None, None, "no prompt", id="started-without"),
        pytest.param(None, Tty("typed"), "no prompt", id="terminal"),
        pytest.param(
            None,
            io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"),
            "the text on stdin is not UTF-8 text; convert it first",
            id="not-text",
        ),
        pytest.param("caf\udce9", None, "the prompt is not UTF-8 text", id="argument-not-text"),
        pytest.param(
            None, io.StringIO("caf\udce9"), "stdin is not UTF-8", id="not-text-in-the-c-locale"
        ),
        pytest.param("-", None, "no prompt", id="dash-without-stdin"),
    ],
)
def test_no_prompt(argument: str | None, stdin: TextIO | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_prompt(argument, stdin)
