"""Every fault has the same effect over real sockets and without any."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from fault_cases import FAULTS, FaultCase

import kimi_async as kimi
from kimi_async.testing import FakeProvider, FakeTransport, Reply, virtual_time

pytestmark = pytest.mark.anyio

CASES = [pytest.param(case, id=case.id) for case in FAULTS]
AGAIN = Reply("Hello again")


async def check(client: kimi.AsyncKimi, case: FaultCase) -> None:
    """Ask for the reply of *case*, get what it says, and ask again."""
    records: list[kimi.ReplyRecord] = []
    asked = client.with_options(timeouts=case.timeouts, on_complete=records.append)
    reply: kimi.ChatCompletion | None
    error: kimi.KimiError | None = None
    try:
        reply = await asked.chat("Hi")
    except kimi.KimiError as raised:
        error, reply = raised, raised.partial
    assert (error and type(error)) is case.error
    assert getattr(error, "limit", None) == case.limit
    assert (reply and reply.text) == case.text
    (record,) = records
    assert (record.outcome, record.usage is not None) == (case.outcome, case.usage)
    late = record.late_error
    assert (late and late.partition(":")[0]) == (case.late_error and case.late_error.__name__)
    assert (await client.chat("Hi")).text == AGAIN.content


@pytest.mark.parametrize("case", CASES)
async def test_over_a_socket(case: FaultCase) -> None:
    async with (
        FakeProvider([case.reply, AGAIN]) as fake,
        kimi.AsyncKimi(fake.acedata(), model="kimi-k2.5") as client,
    ):
        await check(client, case)
        assert fake.total_connections == (1 if case.kept_alive else 2)
        await fake.wait_until(lambda: fake.open_connections == 1)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("case", CASES)
def test_without_a_socket(case: FaultCase, loop: Any) -> None:
    async def main() -> None:
        fake = FakeTransport([case.reply, AGAIN])
        await check(fake.client(), case)
        assert (fake.active_requests, fake.lost_connections) == (0, 0 if case.kept_alive else 1)

    backend, options = virtual_time(loop)
    anyio.run(main, backend=backend, backend_options=options)


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({case.id for case in FAULTS}) == len({case.server for case in FAULTS}) == len(FAULTS)
