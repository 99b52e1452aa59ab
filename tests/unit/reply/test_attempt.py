"""How a reply ends, and which limit ends it: over a transport whose reads are chosen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ending_cases import BROKEN, SAID, SHORT, WHOLE, Broken, Whole
from fake_host import HELLO, STALL, USAGE, FakeHost, delta, sse

import kimi_async as kimi
from kimi_async import AttemptRecord, ContentDelta, StreamEnd, Timeouts
from kimi_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Short limits must not run out because a machine is busy."""
    return virtual_time(request.param)


@pytest.mark.fact(
    "6.1/comment-lines-openrouter-processing-keepalive",
    "6.1/eof-with-neither-finish-nor",
    "6.1/connection-cut-inside-a-chunk",
    "6.1/minutes-of-silence-before-a",
    "6.1/200-correct-type-empty-body",
    "6.4/data-error-under-200-object",
)
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


@pytest.mark.fact(
    "3.4/end",
    "6.1/no-done",
    "6.1/events-after-done-or-bytes",
    "6.1/stream-asked-one-json-completion",
    "6.1/no-stream-asked-sse-returned",
)
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in WHOLE.items()])
@pytest.mark.parametrize("wire", ["stream", "json"], ids=["streamed", "unstreamed"])
async def test_a_whole_reply_is_the_same_however_it_came(case: Whole, wire: kimi.Wire) -> None:
    records: list[kimi.ReplyRecord] = []
    host = FakeHost(case.reads)
    client = host.client(timeouts=case.timeouts, on_complete=records.append)
    reply = await client.chat("Hi", wire=wire)
    assert reply.text == "Hello"
    assert (reply.finish_reason, reply.outcome) == ("stop", "complete")
    assert (reply.model, reply.provider, reply.request_id) == ("m", "acedata", "req-1")
    assert reply.usage == (
        kimi.Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5) if case.usage else None
    )
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
    cut = HELLO.index(b"lo")
    stream = FakeHost([HELLO[:cut], HELLO[cut:]]).client().stream("Hi")
    reply = await stream.final()
    record = reply.record
    assert record is stream.record
    assert (record.chunks, record.bytes) == (5, len(HELLO))
    assert record.attempts == (
        AttemptRecord(
            provider="acedata",
            model="m",
            outcome="complete",
            error=None,
            first_output_after=record.first_output_after,
            chunks=5,
            usage=record.usage,
        ),
    )
    assert record.finish_reasons == ("stop",)
    assert (record.model, record.id, record.request_id) == ("m", "c1", "req-1")
    assert record.headers_after is not None
    assert record.first_output_after is not None
    assert record.last_output_after is not None
    assert 0 <= record.headers_after <= record.first_output_after <= record.last_output_after
    assert record.last_output_after <= record.ended_after
    assert record.longest_gap is not None
    assert "Hel" not in repr(record)


@pytest.mark.fact("6.2/more-than-one-choice")
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
    assert reply.record.outcome == outcome
    assert [choice.finish_reason for choice in reply.choices] == finishes


async def test_usage_of_a_reply_that_broke_is_partial() -> None:
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await FakeHost([sse(SAID, USAGE)]).client().chat("Hi")
    assert caught.value.record.usage_origin == "partial"


async def test_events_do_not_wait_for_the_connection_to_be_drained() -> None:
    host = FakeHost([HELLO, STALL])
    async with host.client().stream("Hi") as stream:
        events = [await anext(stream) for _ in range(6)]
        assert isinstance(events[-1], kimi.UsageUpdate)
        assert host.bodies[0].read == 1


async def test_a_flood_behind_the_end_is_not_drained() -> None:
    """One read more than a new connection is worth, and the connection is given up."""
    host = FakeHost([HELLO, *[b"x" * 60_000] * 10])
    await host.client().chat("Hi")
    assert host.bodies[0].read == 3


async def test_the_body_of_an_error_status_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kimi_async._reply._fetch.ERROR_BODY_SECONDS", 0.05)
    host = FakeHost([b'{"error":{"message":"no"}}', STALL])
    host.status = 401
    with pytest.raises(kimi.AuthenticationError, match="no"):
        await host.client().chat("Hi")


@pytest.mark.parametrize(
    "drip",
    [
        pytest.param(b": still here\n\n", id="comments"),
        pytest.param(sse(delta()), id="chunks-without-output"),
        pytest.param(sse(USAGE), id="usage"),
    ],
)
async def test_a_drip_without_output_uses_up_progress(
    drip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every look at the clock finds it a second later, so that each read has taken a second."""
    seconds = itertools.count()
    monkeypatch.setattr("kimi_async._reply._reply.loop_clock", lambda: lambda: float(next(seconds)))
    host = FakeHost([sse(SAID), *[drip] * 1000])
    with pytest.raises(kimi.ProgressTimeout) as caught:
        await host.client(timeouts=Timeouts(progress=100)).chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "half an ans"
    assert 100 <= host.bodies[0].read <= 102


async def test_time_that_the_caller_takes_counts_against_no_limit() -> None:
    """A reader that pauses longer than every limit still gets all that the provider sent meanwhile."""
    host = FakeHost([sse(delta("a")), sse(delta("b")), sse(delta(finish="stop")), sse(USAGE)])
    clock = 0.0

    def passing() -> float:
        return clock

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kimi_async._reply._reply.loop_clock", lambda: passing)
        async with host.client(timeouts=SHORT).stream("Hi") as stream:
            async for _ in stream:
                clock += 1000.0
            reply = await stream.final()
    assert (reply.text, reply.usage is not None) == ("ab", True)


async def test_an_error_says_whether_output_was_shown_and_what_was_tried() -> None:
    stream = FakeHost([sse(SAID)]).client().stream("Hi")
    with pytest.raises(kimi.StreamInterrupted) as shown:
        async for _ in stream:
            assert [attempt.outcome for attempt in stream.attempts] == ["cancelled"]
    with pytest.raises(kimi.StreamInterrupted) as hidden:
        await FakeHost([sse(SAID)]).client().chat("Hi")
    assert (shown.value.output_shown, hidden.value.output_shown) == (True, False)
    assert shown.value.attempts == shown.value.record.attempts == stream.attempts
    assert [attempt.outcome for attempt in stream.attempts] == ["interrupted"]
