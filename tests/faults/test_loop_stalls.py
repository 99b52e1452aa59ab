"""No reply holds the event loop: not the first of a process, not a hundred at once, not a burst."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

import anyio
import anyio.lowlevel
import pytest
from fake_host import HELLO, STALL, FakeHost, delta, sse
from loop_stalls import Heartbeat, chats, heartbeat
from paths import ROOT

from kimi_async._http._decoding import READ_BYTES

#: Not in a thread of this process: the loop under test spins, so each send of a server beside it would wait for the
#: interpreter lock (5 ms by default), which made minutes of a hundred replies on a busy machine.
SERVER = """
import anyio
from kimi_async.testing import FakeProvider, Reply

async def main():
    async with FakeProvider(lambda _: Reply("Hello! " * 40, chunk_chars=4)) as fake:
        print(fake.url, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


#: The first work of a process: one reply, and then the time to build a TLS context.
FIRST = """
import asyncio, sys, time
url, tests, change = sys.argv[1:]
sys.path.append(tests)
import anyio.to_thread
import loop_stalls
from kimi_async import _client

async def at_once(run, *args):
    return run(*args)

async def nothing():
    pass

if change == "no thread for the HTTP client":
    anyio.to_thread.run_sync = at_once
if change == "no thread for anyio":
    _client.prepare_loop = nothing
# The loop spins, so each file that a thread imports would wait for the interpreter lock: 5 ms by default.
sys.setswitchinterval(0.0001)
heart = asyncio.run(loop_stalls.chats(url, 1))
begun = time.thread_time()
import ssl, certifi
ssl.create_default_context(cafile=certifi.where())
print(heart.longest, time.thread_time() - begun)
"""


@pytest.mark.parametrize(
    ("change", "held"),
    [("", False), ("no thread for the HTTP client", True), ("no thread for anyio", True)],
)
def test_the_first_reply_of_a_process_builds_and_imports_nothing_on_the_loop(
    url: str, change: str, held: bool
) -> None:
    """Measured: 0.15 of the cost of a TLS context; 0.7 and 8 times its cost where one of the threads is not used.

    On Python 3.15, with a newer OpenSSL whose contexts cost less: 0.3 (0.6 on a busy machine), 1.7 and 17.
    """
    arguments = [url, str(ROOT / "tests" / "support"), change]
    command = [sys.executable, "-c", FIRST, *arguments]
    shares: list[float] = []
    for _ in range(3):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        longest, tls_context = map(float, done.stdout.split())
        shares.append(longest / tls_context)
    most = 0.5 if sys.version_info < (3, 14) else 1.0
    # A busy machine adds to a share by chance, or makes it smaller by a slower context.
    assert max(shares) > most if held else min(shares) <= most


def test_a_hundred_replies_at_once_take_turns(url: str) -> None:
    """Measured: no turn of the loop is longer than 0.02 of the whole."""
    heart = asyncio.run(chats(url, 100))
    assert heart.longest < heart.total / 5


def test_who_holds_the_loop_is_seen() -> None:
    async def hold() -> Heartbeat:
        async with heartbeat() as heart:
            begun = time.thread_time()
            while time.thread_time() < begun + 0.05:
                pass
        return heart

    assert asyncio.run(hold()).longest >= 0.05


@pytest.mark.anyio
async def test_a_burst_is_taken_in_pieces_with_a_turn_for_others_between() -> None:
    """The size of a read does not matter: 1 KB on the wire can be a compressed body of a megabyte."""
    burst = sse(*[delta("a")] * 10_000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        reply = await FakeHost([burst, HELLO]).client().chat("Hi")
        assert reply.text == "a" * 10_000 + "Hello"
        tasks.cancel_scope.cancel()
    assert turns >= len(burst) // READ_BYTES > 50


@pytest.mark.anyio
async def test_a_large_read_is_not_kept_behind_its_last_piece() -> None:
    burst = sse(*[delta("a")] * 1_000)
    async with FakeHost([burst, STALL]).client().stream("Hi") as stream:
        while len(stream.snapshot.text) < 1_000 or stream._events:
            await anext(stream)
        attempt = stream._reply.attempt
        assert attempt is not None
        assert attempt.response is not None
        assert attempt.progress.bytes == len(burst) > 2 * READ_BYTES
        assert attempt.response._held.obj == b""
