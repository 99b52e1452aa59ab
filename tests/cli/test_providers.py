"""``kimi-async providers``: to a terminal, to a pipe, and as JSON."""

from __future__ import annotations

import json
import re

import pytest
from commands import Tty
from typer.testing import CliRunner

from kimi_async import AceDataCloud, Moonshot
from kimi_async.cli._app import app
from kimi_async.cli._providers import show_providers

NAMES = ["acedata", "cloudsway", "moonshot", "openai"]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def shown(width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the output for a terminal of that many columns."""
    monkeypatch.setenv("COLUMNS", str(width))
    terminal = Tty()
    show_providers(terminal, as_json=False)
    return terminal.getvalue()


def test_a_pipe_gets_one_line_for_each_value() -> None:
    result = CliRunner().invoke(app, ["providers"])
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert "acedata * partial_mode: no (unknown 2026-11-22; 1.3: undocumented)" in lines
    assert "moonshot kimi-k3 effort: low, high, max (documented 2026-11-22; 3.3)" in lines
    assert list(dict.fromkeys(line.partition(" ")[0] for line in lines)) == NAMES


def test_json_is_one_line_for_each_provider() -> None:
    result = CliRunner().invoke(app, ["providers", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    entries = {
        line["provider"]: line["families"]
        for line in map(json.loads, result.stdout.split("\n")[:-1])
    }
    assert list(entries) == NAMES
    assert list(entries["acedata"]) == list(AceDataCloud().capabilities.by_family())
    assert entries["moonshot"]["kimi-k3"]["effort"] == {
        "value": ["low", "high", "max"],
        "basis": "documented",
        "source": Moonshot().capabilities.for_model("kimi-k3").effort.source,
        "as_of": "2026-11-22",
    }


def test_a_terminal_gets_a_table_for_each_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    text = re.sub(r"\x1b\[[\d;]*m", "", shown(120, monkeypatch))
    assert [line.strip() for line in text.splitlines() if line.strip() in NAMES] == NAMES
    assert re.search(r"^ capability +default +kimi-k2-thinking +kimi-k2.7 ", text, re.MULTILINE)
    assert re.search(r"^ partial_mode +yes +yes +yes +no ", text, re.MULTILINE)


def test_how_a_value_is_known_is_dim(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no\x1b[2m (inferred)\x1b[0m" in shown(120, monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in shown(120, monkeypatch)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_fits_and_loses_nothing(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = re.sub(r"\x1b\[[\d;]*m", "", shown(width, monkeypatch))
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    if width >= 80:
        for words in ("kimi-k2-thinking", "presence_penalty", "schema-form", "(inferred)"):
            assert words in text
