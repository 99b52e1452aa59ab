"""Tools that a run calls, and the requests that tell their results."""

from typing import Any

import anyio

import kimi_async as kimi
from kimi_async import tools
from kimi_async.testing import FakeProvider, FakeToolCall
from kimi_async.tools import Tool, ToolError, tool

__all__ = [
    "TOOLS",
    "asked",
    "echo",
    "failing",
    "get_distance",
    "hanging",
    "results",
    "run_through",
    "say",
]


@tool
def get_distance(location1: str, location2: str) -> str:
    return f"{location1}-{location2}: 1000"


@tool
async def echo(word: str) -> str:
    return word


@tool
async def failing() -> None:
    raise ToolError("not today")


@tool
async def hanging() -> None:
    await anyio.sleep_forever()


TOOLS: list[Tool[..., object]] = [get_distance, echo, failing, hanging]


def say(word: str, id: str | None = None) -> FakeToolCall:
    return FakeToolCall("echo", {"word": word}, id=id)


def asked(fake: FakeProvider, number: int) -> list[dict[str, Any]]:
    """The messages of the *number*-th request, from 1."""
    messages: list[dict[str, Any]] = fake.requests[number - 1].body["messages"]
    return messages


def results(fake: FakeProvider, number: int) -> list[tuple[str, str]]:
    """Id and content of the results at the end of the *number*-th request."""
    return [
        (message["tool_call_id"], message["content"])
        for message in asked(fake, number)
        if message["role"] == "tool"
    ]


async def run_through(fake: FakeProvider, **options: Any) -> tools.RunResult:
    given: dict[str, Any] = {"tools": TOOLS, **options}
    async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
        async with client.run("Hi", **given) as run:
            return await run.final()
