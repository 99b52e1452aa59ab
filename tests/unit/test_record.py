from __future__ import annotations

import copy
import pickle
from typing import get_args

import attrs
import pytest

from kimi_async._record import Outcome, ReplyRecord, Usage, UsageOrigin

RECORD = ReplyRecord(
    outcome="complete",
    provider="acedata",
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
    attempts=1,
    usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
    usage_origin="reported",
    late_error=None,
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
        "usage",
        "usage_origin",
        "late_error",
    ]
    assert all(field.kw_only and field.default is attrs.NOTHING for field in fields.values())


def test_a_record_is_a_value() -> None:
    assert attrs.evolve(RECORD) == RECORD
    assert attrs.evolve(RECORD, outcome="length") != RECORD
    assert hash(attrs.evolve(RECORD)) == hash(RECORD)
    assert not hasattr(RECORD, "__dict__")
    for name in attrs.fields_dict(ReplyRecord):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(RECORD, name, None)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_record_can_be_pickled(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(RECORD, protocol)) == RECORD
    assert copy.deepcopy(RECORD) == RECORD
