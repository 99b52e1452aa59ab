from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kimi_async.testing import (
    Answer,
    Break,
    ContentType,
    Drip,
    DrippingHeaders,
    Ending,
    Fault,
    Faulty,
    Finish,
    Hangup,
    HtmlPage,
    Insert,
    MissingDone,
    NoHeaders,
    OversizedEvent,
    RenderContext,
    Repeat,
    Reply,
    Reset,
    Send,
    SlowHeaders,
    Stall,
    Step,
    Wait,
)

ONE, TWO, DONE = Send(b"data: 1\n\n"), Send(b"data: 2\n\n"), Send(b"data: [DONE]\n\n")
ANSWER = Answer(steps=(ONE, Wait(1), TWO, DONE))
STALL, X = Wait(None), Send(b"x")
LINE = Send(b"x-filler: 1\r\n")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        # Where
        pytest.param(Stall(), (ONE, Wait(1), TWO, DONE, STALL, Finish()), id="at the end"),
        pytest.param(Stall(after_event=0), (STALL, *ANSWER.steps), id="before everything"),
        pytest.param(
            Stall(after_event=1), (ONE, STALL, Wait(1), TWO, DONE, Finish()), id="after an event"
        ),
        pytest.param(
            Stall(after_event=-1), (ONE, Wait(1), TWO, STALL, DONE, Finish()), id="before [DONE]"
        ),
        pytest.param(
            Stall(after_event=9), (ONE, Wait(1), TWO, DONE, STALL, Finish()), id="behind the last"
        ),
        pytest.param(
            Stall(at_byte=12),
            (ONE, Wait(1), Send(b"dat"), STALL, Send(b"a: 2\n\n"), DONE, Finish()),
            id="inside an event",
        ),
        pytest.param(
            Stall(at_byte=9), (ONE, STALL, Wait(1), TWO, DONE, Finish()), id="between two sends"
        ),
        pytest.param(
            Stall(at_byte=-1),
            (ONE, Wait(1), TWO, Send(b"data: [DONE]\n"), STALL, Send(b"\n"), Finish()),
            id="before the last byte",
        ),
        # What
        pytest.param(Stall(5, after_event=0), (Wait(5), *ANSWER.steps), id="pause"),
        pytest.param(Break(after_event=1), (ONE, Reset()), id="reset"),
        pytest.param(Break("hangup", at_byte=4), (Send(b"data"), Hangup()), id="hangup"),
        pytest.param(Break("finish", after_event=1), (ONE, Finish()), id="polite end"),
        pytest.param(Break("stall", after_event=1), (ONE, STALL, Hangup()), id="silence"),
        pytest.param(Break(), (ONE, Wait(1), TWO, DONE, Reset()), id="reset at the end"),
        pytest.param(
            Drip(after_event=1),
            (ONE, Repeat((Wait(15), Send(b": keep-alive\n\n")))),
            id="drip for ever",
        ),
        pytest.param(
            Drip(b"x", every=2, times=2),
            (ONE, Wait(1), TWO, DONE, Wait(2), X, Wait(2), X, Finish()),
            id="drip twice",
        ),
        pytest.param(Insert(b"x", after_event=0), (X, *ANSWER.steps), id="insert"),
        pytest.param(
            OversizedEvent(20, after_event=0),
            (Send(b"data: xxxxxxxxxxxx\n\n"), *ANSWER.steps),
            id="oversized event",
        ),
        pytest.param(MissingDone(), (ONE, Wait(1), TWO, Finish()), id="missing [DONE]"),
    ],
)
def test_a_fault_changes_the_steps(fault: Fault, expected: tuple[Step, ...]) -> None:
    changed = fault.apply(ANSWER)
    assert changed.steps == expected
    assert evolve(changed, steps=ANSWER.steps) == ANSWER


def test_done_is_missing_however_the_body_is_cut() -> None:
    whole = Answer(steps=(Send(ANSWER.body), Wait(None), Hangup()))
    assert MissingDone().apply(whole).steps == (Send(ONE.data + TWO.data), Wait(None), Hangup())
    without = MissingDone().apply(ANSWER)
    assert MissingDone().apply(without) == without


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(SlowHeaders(), (X, STALL), id="never"),
        pytest.param(SlowHeaders(5), (X, Wait(5)), id="late"),
        pytest.param(DrippingHeaders(), (X, Repeat((Wait(15), LINE))), id="without end"),
        pytest.param(DrippingHeaders(2, times=2), (X, Wait(2), LINE, Wait(2), LINE), id="slow"),
        pytest.param(NoHeaders(), (X, Hangup()), id="hangup"),
        pytest.param(NoHeaders("reset"), (X, Reset()), id="reset"),
    ],
)
def test_a_fault_comes_before_the_headers(fault: Fault, expected: tuple[Step, ...]) -> None:
    answer = evolve(ANSWER, before_headers=(X,))
    assert fault.apply(answer) == evolve(answer, before_headers=expected)


def test_another_content_type_leaves_the_other_headers() -> None:
    answer = evolve(ANSWER, headers=(("content-type", "text/event-stream"), ("a", "b")))
    assert dict(ContentType().apply(answer).headers) == {"content-type": "text/plain", "a": "b"}


def test_a_page_takes_the_place_of_the_answer() -> None:
    page = HtmlPage(503, "Be back soon").apply(evolve(ANSWER, before_headers=(Wait(1),)))
    assert (page.status, page.headers) == (503, (("content-type", "text/html"),))
    assert page.body.startswith(b"<html>")
    assert b"Be back soon" in page.body
    assert page.before_headers == (Wait(1),)


def test_faults_are_applied_in_their_order() -> None:
    reply = Faulty(ANSWER, MissingDone(), Insert(b"x"), Drip(b"x", every=1, times=1), Stall())
    steps = (ONE, Wait(1), TWO, X, Wait(1), X, STALL, Finish())
    assert reply.render(RenderContext()).steps == steps
    assert Faulty(reply, NoHeaders()).render(RenderContext()).before_headers == (Hangup(),)


def test_a_faulty_reply_is_a_value() -> None:
    assert Faulty(Reply("Hi"), Stall()) == Faulty(Reply("Hi"), Stall())
    assert Faulty(Reply("Hi"), Stall()) != Faulty(Reply("Hi"), Stall(5))
    assert "Stall(after_event=2" in repr(Faulty(Reply("Hi"), Stall(after_event=2)))


def test_a_fault_has_one_place() -> None:
    with pytest.raises(ValueError, match="either after_event= or at_byte="):
        Stall(after_event=1, at_byte=1)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Break, {"end": "bang"}),
        (NoHeaders, {"end": "finish"}),
        (Drip, {"every": -1}),
        (DrippingHeaders, {"every": -1}),
        (OversizedEvent, {"size_bytes": 7}),
        (Repeat, {"steps": ()}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_options_out_of_range_are_refused(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"end of|every of|size_bytes|steps"):
        kind(**settings)


STEPS = st.lists(st.builds(Send, st.binary(max_size=4)) | st.builds(Wait, st.just(1.0)))
PLACES = st.fixed_dictionaries({"at_byte": st.integers(-9, 40)}) | st.fixed_dictionaries(
    {"after_event": st.none() | st.integers(-4, 4)}
)


@given(steps=STEPS, place=PLACES)
def test_wherever_a_fault_lies_nothing_else_changes(
    steps: list[Step], place: dict[str, Any]
) -> None:
    answer = Answer(steps=tuple(steps))
    mark = Wait(99)
    stalled = Stall(99, **place).apply(answer)
    at = stalled.steps.index(mark)
    before, behind = Answer(steps=stalled.steps[:at]), Answer(steps=stalled.steps[at + 1 :])
    assert before.body + behind.body == answer.body
    waits = [step for step in stalled.steps if isinstance(step, Wait)]
    assert waits.count(Wait(1.0)) == steps.count(Wait(1.0))
    assert stalled.steps[-1] == Finish()
    if "at_byte" in place:
        assert before.body == answer.body[: place["at_byte"]]


@given(steps=STEPS, place=PLACES, end=st.sampled_from(["hangup", "reset", "finish"]))
def test_a_break_keeps_what_came_before_it(
    steps: list[Step], place: dict[str, Any], end: Ending
) -> None:
    answer = Answer(steps=tuple(steps))
    broken, stalled = (fault.apply(answer) for fault in (Break(end, **place), Stall(99, **place)))
    at = stalled.steps.index(Wait(99))
    assert broken.steps[:-1] == stalled.steps[:at]
    assert len(broken.steps) == at + 1
