"""The views of one reply: events, text, the wire and the snapshot; and the ways to leave it."""

from __future__ import annotations

import asyncio
import gc
import time
import types
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

import anyio
import httpx
import pytest
from fake_host import (
    HELLO,
    STALL,
    FakeBody,
    FakeHost,
    break_at_once,
    delta,
    fail_at_once,
    no_answer,
    sse,
)

import kimi_async as kimi
from kimi_async import AsyncKimi

pytestmark = pytest.mark.anyio

HALF = [sse(delta("Hel")), STALL]


async def test_entering_returns_at_the_first_output() -> None:
    role = delta("", role="assistant")
    host = FakeHost([sse(role), sse(role), sse(delta("Hel")), STALL])
    async with host.client().stream("Hi") as stream:
        assert stream.snapshot.text == "Hel"
        assert await anext(stream) == kimi.StreamStart("c1", "m", 7, "acedata")
        assert await anext(stream) == kimi.ContentDelta("Hel")


async def test_nothing_is_sent_before_the_stream_is_entered_or_read() -> None:
    host = FakeHost([HELLO])
    stream = host.client().stream("Hi")
    assert repr(stream) == "<ChatStream new>"
    assert (stream.snapshot, stream.response) == (kimi.ChatCompletion(provider="acedata"), None)
    assert stream.last_chunk is None
    assert stream.record == stream.snapshot.record
    record = stream.record
    assert (record.outcome, record.provider, record.attempts) == ("cancelled", "acedata", ())
    assert host.requests == []
    await stream.aclose()
    with pytest.raises(kimi.StreamInterrupted, match="closed before its end") as caught:
        await stream.final()
    assert caught.value.partial == kimi.ChatCompletion(provider="acedata")
    assert (caught.value.record.outcome, caught.value.record.attempts) == ("cancelled", ())
    assert host.requests == []


async def test_a_running_reply_has_the_record_so_far() -> None:
    async with FakeHost([sse(delta("Hel")), STALL]).client().stream("Hi") as stream:
        assert await anext(stream) == kimi.StreamStart("c1", "m", 7, "acedata")
        for record in (stream.record, stream.snapshot.record):
            assert (record.outcome, record.model, record.request_id) == ("cancelled", "m", "req-1")
            assert record.attempts == stream.attempts
            assert record.chunks == 1
            assert 0 < record.started_at <= time.time()
            assert record.ended_after >= 0
        assert stream.snapshot.request_id == "req-1"


async def test_an_error_status_is_raised_on_entering() -> None:
    host = FakeHost(httpx.Response(429, json={"error": {"code": "too_many_requests"}}))
    with pytest.raises(kimi.RateLimitError):
        await host.client().stream("Hi").__aenter__()


async def test_final_gives_the_same_after_iterating_and_again() -> None:
    async with FakeHost([HELLO]).client().stream("Hi") as stream:
        events = [event async for event in stream]
        end = events[-1]
        assert isinstance(end, kimi.StreamEnd)
        assert await stream.final() is end.completion
        assert await stream.final() is end.completion
        assert stream.snapshot is end.completion
        with pytest.raises(RuntimeError, match=r"final\(\) returns the reply again"):
            aiter(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert repr(stream) == "<ChatStream ended>"


async def test_final_reads_on_from_wherever_the_reader_was() -> None:
    async with FakeHost([HELLO]).client().stream("Hi") as stream:
        await anext(stream)
        assert repr(stream) == "<ChatStream running>"
        reply = await stream.final()
    assert reply.text == "Hello"


async def test_response_and_last_chunk() -> None:
    async with FakeHost([HELLO]).client().stream("Hi") as stream:
        response = stream.response
        assert response is not None
        assert (response.status, response.request_id) == (200, "req-1")
        assert response.headers["x-request-id"] == "req-1"
        await stream.final()
        assert stream.last_chunk is not None
        assert stream.last_chunk["usage"]["total_tokens"] == 5


async def test_text_deltas_are_the_content_of_choice_0_and_close_the_stream() -> None:
    other = '{"choices":[{"index":1,"delta":{"content":"not this"},"finish_reason":"stop"}]}'
    body = sse(
        delta(reasoning_content="hm"), delta("Hel"), other, delta("lo", finish="stop"), "[DONE]"
    )
    host = FakeHost([body])
    stream = host.client().stream("Hi")
    assert [text async for text in stream.text_deltas()] == ["Hel", "lo"]
    assert host.bodies[0].closed == 1
    assert stream.record.outcome == "complete"


@pytest.mark.parametrize("view", ["text_deltas", "sse"])
async def test_a_view_that_is_closed_early_closes_the_stream(view: str) -> None:
    host = FakeHost(HALF)
    stream = host.client().stream("Hi")
    generator: AsyncGenerator[object, None] = getattr(stream, view)()
    await anext(generator)
    await generator.aclose()
    assert host.bodies[0].closed == 1
    assert stream.record.outcome == "cancelled"


async def test_a_view_raises_what_the_reply_raises() -> None:
    with pytest.raises(kimi.StreamInterrupted) as caught:
        async for _ in FakeHost([sse(delta("Hel"))]).client().stream("Hi").text_deltas():
            pass
    assert caught.value.partial.text == "Hel"


async def test_sse_gives_the_wire_and_the_reply_is_put_together_all_the_same() -> None:
    body = b": hi\n\nid: 7\nretry: 10\nevent: chunk\n" + HELLO
    stream = FakeHost([body]).client().stream("Hi")
    events = [event async for event in stream.sse()]
    assert [event.event for event in events] == ["chunk"] + ["message"] * 5
    assert (events[0].id, events[0].retry, events[1].id) == ("7", 10, "7")
    assert events[0].json()["id"] == "c1"
    assert events[-1].data == "[DONE]"
    assert (await stream.final()).text == "Hello"


async def test_sse_of_a_reply_that_came_as_json_is_one_event() -> None:
    body = b'\n{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}'
    stream = FakeHost([body]).client().stream("Hi")
    (event,) = [event async for event in stream.sse()]
    assert event.json()["choices"][0]["message"]["content"] == "Hello"


async def test_sse_after_the_start_is_refused() -> None:
    async with FakeHost([HELLO]).client().stream("Hi") as stream:
        with pytest.raises(RuntimeError, match="before the stream is entered"):
            await anext(stream.sse())


@pytest.mark.parametrize("body", [HALF, [STALL]], ids=["reading", "waiting for the first output"])
async def test_a_second_reader_is_refused(body: list[object]) -> None:
    stream = FakeHost(body).client().stream("Hi")

    async def read_on() -> None:
        with pytest.raises(kimi.StreamInterrupted):
            await stream.final()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read_on)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="already being read by another task"):
            await stream.final()
        await stream.aclose()
        tasks.cancel_scope.cancel()


async def test_leaving_early_is_cancelled_and_reading_on_raises() -> None:
    records: list[kimi.ReplyRecord] = []
    host = FakeHost([HELLO])
    async with host.client(on_complete=records.append).stream("Hi") as stream:
        await break_at_once(stream)
    assert [record.outcome for record in records] == ["cancelled"]
    assert stream.record is records[0]
    assert host.bodies[0].closed == 1
    stream._events.clear()
    with pytest.raises(kimi.StreamInterrupted, match="closed before its end") as caught:
        await anext(stream)
    assert caught.value.partial is not None
    assert caught.value.record is records[0]
    await stream.aclose()
    assert len(records) == 1


async def read_events(stream: kimi.ChatStream) -> None:
    stream._events.clear()
    await anext(stream)


async def read_texts(stream: kimi.ChatStream) -> None:
    stream._events.clear()
    await anext(stream.text_deltas())


@pytest.mark.parametrize("read", [kimi.ChatStream.final, read_events, read_texts])
async def test_reading_after_the_block_names_the_block(
    read: Callable[[kimi.ChatStream], Awaitable[object]],
) -> None:
    """It is a mistake of the program, often of indentation, and must not look like one of the network."""
    async with FakeHost([HELLO]).client().stream("Hi") as stream:
        pass
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await read(stream)
    assert not caught.value.retryable
    assert str(caught.value).startswith(
        "the stream was closed before its end; the text that arrived is in .partial"
    )
    assert str(caught.value).endswith(
        "Read the stream, and call final(), inside its 'async with' block, before it is closed."
    )


async def test_an_exception_in_the_loop_body_passes_through() -> None:
    host = FakeHost(HALF)
    stream = host.client().stream("Hi")
    with pytest.raises(KeyError):
        async with stream:
            await fail_at_once(stream)
    assert host.bodies[0].closed == 1


@pytest.mark.parametrize("body", [HALF, [STALL]], ids=["reading", "waiting for the first output"])
async def test_cancellation_is_raised_again_and_gives_the_connection_back(
    body: list[object],
) -> None:
    records: list[kimi.ReplyRecord] = []
    host = FakeHost(body)
    client = host.client(on_complete=records.append)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.chat, "Hi")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert tasks.cancel_scope.cancelled_caught
    assert host.bodies[0].closed == 1
    assert [record.outcome for record in records] == ["cancelled"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancel_while_an_ended_reply_is_closed_is_recorded_at_once() -> None:
    records: list[kimi.ReplyRecord] = []
    closing = anyio.Event()

    class SlowToClose(FakeBody):
        async def aclose(self) -> None:
            closing.set()
            await anyio.sleep_forever()

    response = httpx.Response(401, stream=SlowToClose([b"no"], None))
    client = FakeHost(response).client(on_complete=records.append)
    task = asyncio.create_task(client.chat("Hi"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kimi_async._http._cancellation.CLOSE_SECONDS", 0.05)
        await closing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [record.outcome for record in records] == ["cancelled"]


async def test_sse_gives_what_came_before_an_error() -> None:
    stream = FakeHost([b'data: {"error":{"message":"no"}}\n\n']).client().stream("Hi")
    events: list[str] = []
    with pytest.raises(kimi.APIError):
        async for event in stream.sse():
            events.append(event.data)
    assert events == ['{"error":{"message":"no"}}']


async def test_a_stream_left_open_is_reported_and_recorded() -> None:
    records: list[kimi.ReplyRecord] = []
    host = FakeHost(HALF)
    stream = host.client(on_complete=records.append).stream("Hi")
    await anext(stream)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del stream
        gc.collect()
        await anyio.wait_all_tasks_blocked()
    assert "was never closed" in str([str(warning.message) for warning in caught])
    assert [record.outcome for record in records] == ["cancelled"]


async def test_a_coroutine_that_is_closed_while_it_reads_leaves_the_reply() -> None:
    """Nothing can be awaited there, so the connection is closed in the background; trio does that itself."""
    records: list[kimi.ReplyRecord] = []
    host = FakeHost(HALF)
    stream = host.client(on_complete=records.append).stream("Hi")
    await anext(stream)

    @types.coroutine
    def wait_for_ever() -> Generator[None, None, list[kimi.StreamEvent]]:
        while True:
            yield

    reading = stream._reply._guard(wait_for_ever())
    reading.send(None)
    reading.close()
    assert [record.outcome for record in records] == ["cancelled"]
    await anyio.wait_all_tasks_blocked()
    await stream.aclose()
    assert host.bodies[0].closed == 1
    again = stream._reply._guard(wait_for_ever())
    again.send(None)
    again.close()
    assert len(records) == 1


def test_a_stream_cannot_be_read_on_another_event_loop() -> None:
    """Data on the first loop would never wake the reader on the second."""
    stream = FakeHost(HALF).client().stream("Hi")

    async def close() -> None:
        async with stream:
            with pytest.raises(RuntimeError, match="begun on another event loop"):
                await stream.final()

    asyncio.run(stream.__aenter__())
    asyncio.run(close())
    assert stream.record.outcome == "cancelled"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_coroutine_that_is_closed_while_it_sends_leaves_the_reply() -> None:
    records: list[kimi.ReplyRecord] = []
    cancelled = anyio.Event()

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            try:
                return await no_answer()
            finally:
                cancelled.set()

    http = httpx.AsyncClient(transport=Silent())
    entering = FakeHost().client(on_complete=records.append, http_client=http).stream("Hi")._start()
    entering.send(None)
    await anyio.wait_all_tasks_blocked()
    entering.close()
    assert [record.outcome for record in records] == ["cancelled"]
    await cancelled.wait()


async def test_what_on_complete_raises_is_logged_and_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(record: kimi.ReplyRecord) -> None:
        raise ZeroDivisionError(record.outcome)

    reply = await FakeHost([HELLO]).client(on_complete=fail).chat("Hi")
    assert reply.text == "Hello"
    assert "on_complete raised" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_an_exception_that_is_none_of_ours_is_an_error_on_the_record() -> None:
    """Misuse found while sending passes through; the reply is still recorded once."""
    records: list[kimi.ReplyRecord] = []
    host = FakeHost([HELLO])
    client: AsyncKimi = host.client(on_complete=records.append)
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await client.chat("Hi")
    assert [record.outcome for record in records] == ["error"]
