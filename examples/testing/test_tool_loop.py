"""Test a tool loop: the calls of the model, the results that it gets, and the mistakes of both."""

from __future__ import annotations

import pytest

import kimi_async as kimi
from kimi_async.testing import FakeToolCall, FakeTransport, Reply
from kimi_async.tools import ToolError, tool

pytestmark = pytest.mark.anyio

# The program

SKIES = {"Oslo": "clear", "Bergen": "rain"}


@tool
async def get_sky(city: str) -> str:
    """Return the sky over a city."""
    if city not in SKIES:
        raise ToolError(f"no sky is known for {city}")
    return SKIES[city]


async def ask(client: kimi.AsyncKimi, question: str) -> str:
    return (await client.run(question, tools=[get_sky]).final()).text


# Its tests


def sky(city: str) -> Reply:
    return Reply(tool_calls=[FakeToolCall("get_sky", {"city": city})])


async def test_the_answer(fake: FakeTransport) -> None:
    fake.add(sky("Oslo"), Reply("It is clear."))
    assert await ask(fake.client(), "How is the sky over Oslo?") == "It is clear."


async def test_the_model_gets_the_result(fake: FakeTransport) -> None:
    fake.add(sky("Bergen"), Reply("It rains."))
    await ask(fake.client(), "How is the sky over Bergen?")
    assert fake.requests[1].messages[-1].content == "rain"


async def test_the_model_gets_the_error(fake: FakeTransport) -> None:
    fake.add(sky("Rome"), Reply("I do not know."))
    await ask(fake.client(), "How is the sky over Rome?")
    assert "no sky is known for Rome" in str(fake.requests[1].messages[-1].content)


async def test_a_call_that_was_cut_does_not_run(fake: FakeTransport) -> None:
    fake.add(Reply(tool_calls=[FakeToolCall("get_sky", '{"city": "Os')], finish_reason="length"))
    await ask(fake.client(), "How is the sky over Oslo?")
    assert len(fake.requests) == 1
