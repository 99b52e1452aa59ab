"""A reply is freed with its last reference, and does not wait for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypedDict

import pytest
from engines import ENGINES, OUR_RUNS
from event_loops import Loop

import kimi_async as kimi
from kimi_async import AsyncKimi
from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    FakeToolCall,
    Reply,
    ScriptedReply,
)
from kimi_async.tools import tool

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize(("anyio_backend", "engine"), OUR_RUNS)]


class Person(TypedDict):
    name: str


@tool
def now() -> str:
    """Return the time."""
    return "12:00"


async def chat(client: AsyncKimi) -> None:
    await client.chat("Hi")


async def stream(client: AsyncKimi) -> None:
    async with client.stream("Hi") as events:
        async for _ in events:
            pass


async def text(client: AsyncKimi) -> None:
    async with client.stream("Hi") as events:
        async for _ in events.text_deltas():
            pass


async def hedged(client: AsyncKimi) -> None:
    await client.with_options(hedge_after=60.0).chat("Hi")


async def parse(client: AsyncKimi) -> None:
    await client.parse("Who?", Person)


async def tools(client: AsyncKimi) -> None:
    async with client.run("What time is it?", tools=[now]) as steps:
        await steps.final()


async def conversation(client: AsyncKimi) -> None:
    await client.conversation().send("Hi")


HELLO = Reply("Hello")
ERROR = ErrorReply(status=500)
CALLS: dict[str, tuple[Callable[[AsyncKimi], Awaitable[None]], list[ScriptedReply]]] = {
    "chat": (chat, [HELLO]),
    "stream": (stream, [HELLO]),
    "text": (text, [HELLO]),
    "hedged": (hedged, [HELLO]),
    "parse": (parse, [Reply('{"name": "Ada"}')]),
    "tools": (tools, [Reply(tool_calls=[FakeToolCall("now", {})]), HELLO]),
    "conversation": (conversation, [HELLO]),
    "retry": (chat, [ERROR, HELLO]),
}


def _is_ours(kind: type) -> bool:
    package, _, module = kind.__module__.partition(".")
    return package in {"kimi_async", "httpx", "aiohttp"} and not module.startswith("testing")


@contextmanager
def no_collections() -> Generator[list[str]]:
    """Collect nothing meanwhile; then name the objects of the client that only the collector frees."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield found
    finally:
        gc.enable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found += [
        f"{each.__module__}.{each.__qualname__}" for each in map(type, gc.garbage) if _is_ours(each)
    ]
    gc.garbage.clear()


@pytest.mark.parametrize("name", CALLS)
async def test_a_reply_leaves_nothing_to_the_garbage_collector(
    name: str, engine: str, anyio_backend: Loop
) -> None:
    call, script = CALLS[name]
    retries = kimi.Retries(base=0.0)
    async with FakeProvider(script * 3) as fake, ENGINES[engine]() as http:
        client = AsyncKimi(fake.acedata(), model="kimi-k3", http_client=http, retries=retries)
        await call(client)
        with no_collections() as found:
            await call(client)
        assert found == []
