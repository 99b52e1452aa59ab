"""A body is read as h11 reads it, wherever it is cut, and what comes after its end is seen."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._http._framing import Framing, framing_of

STATUS = b"HTTP/1.1 200 OK\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"
CHUNKED = STATUS + b"Transfer-Encoding: chunked\r\n\r\n"
COUNTED = STATUS + b"content-length: 30\r\n\r\n"
UP_TO_THE_END = STATUS + b"\r\n"
LAST = b"0\r\n\r\n"

#: The content, whether it is whole, and whether more came after its end.
Result: TypeAlias = tuple[bytes, bool, bool]


def chunk(data: bytes, size: bytes = b"%x") -> bytes:
    return size % len(data) + b"\r\n" + data + b"\r\n"


def reader_of(head: bytes, method: str = "GET") -> tuple[h11.Connection, h11.Response]:
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=100 * 1024)
    reader.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(head)
    while not isinstance(response := reader.next_event(), h11.Response):
        assert isinstance(response, h11.InformationalResponse)
    return reader, response


def framing(head: bytes, method: str = "GET") -> Framing:
    return framing_of(method.encode(), reader_of(head, method)[1])


def ours(head: bytes, reads: Iterable[bytes], method: str = "GET") -> Result:
    """Read a body to its end, or to the end of the connection, as a connection does."""
    body, content = framing(head, method), b""
    left = list(reads)
    while left and not body.ended and body.failure is None:
        content += body.feed(left.pop(0))
    if not body.ended and body.failure is None:
        body.close()
    assert body.ended is (body.failure is None)
    return content, body.ended, body.ended and (body.surplus or bool(left))


def by_h11(head: bytes, reads: Iterable[bytes], method: str = "GET") -> Result:
    reader, _ = reader_of(head, method)
    left, content = [*reads, b""], b""
    try:
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Data):
                content += event.data
            elif event is h11.NEED_DATA:
                reader.receive_data(left.pop(0))
            else:
                return content, True, bool(reader.trailing_data[0]) or len(left) > 1
    except h11.RemoteProtocolError:
        return content, False, False


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [*sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if begin < end]


def each_byte(data: bytes) -> Sequence[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


EVENTS = [b"data: %d\n\n" % number for number in range(20)]
WHOLE = b"".join(EVENTS)
BODY = b"".join(map(chunk, EVENTS))

#: What a body may hold after one whole chunk.
ODDITIES = {
    "an-extension": b"1;a=b\r\nx\r\n",
    "a-size-that-is-none": b"0x1\r\nx\r\n",
    "a-size-with-a-space": b"1 \r\nx\r\n",
    "a-size-with-a-sign": b"+1\r\nx\r\n",
    "a-size-with-an-underscore": b"0_1\r\nx\r\n",
    "a-size-of-twenty-digits": b"0" * 19 + b"1\r\nx\r\n",
    "a-size-that-never-ends": b"1" * 30 + b"\r\n",
    "a-size-without-its-end": b"1\nx\r\n",
    "a-chunk-without-its-end": b"1\r\nxyz",
    "a-chunk-with-half-its-end": b"1\r\nx\rz",
    "a-chunk-that-never-ends": b"fffffffffffffff\r\n",
    "the-last-chunk": LAST,
    "the-last-chunk-in-two-digits": b"00\r\n\r\n",
    "the-last-chunk-with-an-extension": b"0;a\r\n\r\n",
    "trailers": b"0\r\na: b\r\n\r\n",
    "broken-trailers": b"0\r\na b\r\n\r\n",
    "trailers-that-end-in-line-feeds": b"0\r\na: b\n\n",
    "nothing": b"",
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_a_chunked_body_is_read_as_h11_reads_it(oddity: str) -> None:
    data = chunk(b"abc") + ODDITIES[oddity] + BODY
    expected = by_h11(CHUNKED, [data])
    assert ours(CHUNKED, [data]) == expected
    assert ours(CHUNKED, each_byte(data)) == expected
    for place in range(1, len(data)):
        assert ours(CHUNKED, [data[:place], data[place:]]) == expected


@pytest.mark.parametrize("end", [b"", b"more"])
@pytest.mark.parametrize(
    ("head", "method", "data", "content"),
    [
        pytest.param(CHUNKED, "GET", BODY + LAST, WHOLE, id="chunked"),
        pytest.param(EARLY + CHUNKED, "GET", BODY + LAST, WHOLE, id="after-an-interim-response"),
        pytest.param(COUNTED, "GET", b"x" * 30, b"x" * 30, id="counted"),
        pytest.param(STATUS + b"content-length: 0\r\n\r\n", "GET", b"", b"", id="empty"),
        pytest.param(COUNTED, "HEAD", b"", b"", id="head"),
        pytest.param(CHUNKED.replace(b"200", b"204"), "GET", b"", b"", id="204"),
        pytest.param(COUNTED.replace(b"200", b"304"), "GET", b"", b"", id="304"),
    ],
)
def test_what_comes_after_the_end_is_surplus(
    head: bytes, method: str, data: bytes, content: bytes, end: bytes
) -> None:
    expected = (content, True, bool(end))
    assert ours(head, [data + end] if data + end else [], method) == expected
    assert ours(head, each_byte(data + end), method) == expected
    assert by_h11(head, [data + end] if data + end else [], method) == expected


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    assert ours(UP_TO_THE_END, [BODY, b"more"]) == (BODY + b"more", True, False)


@pytest.mark.parametrize("head", [CHUNKED, COUNTED])
def test_a_body_that_ends_early_is_told_as_h11_tells_it(head: bytes) -> None:
    reader, _ = reader_of(head)
    body = framing(head)
    reader.receive_data(b"3\r\na")
    body.feed(b"3\r\na")
    reader.next_event()
    reader.receive_data(b"")
    body.close()
    with pytest.raises(h11.RemoteProtocolError) as caught:
        reader.next_event()
    assert body.failure == str(caught.value)


def test_content_before_a_broken_frame_is_given() -> None:
    body = framing(CHUNKED)
    assert body.feed(chunk(b"abc") + b"zz\r\n") == b"abc"
    assert body.failure is not None
    body = framing(CHUNKED)
    assert body.feed(chunk(b"abc") + b"1\r\nx??") == b"abcx"
    assert body.failure == "malformed chunk footer: b'??' (expected b'\\r\\n')"


def test_a_size_that_never_ends_is_not_kept() -> None:
    body = framing(CHUNKED)
    tracemalloc.start()
    try:
        while body.failure is None:
            body.feed(b"1" * 10)
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
    assert body.failure == "Receive buffer too long"


BYTES = st.binary(max_size=40)
SIZES = st.sampled_from([b"%x", b"%X", b"000%x"])
PLAIN = st.builds(chunk, BYTES.filter(bool), SIZES)
ODD = st.one_of(
    BYTES,
    st.builds(chunk, BYTES, st.sampled_from([b"%x;a=b", b"%x ", b" %x", b"0x%x", b"-%x", b"%x\r"])),
    st.sampled_from([*ODDITIES.values(), b"\r\n", b"2\r\nabc\r\n", b"2\r\nab\n\n"]),
)
HEADS = st.sampled_from(
    [
        CHUNKED,
        EARLY + CHUNKED,
        STATUS + b"a: b\r\ntransfer-encoding:chunked \r\ncontent-length: 3\r\n\r\n",
        STATUS.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n",
        STATUS + b"transfer-encoding: chunked\n\n",
        COUNTED,
        UP_TO_THE_END,
    ]
)


@given(
    head=HEADS,
    chunks=st.lists(st.one_of(PLAIN, PLAIN, PLAIN, ODD), max_size=12),
    end=st.sampled_from([LAST, b"0\r\na: b\r\n\r\n", b""]),
    places=st.lists(st.integers(0, 1000), max_size=8),
)
def test_every_body_is_read_as_h11_reads_it(
    head: bytes, chunks: list[bytes], end: bytes, places: list[int]
) -> None:
    reads = cut(b"".join(chunks) + end, places)
    assert ours(head, reads) == by_h11(head, reads)


@given(chunks=st.lists(PLAIN, max_size=6))
def test_every_cut_of_a_whole_body_gives_its_content(chunks: list[bytes]) -> None:
    data = b"".join(chunks) + LAST
    whole = by_h11(CHUNKED, [data])
    assert whole[1:] == (True, False)
    for place in range(1, len(data)):
        assert ours(CHUNKED, [data[:place], data[place:]]) == whole
    assert ours(CHUNKED, each_byte(data)) == whole
