"""Each way to leave a reply at each stage, on three event loops, against servers that count connections.

The table is in ``exit_cases.py``, and how each exit is taken in ``exit_actions.py``.
"""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

import anyio
import pytest
from event_loops import LOOPS, Loop, on_loop
from exit_actions import NEXT_REQUEST, PATIENT, Situation, until
from exit_cases import (
    EXITS,
    NO_EVENT,
    NO_LATE_EVENT,
    NO_LOOP_END,
    NO_TASK_CANCEL,
    STAGES,
    Exit,
    Stage,
    left_out,
    matrix,
    outcome,
)
from fake_host import break_at_once, fail_at_once
from paths import ROOT

import kimi_async as kimi
from kimi_async import AsyncKimi, StreamEnd, Timeouts
from kimi_async.testing import FakeProvider, Reply

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs" / "errors-and-endings.md"
EVERY = list(product(STAGES, EXITS, LOOPS))


def cells() -> Iterator[Any]:
    """Every exit at every stage on every loop, but for those that are left out."""
    for stage, exit_, loop in EVERY:
        if not left_out(stage, exit_, loop):
            name = re.sub(r"[^a-z_]+", "-", f"{stage.name}_{exit_.name}_{loop}".lower())
            yield on_loop(loop, stage, exit_, id=name)


def test_nothing_is_left_out_without_a_reason() -> None:
    assert Counter(left_out(*pair) for pair in EVERY) == {
        "": 318,
        NO_EVENT: 4 * 4 * 3,  # stages, exits out of a loop's body, event loops
        NO_LATE_EVENT: 1 * 4 * 3,
        NO_TASK_CANCEL: 9 * 2 * 1,
        NO_LOOP_END: 9 * 1 * 1,
    }


def test_the_page_shows_the_matrix() -> None:
    assert matrix() in PAGE.read_text("utf-8")


@pytest.fixture(scope="module", autouse=True)
def _cheap_collections() -> Iterator[None]:
    """Let a cell collect only its own garbage and nothing older: 1 ms each time, not 100."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize(("anyio_backend", "stage", "exit_"), [*cells()])
async def test_exit(
    anyio_backend: Loop, stage: Stage, exit_: Exit, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = 0.1 if exit_.own_limit else 60.0
    monkeypatch.setattr("kimi_async._http._response.DRAIN_SECONDS", drain)
    tasks = anyio.get_running_tasks()
    limits = stage.limits if exit_.own_limit else PATIENT
    at = Situation(stage, exit_.end, limits, anyio_backend)
    async with at.fake as fake, at.silent as silent:
        at.begin()
        await exit_.leave(at)
        # An answer that was read to its polite end leaves a connection to use again.
        kept = exit_.end == "finish" and stage.scheme is None
        await until(lambda: silent.connections == 0)
        await fake.wait_until(lambda: fake.active_requests == 0)
        await fake.wait_until(lambda: fake.open_connections == int(kept))
        assert [record.outcome for record in at.records] == [outcome(stage, exit_)]
        if exit_.takes_client:
            await at.client.aclose()
            at.client = AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none())
        await still_works(at)
        if kept:
            assert fake.total_connections == 1
    gc.collect()
    assert len(at.records) == 1
    at.watcher.check(at.records[0])
    await until(lambda: set(anyio.get_running_tasks()) <= set(tasks))


async def still_works(at: Situation) -> None:
    """The next request gets its reply, and closing the client closes every connection."""
    async with at.client as client:
        reply = await client.chat(
            NEXT_REQUEST, provider=at.fake.acedata(), timeouts=Timeouts(), on_complete=None
        )
        assert reply.text == "still works"
    await at.fake.wait_until(lambda: at.fake.open_connections == 0)


async def test_exhausting_a_reply_keeps_the_connection() -> None:
    """Leaving the loop again after the end changes nothing."""
    async with FakeProvider([Reply("a", "b")] * 2) as fake:
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            for _ in range(2):
                stream = client.stream("Hi")
                async with stream:
                    assert isinstance([event async for event in stream][-1], StreamEnd)
                for leave in (break_at_once, fail_at_once):
                    with pytest.raises(RuntimeError, match="this stream has ended"):
                        await leave(stream)
        assert fake.total_connections == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio warns of it, as of any generator
async def test_break_out_of_the_text() -> None:
    """Without ``async with`` the stream is closed when its generator is collected."""
    async with FakeProvider([Reply("content", cut_after=2, end="stall")]) as fake:
        async with AsyncKimi(fake.acedata(), model="m", retries=kimi.Retries.none()) as client:
            await break_at_once(client.stream("Hi").text_deltas())
            gc.collect()
            await fake.wait_until(lambda: fake.open_connections == 0)
