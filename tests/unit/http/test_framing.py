"""Whoever reads HTTP/1.1 reads the same, with the chunks of a read joined or not, wherever it is cut."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._http._framing import ChunkJoiner

STATUS = b"HTTP/1.1 200 OK\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"
CHUNKED = STATUS + b"Transfer-Encoding: chunked\r\n\r\n"
COUNTED = STATUS + b"content-length: 30\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(data: bytes, size: bytes = b"%x") -> bytes:
    return size % len(data) + b"\r\n" + data + b"\r\n"


def joined(reads: Iterable[bytes]) -> Iterator[bytes]:
    """What comes of the reads of one response, the last of which is the end of the connection."""
    joiner = ChunkJoiner()
    joiner.expect_response()
    for data in reads:
        passed = joiner.feed(data)
        assert bool(passed) is bool(data)
        assert len(passed) <= len(data)
        yield passed


def understood(reads: Iterable[bytes]) -> list[object]:
    """What h11 reads: the heads of responses, the body as one, and how it ends."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    heads: list[object] = []
    body = b""
    rest = iter((*reads, b""))
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(next(rest))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return [*heads, body, "whole", list(event.headers)]
            else:
                assert isinstance(event, h11.Response | h11.InformationalResponse)
                heads.append((event.status_code, list(event.headers)))
    except h11.RemoteProtocolError:
        return [*heads, body, "broken"]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [*sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if begin < end]


EVENTS = [b"data: %d\n\n" % number for number in range(20)]
BODY = b"".join(map(chunk, EVENTS))
WHOLE = chunk(b"".join(EVENTS))


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        pytest.param([CHUNKED, BODY], [CHUNKED, WHOLE], id="chunks"),
        pytest.param([CHUNKED + BODY], [CHUNKED + WHOLE], id="behind-headers"),
        pytest.param([CHUNKED, BODY + LAST], [CHUNKED, WHOLE + LAST], id="end"),
        pytest.param(
            [CHUNKED, chunk(b"abc")[:-4], chunk(b"abc")[-4:] + BODY],
            [CHUNKED, b"3\r\na", b"bc\r\n" + WHOLE],
            id="cut-in-a-chunk",
        ),
        pytest.param(
            [CHUNKED, BODY + b"1", b"0\r\n", b"0123456789abcdef\r\n" + BODY],
            [CHUNKED, WHOLE + b"1", b"0\r\n", b"0123456789abcdef\r\n" + WHOLE],
            id="cut-in-a-size",
        ),
        pytest.param(
            [EARLY + CHUNKED[:9], CHUNKED[9:], BODY],
            [EARLY + CHUNKED[:9], CHUNKED[9:], WHOLE],
            id="interim-response",
        ),
        pytest.param(
            [CHUNKED, chunk(b"a", b"%X") + chunk(b"b", b"00%X")],
            [CHUNKED, chunk(b"ab")],
            id="ways-to-write-a-size",
        ),
    ],
)
def test_whole_chunks_of_a_read_become_one(reads: list[bytes], expected: list[bytes]) -> None:
    assert list(joined(reads)) == expected


def test_a_chunk_does_not_grow_without_end() -> None:
    """Its reader keeps the last one for as long as nothing more comes."""
    parts = [b"%04d" % number * 250 for number in range(60)]
    (_, passed) = joined([CHUNKED, b"".join(map(chunk, parts))])
    expected = [b"".join(parts[at : at + 5]) for at in range(0, 60, 5)]
    assert passed == b"".join(map(chunk, expected))


#: What comes behind the headers of a body in chunks, and behind one whole chunk.
BROKEN = {
    "an-extension": b"1;a=b\r\nx\r\n",
    "a-size-that-is-none": b"0x1\r\nx\r\n",
    "a-size-with-a-space": b"1 \r\nx\r\n",
    "a-size-with-a-sign": b"+1\r\nx\r\n",
    "a-size-with-an-underscore": b"0_1\r\nx\r\n",
    "a-size-that-never-ends": b"1" * 30 + b"\r\n",
    "a-size-without-its-end": b"1\nx\r\n",
    "a-chunk-without-its-end": b"1\r\nxyz",
    "a-chunk-that-never-ends": b"fffffffffffffff\r\n",
    "the-last-chunk": LAST,
    "trailers": b"0\r\na: b\r\n\r\n",
}
UNTOUCHED = {
    **{name: CHUNKED + chunk(b"abc") + broken + BODY for name, broken in BROKEN.items()},
    "one-chunk": CHUNKED + chunk(b"abc", b"00%x"),
    "one-and-the-end": CHUNKED + chunk(b"abc", b"00%x") + LAST,
    "counted": COUNTED + BODY,
    "until-the-end": STATUS + b"\r\n" + BODY,
    "compressed": STATUS + b"transfer-encoding: gzip, chunked\r\n\r\n" + BODY,
    "chunked-not-last": STATUS + b"transfer-encoding: chunked, gzip\r\n\r\n" + BODY,
    "another-header": STATUS + b"x: transfer-encoding: chunked\r\n\r\n" + BODY,
    "no-http": b"SSH-2.0-OpenSSH\r\n" + BODY,
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_no_plain_chunk_is_passed_on_with_all_behind_it(name: str) -> None:
    stream = UNTOUCHED[name]
    for place in range(1, len(stream)):
        reads = [stream[:place], stream[place:]]
        passed = list(joined(reads))
        assert understood(passed) == understood(reads)
        # What lies behind a chunk that was passed on in two parts is left to the reader to check.
        if place <= len(stream) - len(BODY) and name != "a-chunk-without-its-end":
            assert b"".join(passed) == stream
    assert list(joined([stream])) == [stream]
    assert b"".join(joined(stream[at : at + 1] for at in range(len(stream)))) == stream


@pytest.mark.parametrize("head", [CHUNKED, EARLY + CHUNKED])
def test_headers_may_be_cut_anywhere(head: bytes) -> None:
    for place in range(len(head)):
        begin, end = head[:place], head[place:]
        assert list(joined([begin, end + BODY, BODY]))[1:] == [end + WHOLE, WHOLE]


def test_each_response_of_a_connection_is_read_anew() -> None:
    joiner = ChunkJoiner()
    assert joiner.feed(CHUNKED + BODY) == CHUNKED + BODY  # nobody has asked
    for left in (b"", LAST, b"10\r\nleft", b"1"):
        joiner.expect_response()
        joiner.expect_response()  # the body of the request
        assert joiner.feed(CHUNKED + BODY) == CHUNKED + WHOLE
        assert joiner.feed(chunk(b"abc") + left) == chunk(b"abc") + left


def test_long_headers_are_looked_at_once() -> None:
    """A byte at a time, for which nothing grows beyond the limit."""
    joiner = ChunkJoiner()
    joiner.expect_response()
    joiner.feed(STATUS)
    tracemalloc.start()
    try:
        for _ in range(300):
            assert joiner.feed(b"x" * 1024) == b"x" * 1024
        assert tracemalloc.get_traced_memory()[0] < 10_000
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    behind = b"\r\ntransfer-encoding: chunked\r\n\r\n" + BODY
    assert joiner.feed(behind) == behind


def test_a_size_that_never_ends_is_not_kept() -> None:
    joiner = ChunkJoiner()
    joiner.expect_response()
    joiner.feed(CHUNKED)
    tracemalloc.start()
    try:
        for _ in range(10_000):
            joiner.feed(b"1" * 10)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


BYTES = st.binary(max_size=40)
SIZES = st.sampled_from([b"%x", b"%X", b"000%x"])
PLAIN = st.builds(chunk, BYTES.filter(bool), SIZES)
ODD = st.one_of(
    BYTES,
    st.builds(chunk, BYTES, st.sampled_from([b"%x;a=b", b"%x ", b" %x", b"0x%x", b"-%x", b"%x\r"])),
    st.sampled_from([*BROKEN.values(), b"\r\n", b"2\r\nabc\r\n", b"2\r\nab\n\n"]),
)
HEADS = st.sampled_from(
    [
        CHUNKED,
        b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED,
        STATUS + b"a: b\r\ntransfer-encoding:chunked \r\nc: d\r\n\r\n",
        STATUS.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
        STATUS + b"transfer-encoding: chunked\n\n",
        STATUS + b"transfer-encoding: chunked\r\n , gzip\r\n\r\n",
        STATUS + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        COUNTED,
        STATUS + b"\r\n",
    ]
)


@given(
    head=HEADS,
    chunks=st.lists(st.one_of(PLAIN, PLAIN, PLAIN, ODD), max_size=12),
    end=st.sampled_from([LAST, b"0\r\na: b\r\n\r\n", b""]),
    places=st.lists(st.integers(0, 1000), max_size=8),
)
def test_it_is_understood_as_before(
    head: bytes, chunks: list[bytes], end: bytes, places: list[int]
) -> None:
    reads = cut(head + b"".join(chunks) + end, places)
    assert understood(joined(reads)) == understood(reads)


@given(chunks=st.lists(PLAIN, max_size=6), places=st.lists(st.integers(0, 1000), max_size=8))
def test_chunks_are_joined_wherever_those_before_were_cut(
    chunks: list[bytes], places: list[int]
) -> None:
    reads = cut(CHUNKED + b"".join(chunks), places)
    assert [*joined([*reads, BODY])][-1] == WHOLE


@given(chunks=st.lists(PLAIN, max_size=6))
def test_every_cut_of_a_whole_response_gives_its_body(chunks: list[bytes]) -> None:
    stream = CHUNKED + b"".join(chunks) + LAST
    whole = understood([stream])
    assert whole[2] == "whole"
    for place in range(1, len(stream)):
        assert understood(joined([stream[:place], stream[place:]])) == whole
    assert understood(joined(stream[at : at + 1] for at in range(len(stream)))) == whole
