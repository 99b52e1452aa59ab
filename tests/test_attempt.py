"""How a reply ends, and which limit ends it: over a transport whose reads are chosen."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from attrs import evolve, frozen
from fakes import HELLO, STALL, USAGE, FakeHost, delta, sse

import kimi_async as kimi
from kimi_async import ContentDelta, StreamEnd, Timeouts
from kimi_async.testing import virtual_time

pytestmark = pytest.mark.anyio

RESET = httpx.ReadError("reset")
BAD_FRAME = httpx.RemoteProtocolError(
    "peer closed connection without sending complete message body"
)
#: For a total that must not run out before the reads are taken, however busy the machine is.
TOTAL = Timeouts(total=0.3)
SHORT = Timeouts(first_output=5, idle=0.05, progress=0.05, finish_grace=0.05)
OVERLOADED = '{"error":{"type":"engine_overloaded_error","message":"busy"}}'


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Short limits must not run out because a machine is busy."""
    return virtual_time(request.param)


@frozen(kw_only=True)
class Broken:
    """A reply that must fail: its reads, and what the caller gets."""

    reads: list[object]
    error: type[kimi.KimiError]
    outcome: str
    partial: str | None = None
    text: str | None = None
    timeouts: Timeouts = Timeouts()


SAID = delta("half an ans")

BROKEN = {
    # Output had begun
    "cut-politely": Broken(
        reads=[sse(SAID)],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text="the body ended before a finish reason",
    ),
    "done-without-finish-reason": Broken(
        reads=[sse(SAID, "[DONE]")],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text=r"said \[DONE\] before a finish reason",
    ),
    "empty-finish-reason-is-none": Broken(
        reads=[sse(SAID, delta(finish=""), "[DONE]")],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "reset": Broken(
        reads=[sse(SAID), RESET],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
        text="httpx.ReadError: reset",
    ),
    "framing-broken": Broken(
        reads=[sse(SAID), BAD_FRAME],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "tail-is-dropped-when-broken": Broken(
        reads=[sse(SAID), f"data: {delta(finish='stop')}\n".encode(), RESET],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "one-of-two-choices-finished": Broken(
        reads=[
            sse(
                SAID,
                '{"choices":[{"index":1,"delta":{"content":"x"}}]}',
                delta(finish="stop"),
                "[DONE]",
            )
        ],
        error=kimi.StreamInterrupted,
        outcome="interrupted",
        partial="half an ans",
    ),
    "error-object": Broken(
        reads=[sse(SAID, OVERLOADED)],
        error=kimi.OverloadedError,
        outcome="error",
        partial="half an ans",
        text="busy",
    ),
    "error-event-as-json": Broken(
        reads=[sse(SAID), b'event: error\ndata: {"message":"gone wrong"}\n\n'],
        error=kimi.APIError,
        outcome="error",
        partial="half an ans",
        text="gone wrong",
    ),
    "error-beside-empty-choices": Broken(
        reads=[sse(SAID, '{"success":false,"code":"used_up","message":"no","choices":[]}')],
        error=kimi.QuotaExceededError,
        outcome="error",
        partial="half an ans",
    ),
    "good-content-in-a-broken-chunk": Broken(
        reads=[sse(delta("half an ans", tool_calls=[{"index": 0, "id": "x"}], finish="stop"))],
        error=kimi.ProtocolError,
        outcome="error",
        partial="half an ans",
        text="without ever getting a name",
    ),
    "error-event": Broken(
        reads=[sse(SAID), b"event: error\ndata: gone wrong\n\n"],
        error=kimi.APIError,
        outcome="error",
        partial="half an ans",
        text="gone wrong",
    ),
    "broken-json": Broken(
        reads=[sse(SAID, '{"choices":[')],
        error=kimi.ProtocolError,
        outcome="error",
        partial="half an ans",
    ),
    "wrong-type": Broken(
        reads=[sse(SAID, '{"choices":[{"delta":{"content":7}}]}')],
        error=kimi.ProtocolError,
        outcome="error",
        partial="half an ans",
        text="content of the reply should be a text and is a number",
    ),
    "event-over-the-limit": Broken(
        reads=[sse(SAID), b"data: " + b"x" * (9 * 1024 * 1024)],
        error=kimi.ProtocolError,
        outcome="error",
        partial="half an ans",
        text="limit of 8388608 bytes",
    ),
    "idle": Broken(
        reads=[sse(SAID), STALL],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
        text="'idle' ran out: not one byte came within 0.05 s",
        timeouts=evolve(SHORT, progress=None),
    ),
    "idle-where-the-http-client-keeps-the-limit": Broken(
        reads=[sse(SAID), STALL],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=Timeouts(first_output=0.5, idle=0.5, progress=None),
    ),
    "idle-by-the-http-client": Broken(
        reads=[sse(SAID), httpx.ReadTimeout("slow")],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
    ),
    "progress": Broken(
        reads=[sse(SAID), b": still here\n\n", STALL],
        error=kimi.ProgressTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=evolve(SHORT, idle=60),
    ),
    "total": Broken(
        reads=[sse(SAID), STALL],
        error=kimi.TotalTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=TOTAL,
    ),
    "second-choice-that-only-began": Broken(
        reads=[
            sse(
                delta("half an ans", finish="stop"),
                '{"choices":[{"index":1,"delta":{"role":"x"}}]}',
            ),
            STALL,
        ],
        error=kimi.IdleTimeout,
        outcome="timeout",
        partial="half an ans",
        timeouts=evolve(SHORT, progress=None, finish_grace=60),
    ),
    # Before any output
    "empty-body": Broken(
        reads=[], error=kimi.EmptyResponseError, outcome="error", text="the body ended before any"
    ),
    "blank-body": Broken(reads=[b" \r\n", b"\n"], error=kimi.EmptyResponseError, outcome="error"),
    "byte-order-mark-alone": Broken(
        reads=[b"\xef\xbb", b"\xbf"], error=kimi.EmptyResponseError, outcome="error"
    ),
    "comments-alone": Broken(
        reads=[b": hello\n\n"], error=kimi.EmptyResponseError, outcome="error"
    ),
    "role-alone": Broken(
        reads=[sse(delta("", role="assistant"))], error=kimi.EmptyResponseError, outcome="error"
    ),
    "done-alone": Broken(
        reads=[sse("[DONE]")], error=kimi.EmptyResponseError, outcome="error", text="said"
    ),
    "no-choices": Broken(reads=[b'{"choices":[]}'], error=kimi.EmptyResponseError, outcome="error"),
    "text": Broken(
        reads=[b"upstream said no\n"],
        error=kimi.ProtocolError,
        outcome="error",
        text="neither an event stream nor JSON; it begins with 'upstream said no'",
    ),
    "text-that-begins-like-a-field": Broken(
        reads=[b"identity unknown"],
        error=kimi.ProtocolError,
        outcome="error",
        text="begins with 'identity unknown'",
    ),
    "html": Broken(
        reads=[b"\n <html><h1>Bad", b" Gateway</h1>"],
        error=kimi.ProtocolError,
        outcome="error",
        text="Bad Gateway",
    ),
    "json-error": Broken(
        reads=[b'{"success":false,"error":', b'{"code":"used_up","message":"empty"}}'],
        error=kimi.QuotaExceededError,
        outcome="error",
        text="empty",
    ),
    "json-list": Broken(reads=[b"[1]"], error=kimi.ProtocolError, outcome="error"),
    "json-without-choices": Broken(reads=[b"{}"], error=kimi.ProtocolError, outcome="error"),
    "json-cut": Broken(reads=[b'{"choices":['], error=kimi.ProtocolError, outcome="error"),
    "json-broken-off": Broken(
        reads=[b'{"choices":[', RESET], error=kimi.TransportError, outcome="error"
    ),
    "json-too-large": Broken(
        reads=[b"{", b" " * (33 * 1024 * 1024)],
        error=kimi.ProtocolError,
        outcome="error",
        text="larger than 33554432 bytes",
    ),
    "broken-before-output": Broken(
        reads=[b": hello\n\n", RESET],
        error=kimi.TransportError,
        outcome="error",
        text="waiting for the first output",
    ),
    "first-output": Broken(
        reads=[b": hello\n\n", STALL],
        error=kimi.FirstOutputTimeout,
        outcome="timeout",
        text="'first_output' ran out",
        timeouts=Timeouts(first_output=0.3),
    ),
    "first-output-by-the-http-client": Broken(
        reads=[httpx.ReadTimeout("slow")], error=kimi.FirstOutputTimeout, outcome="timeout"
    ),
    "total-before-output": Broken(
        reads=[STALL],
        error=kimi.TotalTimeout,
        outcome="timeout",
        timeouts=TOTAL,
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in BROKEN.items()])
async def test_a_reply_that_is_not_whole_raises_what_it_is_and_keeps_what_came(
    case: Broken,
) -> None:
    records: list[kimi.ReplyRecord] = []
    host = FakeHost(case.reads)
    client = host.client(timeouts=case.timeouts, on_complete=records.append)
    with pytest.raises(case.error, match=case.text) as caught:
        await client.chat("Hi")
    error = caught.value
    assert type(error) is case.error
    assert error.provider == "acedata"
    assert (error.partial and error.partial.text) == case.partial
    assert error.record is not None
    assert error.record.outcome == case.outcome
    assert records == [error.record]
    assert host.bodies[0].closed == 1


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in BROKEN.items()])
async def test_events_that_came_before_the_break_are_handed_out_first(case: Broken) -> None:
    stream = FakeHost(case.reads).client(timeouts=case.timeouts).stream("Hi")
    said: list[str] = []
    with pytest.raises(case.error) as first:
        async for event in stream:
            said += [event.text] if isinstance(event, ContentDelta) and not event.choice else []
    assert "".join(said) == (case.partial or "")
    # A stream that broke never looks like one that ended, however often it is asked.
    with pytest.raises(case.error) as again:
        await anext(stream)
    assert again.value is first.value
    with pytest.raises(case.error):
        await stream.final()


@frozen(kw_only=True)
class Whole:
    """A reply that is whole all the same."""

    reads: list[object]
    usage: bool = True
    late_error: str | None = None
    timeouts: Timeouts = Timeouts()


ANSWER = sse(delta("Hel"), delta("lo", finish="stop"))

WHOLE = {
    "plain": Whole(reads=[HELLO]),
    "each-byte": Whole(reads=[HELLO[at : at + 1] for at in range(len(HELLO))]),
    "no-done": Whole(reads=[ANSWER, sse(USAGE)]),
    "no-done-no-usage": Whole(reads=[ANSWER], usage=False),
    "broken-after-finish": Whole(
        reads=[ANSWER, RESET], usage=False, late_error="StreamInterrupted: the connection broke"
    ),
    "read-timeout-after-finish": Whole(reads=[ANSWER, httpx.ReadTimeout("slow")], usage=False),
    "grace-runs-out": Whole(reads=[ANSWER, STALL], usage=False, timeouts=SHORT),
    "grace-runs-out-after-usage": Whole(reads=[ANSWER + sse(USAGE), STALL], timeouts=SHORT),
    "total-runs-out-after-finish": Whole(reads=[ANSWER, STALL], usage=False, timeouts=TOTAL),
    "error-after-finish": Whole(
        reads=[ANSWER, sse(USAGE, OVERLOADED)], late_error="OverloadedError: busy"
    ),
    "rubbish-after-finish": Whole(
        reads=[ANSWER, sse(USAGE, "rubbish")], late_error="ProtocolError: an event"
    ),
    "nameless-call-after-finish": Whole(
        reads=[ANSWER, sse(delta(tool_calls=[{"index": 0, "id": "x"}]), USAGE, "[DONE]")],
        late_error="ProtocolError: a tool call",
    ),
    "tail-without-blank-line": Whole(reads=[ANSWER, f"data: {USAGE}".encode()]),
    "done-without-blank-line": Whole(reads=[ANSWER, sse(USAGE), b"data: [DONE]"]),
    "events-after-done": Whole(reads=[HELLO, sse(delta("not part of it"))]),
    "trickle-after-done": Whole(reads=[HELLO, b": a", b": b", STALL]),
    "flood-after-done": Whole(reads=[HELLO, *[b"x" * 60_000] * 10]),
    "broken-after-done": Whole(reads=[HELLO, RESET]),
    "padding-comments-and-other-events": Whole(
        reads=[b"\n\n: hi\r\n\r\nevent: ping\ndata: x\n\ndata:\n\nevent: note\n\n", HELLO]
    ),
    "not-a-number-beside-it": Whole(
        reads=[HELLO.replace(b'"created":7', b'"created":7,"logprob":-Infinity')]
    ),
    "byte-order-mark": Whole(reads=[b"\xef", b"\xbb\xbf", HELLO]),
    "typed-events": Whole(reads=[HELLO.replace(b"data: {", b"event: chunk\ndata: {")]),
    "json-to-a-stream-request": Whole(
        reads=[
            b' \n{"id":"c1","model":"m","created":7,"choices":[{"index":0,"message":{"content":"Hello"},',
            b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n',
        ]
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in WHOLE.items()])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "unstreamed"])
async def test_a_whole_reply_is_the_same_however_it_came(case: Whole, stream: bool) -> None:
    records: list[kimi.ReplyRecord] = []
    host = FakeHost(case.reads)
    client = host.client(timeouts=case.timeouts, on_complete=records.append)
    reply = await client.chat("Hi", stream=stream)
    assert reply.text == "Hello"
    assert (reply.finish_reason, reply.outcome) == ("stop", "complete")
    assert (reply.model, reply.provider, reply.request_id) == ("m", "acedata", "req-1")
    assert reply.usage == (
        kimi.Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5) if case.usage else None
    )
    assert reply.record is not None
    assert records == [reply.record]
    assert reply.record.usage_origin == ("reported" if case.usage else "unknown")
    late = reply.record.late_error
    assert late is case.late_error or (late or "").startswith(case.late_error or "nothing")
    assert host.bodies[0].closed == 1


async def test_events_of_one_reply_come_in_order() -> None:
    events = [event async for event in FakeHost([HELLO]).client().stream("Hi")]
    usage = kimi.Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    *before, end = events
    assert before == [
        kimi.StreamStart("c1", "m", 7, "acedata"),
        kimi.ContentDelta("Hel"),
        kimi.ContentDelta("lo"),
        kimi.ContentDone("Hello"),
        kimi.Finish("stop"),
        kimi.UsageUpdate(usage),
    ]
    assert isinstance(end, StreamEnd)
    assert end.completion.text == "Hello"


async def test_the_record_holds_times_and_counts_and_no_content() -> None:
    stream = FakeHost([HELLO[:200], HELLO[200:]]).client().stream("Hi")
    reply = await stream.final()
    record = reply.record
    assert record is stream.record
    assert record is not None
    assert (record.chunks, record.bytes, record.attempts) == (5, len(HELLO), 1)
    assert (record.model, record.id, record.request_id) == ("m", "c1", "req-1")
    assert record.headers_after is not None
    assert record.first_output_after is not None
    assert record.last_output_after is not None
    assert 0 <= record.headers_after <= record.first_output_after <= record.last_output_after
    assert record.last_output_after <= record.ended_after
    assert record.longest_gap is not None
    assert "Hel" not in repr(record)


@pytest.mark.parametrize(
    ("finishes", "outcome"),
    [
        (["stop", "stop"], "complete"),
        (["stop", "length"], "length"),
        (["content_filter", "length"], "content_filter"),
        (["stop", "unexpected_state"], "other"),
        (["unexpected_state", "length"], "length"),
    ],
)
async def test_with_several_choices_the_worst_one_decides(
    finishes: list[str], outcome: str
) -> None:
    body = sse(
        *(
            f'{{"choices":[{{"index":{index},"delta":{{"content":"x"}},"finish_reason":"{reason}"}}]}}'
            for index, reason in enumerate(finishes)
        )
    )
    reply = await FakeHost([body]).client().chat("Hi")
    assert reply.record is not None
    assert reply.record.outcome == outcome
    assert [choice.finish_reason for choice in reply.choices] == finishes


async def test_usage_of_a_reply_that_broke_is_partial() -> None:
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await FakeHost([sse(SAID, USAGE)]).client().chat("Hi")
    assert caught.value.record is not None
    assert caught.value.record.usage_origin == "partial"


async def test_events_do_not_wait_for_the_connection_to_be_drained() -> None:
    host = FakeHost([HELLO, STALL])
    async with host.client().stream("Hi") as stream:
        events = [await anext(stream) for _ in range(6)]
        assert isinstance(events[-1], kimi.UsageUpdate)
        assert host.bodies[0].read == 1


async def test_the_body_of_an_error_status_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kimi_async._attempts._fetch.ERROR_BODY_SECONDS", 0.3)
    host = FakeHost([b'{"error":{"message":"no"}}', STALL])
    host.status = 401
    with pytest.raises(kimi.AuthenticationError, match="no"):
        await host.client().chat("Hi")


async def test_time_that_the_caller_takes_counts_against_no_limit() -> None:
    """A reader that pauses longer than every limit still gets all that the provider sent meanwhile."""
    host = FakeHost([sse(delta("a")), sse(delta("b")), sse(delta(finish="stop")), sse(USAGE)])
    limits = Timeouts(first_output=60, idle=60, progress=60, finish_grace=60)
    clock = 0.0

    def passing() -> float:
        return clock

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kimi_async._attempts._reply.loop_clock", lambda: passing)
        async with host.client(timeouts=limits).stream("Hi") as stream:
            async for _ in stream:
                clock += 1000.0
            reply = await stream.final()
    assert (reply.text, reply.usage is not None) == ("ab", True)
