"""Test a handler of cut streams: the text that arrived is shown, and the reader learns that it is not all."""

from __future__ import annotations

import anyio
import pytest

import kimi_async as kimi
from kimi_async.testing import Break, Drip, Ending, FakeTransport, Faulty, Reply, Stall

pytestmark = pytest.mark.anyio

# The program


async def tell(client: kimi.AsyncKimi) -> str:
    shown = ""
    try:
        async for text in client.stream("Tell me a story").text_deltas():
            shown += text
    except (kimi.StreamInterrupted, kimi.KimiTimeoutError):
        shown += " [cut off]"
    return shown


# Its tests

STORY = Reply("Once upon a time", chunk_chars=5)


async def test_a_whole_story(fake: FakeTransport) -> None:
    fake.add(STORY)
    assert await tell(fake.client()) == "Once upon a time"


@pytest.mark.parametrize("end", ["reset", "hangup", "finish"])
async def test_a_broken_connection(fake: FakeTransport, end: Ending) -> None:
    fake.add(Faulty(STORY, Break(after_event=3, end=end)))
    assert await tell(fake.client()) == "Once upon  [cut off]"


async def test_silence_ends_after_five_minutes(fake: FakeTransport) -> None:
    fake.add(Faulty(STORY, Stall(after_event=3)))
    assert await tell(fake.client()) == "Once upon  [cut off]"
    assert anyio.current_time() == 300


async def test_comments_are_not_a_story(fake: FakeTransport) -> None:
    fake.add(Faulty(STORY, Drip(every=15, after_event=3)))
    assert await tell(fake.client()) == "Once upon  [cut off]"
    assert fake.active_requests == 0
