"""The record of a reply for tests that only need one."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from kimi_async._record import ReplyRecord

_RECORD = ReplyRecord(
    outcome="complete",
    provider="acedata",
    model=None,
    id=None,
    request_id=None,
    started_at=1.0,
    headers_after=None,
    first_output_after=None,
    last_output_after=None,
    ended_after=2.0,
    longest_gap=None,
    chunks=1,
    bytes=1,
    attempts=(),
    finish_reasons=(),
    params={},
    usage=None,
    usage_origin="unknown",
    late_error=None,
)


def a_record(**changes: Any) -> ReplyRecord:
    """Return the record of a complete reply with *changes*."""
    return evolve(_RECORD, **changes)
