"""Test fail-over: one fake is down, slow or out of quota, and the other one answers."""

from __future__ import annotations

import anyio
import pytest

import kimi_async as kimi
from kimi_async.testing import ErrorReply, FakeTransport, Faulty, Reply, SlowHeaders

pytestmark = pytest.mark.anyio


@pytest.fixture
def second() -> FakeTransport:
    return FakeTransport(lambda _: Reply("From the second."), host="second.test")


@pytest.fixture
def client(fake: FakeTransport, second: FakeTransport) -> kimi.AsyncKimi:
    providers = [fake.acedata(), second.cloudsway()]
    return fake.client(second, provider=providers, retries=kimi.Retries())


async def test_the_first_provider_answers(fake: FakeTransport, client: kimi.AsyncKimi) -> None:
    fake.add(Reply("From the first."))
    assert (await client.chat("Hi")).text == "From the first."


@pytest.mark.parametrize("status", [401, 402, 404, 429])
async def test_a_refusal(fake: FakeTransport, client: kimi.AsyncKimi, status: int) -> None:
    fake.add(ErrorReply(status))
    assert (await client.chat("Hi")).text == "From the second."


async def test_a_provider_that_is_down(fake: FakeTransport, client: kimi.AsyncKimi) -> None:
    fake.add(*[ErrorReply(503)] * 3)
    assert (await client.chat("Hi")).text == "From the second."


async def test_a_slow_provider(fake: FakeTransport, client: kimi.AsyncKimi) -> None:
    fake.add(Faulty(Reply("Too late."), SlowHeaders()))
    assert (await client.chat("Hi")).text == "From the second."
    assert anyio.current_time() == 300


async def test_a_request_that_is_wrong_is_not_sent_twice(
    fake: FakeTransport, second: FakeTransport, client: kimi.AsyncKimi
) -> None:
    fake.add(ErrorReply(400))
    with pytest.raises(kimi.BadRequestError):
        await client.chat("Hi")
    assert second.requests == []
