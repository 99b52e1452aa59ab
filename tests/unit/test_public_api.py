"""The public API changes on purpose only: it is the committed text."""

from __future__ import annotations

import runpy
from pathlib import Path

import public_api
import pytest
from public_api import SNAPSHOT


def test_the_public_api_is_the_committed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change on purpose, ``python tests/support/public_api.py`` renews the text."""
    written: list[tuple[Path, str]] = []

    def write_text(path: Path, text: str, encoding: str) -> None:
        written.append((path, text))

    monkeypatch.setattr(Path, "write_text", write_text)
    runpy.run_path(public_api.__file__, run_name="__main__")
    ((path, text),) = written
    committed = SNAPSHOT.read_text("utf-8").splitlines()
    assert path == SNAPSHOT
    assert text.splitlines() == committed, "on purpose? run: python tests/support/public_api.py"
