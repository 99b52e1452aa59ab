"""Fixtures of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from batch_files import Files, answer
from commands import serving_beside
from example_programs import SETTINGS

from kimi_async.testing import FakeProvider, ReceivedRequest

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


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "test-key")


@pytest.fixture
def script() -> Callable[[ReceivedRequest], Any]:
    return answer


@pytest.fixture
def files(tmp_path: Path, script: Callable[[ReceivedRequest], Any]) -> Iterator[Files]:
    with serving_beside(FakeProvider(script)) as (fake, portal):
        # The start of a program takes long on a busy machine.
        wait = partial(fake.wait_until, timeout=120)
        yield Files(tmp_path, fake, partial(portal.call, wait))
