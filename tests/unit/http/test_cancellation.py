"""Closing and sending that cancellation does not break in the middle."""

from __future__ import annotations

import asyncio
import logging
import time

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from kimi_async._http import _cancellation
from kimi_async._http._cancellation import close_shielded, close_soon, run_cancellable_once
from kimi_async._http._event_loop import asyncio_loop

pytestmark = pytest.mark.anyio

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def all_done() -> None:
    """Wait until no task of ours is left."""
    with anyio.fail_after(5):
        while _cancellation._tasks:
            await anyio.lowlevel.checkpoint()


async def cancel_twice(task: asyncio.Task[str] | asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Slow:
    """Something whose close takes until it is let go."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.go_on = anyio.Event()
        self.closed = False

    async def close(self) -> None:
        self.begun.set()
        await self.go_on.wait()
        self.closed = True


async def test_a_close_ends_although_its_scope_is_cancelled() -> None:
    slow = Slow()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close_shielded, slow.close)
        await slow.begun.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            assert not slow.closed
            slow.go_on.set()
    assert slow.closed


@ASYNCIO
async def test_a_close_ends_although_its_task_is_cancelled_twice() -> None:
    slow = Slow()
    task = asyncio.create_task(close_shielded(slow.close))
    await slow.begun.wait()
    await cancel_twice(task)
    assert not slow.closed
    slow.go_on.set()
    await all_done()
    assert slow.closed


async def test_a_close_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cancellation, "CLOSE_SECONDS", 0.05)
    begun = time.monotonic()
    await close_shielded(anyio.sleep_forever)
    assert time.monotonic() - begun < 5


async def test_what_a_close_raises_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ConnectionResetError("secret")

    caplog.set_level(logging.DEBUG, "kimi_async")
    await close_shielded(fail)
    assert "closing a connection failed: ConnectionResetError" in caplog.text
    assert "secret" not in caplog.text


async def test_close_soon_closes_on_asyncio_and_leaves_it_to_trio_elsewhere(
    anyio_backend_name: str,
) -> None:
    slow = Slow()
    slow.go_on.set()
    close_soon(slow.close, asyncio_loop())
    assert not slow.closed
    await anyio.wait_all_tasks_blocked()
    assert slow.closed is (anyio_backend_name == "asyncio")


@ASYNCIO
async def test_close_soon_closes_on_the_loop_that_it_is_given() -> None:
    """A finalizer runs in whatever thread drops the last reference, where another loop may run."""
    own = asyncio_loop()
    closed_on = asyncio.get_running_loop().create_future()

    async def close() -> None:
        closed_on.set_result(asyncio_loop())

    async def elsewhere() -> None:
        close_soon(close, own)

    await anyio.to_thread.run_sync(asyncio.run, elsewhere())
    assert await closed_on is own


def test_close_soon_on_a_closed_loop_does_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    close_soon(Slow().close, loop)


class Left:
    """The objects that were closed because no caller took them."""

    def __init__(self) -> None:
        self.closed: list[object] = []

    async def discard(self, value: object) -> None:
        self.closed.append(value)

    async def abandon(self) -> None:
        self.closed.append("what was open")


async def test_what_runs_gives_its_result_or_its_exception() -> None:
    async def give() -> int:
        return 7

    async def fail() -> int:
        raise KeyError("k")

    left = Left()
    assert await run_cancellable_once(give, discard=left.discard, abandon=left.abandon) == 7
    with pytest.raises(KeyError):
        await run_cancellable_once(fail, discard=left.discard, abandon=left.abandon)
    assert left.closed == []


@ASYNCIO
@pytest.mark.parametrize("ends", ["cancelled", "with a result", "with an exception"])
async def test_what_runs_sees_one_cancellation_of_two(ends: str) -> None:
    cancellations = 0
    slow = Slow()

    async def run() -> str:
        nonlocal cancellations
        try:
            await slow.close()
        except asyncio.CancelledError:
            cancellations += 1
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if ends == "cancelled":
                raise
        if ends == "with an exception":
            raise KeyError("k")
        return "connection"

    left = Left()
    task = asyncio.create_task(
        run_cancellable_once(run, discard=left.discard, abandon=left.abandon)
    )
    await slow.begun.wait()
    await cancel_twice(task)
    await all_done()
    assert cancellations == 1
    assert left.closed == ["connection" if ends == "with a result" else "what was open"]


async def test_what_runs_is_abandoned_when_its_scope_is_cancelled() -> None:
    left = Left()
    slow = Slow()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            lambda: run_cancellable_once(slow.close, discard=left.discard, abandon=left.abandon)
        )
        await slow.begun.wait()
        tasks.cancel_scope.cancel()
    assert left.closed == ["what was open"]
