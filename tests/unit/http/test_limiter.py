"""So many replies in flight and no more: in order, and none is lost, whatever is cancelled when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from kimi_async._http._limiter import ConcurrencyLimiter, Permit

pytestmark = pytest.mark.anyio

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def take(limiter: ConcurrencyLimiter, limit: int | None) -> Permit:
    """Take a permit without having to wait for it."""
    with anyio.fail_after(0):
        permit = await limiter.take(limit)
    assert permit is not None
    return permit


class Line:
    """Tasks that wait in line for a permit, and the order in which they got it."""

    tasks: anyio.abc.TaskGroup

    def __init__(self, limiter: ConcurrencyLimiter) -> None:
        self._limiter = limiter
        self.got: dict[str, Permit | None] = {}

    async def join(self, name: str, limit: int) -> anyio.CancelScope:
        """Let a task wait; the scope cancels it."""
        scope = anyio.CancelScope()
        self.tasks.start_soon(self._wait, name, limit, scope)
        await anyio.wait_all_tasks_blocked()
        return scope

    async def _wait(self, name: str, limit: int, scope: anyio.CancelScope) -> None:
        with scope:
            self.got[name] = await self._limiter.take(limit)

    def release(self, name: str) -> None:
        """Give back the permit that a task got."""
        permit = self.got[name]
        assert permit is not None
        permit.release()

    async def order(self) -> str:
        """The names of those who got one, in that order."""
        await anyio.wait_all_tasks_blocked()
        return "".join(self.got)


async def test_slots_are_handed_on_in_the_order_of_asking() -> None:
    limiter = ConcurrencyLimiter()
    first, second = await take(limiter, 2), await take(limiter, 2)
    line = Line(limiter)
    async with anyio.create_task_group() as line.tasks:
        for name in "abc":
            await line.join(name, 2)
        assert (await line.order(), limiter.taken) == ("", 2)
        first.release()
        assert (await line.order(), limiter.taken) == ("a", 2)
        await line.join("d", 2)
        second.release()
        assert (await line.order(), limiter.taken) == ("ab", 2)
        for name in "abcd":
            line.release(name)
            await line.order()
    assert (await line.order(), limiter.taken) == ("abcd", 0)


async def test_who_comes_in_the_same_moment_does_not_overtake() -> None:
    limiter = ConcurrencyLimiter()
    permit = await take(limiter, 1)
    line = Line(limiter)
    async with anyio.create_task_group() as line.tasks:
        await line.join("a", 1)
        permit.release()
        with pytest.raises(TimeoutError):
            await take(limiter, 1)
        assert await line.order() == "a"


async def test_a_slot_is_given_back_once() -> None:
    limiter = ConcurrencyLimiter()
    permit, _other = await take(limiter, None), await take(limiter, None)
    permit.release()
    permit.release()
    permit.release_soon()
    await anyio.wait_all_tasks_blocked()
    assert limiter.taken == 1


async def test_of_different_limits_the_lower_gives_way() -> None:
    limiter = ConcurrencyLimiter()
    held = [await take(limiter, None) for _ in range(3)]
    line = Line(limiter)
    async with anyio.create_task_group() as line.tasks:
        for name, limit in ("a", 1), ("b", 2), ("c", 3):
            await line.join(name, limit)
        held.pop().release()
        assert (await line.order(), limiter.taken) == ("c", 3)
        held.pop().release()
        assert (await line.order(), limiter.taken) == ("c", 2)
        held.pop().release()
        assert (await line.order(), limiter.taken) == ("cb", 2)
        for name in "cb":
            line.release(name)
        assert (await line.order(), limiter.taken) == ("cba", 1)


async def test_who_is_cancelled_leaves_the_line() -> None:
    limiter = ConcurrencyLimiter()
    permit = await take(limiter, 1)
    line = Line(limiter)
    async with anyio.create_task_group() as line.tasks:
        scope = await line.join("a", 1)
        await line.join("b", 1)
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        permit.release()
        assert (await line.order(), limiter.taken) == ("b", 1)


@ASYNCIO
@pytest.mark.parametrize("cancels", [1, 2])
async def test_a_slot_handed_to_one_who_is_cancelled_in_that_moment_goes_on(cancels: int) -> None:
    limiter = ConcurrencyLimiter()
    permit = await take(limiter, 1)
    cancelled, waiting = (asyncio.create_task(limiter.take(1)) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    permit.release()
    for _ in range(cancels):
        cancelled.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    with anyio.fail_after(1):
        last = await waiting
    assert last is not None
    last.release()
    assert limiter.taken == 0


async def turns(choose: random.Random, most: int) -> None:
    """Let the event loop turn fewer than *most* times."""
    for _ in range(choose.randrange(most)):
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("seed", range(10))
async def test_no_slot_is_lost_or_made_by_any_order_of_events(
    seed: int, anyio_backend_name: str
) -> None:
    """Taken, waited for, cancelled once or twice, handed over and given back, at random turns of the loop."""
    choose = random.Random(seed)
    limiter = ConcurrencyLimiter()
    inside = 0

    async def use(limit: int) -> None:
        nonlocal inside
        permit = await limiter.take(limit)
        assert permit is not None
        inside += 1
        assert inside <= 3
        try:
            await turns(choose, 6)
        finally:
            inside -= 1
            choose.choice([permit.release, permit.release_soon, permit.release])()
            permit.release()

    async def cancelled_by_scope(limit: int) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use, limit)
            await turns(choose, 8)
            tasks.cancel_scope.cancel()

    async def cancelled_by_task(limit: int) -> None:
        task = asyncio.create_task(use(limit))
        for _ in range(choose.randint(1, 3)):
            await turns(choose, 8)
            task.cancel()
        await asyncio.wait([task])

    ways: list[Callable[[int], Coroutine[Any, Any, None]]] = [use, cancelled_by_scope]
    if anyio_backend_name == "asyncio":
        ways.append(cancelled_by_task)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(choose.choice(ways), choose.choice([1, 2, 3, 3, 3]))
                await turns(choose, 3)
    await anyio.wait_all_tasks_blocked()
    assert (inside, limiter.taken) == (0, 0)


async def test_a_slot_comes_back_from_another_thread() -> None:
    limiter = ConcurrencyLimiter()
    permit = await take(limiter, 1)
    line = Line(limiter)
    async with anyio.create_task_group() as line.tasks:
        await line.join("a", 1)
        await anyio.to_thread.run_sync(permit.release_soon)
        assert (await line.order(), limiter.taken) == ("a", 1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_slot_comes_back_when_its_loop_has_ended(backend: str) -> None:
    limiter = ConcurrencyLimiter()
    permit = anyio.run(take, limiter, 1, backend=backend)
    for _ in range(2):
        permit.release_soon()
    assert limiter.taken == 0


@pytest.mark.parametrize("cancel", [False, True], ids=["", "and cancelled"])
async def test_closing_sends_away_who_waits(cancel: bool) -> None:
    limiter = ConcurrencyLimiter()
    permit = await take(limiter, 1)
    line = Line(limiter)
    async with anyio.create_task_group() as line.tasks:
        scope = await line.join("a", 1)
        limiter.close()
        if cancel:
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
    assert line.got.get("a") is None
    permit.release()
    assert limiter.taken == 0
