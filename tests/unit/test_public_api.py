"""The public API changes on purpose only: it is the committed text."""

from __future__ import annotations

import inspect

import public_api
import pytest
from public_api import SNAPSHOT
from scripts import written_by

from kimi_async import AceDataCloud, AsyncKimi, Cloudsway, Moonshot, OpenAICompatible


def test_the_public_api_is_the_committed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change on purpose, ``python tests/support/public_api.py`` renews the text."""
    ((path, text),) = written_by(public_api, monkeypatch)
    committed = SNAPSHOT.read_text("utf-8").splitlines()
    assert path == SNAPSHOT
    assert text.splitlines() == committed, "on purpose? run: python tests/support/public_api.py"


@pytest.mark.parametrize("kind", [AceDataCloud, Cloudsway, Moonshot, OpenAICompatible, AsyncKimi])
def test_help_shows_a_signature_that_can_be_read(kind: type) -> None:
    """The value of a default may be a whole table."""
    assert len(str(inspect.signature(kind))) < 1000
