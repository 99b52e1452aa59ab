"""Properties of error bodies and chunk streams of any shape, for tests and for ``fuzz_replies.py``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import strategies as st
from json_strategies import WORDS, chunks, envelopes, event_types, odd_chunks

import kimi_async as kimi

PROVIDER = kimi.AceDataCloud("test-key-0123", tool_markers="parse", thinking_tags="parse")

statuses = st.sampled_from([200, 400, 401, 403, 404, 429, 500, 503])
objects = odd_chunks | chunks | envelopes
streams = st.lists(st.tuples(event_types, objects), max_size=4)
places = st.lists(st.integers(0, 10**6), max_size=4)


def event_of(kind: str, raw: Any) -> bytes:
    """Return one server-sent event; a large count is written as a number that no float can hold."""
    data = msgspec.json.encode(raw).replace(b"1e300", b"1e400").replace(b"1e+300", b"1e400")
    head = f"event: {kind}\n".encode() if kind else b""
    return head + b"data: " + data + b"\n\n"


def decoded(reads: Iterable[bytes]) -> tuple[object, ...]:
    """Return all that a body in these reads gives: events, the reply, and the errors as text."""
    decoder = kimi.ReplyDecoder(PROVIDER)
    events = [event for data in reads for event in decoder.feed(data)]
    events += decoder.close()
    return events, decoder.snapshot(), repr(decoder.failure), repr(decoder.late_error)


def check_error_body(status: int, raw: Any) -> None:
    """Assert that an error body of any shape is an error of ours, with words where words arrived."""
    body = msgspec.json.encode(raw)
    error = PROVIDER.parse_error(status, {}, body, now=0.0)
    assert error.message
    assert WORDS.encode() not in body or "without a message" not in error.message, raw


def check_stream(pieces: list[tuple[str, Any]], at: list[int]) -> None:
    """Assert that a stream of any objects is read alike however it is cut."""
    body = b"".join(event_of(kind, raw) for kind, raw in pieces)
    edges = sorted({place % (len(body) + 1) for place in at})
    split = [body[begin:end] for begin, end in zip([0, *edges], [*edges, len(body)], strict=True)]
    assert decoded(split) == decoded([body])


def check_last_words(raw: Any) -> None:
    """Assert that an object that is no chunk is in the error of the reply that ends after it."""
    decoder = kimi.ReplyDecoder(PROVIDER)
    decoder.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n' + event_of("", raw))
    decoder.close()
    failure = decoder.failure
    assert failure is not None
    if WORDS in str(raw):
        told = isinstance(failure, kimi.APIError) or "could not be read is" in failure.message
        assert told, (raw, failure)
        assert "without a message" not in failure.message, raw
