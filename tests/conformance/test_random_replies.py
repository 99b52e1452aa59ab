"""Error bodies and streams of any shape give errors of ours, and a message where words arrived."""

from __future__ import annotations

import runpy
import sys
from typing import Any

import pytest
from fuzz_replies import EXAMPLES
from hypothesis import example, given
from json_strategies import envelopes
from paths import ROOT
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


def test_the_script_tries_each_property(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz_replies.py", "3"])
    runpy.run_path(str(ROOT / "tests/support/fuzz_replies.py"), run_name="__main__")
    assert capsys.readouterr().out.count(": 3 examples") == 3
    assert EXAMPLES == 50_000, "without an argument"
