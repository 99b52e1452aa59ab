"""A call that is cancelled at any step of the event loop leaves nothing open, and nothing counts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest
from attrs import evolve, frozen

import kimi_async as kimi
from kimi_async import AsyncKimi, RateLimits, Retries
from kimi_async._reply._endpoints import endpoint_of
from kimi_async.testing import (
    Break,
    ErrorReply,
    FakeTransport,
    Faulty,
    Reply,
    ScriptedReply,
    SlowHeaders,
    virtual_time,
)
from kimi_async.testing._time import VirtualLoop

pytestmark = pytest.mark.anyio


class Steps:
    """Counts the steps of the event loop, and does something at one of them; an instrument of trio."""

    def __init__(self) -> None:
        self._left = -1
        self._act: Callable[[], None]

    def arm(self, number: int, act: Callable[[], None]) -> None:
        self._left, self._act = number, act

    @property
    def done(self) -> bool:
        """Whether the step was reached."""
        return self._left <= 0

    def tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()

    def before_task_step(self, _task: object) -> None:
        self.tick()


class SteppedLoop(VirtualLoop):
    """An event loop of asyncio whose steps are its looks at the clock: one at least in each round."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        super().__init__()

    def time(self) -> float:
        self._steps.tick()
        return super().time()


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest, steps: Steps) -> tuple[str, dict[str, Any]]:
    backend, options = virtual_time(request.param)
    if backend == "trio":
        return backend, {**options, "instruments": [steps]}
    return backend, {"loop_factory": lambda: SteppedLoop(steps)}


def slow(text: str, seconds: float) -> ScriptedReply:
    return Faulty(Reply(text, pace=0.5), SlowHeaders(seconds))


@frozen(kw_only=True)
class Case:
    """One call.

    Attributes:
        script: The replies of both providers, in the order of the requests.
        hedge_after: The delay of a hedge.
        busy: Whether another call has the only place at the first provider for the first two seconds.
        probing: Whether the breaker of the first provider is half-open.
        failures: The replies of the script that count as failures.
    """

    script: Sequence[ScriptedReply]
    hedge_after: float | None = None
    busy: bool = False
    probing: bool = False
    failures: int = 0


CASES = {
    "one request": Case(script=[slow("A", 1)]),
    "the hedge wins": Case(script=[slow("A", 60), slow("B", 1)], hedge_after=2.0),
    "the hedge loses": Case(script=[slow("A", 3), slow("B", 60)], hedge_after=2.0),
    "the hedge follows an error": Case(
        script=[ErrorReply(500), slow("B", 1)], hedge_after=2.0, failures=1
    ),
    "the hedge fails": Case(
        script=[slow("A", 4), Faulty(ErrorReply(500), SlowHeaders(1))], hedge_after=2.0, failures=1
    ),
    "both fail, and a retry": Case(
        script=[ErrorReply(500), ErrorReply(503), ErrorReply(500), slow("B", 1)], failures=3
    ),
    "a stream breaks": Case(
        script=[Faulty(Reply("Hello, you", pace=0.5), Break(after_event=4)), slow("B", 1)],
        failures=1,
    ),
    "a wait for a limit": Case(script=[slow("busy", 2), slow("A", 1)], busy=True),
    "a wait for a limit, hedged": Case(
        script=[slow("busy", 2), slow("A", 60), slow("B", 1)], busy=True, hedge_after=1.0
    ),
    "a probe": Case(script=[slow("A", 1)], probing=True),
    "a probe, hedged": Case(script=[slow("A", 60), slow("B", 1)], probing=True, hedge_after=2.0),
}


def client_of(fake: FakeTransport, case: Case, told: list[kimi.ReplyRecord]) -> AsyncKimi:
    limits = RateLimits(concurrency=1)
    providers = [evolve(each, rate_limits=limits) for each in (fake.acedata(), fake.cloudsway())]
    client = fake.client(
        provider=providers,
        hedge_after=case.hedge_after,
        retries=Retries(),
        checks="off",
        on_complete=told.append,
    )
    if case.probing:
        breakers = client._caller.shared.breakers
        for provider in providers:
            breakers._new(endpoint_of(provider, "kimi-k3"), 30.0).open(1e-9)
    return client


def check(client: AsyncKimi, fake: FakeTransport, case: Case, told: list[kimi.ReplyRecord]) -> None:
    """Check that nothing is open, and that only the requests that were answered count."""
    shared, now = client._caller.shared, anyio.current_time()
    assert (client.in_flight, fake.active_requests) == (0, 0)
    complete = sum(record.outcome == "complete" for record in told)
    requests = failures = 0
    for provider in client.providers:
        line = client.health()[provider.name].limits
        assert line is not None
        assert (line.in_flight, line.waiting) == (0, 0)
        assert shared.breakers.allows(provider, "kimi-k3", now)
        for health in client.health()[provider.name].models.values():
            requests += health.requests
            failures += health.failures
    assert requests - failures <= complete
    assert failures <= min(case.failures, len(fake.requests))
    budget = shared.budget(client._caller.settings.retries.budget)
    attempts = max((len(record.attempts) for record in told), default=0)
    assert budget._retries.total(now) <= max(0, attempts - 1)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_call_that_is_cancelled_at_any_step_leaves_nothing(
    case: Case, steps: Steps
) -> None:
    number = 0
    await anyio.sleep(1)  # The breaker of "a probe" is due after the clock's zero.
    while number == 0 or steps.done:
        number += 1
        fake = FakeTransport(list(case.script))
        told: list[kimi.ReplyRecord] = []
        client = client_of(fake, case, told)
        async with anyio.create_task_group() as group:
            if case.busy:
                first = client.with_options(provider=client.providers[0])
                group.start_soon(first.chat, "Hi")
                await anyio.wait_all_tasks_blocked()
            with anyio.CancelScope() as scope:
                steps.arm(number, scope.cancel)
                await client.chat("Hi")
        check(client, fake, case, told)
    assert number > 10
