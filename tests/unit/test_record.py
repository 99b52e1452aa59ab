from __future__ import annotations

import copy
import pickle
from typing import get_args

import attrs
import pytest
from reply_records import a_record

from kimi_async._record import (
    AttemptRecord,
    Outcome,
    ReplyRecord,
    Usage,
    UsageOrigin,
    recorded_params,
    total_usage,
)

ATTEMPT = AttemptRecord(
    provider="acedata",
    model="kimi-k2.5",
    outcome="complete",
    error=None,
    first_output_after=0.2,
    chunks=12,
    usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
)
RECORD = a_record(
    model="kimi-k2.5",
    id="chatcmpl-1",
    request_id="req-1",
    started_at=1763787600.0,
    headers_after=0.1,
    first_output_after=0.2,
    last_output_after=0.9,
    ended_after=1.0,
    longest_gap=0.3,
    chunks=12,
    bytes=4096,
    attempts=(ATTEMPT,),
    finish_reasons=("stop",),
    params={"temperature": 0.5, "n": 1},
    usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
    usage_origin="reported",
)


def test_the_outcomes() -> None:
    assert get_args(Outcome) == (
        "complete",
        "length",
        "tool_calls",
        "content_filter",
        "other",
        "interrupted",
        "timeout",
        "cancelled",
        "error",
    )
    assert get_args(UsageOrigin) == ("reported", "partial", "unknown")


def test_a_record_has_no_place_for_content() -> None:
    """Ids, times, counts and an outcome, each to be given; it goes to logs and metrics."""
    fields = attrs.fields_dict(ReplyRecord)
    assert list(fields) == [
        "outcome",
        "provider",
        "model",
        "id",
        "request_id",
        "started_at",
        "headers_after",
        "first_output_after",
        "last_output_after",
        "ended_after",
        "longest_gap",
        "chunks",
        "bytes",
        "attempts",
        "finish_reasons",
        "params",
        "usage",
        "usage_origin",
        "late_error",
    ]
    assert all(field.kw_only and field.default is attrs.NOTHING for field in fields.values())


@pytest.mark.parametrize("record", [RECORD, ATTEMPT], ids=["reply", "attempt"])
def test_a_record_is_a_value(record: ReplyRecord | AttemptRecord) -> None:
    assert attrs.evolve(record) == record
    assert attrs.evolve(record, outcome="length") != record
    assert hash(attrs.evolve(record)) == hash(record)
    assert not hasattr(record, "__dict__")
    for field in attrs.fields(type(record)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(record, field.name, None)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_record_can_be_pickled(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(RECORD, protocol)) == RECORD
    assert copy.deepcopy(RECORD) == RECORD


def test_params_are_recorded_by_a_list_of_names_and_never_as_content() -> None:
    given = {
        "temperature": 0.5,
        "max_tokens": 100,
        "logprobs": True,
        "reasoning_effort": "high",
        "tool_choice": {"type": "function", "function": {"name": "private"}},
        "thinking": None,
        "messages": "private",
        "stop": "private",
        "user": "private",
        "prompt_cache_key": "private",
        "unknown": 1,
    }
    assert recorded_params(given) == {
        "temperature": 0.5,
        "max_tokens": 100,
        "logprobs": True,
        "reasoning_effort": "high",
    }


SOME, MORE, NONE = Usage(prompt_tokens=3), Usage(prompt_tokens=2, total_tokens=5), None


@pytest.mark.parametrize(
    ("usages", "complete", "total"),
    [
        pytest.param([], False, (None, "unknown"), id="nothing-sent"),
        pytest.param([NONE], True, (None, "unknown"), id="nothing-reported"),
        pytest.param([SOME], True, (SOME, "reported"), id="one"),
        pytest.param([SOME], False, (SOME, "partial"), id="one-of-a-reply-that-broke"),
        pytest.param(
            [SOME, MORE],
            True,
            (Usage(prompt_tokens=5, total_tokens=5), "reported"),
            id="two-are-summed",
        ),
        pytest.param([NONE, MORE], True, (MORE, "partial"), id="one-of-two"),
    ],
)
def test_the_usage_of_a_reply_is_the_sum_over_its_attempts(
    usages: list[Usage | None], complete: bool, total: tuple[Usage | None, UsageOrigin]
) -> None:
    attempts = [attrs.evolve(ATTEMPT, usage=usage) for usage in usages]
    assert total_usage(attempts, complete=complete) == total
