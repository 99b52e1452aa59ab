"""Two hundred tests that wait for hours of virtual time, as those of a user would."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any, Literal

import anyio
import pytest

import kimi_async as kimi
from kimi_async.testing import (
    Drip,
    ErrorReply,
    FakeTransport,
    Faulty,
    Latency,
    LogNormal,
    NoHeaders,
    Reply,
    ScriptedReply,
    SlowHeaders,
    Stall,
    virtual_time,
)

STORY = Reply("Once upon a time", chunk_chars=5)
#: Each reply with its error and the least seconds until it.
KINDS: list[tuple[ScriptedReply, type[kimi.KimiError] | None, float]] = [
    (Faulty(STORY, SlowHeaders()), kimi.FirstOutputTimeout, 900),
    (Faulty(STORY, Stall(after_event=3)), kimi.IdleTimeout, 300),
    (Faulty(STORY, Drip(every=15, after_event=3)), kimi.ProgressTimeout, 300),
    (Faulty(STORY, Stall(after_event=3, seconds=200)), None, 200),
    (Faulty(STORY, NoHeaders("reset")), kimi.TransportError, 0),
    (ErrorReply(429, headers={"retry-after": "40"}), kimi.RateLimitError, 80),
]
TESTS = [*islice(cycle(KINDS), 200)]


async def tell(reply: ScriptedReply, number: int) -> tuple[type[kimi.KimiError] | None, float]:
    """Stream a story, and return its error and the seconds that it took."""
    latency = Latency(first=LogNormal(median=2, p95=20), seed=number)
    client = FakeTransport(reply, latency=latency).client(retries=kimi.Retries())
    try:
        async for _ in client.stream("Tell me a story").text_deltas():
            pass
    except kimi.KimiError as error:
        return type(error), anyio.current_time()
    return None, anyio.current_time()


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_two_hundred_tests_wait_for_hours(loop: Literal["asyncio", "trio"]) -> None:
    """Their real time is that of their work, some seconds in all: pytest's ``--durations`` shows it."""
    total = 0.0
    for number, (reply, error, least) in enumerate(TESTS):
        backend, options = virtual_time(loop)
        arguments: tuple[Any, ...] = (reply, number)
        failed, seconds = anyio.run(tell, *arguments, backend=backend, backend_options=options)
        assert failed is error
        assert seconds >= least
        total += seconds
    assert len(TESTS) == 200
    assert total > 10 * 3600
