"""Fixtures of the command line."""

from __future__ import annotations

import pytest
from example_programs import SETTINGS

#: Variables of the tester's machine that change what a command does or shows.
VARIABLES = [
    *SETTINGS,
    *("ALL_PROXY", "HTTP_PROXY", "all_proxy", "http_proxy"),
    *("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLORTERM"),
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each command without the settings of the tester's machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
