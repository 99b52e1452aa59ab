"""Events as JSON lines."""

from __future__ import annotations

import io
import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import (
    ChatCompletion,
    Choice,
    ContentDelta,
    Finish,
    Message,
    RateLimitError,
    ReasoningDone,
    StreamEnd,
    StreamEvent,
    StreamStart,
    ToolCall,
    ToolCallDelta,
    ToolCallDone,
    Usage,
    UsageUpdate,
)
from kimi_async.cli._json import JsonRenderer

CALL = ToolCall(id="a:0", name="f", arguments="{}")
CALL_OBJECT = {
    "arguments": "{}",
    "complete": True,
    "extra": {},
    "id": "a:0",
    "name": "f",
    "type": "function",
}
USAGE = Usage(prompt_tokens=9, completion_tokens=12)
USAGE_OBJECT = {
    "cached_tokens": None,
    "completion_tokens": 12,
    "prompt_tokens": 9,
    "reasoning_tokens": None,
    "total_tokens": None,
}
MESSAGE = Message(role="assistant", content="안녕", tool_calls=(CALL,))
COMPLETION = ChatCompletion(
    provider="acedata",
    choices=(Choice(index=0, message=MESSAGE, finish_reason="stop"),),
    usage=USAGE,
)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        pytest.param(
            StreamStart("id-1", None, 7, "acedata"),
            {
                "event": "StreamStart",
                "id": "id-1",
                "model": None,
                "created": 7,
                "provider": "acedata",
            },
            id="start",
        ),
        pytest.param(
            ContentDelta("안녕\n"),
            {"event": "ContentDelta", "text": "안녕\n", "choice": 0},
            id="content",
        ),
        pytest.param(
            ReasoningDone("", 1),
            {"event": "ReasoningDone", "text": "", "choice": 1},
            id="reasoning",
        ),
        pytest.param(
            ToolCallDelta(2, "{"),
            {"event": "ToolCallDelta", "index": 2, "arguments": "{", "choice": 0},
            id="call-piece",
        ),
        pytest.param(
            ToolCallDone(CALL),
            {"event": "ToolCallDone", "call": CALL_OBJECT, "choice": 0},
            id="call",
        ),
        pytest.param(
            Finish("stop"), {"event": "Finish", "reason": "stop", "choice": 0}, id="finish"
        ),
        pytest.param(
            UsageUpdate(USAGE), {"event": "UsageUpdate", "usage": USAGE_OBJECT}, id="usage"
        ),
    ],
)
def test_one_line_for_each_event(event: StreamEvent, line: dict[str, Any]) -> None:
    file = io.StringIO()
    JsonRenderer(file).show(event)
    # Compared as text, so that the order of the keys counts.
    assert file.getvalue() == json.dumps(line, ensure_ascii=False) + "\n"


def test_the_end_holds_the_whole_reply() -> None:
    file = io.StringIO()
    JsonRenderer(file).show(StreamEnd(COMPLETION))
    line = json.loads(file.getvalue())
    assert line["event"] == "StreamEnd"
    assert line["completion"]["usage"] == USAGE_OBJECT
    assert line["completion"]["record"]["attempts"] == []
    (choice,) = line["completion"]["choices"]
    assert choice["message"]["content"] == "안녕"
    assert choice["message"]["tool_calls"] == [CALL_OBJECT]


def test_an_error_is_a_line_too() -> None:
    file = io.StringIO()
    JsonRenderer(file).fail(RateLimitError("slow down", status=429))
    assert json.loads(file.getvalue()) == {
        "event": "error",
        "type": "RateLimitError",
        "message": "slow down [status: 429] Wait, then send fewer at a time.",
    }


@given(st.text())
def test_any_text_is_one_harmless_line(text: str) -> None:
    file = io.StringIO(newline="")
    JsonRenderer(file).show(ContentDelta(text))
    line = file.getvalue()
    assert json.loads(line)["text"] == text
    assert [char for char in line if unicodedata.category(char) == "Cc"] == ["\n"]
