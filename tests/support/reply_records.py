"""The record of a reply for tests that only need one."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from kimi_async._record import ReplyRecord, unsent_record

_RECORD = evolve(
    unsent_record("complete", "acedata"), started_at=1.0, ended_after=2.0, chunks=1, bytes=1
)


def a_record(**changes: Any) -> ReplyRecord:
    """Return the record of a complete reply with *changes*."""
    return evolve(_RECORD, **changes)
