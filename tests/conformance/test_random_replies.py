"""Error bodies and streams of any shape give errors of ours, and a message where words arrived."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from json_strategies import envelopes
from reply_properties import (
    check_error_body,
    check_last_words,
    check_stream,
    places,
    statuses,
    streams,
)


@example(status=400, raw={"detail": {"model": "no such thing"}})
@given(status=statuses, raw=envelopes)
def test_any_error_body_is_an_error_with_its_words(status: int, raw: Any) -> None:
    check_error_body(status, raw)


@given(pieces=streams, at=places)
def test_any_split_of_any_objects_gives_the_same(
    pieces: list[tuple[str, Any]], at: list[int]
) -> None:
    check_stream(pieces, at)


@example(raw={"message": "no such thing"})
@given(raw=envelopes)
def test_an_object_that_is_no_chunk_is_not_lost(raw: Any) -> None:
    check_last_words(raw)
