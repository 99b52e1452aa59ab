"""Each body of the wire is read as its row says, however it is cut, and equals its twin as one JSON body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve
from wire_cases import ROWS, Row, chunk, events, whole

import kimi_async as kimi
from kimi_async import AceDataCloud, ReplyDecoder

PROVIDER = AceDataCloud("test-key-0123", tool_markers="parse", thinking_tags="parse")
TWINS = {name: row for name, row in ROWS.items() if row.body is not None}


def decode(reads: Iterable[bytes]) -> tuple[list[kimi.StreamEvent], ReplyDecoder]:
    decoder = ReplyDecoder(PROVIDER)
    events = [event for data in reads for event in decoder.feed(data)]
    return events + decoder.close(), decoder


def told(decoder: ReplyDecoder) -> tuple[object, ...]:
    """Return all that a decoder says at the end, for a comparison."""
    return decoder.snapshot(), repr(decoder.failure), repr(decoder.late_error)


@pytest.mark.fact(
    "6.5/finish-reason-error-or-network",
    "6.5/finish-reason-in-other-words",
    "6.5/a-character-above-u-ffff",
    "6.5/the-body-ends-politely-inside",
    "6.5/lines-that-are-not-a",
    "6.5/the-sse-field-error-with",
    "6.5/event-error-whose-object-has",
    "6.5/content-is-a-number",
    "6.5/indexes-that-are-negative-texts",
    "6.5/reasoning-content-as-a-list",
    "6.5/counts-as-100-0-cached",
    "6.5/delta-refusal-false",
    "6.5/delta-a-finish-reason-that",
    "6.5/images-and-refusals-among-the",
    "6.5/json-objects-in-a-stream",
    "6.5/base-resp-with-a-status",
    "6.5/an-error-object-inside-a",
    "6.5/thinking-left-in-the-content",
    "6.5/several-json-objects-in-one",
    "6.5/a-whole-message-after-the",
    "6.5/an-error-object-whose-values",
    "6.5/an-error-as-json-on",
    "6.5/an-id-of-its-own",
    "6.5/text-under-text-in-place",
    "6.5/bytes-after-a-whole-json",
)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_body_is_the_reply_or_the_error_of_its_row(row: Row) -> None:
    made, decoder = decode([row.stream])
    assert (type(decoder.failure), decoder.late_error) == (row.error or type(None), None)
    assert row.says in str(decoder.failure)
    reply = decoder.snapshot()
    assert {name: getattr(reply, name) for name in row.reply} == row.reply
    assert not [event for event in made if "\ud800" <= max(repr(event)) <= "\udfff"]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_any_split_gives_the_same_events(row: Row) -> None:
    made, decoder = decode([row.stream])
    for at in range(1, len(row.stream)):
        split, other = decode([row.stream[:at], row.stream[at:]])
        assert (split, told(other)) == (made, told(decoder))
    split, other = decode(row.stream[at : at + 1] for at in range(len(row.stream)))
    assert (split, told(other)) == (made, told(decoder))


@pytest.mark.parametrize("row", TWINS.values(), ids=TWINS)
def test_a_stream_equals_its_twin_as_one_body(row: Row) -> None:
    _, streamed = decode([row.stream])
    _, unstreamed = decode([row.body or b""])
    assert evolve(unstreamed.snapshot(), usage=None) == evolve(streamed.snapshot(), usage=None)
    assert (type(unstreamed.failure), unstreamed.late_error) == (row.error or type(None), None)
    assert str(unstreamed.failure) == str(streamed.failure)


def test_bytes_after_a_json_body_do_not_lose_the_reply() -> None:
    _, decoder = decode([whole(content="Hi") + b"\ndata: [DONE]"])
    assert (decoder.snapshot().text, decoder.failure) == ("Hi", None)
    assert "the body continues after its JSON object: 'data: [DONE]'" in str(decoder.late_error)


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (whole(content="Hi") * 2, kimi.ProtocolError, "is not a JSON object"),
        (b"{} x", kimi.ProtocolError, "neither choices nor an error: '{}'"),
        (whole(content="Hi")[:-5], kimi.EmptyResponseError, "ended inside its JSON object"),
        (b"<html>x</html>", kimi.ProtocolError, "it begins with 'x'"),
    ],
)
def test_a_body_that_is_not_one_json_object(
    body: bytes, error: type[kimi.KimiError], says: str
) -> None:
    _, decoder = decode([body])
    assert (type(decoder.failure), decoder.late_error) == (error, None)
    assert says in str(decoder.failure)


def test_text_that_is_held_back_is_progress() -> None:
    decoder = ReplyDecoder(PROVIDER)
    told = []
    for text in ("h", "m", "</think>", "Hi"):
        decoder.feed(events(chunk(content=text)))
        told.append((decoder.started, decoder.progressed))
    assert told == [(True, True), (True, True), (True, True), (True, True)]


def test_a_stray_line_is_not_an_event_of_the_stream() -> None:
    decoder = ReplyDecoder(PROVIDER, keep_wire=True)
    decoder.feed(b"hello\n" + events("one", chunk(content="Hi")))
    assert [event.data for event in decoder.take_wire()] == [b"one"]


@pytest.mark.parametrize("provider", ["acedata", None, AceDataCloud])
def test_a_decoder_needs_a_provider(provider: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="ReplyDecoder needs a provider such as"):
        ReplyDecoder(provider)
