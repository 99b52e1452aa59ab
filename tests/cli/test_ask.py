"""The sources of the prompt of ``kimi-async ask``; ``test_app.py`` shows its use."""

from __future__ import annotations

import io
from typing import TextIO

import pytest

from kimi_async import ConfigurationError
from kimi_async.cli._ask import read_prompt


class Tty(io.StringIO):
    """A terminal at which somebody could type."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("argument", "stdin", "prompt"),
    [
        pytest.param("Hello\n", io.StringIO("ignored"), "Hello\n", id="argument"),
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
        pytest.param(None, io.StringIO(" \n"), "is empty", id="empty-stdin"),
        pytest.param(None, None, "no prompt", id="started-without"),
        pytest.param(None, Tty("typed"), "no prompt", id="terminal"),
        pytest.param(
            None,
            io.TextIOWrapper(io.BytesIO(b"caf\xe9"), encoding="utf-8"),
            "not utf-8",
            id="not-text",
        ),
    ],
)
def test_no_prompt(argument: str | None, stdin: TextIO | None, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        read_prompt(argument, stdin)
