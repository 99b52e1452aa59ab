"""The public API changes on purpose only: it is the committed text."""

from __future__ import annotations

import public_api
import pytest
from public_api import SNAPSHOT
from scripts import written_by


def test_the_public_api_is_the_committed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change on purpose, ``python tests/support/public_api.py`` renews the text."""
    ((path, text),) = written_by(public_api, monkeypatch)
    committed = SNAPSHOT.read_text("utf-8").splitlines()
    assert path == SNAPSHOT
    assert text.splitlines() == committed, "on purpose? run: python tests/support/public_api.py"
