from __future__ import annotations

import asyncio
import selectors
import subprocess
import sys
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from kimi_async.testing import virtual_time
from kimi_async.testing._time import JumpingSelector

DAY = 24 * 60 * 60


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


@pytest.mark.anyio
async def test_the_clock_begins_at_0_and_waits_take_no_time() -> None:
    begun = time.monotonic()
    assert anyio.current_time() == 0
    await anyio.sleep(3 * DAY)
    assert anyio.current_time() == 3 * DAY
    assert time.monotonic() - begun < 5


@pytest.mark.anyio
async def test_things_happen_in_the_order_of_their_times() -> None:
    happened: list[tuple[float, str]] = []

    async def note(name: str, *waits: float) -> None:
        for wait in waits:
            await anyio.sleep(wait)
            happened.append((anyio.current_time(), name))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note, "a", 1, 2.5, 100)
        tasks.start_soon(note, "b", 3, 3)
        with anyio.move_on_after(50):
            await anyio.sleep_forever()
        happened.append((anyio.current_time(), "limit"))
    assert happened == [(1, "a"), (3, "b"), (3.5, "a"), (6, "b"), (50, "limit"), (103.5, "a")]


@pytest.mark.anyio
async def test_time_stands_still_while_somebody_can_run() -> None:
    with anyio.fail_after(1):
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
    assert anyio.current_time() == 0


@pytest.mark.anyio
async def test_a_thread_is_waited_for_where_no_timer_runs() -> None:
    assert await anyio.to_thread.run_sync(threading.get_ident) != threading.get_ident()
    assert anyio.current_time() == 0


@pytest.mark.parametrize(
    ("timeout", "ready", "waited", "now"),
    [
        pytest.param(5.0, False, 0.0, 5.0, id="nothing happens before the next timer"),
        pytest.param(5.0, True, 0.0, 0.0, id="something happens before the next timer"),
        pytest.param(0, False, 0.0, 0.0, id="a task can run"),
        pytest.param(None, True, None, 0.0, id="there is no timer"),
        pytest.param(None, False, None, 0.0, id="a signal ends the wait"),
    ],
)
def test_the_clock_jumps_when_nothing_is_ready(
    monkeypatch: pytest.MonkeyPatch,
    timeout: float | None,
    ready: bool,
    waited: float | None,
    now: float,
) -> None:
    asked: list[float | None] = []

    def select(self: object, timeout: float | None) -> list[object]:
        asked.append(timeout)
        return [object()] if ready else []

    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    selector = JumpingSelector()
    assert len(selector.select(timeout)) == ready
    assert (asked, selector.now) == ([waited], now)


def test_it_is_what_an_asyncio_runner_takes() -> None:
    _, options = virtual_time()

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(61)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=options["loop_factory"]) as runner:
        assert runner.run(main()) == 60


def test_trio_is_imported_only_when_asked_for() -> None:
    code = (
        "import sys; from kimi_async.testing import virtual_time; virtual_time('asyncio');"
        "print('trio' in sys.modules); virtual_time('trio'); print('trio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
