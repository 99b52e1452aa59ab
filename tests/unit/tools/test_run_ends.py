"""Runs that end in the middle, and settings that cannot work."""

import threading
from typing import Any, get_args

import anyio
import pytest
from run_tools import TOOLS, echo, results, run_through, say

import kimi_async as kimi
from kimi_async import tools
from kimi_async.testing import FakeProvider, FakeToolCall, Reply
from kimi_async.tools import StepEnd, StepStart, ToolError, ToolResult, tool

pytestmark = pytest.mark.anyio


# Ends in the middle


async def test_a_broken_reply_ends_the_run_and_leaves_the_messages() -> None:
    broken = Reply("Once upon a time", chunk_chars=2, cut_after=4, end="hangup")
    once = kimi.Retries.none()
    async with FakeProvider([Reply(tool_calls=[say("a")]), broken]) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m", retries=once) as client:
            run = client.run("Hi", tools=TOOLS)
            with pytest.raises(kimi.StreamInterrupted) as caught:
                await run.final()
            with pytest.raises(kimi.StreamInterrupted) as again:
                await anext(run)
    assert again.value is caught.value
    assert caught.value.partial is not None
    assert [getattr(message, "role", None) for message in run.messages] == [
        *("user", "assistant", "tool")
    ]


async def test_a_tool_error_can_end_the_run() -> None:
    calls = [FakeToolCall("hanging"), FakeToolCall("failing"), FakeToolCall("nope")]
    async with FakeProvider([Reply(tool_calls=calls)]) as fake:
        with pytest.raises(ToolError, match="not today"):
            await run_through(fake, on_tool_error="raise", tool_timeout=None)


async def test_cancelling_in_the_middle_of_a_step_reaches_the_tools() -> None:
    begun, cancelled = anyio.Event(), anyio.Event()

    @tool
    async def wait() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    async with FakeProvider([Reply(tool_calls=[FakeToolCall("wait")])]) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            run = client.run("Hi", tools=[wait])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run.final)
                await begun.wait()
                with pytest.raises(RuntimeError, match="another task"):
                    await anext(run)
                tasks.cancel_scope.cancel()
            assert cancelled.is_set()
            with pytest.raises(kimi.StreamInterrupted, match="the run was closed before its end"):
                await run.final()
            assert run.messages == (kimi.user("Hi"),)
            await fake.wait_until(lambda: fake.active_requests == 0)


async def test_closing_from_another_task_reaches_the_tools() -> None:
    begun = anyio.Event()

    @tool
    async def wait() -> None:
        begun.set()
        await anyio.sleep_forever()

    async with FakeProvider([Reply(tool_calls=[FakeToolCall("wait")])]) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            run = client.run("Hi", tools=[wait])

            async def close() -> None:
                await begun.wait()
                await run.aclose()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(close)
                with pytest.raises(
                    kimi.StreamInterrupted, match="the run was closed before its end"
                ):
                    await run.final()


async def test_leaving_the_block_gives_the_connection_back() -> None:
    async with FakeProvider(
        [Reply("Once upon a time", chunk_chars=2, cut_after=4, end="stall")]
    ) as fake:
        async with kimi.AsyncKimi(fake.acedata(), model="m") as client:
            async with client.run("Hi", tools=TOOLS) as run:
                while not isinstance(await anext(run), kimi.ContentDelta):
                    pass
            await fake.wait_until(lambda: fake.open_connections == 0)
            await run.aclose()
            with pytest.raises(kimi.StreamInterrupted, match="inside its 'async with'") as caught:
                await run.final()
            assert not caught.value.retryable


async def test_a_sync_tool_runs_in_a_thread_and_a_slow_one_is_left_behind() -> None:
    release = threading.Event()
    threads: list[int] = []

    @tool
    def block() -> None:
        threads.append(threading.get_ident())
        release.wait(30)

    try:
        async with FakeProvider([Reply(tool_calls=[FakeToolCall("block")]), Reply("Ok.")]) as fake:
            result = await run_through(fake, tools=[block], tool_timeout=0.01)
    finally:
        release.set()
    assert result.text == "Ok."
    assert threads != [threading.get_ident()]
    assert results(fake, 2) == [("block:0", "error: the tool 'block' did not end within 0.01 s")]


# Settings


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"max_steps": 0}, "max_steps must be a whole number from 1, not 0"),
        ({"max_steps": True}, "max_steps must be a whole number from 1, not True"),
        ({"max_steps": 1.5}, "max_steps must be a whole number from 1, not 1.5"),
        ({"tool_concurrency": 0}, "tool_concurrency must be a whole number from 1"),
        ({"tool_timeout": 0}, "tool_timeout must be a number of seconds above 0, or None"),
        ({"tool_timeout": 10**309}, "tool_timeout must be a number of seconds above 0, or None"),
        ({"tool_timeout": "1"}, "tool_timeout must be a number of seconds above 0, or None"),
        ({"on_tool_error": "ignore"}, 'on_tool_error must be "return" or "raise"'),
        ({"approve": True}, "approve must be callable"),
        ({"tools": [echo, echo]}, "two tools are named 'echo'"),
        ({"tools": [{"type": "function"}]}, "tools must hold tools made by @tool, or dicts"),
        ({"tools": [{"type": "function", "function": {}}]}, "dicts in the OpenAI form with a name"),
        ({"temperature": 3}, "temperature"),
    ],
)
async def test_settings_that_cannot_work(options: dict[str, Any], problem: str) -> None:
    client = kimi.AsyncKimi(kimi.AceDataCloud("k"), model="m")
    with pytest.raises(kimi.ConfigurationError, match=problem):
        client.run("Hi", **options)


def test_the_union_of_events_is_closed() -> None:
    own = set(get_args(tools.RunEvent)) - set(get_args(kimi.StreamEvent))
    assert own == {StepStart, StepEnd, ToolResult}
