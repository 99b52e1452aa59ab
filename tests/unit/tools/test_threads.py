from __future__ import annotations

import contextvars
import subprocess
import sys
import threading

import pytest

from kimi_async.tools._threads import call_in_thread

pytestmark = pytest.mark.anyio

PLACE = contextvars.ContextVar[str]("PLACE")


async def test_a_function_is_called_in_a_daemon_thread_with_the_context_of_the_caller() -> None:
    def look(word: str) -> tuple[str, str, bool]:
        thread = threading.current_thread()
        assert thread is not threading.main_thread()
        return word, PLACE.get(), thread.daemon

    PLACE.set("here")
    assert await call_in_thread(look, "a") == ("a", "here", True)


@pytest.mark.parametrize("error", [KeyError("a"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
async def test_an_error_is_that_of_the_function(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await call_in_thread(fail)
    assert caught.value is error


PROGRAM = """
import sys, threading
import anyio
import kimi_async as kimi
from kimi_async.testing import FakeProvider, FakeToolCall, Reply
from kimi_async.tools import tool

@tool
def hang() -> None:
    threading.Event().wait()

async def main():
    script = [Reply(tool_calls=[FakeToolCall("hang", {})]), Reply("It hangs.")]
    async with FakeProvider(script) as fake, kimi.AsyncKimi(fake.acedata(), model="m") as client:
        result = await client.run("Hi", tools=[hang], tool_timeout=0.05).final()
        print(result.text)

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_tool_that_hangs_does_not_keep_the_process(backend: str) -> None:
    command = [sys.executable, "-c", PROGRAM, backend]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=50)
    assert ended.stdout == "It hangs.\n"
