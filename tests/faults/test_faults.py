"""Every fault has the same effect over real sockets and without sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fault_cases import FAULTS, FaultCase

import kimi_async as kimi
from kimi_async.testing import (
    FakeProvider,
    FakeTransport,
    ReceivedRequest,
    Reply,
    ScriptedReply,
    virtual_time,
)

pytestmark = pytest.mark.anyio

CASES = [pytest.param(case, id=case.id) for case in FAULTS]
OTHER = Reply("Hello again")


def script_of(case: FaultCase) -> Callable[[ReceivedRequest], ScriptedReply]:
    """By the question and not by turn: on a busy machine a short limit may end a request before it is sent."""

    def script(request: ReceivedRequest) -> ScriptedReply:
        return case.reply if request.body["messages"][0]["content"] == "Fail" else OTHER

    return script


async def check(client: kimi.AsyncKimi, case: FaultCase) -> None:
    """Ask for the reply of *case*, between two good replies, and return its result."""
    assert (await client.chat("Hi")).text == OTHER.content
    records: list[kimi.ReplyRecord] = []
    asked = client.with_options(timeouts=case.timeouts, on_complete=records.append)
    reply: kimi.ChatCompletion | None
    error: kimi.KimiError | None = None
    try:
        reply = await asked.chat("Fail")
    except kimi.KimiError as raised:
        error, reply = raised, raised.partial
    assert (error and type(error)) is case.error
    assert getattr(error, "limit", None) == case.limit
    assert (reply and reply.text) == case.text
    (record,) = records
    assert (record.outcome, record.usage is not None) == (case.outcome, case.usage)
    late = record.late_error
    assert (late and late.partition(":")[0]) == (case.late_error and case.late_error.__name__)
    assert (await client.chat("Hi")).text == OTHER.content


@pytest.mark.parametrize("case", CASES)
async def test_over_a_socket(case: FaultCase) -> None:
    async with (
        FakeProvider(script_of(case)) as fake,
        kimi.AsyncKimi(fake.acedata(), model="kimi-k3", retries=kimi.Retries.none()) as client,
    ):
        await check(client, case)
        # A request that got no byte of an answer over a connection that was used before is sent once more.
        failed = sum(request.body["messages"][0]["content"] == "Fail" for request in fake.requests)
        assert fake.total_connections in ({1} if case.kept_alive else {1, 1 + failed})
        await fake.wait_until(lambda: fake.open_connections == 1)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("case", CASES)
def test_without_a_socket(case: FaultCase, loop: Any) -> None:
    async def main() -> None:
        fake = FakeTransport(script_of(case))
        await check(fake.client(), case)
        assert (fake.active_requests, fake.lost_connections) == (0, 0 if case.kept_alive else 1)

    backend, options = virtual_time(loop)
    anyio.run(main, backend=backend, backend_options=options)


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({case.id for case in FAULTS}) == len({case.server for case in FAULTS}) == len(FAULTS)
