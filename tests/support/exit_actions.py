"""The ways to leave a reply, each as a function that leaves a waiting reply."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread
import pytest
from event_loops import Loop

import kimi_async as kimi
from kimi_async import (
    AsyncKimi,
    ContentDelta,
    ReasoningDelta,
    StreamEnd,
    StreamEvent,
    Timeouts,
    ToolCallDelta,
)
from kimi_async.testing import Ending, FakeProvider, ReceivedRequest, Reply, ScriptedReply

if TYPE_CHECKING:
    from exit_cases import Stage

#: Without a limit that could end a reply by itself.
PATIENT = Timeouts(finish_grace=None)

#: The text of the next request.
NEXT_REQUEST = "Do you still work?"

DELTAS = (ReasoningDelta, ContentDelta, ToolCallDelta)

Leave: TypeAlias = "Callable[[Situation], Awaitable[None]]"


async def until(condition: Callable[[], object]) -> None:
    """Let everything else run until *condition* holds."""
    with anyio.fail_after(10):
        while not condition():
            await anyio.lowlevel.checkpoint()


class SilentServer(anyio.AsyncContextManagerMixin):
    """Accept connections, read, and send nothing: no TLS handshake and no HTTP.

    Args:
        end: Its action after a request, or after the client's part of a handshake.

    Attributes:
        heard: Whether one has.
        connections: How many are open.
    """

    def __init__(self, end: Ending) -> None:
        self._end = end
        self.port = 0
        self.heard = False
        self.connections = 0

    @contextlib.asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[SilentServer]:
        async with anyio.create_task_group() as tasks:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setblocking(False)
                self.port = listener.getsockname()[1]
                tasks.start_soon(self._accept, listener, tasks)
                yield self
                tasks.cancel_scope.cancel()

    async def _accept(self, listener: socket.socket, tasks: anyio.abc.TaskGroup) -> None:
        while True:
            await anyio.wait_readable(listener)
            tasks.start_soon(self._serve, listener.accept()[0])

    async def _serve(self, sock: socket.socket) -> None:
        self.connections += 1
        with sock:
            sock.setblocking(False)
            # A record of TLS begins with 22; a request of ours ends with the brace of its JSON body.
            heard = b""
            while not heard.startswith(b"\x16") and not heard.endswith(b"}"):
                heard += await self._receive(sock)
            self.heard = True
            if self._end == "stall":
                await self._receive(sock)
            elif self._end == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connections -= 1

    async def _receive(self, sock: socket.socket) -> bytes:
        await anyio.wait_readable(sock)
        return sock.recv(65_536)


class Watcher(kimi.Observer):
    """A hook and its observer, which notes every call."""

    def __init__(self) -> None:
        self.calls: list[kimi.CallInfo] = []
        self.started: list[kimi.AttemptInfo] = []
        self.attempts: list[kimi.AttemptRecord] = []
        self.replies: list[tuple[kimi.ReplyRecord, kimi.ChatCompletion | None]] = []

    def begin(self, call: kimi.CallInfo) -> kimi.Observer | None:
        """Watch the first reply of the client only."""
        self.calls.append(call)
        return self if len(self.calls) == 1 else None

    def attempt_started(self, info: kimi.AttemptInfo, /) -> None:
        self.started.append(info)

    def attempt_ended(self, record: kimi.AttemptRecord, /) -> None:
        self.attempts.append(record)

    def ended(self, record: kimi.ReplyRecord, completion: kimi.ChatCompletion | None, /) -> None:
        self.replies.append((record, completion))

    def check(self, record: kimi.ReplyRecord) -> None:
        """Each attempt was told once at its beginning and at its end, and the reply once at its end."""
        assert len(self.started) == len(self.attempts) == len(record.attempts)
        assert tuple(self.attempts) == record.attempts
        ((told, completion),) = self.replies
        assert told is record
        assert (completion is not None) is (record.outcome == "complete")


class Situation:
    """One reply that comes as far as its stage, with everything around it.

    Args:
        stage: Where it stands still.
        end: The action of the server there.
        limits: The client's.
        loop: The event loop that runs, as anyio names it, and its options.

    Attributes:
        seen: The events that the reader has.
        records: The arguments of the calls of ``on_complete``.
        watcher: The observer that a hook of the client made for the reply.
    """

    def __init__(self, stage: Stage, end: Ending, limits: Timeouts, loop: Loop) -> None:
        self.stage = stage
        self.end: Ending = end
        self._limits = limits
        self._loop = loop
        self.silent = SilentServer(end)
        self.fake = FakeProvider(self._answer)
        self.records: list[kimi.ReplyRecord] = []
        self.watcher = Watcher()
        self.seen: list[StreamEvent] = []

    def _answer(self, request: ReceivedRequest) -> ScriptedReply:
        # Not by their order: a limit may end the first request before it was sent.
        if request.body["messages"][0]["content"] == NEXT_REQUEST:
            return Reply("still works")
        assert self.stage.reply is not None
        return self.stage.reply(self.end)

    def begin(self) -> None:
        """Make the client and the stream, once the servers run."""
        scheme = self.stage.scheme
        provider = self.fake.acedata()
        if scheme is not None:
            provider = self.fake.acedata(base_url=f"{scheme}://127.0.0.1:{self.silent.port}")
        self.client = AsyncKimi(
            provider,
            model="m",
            timeouts=self._limits,
            on_complete=self.records.append,
            hooks=[self.watcher.begin],
            retries=kimi.Retries.none(),
            max_concurrency=1,  # so that the next request needs the permit of this one
        )
        self.stream = self.client.stream("Hi")

    async def read(self) -> None:
        """Read to the end."""
        async with self.stream:
            async for event in self.stream:
                self.seen.append(event)

    async def read_up_to_here(self) -> None:
        """Read to the last event before the standstill, and no further, as a loop does that is left there."""
        while not self.stage.reached(self):
            self.seen.append(await anext(self.stream))

    def forget_stream(self) -> None:
        """Drop the last reference to the stream."""
        del self.stream
        gc.collect()

    async def standstill(self) -> None:
        """Wait until the reader waits at the stage."""
        await until(lambda: self.stage.reached(self))

    async def run_in_a_loop_of_its_own(self, main: Callable[[], Awaitable[None]]) -> None:
        """Run *main* in another thread, on a loop like the one that runs here, as ``asyncio.run`` does."""
        backend, options = self._loop
        await anyio.to_thread.run_sync(
            lambda: anyio.run(main, backend=backend, backend_options=options)
        )

    async def expect(self, error: type[kimi.KimiError] | None) -> None:
        """Read to the end: *error* with the partial reply, or a complete reply if *error* is ``None``."""
        if error is None:
            await self.read()
            assert isinstance(self.seen[-1], StreamEnd)
        else:
            with pytest.raises(error) as caught:
                await self.read()
            assert type(caught.value) is error
            assert caught.value.record is self.records[0]
            assert said(caught.value.partial) == self.seen_text()

    def seen_text(self) -> str:
        """Return the text so far, from the events."""
        deltas = [event for event in self.seen if isinstance(event, DELTAS)]
        return "".join(
            delta.arguments if isinstance(delta, ToolCallDelta) else delta.text for delta in deltas
        )


def said(partial: kimi.ChatCompletion | None) -> str:
    """Return the text of the reply so far."""
    if partial is None:
        return ""
    calls = [call.arguments for call in partial.tool_calls]
    return "".join([partial.reasoning, partial.text, *calls])


async def read_all(at: Situation) -> None:
    await at.expect(at.stage.at_end if at.end == "finish" else at.stage.at_break)


async def run_into_limit(at: Situation) -> None:
    await at.expect(at.stage.at_limit)


async def break_inside(at: Situation) -> None:
    async with at.stream:
        await at.read_up_to_here()


async def break_outside(at: Situation) -> None:
    await at.read_up_to_here()
    drop_stream(at)


def drop_stream(at: Situation) -> None:
    with pytest.warns(ResourceWarning, match="ChatStream running> was never closed"):
        at.forget_stream()


async def raise_inside(at: Situation) -> None:
    with pytest.raises(KeyError):
        async with at.stream:
            await at.read_up_to_here()
            raise KeyError


async def cancel_scope(at: Situation) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.read)
        await at.standstill()
        tasks.cancel_scope.cancel()


async def run_out_of_time(at: Situation) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.read)
            await at.standstill()
            scope.deadline = anyio.current_time()
    assert scope.cancelled_caught


async def cancel_task(at: Situation) -> None:
    await cancelled(at, times=1)


async def cancel_task_twice(at: Situation) -> None:
    """A second ``task.cancel()`` pierces a shield of anyio."""
    await cancelled(at, times=2)


async def cancelled(at: Situation, *, times: int) -> None:
    task = asyncio.create_task(at.read())
    await at.standstill()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def beside_a_reader(
    at: Situation, error: type[kimi.KimiError] | None, leave: Callable[[], Awaitable[None]]
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(at.expect, error)
        await at.standstill()
        await leave()


async def close_stream(at: Situation) -> None:
    await beside_a_reader(at, kimi.StreamInterrupted, at.stream.aclose)


async def close_client(at: Situation) -> None:
    await beside_a_reader(at, at.stage.at_break, at.client.aclose)


async def end_loop_while_reading(at: Situation) -> None:
    """The main function returns, and ``asyncio.run`` cancels the other tasks."""
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(asyncio.create_task(at.read()))
        await at.standstill()

    await at.run_in_a_loop_of_its_own(main)
    assert tasks[0].cancelled()


async def end_loop_between_reads(at: Situation) -> None:
    """The loop is gone before the stream is, so that nothing can be awaited any more."""
    await at.run_in_a_loop_of_its_own(at.read_up_to_here)
    # In a thread where no loop runs, either.
    await anyio.to_thread.run_sync(drop_stream, at)
