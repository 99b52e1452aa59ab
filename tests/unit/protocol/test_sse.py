"""The same bytes give the same events and errors, wherever they are cut."""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING

import msgspec
import pytest

from kimi_async._errors import ProtocolError
from kimi_async._protocol._sse import STRAY, SSEDecoder, SSEEvent
from kimi_async._settings import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
from sse_streams import BOM, KIB, NO_LIMIT, Outcome, decode, one_by_one


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte (with empty reads between), and in two at every place."""
    yield [stream]
    yield [piece for byte in one_by_one(stream) for piece in (byte, b"")]
    for at in range(1, len(stream)):
        yield [stream[:at], stream[at:]]


# id: (the bytes, the events, the event that the end cut short)
STREAMS: dict[str, tuple[bytes, list[SSEEvent], SSEEvent | None]] = {
    "nothing": (b"", [], None),
    "one event": (b"data: a\n\n", [SSEEvent(b"a")], None),
    "several events": (
        b"data: a\n\ndata: b\n\ndata: c\n\n",
        [SSEEvent(b"a"), SSEEvent(b"b"), SSEEvent(b"c")],
        None,
    ),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [SSEEvent(b"a"), SSEEvent(b"b")], None),
    "CR": (b"data: a\r\rdata: b\r\r", [SSEEvent(b"a"), SSEEvent(b"b")], None),
    "all line ends": (
        b"data: a\r\n\rdata: b\n\r\ndata: c\r\n\ndata: d\n\r",
        [SSEEvent(b"a"), SSEEvent(b"b"), SSEEvent(b"c"), SSEEvent(b"d")],
        None,
    ),
    "CR LF is one line end, LF CR is two": (
        b"data: a\r\ndata: b\n\rdata: c\r\n\n",
        [SSEEvent(b"a\nb"), SSEEvent(b"c")],
        None,
    ),
    "extra blank lines": (
        b"\n\r\n\rdata: a\n\n\n\r\n\ndata: b\n\n",
        [SSEEvent(b"a"), SSEEvent(b"b")],
        None,
    ),
    "VT, FF, FS, NEL, LS and PS end no line": (
        "data: a\vb\fc\x1cd\u0085e\u2028f\u2029g\n\n".encode(),
        [SSEEvent("a\vb\fc\x1cd\u0085e\u2028f\u2029g".encode())],
        None,
    ),
    "byte order mark": (BOM + b"data: a\n\n", [SSEEvent(b"a")], None),
    "byte order mark alone": (BOM, [], None),
    "byte order mark and a blank line": (BOM + b"\n\ndata: a\n\n", [SSEEvent(b"a")], None),
    "only one byte order mark is dropped": (
        BOM + BOM + b"data: a\ndata: b\n\n",
        [SSEEvent(b"b")],
        None,
    ),
    "a byte order mark later is text": (
        b"data: " + BOM + b"\n" + BOM + b"data: a\n\n",
        [SSEEvent(BOM)],
        None,
    ),
    "a part of a byte order mark is junk": (
        BOM[:2] + b"data: a\ndata: b\n\n",
        [SSEEvent(b"b")],
        None,
    ),
    "a part of a byte order mark before a plain event": (
        BOM[:2] + b"data: a\n\ndata: b\n\n",
        [SSEEvent(b"b")],
        None,
    ),
    "a part of a byte order mark alone": (BOM[:2], [], None),
    "comments": (b": hi\n:\n\n:data: x\ndata: a\n: b\n\n", [SSEEvent(b"a")], None),
    "several data lines": (b"data: a\ndata: b\ndata: c\n\n", [SSEEvent(b"a\nb\nc")], None),
    "several data lines, CRLF": (
        b"data: a\r\n\r\ndata: b\r\ndata: c\r\n\r\n",
        [SSEEvent(b"a"), SSEEvent(b"b\nc")],
        None,
    ),
    "empty data lines": (
        b"data\n\ndata:\n\ndata: \ndata\n\n",
        [SSEEvent(b""), SSEEvent(b""), SSEEvent(b"\n")],
        None,
    ),
    "one leading blank is dropped": (
        b"data:a\n\ndata:  b\n\ndata:\tc\n\n",
        [SSEEvent(b"a"), SSEEvent(b" b"), SSEEvent(b"\tc")],
        None,
    ),
    "more colons": (b"data: a: b:c\n\n", [SSEEvent(b"a: b:c")], None),
    "names are exact": (
        b"Data: a\n data: b\ndata : c\ndatax: d\nretry x\ndata: e\n\n",
        [SSEEvent(b"e")],
        None,
    ),
    "event type": (
        b"event: ping\ndata: a\n\ndata: b\n\nevent: x\nevent: y\ndata: c\n\n",
        [SSEEvent(b"a", "ping"), SSEEvent(b"b"), SSEEvent(b"c", "y")],
        None,
    ),
    "empty event type": (b"event: x\nevent\ndata: a\n\n", [SSEEvent(b"a", "message")], None),
    "no data, no event, no type": (b"event: x\n\ndata: a\n\n", [SSEEvent(b"a")], None),
    "id stays": (
        b"id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid\ndata: d\n\n",
        [SSEEvent(b"a", id="1"), SSEEvent(b"b", id="1"), SSEEvent(b"c", id="2"), SSEEvent(b"d")],
        None,
    ),
    "id with NULL is ignored": (b"id: 1\nid: 2\0\ndata: a\n\n", [SSEEvent(b"a", id="1")], None),
    "retry": (
        b"retry: 1500\ndata: a\n\ndata: b\n\nretry: 7\n\ndata: c\n\nretry: 007\ndata: d\n\n",
        [SSEEvent(b"a", retry=1500), SSEEvent(b"b"), SSEEvent(b"c"), SSEEvent(b"d", retry=7)],
        None,
    ),
    "retry that is no number is ignored": (
        b"retry: 5\nretry: -1\nretry: +1\nretry: 1.5\nretry: 1_0\nretry:  1\nretry: 1 \n"
        + "retry: \u0661\nretry\ndata: a\n\n".encode(),
        [SSEEvent(b"a", retry=5)],
        None,
    ),
    "retry of 18 digits": (
        b"retry: " + b"9" * 18 + b"\nretry: " + b"1" * 19 + b"\ndata: a\n\n",
        [SSEEvent(b"a", retry=10**18 - 1)],
        None,
    ),
    "retry too long for int() is ignored": (
        b"retry: " + b"1" * 5000 + b"\ndata: a\n\n",
        [SSEEvent(b"a")],
        None,
    ),
    "multi-byte text": (
        "event: 事件\nid: ключ\ndata: 你好 🌙\n\n".encode(),
        [SSEEvent("你好 🌙".encode(), "事件", "ключ")],
        None,
    ),
    "not UTF-8": (
        b"event: \xf0\x9f\x8c!\nid: \xff\ndata: \xe4\xbd\ndata: \x80\n\n",
        [SSEEvent(b"\xe4\xbd\n\x80", "\ufffd!", "\ufffd")],
        None,
    ),
    "NUL in data": (b"data: a\0b\n\n", [SSEEvent(b"a\0b")], None),
    "tail without its blank line": (b"data: a\n\ndata: b\n", [SSEEvent(b"a")], SSEEvent(b"b")),
    "tail that ends with CR": (b"data: b\r", [], SSEEvent(b"b")),
    "tail without its line end": (
        b"id: 1\nevent: x\nretry: 2\ndata: b",
        [],
        SSEEvent(b"b", "x", "1", 2),
    ),
    "tail behind the fast path": (
        b"id: 1\ndata: a\n\ndata: b\n\ndata: c",
        [SSEEvent(b"a", id="1"), SSEEvent(b"b", id="1")],
        SSEEvent(b"c", id="1"),
    ),
    "tail of a line and data before it": (b"data: a\ndata", [], SSEEvent(b"a\n")),
    "tail behind a byte order mark": (BOM + b"data", [], SSEEvent(b"")),
    "tail without data": (b"data: a\n\nevent: x\n: comment", [SSEEvent(b"a")], None),
}


@pytest.mark.fact(
    "6.1/data-without-a-blank",
    "6.1/comment-lines-openrouter-processing-keepalive",
    "6.1/crlf-lone-cr-bom-several",
    "6.1/extra-blank-lines-between-events",
)
@pytest.mark.parametrize(("stream", "events", "tail"), STREAMS.values(), ids=STREAMS.keys())
def test_events_do_not_depend_on_the_cuts(
    stream: bytes, events: list[SSEEvent], tail: SSEEvent | None
) -> None:
    for pieces in cuts(stream):
        assert decode(pieces) == Outcome(events, tail)


def test_the_usual_limit_takes_eight_mebibytes() -> None:
    decoder = SSEDecoder(Limits().event_bytes)
    line = b"data: " + b"x" * (8 * KIB * KIB - 6)
    assert decoder.feed(line + b"\n\n") == [SSEEvent(line[6:])]
    with pytest.raises(ProtocolError, match="8388608"):
        decoder.feed(line + b"x")


def test_text_replaces_what_is_not_utf8() -> None:
    assert SSEEvent("你".encode() + b"\xe4\xbd!\xff").text == "你\ufffd!\ufffd"


@pytest.mark.parametrize(
    "read",
    [
        b"data: b\n\n",
        b"data:b\n\n",
        b"data\n\n",
        b"data:\n\n",
        b"data: b\r\n\r\n",
        b"data: b\r\r",
        b"data: b\n\r",
        b"data: b\r\n",
        b"data: b\n",
        b"data: b",
        b"data: b\n\n\n",
        b"data: b\rdata: c\n\n",
        b"data: b\ndata: c\n",
        b"data: b\nid: 2\n",
        b"data: b\nevent: x\n\n",
        b"event: x\ndata: b\n\n",
        b"data: b\n\ndata: c\n\n",
        b"datax: b\n\n",
        b": data: b\n\n",
        b"\n\n",
        b"\n",
        b"data: " + b"b" * 5000 + b"\n\n",
    ],
    ids=lambda read: repr(read[:24]),
)
@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_a_read_of_one_whole_event_is_like_any_other(read: bytes, blank: bytes) -> None:
    before = b"id: 1" + blank + b"data: a" + blank * 2
    for after in (b"", b"\n", b"\ndata: z\n\n", b"data: z\n\n", b"\n\ndata: z\n\n"):
        pieces = [before, read, read, after, b"data: end\n\n"]
        assert decode(pieces) == decode(one_by_one(b"".join(pieces)))


def test_a_byte_order_mark_is_one_at_the_beginning_alone_however_that_was_cut() -> None:
    assert decode([b"", b"data: a\n\n", BOM + b"data: b\n\n"]).events == [SSEEvent(b"a")]


def test_data_of_several_lines_is_bytes_too() -> None:
    [event] = decode([b"data: a\ndata: b\n\n"]).events
    assert isinstance(event.data, bytes)


@pytest.mark.parametrize("field", ["data", "event", "id", "retry"])
def test_an_event_is_a_value(field: str) -> None:
    event = SSEEvent(b"a", "x", "1", 2)
    assert event == SSEEvent(data=b"a", event="x", id="1", retry=2)
    assert hash(event) == hash(msgspec.structs.replace(event))
    with pytest.raises(AttributeError):
        setattr(event, field, None)


@pytest.mark.parametrize(
    ("end", "silent"),
    [(b"\n\n", 1), (b"\r\r", 1), (b"\r\n\r\n", 2), (b"\n\r\n", 1), (b"\r\n\n", 2)],
    ids=["LF LF", "CR CR", "CRLF CRLF", "LF CRLF", "CRLF LF"],
)
@pytest.mark.parametrize(
    "before",
    [b"", BOM, b"data: a\n\n", b"data: a\r\r", b"data: a\r\n\r\n"],
    ids=["start", "byte order mark", "LF", "CR", "CRLF"],
)
def test_an_event_is_handed_over_with_the_byte_that_completes_it(
    before: bytes, end: bytes, silent: int
) -> None:
    """The CR of a blank line is enough: nobody waits because a LF might follow."""
    decoder = SSEDecoder(NO_LIMIT)
    decoder.feed(before)
    assert decoder.feed(b"data: x" + end[:silent]) == []
    assert decoder.feed(end[silent : silent + 1]) == [SSEEvent(b"x")]
    assert decoder.feed(end[silent + 1 :]) == []
    assert decoder.close() == []


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
@pytest.mark.parametrize("room", range(6))
def test_one_big_read_is_like_many(room: int, end: bytes) -> None:
    """The decoder cuts a read at 64 KiB: here just before, inside and after line ends."""
    value = b"x" * (64 * KIB - len(b"data: ") - room)
    block = b"data: " + value + end + end
    assert decode([block * 3 + b"data: y"]) == Outcome([SSEEvent(value)] * 3, SSEEvent(b"y"))


def test_feed_after_close_is_misuse() -> None:
    decoder = SSEDecoder(NO_LIMIT)
    assert decoder.feed(b"data: a\n\ndata: b") == [SSEEvent(b"a")]
    assert decoder.close() == [SSEEvent(b"b")]
    for data in (b"", b"data: c\n\n"):
        with pytest.raises(RuntimeError, match="after close"):
            decoder.feed(data)
    assert decoder.close() == []


# id: (the limit, the bytes, the events before the limit was passed, whether it was)
LIMITS: dict[str, tuple[int, bytes, list[SSEEvent], bool]] = {
    "a line at the limit": (7, b"data: a\n\n", [SSEEvent(b"a")], False),
    "a line over it": (6, b"data: a\n\n", [], True),
    "line ends are not in the line": (7, b"data: a\r\n\r\n", [SSEEvent(b"a")], False),
    "a byte order mark is not counted": (6, BOM + b"data:a\n\n", [SSEEvent(b"a")], False),
    "nor is it when the line is over": (5, BOM + b"data:a\n\n", [], True),
    "data so far and the line": (9, b"data:ab\ndata:c\n\n", [SSEEvent(b"ab\nc")], False),
    "data so far and the line, over": (8, b"data:ab\ndata:c\n\n", [], True),
    "empty data lines count": (5, b"data\ndata\ndata\n\n", [], True),
    "data so far and a comment": (8, b"data:ab\n:23456\n\n", [], True),
    "each event starts anew": (6, b"data:a\n\n" * 3, [SSEEvent(b"a")] * 3, False),
    "a comment at the limit": (6, b":23456\ndata:a\n\n", [SSEEvent(b"a")], False),
    "a comment over it": (6, b":234567\ndata:a\n\n", [], True),
    "a type over it": (6, b"event:x\n\n", [], True),
    "an id over it": (6, b"id:4567\n\n", [], True),
    "a line without its end": (6, b"data:a\n\ndata:bc", [SSEEvent(b"a")], True),
    "events before it": (
        6,
        b"data:a\n\ndata:b\n\ndata:cd\n\n",
        [SSEEvent(b"a"), SSEEvent(b"b")],
        True,
    ),
    "nothing is read behind it": (6, b"data:ab\n\ndata:c\n\n", [], True),
    "no room at all": (0, b"\n\r\n\r", [], False),
    "part of a byte order mark": (1, BOM[:2], [], True),
}


@pytest.mark.parametrize(("limit", "stream", "events", "over"), LIMITS.values(), ids=LIMITS.keys())
def test_the_limit_does_not_depend_on_the_cuts(
    limit: int, stream: bytes, events: list[SSEEvent], over: bool
) -> None:
    error = (
        f"an event of the stream is over the limit 'event_bytes' of {limit}."
        " Raise limits=Limits(event_bytes=...) if replies like this are expected."
    )
    for pieces in cuts(stream):
        assert decode(pieces, limit) == Outcome(events, error=error if over else None)


def test_the_error_is_raised_at_once_and_by_every_later_call() -> None:
    decoder = SSEDecoder(16)
    for data in (b"data: secret, and too long", b"", b"\n\ndata: a\n\n"):
        with pytest.raises(ProtocolError, match="the limit 'event_bytes' of 16") as caught:
            decoder.feed(data)
        assert "secret" not in str(caught.value)
    for _ in range(2):
        with pytest.raises(ProtocolError):
            decoder.close()
    with pytest.raises(ProtocolError):
        decoder.feed(b"")


@pytest.mark.parametrize(
    "call",
    [methodcaller("feed", b""), methodcaller("feed", b"data: b\n\n"), methodcaller("close")],
    ids=["feed nothing", "feed an event", "close"],
)
def test_events_before_the_error_are_returned_first(call: Callable[[SSEDecoder], object]) -> None:
    decoder = SSEDecoder(16)
    assert decoder.feed(b"data: a\n\ndata: and this is too long\n\n") == [SSEEvent(b"a")]
    for _ in range(2):
        with pytest.raises(ProtocolError):
            call(decoder)


def test_lines_that_the_standard_ignores_are_given_in_their_place_where_asked_for() -> None:
    stream = b"hello\ndata: a\nerror: b\n: comment\nid\nretry: x\n\ndata: c\n\nlast"
    decoder = SSEDecoder(NO_LIMIT, strays=True)
    assert decoder.feed(stream) + decoder.close() == [
        SSEEvent(b"hello", STRAY),
        SSEEvent(b"error: b", STRAY),
        SSEEvent(b"a"),
        SSEEvent(b"c"),
        SSEEvent(b"last", STRAY),
    ]
