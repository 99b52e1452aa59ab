"""A task beside the caller begins when it should, and never after it was cancelled."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from kimi_async._http._background import Background
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


@pytest.mark.parametrize(("after", "begun"), [(None, 0.0), (2.0, 2.0)])
async def test_it_begins_at_once_or_later(after: float | None, begun: float) -> None:
    work = Work()
    background = Background(work, after)
    await anyio.sleep(3)
    await background.aclose()
    assert (work.begun, background.begun) == ([begun], True)


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_it_does_not_begin_after_it_was_cancelled(how: str) -> None:
    work = Work()
    background = Background(work, 2.0)
    await anyio.sleep(1)
    if how == "closed":
        await background.aclose()
    else:
        background.cancel_soon()
    await anyio.sleep(3)
    await background.aclose()
    assert (work.begun, background.begun) == ([], False)


async def test_it_may_be_cancelled_at_the_moment_of_its_beginning(anyio_backend_name: str) -> None:
    work = Work()
    backgrounds: list[Background] = []

    async def close() -> None:
        await anyio.sleep(2)
        await backgrounds[0].aclose()

    async with anyio.create_task_group() as group:
        group.start_soon(close)
        await anyio.wait_all_tasks_blocked()
        backgrounds.append(Background(work, 2.0))
    assert backgrounds[0].begun == bool(work.begun)
    assert anyio_backend_name == "trio" or not work.begun, "trio runs tasks in any order"


async def test_its_end_can_be_waited_for() -> None:
    background = Background(lambda: anyio.sleep(2))
    await background.wait()
    assert anyio.current_time() == 2.0
    background.cancel_soon()
    await background.aclose()
