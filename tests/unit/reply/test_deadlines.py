"""The timeout that runs and the time that is left, on a clock that the test moves."""

from __future__ import annotations

import math

import pytest
from attrs import evolve

from kimi_async._errors import (
    FirstOutputTimeout,
    IdleTimeout,
    KimiTimeoutError,
    ProgressTimeout,
    TotalTimeout,
)
from kimi_async._reply._deadlines import Deadlines
from kimi_async._settings import Timeouts

NONE = Timeouts(
    connect=None,
    write=None,
    first_output=None,
    idle=None,
    progress=None,
    finish_grace=None,
)
LIMITS = Timeouts(first_output=60.0, idle=20.0, progress=30.0, finish_grace=5.0, total=100.0)
#: When the reply of most tests was begun.
BEGUN = 1000.0


@pytest.mark.parametrize(
    ("timeouts", "seconds"),
    [
        pytest.param(Timeouts(), 300.0, id="defaults"),
        pytest.param(LIMITS, 60.0, id="first-output-is-longer"),
        pytest.param(evolve(LIMITS, idle=90.0), 90.0, id="idle-is-longer"),
        pytest.param(evolve(LIMITS, idle=None), None, id="no-idle"),
        pytest.param(evolve(LIMITS, first_output=None), None, id="no-first-output"),
        pytest.param(NONE, None, id="none"),
    ],
)
def test_the_read_timeout_of_the_http_client(timeouts: Timeouts, seconds: float | None) -> None:
    """It may end no read that one of the limits still allows."""
    assert Deadlines(timeouts, BEGUN).read_timeout == seconds


@pytest.mark.parametrize(
    ("timeouts", "now", "seconds"),
    [
        pytest.param(Timeouts(), 0.0, 300.0, id="defaults"),
        pytest.param(LIMITS, 0.0, 60.0, id="first-output"),
        pytest.param(LIMITS, 40.0, 60.0, id="first-output-and-total-tie"),
        pytest.param(LIMITS, 70.0, 30.0, id="total"),
        pytest.param(LIMITS, 110.0, -10.0, id="total-is-over"),
        pytest.param(evolve(LIMITS, first_output=None), 0.0, 100.0, id="total-alone"),
        pytest.param(evolve(LIMITS, total=None), 500.0, 60.0, id="no-total"),
        pytest.param(NONE, 500.0, math.inf, id="none"),
    ],
)
def test_what_is_left_until_the_first_output(
    timeouts: Timeouts, now: float, seconds: float
) -> None:
    assert Deadlines(timeouts, BEGUN).until_first_output(BEGUN + now) == seconds


@pytest.mark.parametrize(
    ("timeouts", "begun", "error", "limit"),
    [
        pytest.param(LIMITS, 0.0, FirstOutputTimeout, 60.0, id="first-output"),
        pytest.param(LIMITS, 39.0, FirstOutputTimeout, 60.0, id="first-output-is-just-less"),
        pytest.param(LIMITS, 40.0, TotalTimeout, 100.0, id="tie"),
        pytest.param(LIMITS, 41.0, TotalTimeout, 100.0, id="total-is-less"),
        pytest.param(evolve(LIMITS, total=None), 9e9, FirstOutputTimeout, 60.0, id="no-total"),
        pytest.param(
            evolve(LIMITS, first_output=None), 0.0, TotalTimeout, 100.0, id="no-first-output"
        ),
    ],
)
def test_what_ended_the_way_to_the_first_output(
    timeouts: Timeouts, begun: float, error: type[KimiTimeoutError], limit: float
) -> None:
    ended = Deadlines(timeouts, BEGUN).first_output_error(BEGUN + begun)
    assert type(ended) is error
    assert (ended.seconds, ended.stage) == (limit, "waiting for the first output")


@pytest.mark.parametrize(
    ("timeouts", "waited", "now", "left", "error", "limit"),
    [
        pytest.param(Timeouts(), 0, 0, 300, IdleTimeout, 300, id="defaults"),
        pytest.param(LIMITS, 0, 0, 20, IdleTimeout, 20, id="idle"),
        pytest.param(LIMITS, 10, 10, 20, IdleTimeout, 20, id="idle-and-progress-tie"),
        pytest.param(LIMITS, 12, 12, 18, ProgressTimeout, 30, id="progress"),
        pytest.param(LIMITS, 31, 31, -1, ProgressTimeout, 30, id="progress-is-over"),
        pytest.param(LIMITS, 12, 60, 18, ProgressTimeout, 30, id="time-of-the-caller-is-free"),
        pytest.param(LIMITS, 0, 80, 20, TotalTimeout, 100, id="idle-and-total-tie"),
        pytest.param(LIMITS, 12, 82, 18, TotalTimeout, 100, id="progress-and-total-tie"),
        pytest.param(LIMITS, 0, 99, 1, TotalTimeout, 100, id="total"),
        pytest.param(LIMITS, 0, 101, -1, TotalTimeout, 100, id="total-is-over"),
        pytest.param(
            evolve(LIMITS, idle=None), 5, 5, 25, ProgressTimeout, 30, id="progress-without-idle"
        ),
        pytest.param(
            evolve(LIMITS, progress=None), 500, 50, 20, IdleTimeout, 20, id="idle-without-progress"
        ),
        pytest.param(evolve(NONE, total=100), 500, 50, 50, TotalTimeout, 100, id="total-alone"),
    ],
)
def test_what_is_left_for_a_read_and_what_ends_it(
    timeouts: Timeouts,
    waited: float,
    now: float,
    left: float,
    error: type[KimiTimeoutError],
    limit: float,
) -> None:
    clocks = Deadlines(timeouts, BEGUN)
    clocks.note_wait(waited)
    assert clocks.for_read(BEGUN + now) == left
    ended = clocks.read_error(BEGUN + now)
    assert type(ended) is error
    assert (ended.seconds, ended.stage) == (limit, "streaming")


def test_without_limits_a_read_may_take_for_ever() -> None:
    clocks = Deadlines(NONE, BEGUN)
    clocks.note_wait(9e9)
    assert clocks.for_read(BEGUN + 9e9) == math.inf
    clocks.note_read(output=False, complete=True)
    assert clocks.for_read(BEGUN + 9e9) == math.inf


def test_reads_without_output_use_up_progress() -> None:
    clocks = Deadlines(LIMITS, BEGUN)
    for _ in range(3):
        clocks.note_wait(9.0)
    assert clocks.for_read(BEGUN) == 3.0
    clocks.note_read(output=True, complete=False)
    assert clocks.for_read(BEGUN) == 20.0
    clocks.note_wait(25.0)
    assert clocks.for_read(BEGUN) == 5.0


def test_behind_the_finish_reason_the_grace_runs() -> None:
    """It counts from there, whatever else comes, and neither ``idle`` nor ``progress`` matters any more."""
    clocks = Deadlines(evolve(LIMITS, idle=2.0, progress=3.0), BEGUN)
    clocks.note_wait(2.5)
    clocks.note_read(output=False, complete=True)
    assert clocks.for_read(BEGUN) == 5.0
    clocks.note_wait(4.0)
    clocks.note_read(output=False, complete=True)
    assert clocks.for_read(BEGUN) == 1.0
    assert clocks.for_read(BEGUN + 99.5) == 0.5
    assert clocks.for_read(BEGUN + 101.0) == -1.0


def test_behind_the_finish_reason_there_may_be_no_limit_but_the_total() -> None:
    clocks = Deadlines(evolve(LIMITS, finish_grace=None), BEGUN)
    clocks.note_read(output=False, complete=True)
    assert clocks.for_read(BEGUN + 40.0) == 60.0


def test_another_choice_that_begins_behind_a_finish_reason_has_all_its_limits() -> None:
    clocks = Deadlines(LIMITS, BEGUN)
    clocks.note_read(output=False, complete=True)
    clocks.note_wait(4.0)
    clocks.note_read(output=False, complete=False)
    assert clocks.for_read(BEGUN) == 20.0
    clocks.note_read(output=False, complete=True)
    assert clocks.for_read(BEGUN) == 5.0
