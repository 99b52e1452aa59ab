"""Two providers as one: every scenario in virtual time on asyncio and trio, and some of them over sockets."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from scenario_table import ALL_CROWDS, ALL_SCENARIOS
from scenarios import Crowd, Observed, Rig, Scenario, check_crowd, observe, watch

from kimi_async import AsyncKimi
from kimi_async.testing import FakeProvider, FakeTransport, virtual_time

in_virtual_time = pytest.mark.parametrize("loop", ["asyncio", "trio"])


def check(row: Scenario, observed: Observed) -> None:
    assert (observed.events, observed.text) == (row.events, row.text)
    assert (observed.outcome, observed.error) == (row.outcome, row.error)
    assert observed.attempts == row.attempts


def play(row: Scenario | Crowd, loop: Any, act: Callable[[AsyncKimi], Awaitable[Any]]) -> Any:
    """Return the result of *act* with the client of *row*; the same random numbers in every run."""

    async def main() -> Any:
        random.seed(1)
        rig = Rig(row)
        fake = FakeTransport(rig.answer)
        client = fake.client(**rig.options(fake))
        result = await act(client)
        assert (fake.active_requests, client.in_flight) == (0, 0)
        rig.check(row.seen)
        if isinstance(row, Crowd):
            await check_crowd(client, rig, row)
        return result

    backend, options = virtual_time(loop)
    return anyio.run(main, backend=backend, backend_options=options)


@in_virtual_time
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ALL_SCENARIOS])
def test_one_call(row: Scenario, loop: str) -> None:
    observed: Observed = play(row, loop, lambda client: observe(client, row))
    check(row, observed)
    expected = observed.seconds if row.seconds is None else row.seconds
    assert observed.seconds == pytest.approx(expected)


@in_virtual_time
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ALL_CROWDS])
def test_many_calls(row: Crowd, loop: str) -> None:
    assert play(row, loop, lambda client: watch(client, row)) == row.outcomes


@pytest.mark.anyio
@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.id) for row in ALL_SCENARIOS if row.sockets]
)
async def test_over_sockets(row: Scenario) -> None:
    rig = Rig(row)
    async with (
        FakeProvider(rig.answer) as fake,
        AsyncKimi(model="kimi-k3", **rig.options(fake)) as client,
    ):
        check(row, await observe(client, row))
        assert client.in_flight == 0
        rig.check(row.seen)


def test_every_row_has_a_name_of_its_own() -> None:
    rows: list[Scenario | Crowd] = [*ALL_SCENARIOS, *ALL_CROWDS]
    assert len({row.id for row in rows}) == len(rows)
