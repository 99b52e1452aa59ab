"""The event loop that runs, its clock, and anyio's half for it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import anyio
import pytest

from kimi_async._http._event_loop import asyncio_loop, loop_clock, prepare_loop

pytestmark = pytest.mark.anyio


async def test_the_clock_is_that_of_the_deadlines() -> None:
    clock = loop_clock()
    assert clock() <= anyio.current_time() <= clock()


def test_the_clock_can_be_read_when_the_loop_is_gone(anyio_backend_name: str) -> None:
    async def clock_and_time() -> tuple[Callable[[], float], float]:
        return loop_clock(), anyio.current_time()

    clock, then = anyio.run(clock_and_time, backend=anyio_backend_name)
    assert then <= clock() < then + 60


async def test_where_nobody_has_loaded_asyncio_none_of_its_loops_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program on trio does not load it because of us."""
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "asyncio")
        assert asyncio_loop() is None
        assert "asyncio" not in sys.modules


async def test_anyio_is_loaded_in_a_thread_and_only_where_asyncio_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[tuple[object, threading.Thread]] = []

    def run(main: object) -> None:
        ran.append((main, threading.current_thread()))

    monkeypatch.setattr(anyio, "run", run)
    await prepare_loop()
    assert ran == []
    monkeypatch.delitem(sys.modules, "anyio._backends._asyncio")
    await prepare_loop()
    assert len(ran) == (asyncio_loop() is not None)
    assert threading.current_thread() not in [thread for _, thread in ran]
