from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async.testing._script import RenderContext
from kimi_async.testing._steps import (
    Answer,
    Cuts,
    Ending,
    Finish,
    Hangup,
    Repeat,
    Reset,
    Send,
    Step,
    Wait,
    deliver,
    split_events,
    unrolled,
)

PIECES = (b"one\n\n", b"two\n\n", b"end\n\n")


def sends(*pieces: bytes) -> tuple[Step, ...]:
    return tuple(Send(piece) for piece in pieces)


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        pytest.param(None, PIECES, id="one for each event"),
        pytest.param("whole", (b"one\n\ntwo\n\nend\n\n",), id="whole"),
        pytest.param("bytes", tuple(bytes([byte]) for byte in b"".join(PIECES)), id="bytes"),
        pytest.param([4, 7], (b"one\n", b"\ntw", b"o\n\nend\n\n"), id="offsets"),
        pytest.param([7, 4, 4], (b"one\n", b"\ntw", b"o\n\nend\n\n"), id="offsets in any order"),
        pytest.param([-3, 0, 15, 99], (b"".join(PIECES),), id="offsets outside of the body"),
    ],
)
def test_cuts_decide_what_one_send_holds(cuts: Cuts, expected: tuple[bytes, ...]) -> None:
    assert deliver(PIECES, cuts=cuts) == (*sends(*expected), Finish())


@pytest.mark.parametrize(
    ("cut_at", "cut_after", "expected"),
    [
        pytest.param(None, 2, PIECES[:2], id="after two events"),
        pytest.param(None, -1, PIECES[:2], id="without the last event"),
        pytest.param(None, 0, (), id="after no event"),
        pytest.param(None, 9, PIECES, id="after more events than there are"),
        pytest.param(7, None, (b"one\n\n", b"tw"), id="inside an event"),
        pytest.param(-2, None, (b"one\n\n", b"two\n\n", b"end"), id="without the last two bytes"),
        pytest.param(0, None, (), id="before the first byte"),
        pytest.param(7, 1, (b"one\n\n",), id="whichever comes first"),
    ],
)
def test_a_body_is_cut_short(
    cut_at: int | None, cut_after: int | None, expected: tuple[bytes, ...]
) -> None:
    assert deliver(PIECES, cut_at=cut_at, cut_after=cut_after) == (*sends(*expected), Finish())


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        pytest.param("finish", (Finish(),), id="finish"),
        pytest.param("hangup", (Hangup(),), id="hangup"),
        pytest.param("reset", (Reset(),), id="reset"),
        pytest.param("stall", (Wait(None), Hangup()), id="stall"),
    ],
)
def test_the_ending_follows_the_last_byte(end: Ending, expected: tuple[Step, ...]) -> None:
    assert deliver(PIECES, cut_after=1, end=end) == (Send(b"one\n\n"), *expected)


def test_pace_waits_between_the_sends_and_nowhere_else() -> None:
    one, two, end = sends(*PIECES)
    assert deliver(PIECES, pace=0.5) == (one, Wait(0.5), two, Wait(0.5), end, Finish())
    assert deliver((), pace=0.5) == (Finish(),)


@given(
    pieces=st.lists(st.binary(max_size=6)),
    cuts=st.none() | st.sampled_from(["whole", "bytes"]) | st.lists(st.integers(-3, 30)),
    cut_at=st.none() | st.integers(-30, 30),
    cut_after=st.none() | st.integers(-6, 6),
)
def test_cuts_never_change_the_bytes(
    pieces: list[bytes], cuts: Cuts, cut_at: int | None, cut_after: int | None
) -> None:
    *body, end = deliver(pieces, cuts=cuts, cut_at=cut_at, cut_after=cut_after)
    sent = [step.data for step in body if isinstance(step, Send)]
    assert b"".join(sent) == b"".join(pieces[:cut_after])[:cut_at]
    assert (len(sent), b"" in sent, end) == (len(body), False, Finish())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", (), id="empty"),
        pytest.param(b"data: 1\n\ndata: 2\n\n", (b"data: 1\n\n", b"data: 2\n\n"), id="LF"),
        pytest.param(b"a\r\n\r\nb\r\nc\r\n\r\n", (b"a\r\n\r\n", b"b\r\nc\r\n\r\n"), id="CRLF"),
        pytest.param(b"a\r\rb\r\r", (b"a\r\r", b"b\r\r"), id="CR"),
        pytest.param(b"a\r\nb\r\n", (b"a\r\nb\r\n",), id="one CRLF is no blank line"),
        pytest.param(b"a\n\r\nb", (b"a\n\r\n", b"b"), id="mixed, and a tail without an end"),
        pytest.param(b"a\n\n\nb\n\n", (b"a\n\n", b"\nb\n\n"), id="a blank line too many"),
    ],
)
def test_events_end_with_a_blank_line(body: bytes, expected: tuple[bytes, ...]) -> None:
    assert split_events(body) == expected


@given(st.text(alphabet="ab\r\n").map(str.encode))
def test_split_events_lose_no_byte(body: bytes) -> None:
    assert b"".join(split_events(body)) == body


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param((), (Finish(),), id="no steps"),
        pytest.param((Send(b"a"),), (Send(b"a"), Finish()), id="no ending"),
        pytest.param((Wait(None),), (Wait(None), Finish()), id="a wait is no ending"),
        pytest.param((Reset(), Send(b"a")), (Reset(),), id="nothing follows an ending"),
    ],
)
def test_an_answer_has_one_ending(steps: tuple[Step, ...], expected: tuple[Step, ...]) -> None:
    assert Answer(steps=steps).steps == expected


def test_what_repeats_is_unrolled_without_end_and_is_no_body() -> None:
    again = Repeat((Wait(1), Send(b"x")))
    answer = Answer(steps=(Send(b"a"), again, Send(b"never")))
    assert answer.steps == (Send(b"a"), again)
    assert answer.body == b"a"
    expected = (Send(b"a"), *again.steps, *again.steps, Wait(1))
    assert tuple(islice(unrolled(answer.steps), 6)) == expected


def test_an_answer_is_a_scripted_reply_and_knows_its_body() -> None:
    answer = Answer(steps=(Send(b"data: 1"), Wait(1), Send(b"\n\n"), Hangup()))
    assert answer.render(RenderContext()) is answer
    assert answer.body == b"data: 1\n\n"
