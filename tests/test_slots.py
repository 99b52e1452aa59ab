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

from kimi_async._slots import Slot, Slots

pytestmark = pytest.mark.anyio

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])


async def take(slots: Slots, limit: int | None) -> Slot:
    """Take a slot without having to wait for it."""
    with anyio.fail_after(0):
        slot = await slots.take(limit)
    assert slot is not None
    return slot


class Line:
    """Tasks that wait in line for a slot, and the order in which they got it."""

    tasks: anyio.abc.TaskGroup

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.got: dict[str, Slot | None] = {}

    async def join(self, name: str, limit: int) -> anyio.CancelScope:
        """Let a task wait; the scope cancels it."""
        scope = anyio.CancelScope()
        self.tasks.start_soon(self._wait, name, limit, scope)
        await anyio.wait_all_tasks_blocked()
        return scope

    async def _wait(self, name: str, limit: int, scope: anyio.CancelScope) -> None:
        with scope:
            self.got[name] = await self._slots.take(limit)

    async def order(self) -> str:
        """The names of those who got one, in that order."""
        await anyio.wait_all_tasks_blocked()
        return "".join(self.got)


async def test_slots_are_handed_on_in_the_order_of_asking() -> None:
    slots = Slots()
    first, second = await take(slots, 2), await take(slots, 2)
    line = Line(slots)
    async with anyio.create_task_group() as line.tasks:
        for name in "abc":
            await line.join(name, 2)
        assert (await line.order(), slots.taken) == ("", 2)
        first.give_back()
        assert (await line.order(), slots.taken) == ("a", 2)
        await line.join("d", 2)
        second.give_back()
        assert (await line.order(), slots.taken) == ("ab", 2)
        for name in "abcd":
            slot = line.got[name]
            assert slot is not None
            slot.give_back()
            await line.order()
    assert (await line.order(), slots.taken) == ("abcd", 0)


async def test_who_comes_in_the_same_moment_does_not_overtake() -> None:
    slots = Slots()
    slot = await take(slots, 1)
    line = Line(slots)
    async with anyio.create_task_group() as line.tasks:
        await line.join("a", 1)
        slot.give_back()
        with pytest.raises(TimeoutError):
            await take(slots, 1)
        assert await line.order() == "a"


async def test_a_slot_is_given_back_once() -> None:
    slots = Slots()
    slot, _other = await take(slots, None), await take(slots, None)
    slot.give_back()
    slot.give_back()
    slot.give_back_soon()
    await anyio.wait_all_tasks_blocked()
    assert slots.taken == 1


async def test_of_different_limits_the_lower_gives_way() -> None:
    slots = Slots()
    held = [await take(slots, None) for _ in range(3)]
    line = Line(slots)
    async with anyio.create_task_group() as line.tasks:
        for name, limit in ("a", 1), ("b", 2), ("c", 3):
            await line.join(name, limit)
        held.pop().give_back()
        assert (await line.order(), slots.taken) == ("c", 3)
        held.pop().give_back()
        assert (await line.order(), slots.taken) == ("c", 2)
        held.pop().give_back()
        assert (await line.order(), slots.taken) == ("cb", 2)
        for name in "cb":
            slot = line.got[name]
            assert slot is not None
            slot.give_back()
        assert (await line.order(), slots.taken) == ("cba", 1)


async def test_who_is_cancelled_leaves_the_line() -> None:
    slots = Slots()
    slot = await take(slots, 1)
    line = Line(slots)
    async with anyio.create_task_group() as line.tasks:
        scope = await line.join("a", 1)
        await line.join("b", 1)
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        slot.give_back()
        assert (await line.order(), slots.taken) == ("b", 1)


@ASYNCIO
@pytest.mark.parametrize("cancels", [1, 2])
async def test_a_slot_handed_to_one_who_is_cancelled_in_that_moment_goes_on(cancels: int) -> None:
    slots = Slots()
    slot = await take(slots, 1)
    cancelled, waiting = (asyncio.create_task(slots.take(1)) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    slot.give_back()
    for _ in range(cancels):
        cancelled.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    with anyio.fail_after(1):
        last = await waiting
    assert last is not None
    last.give_back()
    assert slots.taken == 0


@pytest.mark.parametrize("seed", range(10))
async def test_no_slot_is_lost_or_made_by_any_order_of_events(
    seed: int, anyio_backend_name: str
) -> None:
    """Taken, waited for, cancelled once or twice, handed over and given back, at random turns of the loop."""
    choose = random.Random(seed)
    slots = Slots()
    inside = 0

    async def use(limit: int) -> None:
        nonlocal inside
        slot = await slots.take(limit)
        assert slot is not None
        inside += 1
        assert inside <= 3
        try:
            await turns(6)
        finally:
            inside -= 1
            choose.choice([slot.give_back, slot.give_back_soon, slot.give_back])()
            slot.give_back()

    async def turns(most: int) -> None:
        for _ in range(choose.randrange(most)):
            await anyio.lowlevel.checkpoint()

    async def cancelled_by_scope(limit: int) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use, limit)
            await turns(8)
            tasks.cancel_scope.cancel()

    async def cancelled_by_task(limit: int) -> None:
        task = asyncio.create_task(use(limit))
        for _ in range(choose.randint(1, 3)):
            await turns(8)
            task.cancel()
        await asyncio.wait([task])

    ways: list[Callable[[int], Coroutine[Any, Any, None]]] = [use, cancelled_by_scope]
    if anyio_backend_name == "asyncio":
        ways.append(cancelled_by_task)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(choose.choice(ways), choose.choice([1, 2, 3, 3, 3]))
                await turns(3)
    await anyio.wait_all_tasks_blocked()
    assert (inside, slots.taken) == (0, 0)


async def test_a_slot_comes_back_from_another_thread() -> None:
    slots = Slots()
    slot = await take(slots, 1)
    line = Line(slots)
    async with anyio.create_task_group() as line.tasks:
        await line.join("a", 1)
        await anyio.to_thread.run_sync(slot.give_back_soon)
        assert (await line.order(), slots.taken) == ("a", 1)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_slot_comes_back_when_its_loop_has_ended(backend: str) -> None:
    slots = Slots()
    slot = anyio.run(take, slots, 1, backend=backend)
    for _ in range(2):
        slot.give_back_soon()
    assert slots.taken == 0


@pytest.mark.parametrize("cancel", [False, True], ids=["", "and cancelled"])
async def test_closing_sends_away_who_waits(cancel: bool) -> None:
    slots = Slots()
    slot = await take(slots, 1)
    line = Line(slots)
    async with anyio.create_task_group() as line.tasks:
        scope = await line.join("a", 1)
        slots.close()
        if cancel:
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
    assert line.got.get("a") is None
    slot.give_back()
    assert slots.taken == 0
