"""Any stream of server-sent events, cut anywhere: the same events and errors, in bounded memory and time."""

from __future__ import annotations

import itertools
import statistics
import tracemalloc
from itertools import pairwise
from time import perf_counter_ns
from typing import TYPE_CHECKING

import pytest
from httpx_sse._decoders import SSEDecoder as HttpxSSEDecoder
from httpx_sse._decoders import SSELineDecoder
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._protocol._sse import SSEDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable
from sse_streams import BOM, KIB, NO_LIMIT, Outcome, decode, one_by_one


def without_line_ends(value: bytes) -> bytes:
    return value.translate(None, b"\r\n")


LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), max_size=12
)
VALUES = st.one_of(
    TEXT.map(str.encode),
    st.binary(max_size=12).map(without_line_ends),
    st.sampled_from([b"", b" ", b":", b"7", b"-1", b"\0", b"1" * 30, BOM, "🌙".encode()[:3]]),
)
NAMES = st.sampled_from([b"data", b"data", b"event", b"id", b"retry", b"", b"junk", BOM + b"data"])
COLONS = st.sampled_from([b":", b": ", b":  ", b""])
LINES = st.one_of(
    st.just(b""), st.builds(bytes.__add__, NAMES, st.builds(bytes.__add__, COLONS, VALUES))
)
STARTS = st.sampled_from([b"", BOM, BOM[:1], BOM[:2], BOM + BOM])


def ended(lines: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(bytes.__add__, lines, LINE_ENDS)


def joined(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts).map(b"".join)


ANY_STREAM = joined(STARTS, st.lists(ended(LINES), max_size=25).map(b"".join), VALUES)


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    inside = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:stop] for start, stop in pairwise(inside)]


@given(
    ANY_STREAM,
    st.lists(st.integers(0, 10_000), max_size=20),
    st.just(NO_LIMIT) | st.integers(0, 60),
)
def test_any_cuts_of_any_stream_give_the_same(stream: bytes, places: list[int], limit: int) -> None:
    whole = decode([stream], limit)
    assert decode(cut(stream, places), limit) == whole
    assert decode(one_by_one(stream), limit) == whole


@given(ANY_STREAM, st.integers(0, 60))
def test_a_limit_ends_a_stream_and_changes_nothing_else(stream: bytes, limit: int) -> None:
    unlimited, limited = decode([stream]), decode([stream], limit)
    assert limited.error is not None or limited == unlimited
    assert limited.events == unlimited.events[: len(limited.events)]
    assert max((len(event.data) for event in limited.events), default=0) <= limit


@given(st.lists(st.binary(max_size=200)), st.integers(0, 100))
def test_arbitrary_bytes_give_events_or_a_protocol_error(pieces: list[bytes], limit: int) -> None:
    assert decode(pieces, limit) == decode([b"".join(pieces)], limit)


# The texts avoid the differences of httpx-sse 0.4.3:
# - every block has data and one blank line: without data it makes an event of a type, of a retry,
#   and, once an id was given, of every blank line;
# - no stream begins with a byte order mark, which it leaves in the name of the first field;
# - a retry has at most 18 ASCII digits or is a word: it takes all that int() takes, "-1" and "1_0";
# - the tail is left out, which it never hands over; and it calls the default type "".
ORACLE_FIELDS = st.one_of(
    joined(st.sampled_from([b"event", b"id", b":", b"junk", b"data"]), COLONS, VALUES),
    joined(
        st.just(b"retry:"),
        st.one_of(st.integers(0, 10**18 - 1).map(b"%d".__mod__), st.just(b"soon")),
    ),
)
ORACLE_BLOCKS = joined(
    st.lists(ended(ORACLE_FIELDS), max_size=4).map(b"".join),
    ended(joined(st.just(b"data:"), VALUES)),
    st.lists(ended(ORACLE_FIELDS), max_size=4).map(b"".join),
    LINE_ENDS,
)


def decode_by_httpx_sse(stream: bytes) -> list[tuple[str, str, str, int | None]]:
    lines, decoder = SSELineDecoder(), HttpxSSEDecoder()
    text = stream.decode("utf-8", "replace")
    events = [decoder.decode(line) for line in [*lines.decode(text), *lines.flush()]]
    return [(e.data, e.event or "message", e.id, e.retry) for e in events if e is not None]


@pytest.mark.fact("6.1/crlf-lone-cr-bom-several")
@given(st.lists(ORACLE_BLOCKS, min_size=1, max_size=6).map(b"".join))
def test_httpx_sse_reads_the_same_where_it_follows_the_standard(stream: bytes) -> None:
    events = [(e.text, e.event, e.id, e.retry) for e in decode([stream]).events]
    assert events == decode_by_httpx_sse(stream)


def peak_bytes(pieces: Iterable[bytes], limit: int) -> tuple[int, Outcome]:
    tracemalloc.start()
    try:
        outcome = decode(pieces, limit)
        return tracemalloc.get_traced_memory()[1], outcome
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("piece", "over"),
    [
        pytest.param(b"x", True, id="no line end, byte by byte"),
        pytest.param(b"x" * KIB, True, id="no line end"),
        pytest.param(b"x" * 64 * KIB, True, id="no line end, large reads"),
        pytest.param(b":" + b"x" * KIB, True, id="a comment without end"),
        pytest.param(b"data\n" * 200, True, id="data lines without a blank line"),
        pytest.param(b"event: x\n" * 100, False, id="types without a blank line"),
        pytest.param(b"id: x\n" * 100, False, id="ids without a blank line"),
        pytest.param(b": keep-alive\n\n" * 50, False, id="comments"),
    ],
)
def test_memory_stays_near_the_limit(piece: bytes, over: bool) -> None:
    limit = 64 * KIB
    pieces = itertools.repeat(piece, 8 * limit // len(piece))
    peak, outcome = peak_bytes(pieces, limit)
    assert outcome.events == []
    assert (outcome.error is not None) == over
    assert peak < 3 * limit


def test_memory_of_one_huge_read_stays_near_the_limit() -> None:
    """A list of all these lines would take eight times their size, 1.5 MiB."""
    peak, outcome = peak_bytes([b"\n" * 192 * KIB], 64 * KIB)
    assert outcome == Outcome([])
    assert peak < 1024 * KIB


def median_ns(decoder: SSEDecoder, piece: bytes) -> float:
    times: list[int] = []
    for _ in range(500):
        start = perf_counter_ns()
        decoder.feed(piece)
        times.append(perf_counter_ns() - start)
    return statistics.median(times)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        pytest.param(b"data: ", b"x", id="one line"),
        pytest.param(b"data: x\ndata: ", b"\ndata: x", id="many lines"),
    ],
)
def test_a_read_costs_the_same_late_in_a_large_event(start: bytes, piece: bytes) -> None:
    """Copying or searching the 16 MiB again would take hundreds of times as long."""
    early, late = SSEDecoder(NO_LIMIT), SSEDecoder(NO_LIMIT)
    early.feed(start)
    late.feed(start + b"x" * 16 * KIB * KIB)
    late.feed(piece)
    assert median_ns(late, piece) < 20 * median_ns(early, piece)
