"""The arguments of record() and replay()."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import kimi_async as kimi
from kimi_async.testing import FakeTransport, Reply, record, replay


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reply.kimi"


def test_arguments_that_are_wrong_are_refused(path: Path) -> None:
    match: Any = "loose"
    wrong: Any = "2"
    for speed in (0, math.nan, wrong):
        with pytest.raises(ValueError, match="speed must be a number above 0"):
            replay(path, speed=speed)
    with pytest.raises(TypeError, match="scrub must be a function that changes a text, not str"):
        record(path, scrub=wrong)
    kinds: list[tuple[Any, str]] = [(wrong, "str"), (FakeTransport, "the class FakeTransport")]
    for over, kind in kinds:
        with pytest.raises(
            TypeError, match=f"over must be an httpx.AsyncBaseTransport, not {kind}"
        ):
            record(path, over=over)
    with pytest.raises(ValueError, match="match must be 'order' or 'strict'"):
        replay(path, match=match)


class Counted(FakeTransport):
    """A transport that is false while it has no requests."""

    def __len__(self) -> int:
        return len(self.requests)


@pytest.mark.anyio
async def test_a_transport_that_is_false_is_used(path: Path) -> None:
    fake = Counted([Reply("Hi")])
    assert not fake
    async with record(path, over=fake) as recorder:
        client = kimi.AsyncKimi(fake.acedata(), http_client=recorder.http_client)
        assert (await client.chat("Hi", model="kimi-k3")).text == "Hi"
    assert fake
