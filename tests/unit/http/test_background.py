"""A task beside the caller begins when it should, and never after it was cancelled."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kimi_async._http._background import Background, Later
from kimi_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


class Work:
    """Work without an end; ``begun`` has the time at which it began."""

    def __init__(self) -> None:
        self.begun: list[float] = []

    async def __call__(self) -> None:
        self.begun.append(anyio.current_time())
        await anyio.sleep_forever()


async def test_it_begins_at_once_or_later() -> None:
    at_once, later = Work(), Work()
    background, timer = Background(at_once), Later(2.0, later)
    await anyio.sleep(3)
    await background.aclose()
    await timer.aclose()
    assert (at_once.begun, later.begun, timer.begun) == ([0.0], [2.0], True)


@pytest.mark.parametrize("how", ["closed", "closed soon"])
async def test_it_does_not_begin_after_it_was_closed(how: str) -> None:
    work = Work()
    later = Later(2.0, work)
    await anyio.sleep(1)
    if how == "closed":
        await later.aclose()
    else:
        later.close_soon()
    await anyio.sleep(3)
    await later.aclose()
    assert (work.begun, later.begun) == ([], False)


async def test_it_may_be_closed_at_the_moment_of_its_beginning(anyio_backend_name: str) -> None:
    work = Work()
    laters: list[Later] = []

    async def close() -> None:
        await anyio.sleep(2)
        await laters[0].aclose()

    async with anyio.create_task_group() as group:
        group.start_soon(close)
        await anyio.wait_all_tasks_blocked()
        laters.append(Later(2.0, work))
    assert laters[0].begun == bool(work.begun)
    assert anyio_backend_name == "trio" or not work.begun, "trio runs tasks in any order"


async def test_its_end_can_be_waited_for() -> None:
    later = Later(1.0, lambda: anyio.sleep(2))
    await anyio.sleep(2)
    await later.wait()
    assert anyio.current_time() == 3.0
    later.close_soon()
    await later.aclose()
