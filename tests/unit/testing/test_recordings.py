from __future__ import annotations

import json

import pytest

from kimi_async.testing import recording, recordings


def test_recordings_are_listed_by_name() -> None:
    assert recordings() == [
        "acedata/chat_hello",
        "acedata/chat_hello_ja",
        "acedata/chat_multi_turn",
        "acedata/error_500_api_error",
        "acedata/stream_reasoning_ja",
        "acedata/stream_reasoning_ko",
        "cloudsway/chat_after_tool",
        "cloudsway/chat_json_object",
        "cloudsway/chat_partial",
        "cloudsway/chat_tool_call",
        "cloudsway/stream_tool_call",
    ]


@pytest.mark.parametrize("name", recordings())
def test_a_recording_is_a_stream_or_json(name: str) -> None:
    body = recording(name)
    if "/stream_" in name:
        assert body.endswith(b"\n\ndata: [DONE]\n\n")
    else:
        assert isinstance(json.loads(body), dict)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"'acedata/nothing'; there are acedata/chat_hello, "):
        recording("acedata/nothing")
