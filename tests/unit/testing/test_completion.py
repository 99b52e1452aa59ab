from __future__ import annotations

from typing import Any

import pytest

from kimi_async.testing._completion import (
    Completion,
    FakeToolCall,
    ReplyChoice,
    call_object,
    parts_of,
)

OPENING = {"content": "", "role": "assistant"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param(
            ReplyChoice(), [{"content": None, "role": "assistant"}], id="nothing was said"
        ),
        pytest.param(ReplyChoice(""), [OPENING, {"content": ""}], id="empty content"),
        pytest.param(
            ReplyChoice("abcd", "123"),
            [
                OPENING,
                {"reasoning": "12"},
                {"reasoning": "3"},
                {"content": "ab"},
                {"content": "cd"},
            ],
            id="reasoning, then content",
        ),
        pytest.param(
            ReplyChoice("a", ""),
            [OPENING, {"reasoning": ""}, {"content": "a"}],
            id="empty reasoning",
        ),
        pytest.param(
            ReplyChoice("", refusal="No"),
            [OPENING, {"content": ""}, {"refusal": "No"}],
            id="a refusal",
        ),
    ],
)
def test_text_is_streamed_in_pieces(choice: ReplyChoice, expected: list[Any]) -> None:
    assert parts_of(choice, 2) == expected


def test_a_call_is_streamed_with_its_name_first() -> None:
    choice = ReplyChoice(tool_calls=(FakeToolCall("f", "{}"), FakeToolCall("g", "", id="call_7")))
    assert [part["tool_calls"] for part in parts_of(choice, 1)[1:]] == [
        [{"index": 0, "id": "f:0", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": "{"}}],
        [{"index": 0, "function": {"arguments": "}"}}],
        [
            {
                "index": 1,
                "id": "call_7",
                "type": "function",
                "function": {"name": "g", "arguments": ""},
            }
        ],
        [{"index": 1, "function": {"arguments": ""}}],
    ]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(FakeToolCall("f"), "{}", id="no arguments"),
        pytest.param(FakeToolCall("f", '{"a": '), '{"a": ', id="text that is no JSON"),
        pytest.param(FakeToolCall("f", {"city": "北京"}), '{"city": "北京"}', id="an object"),
    ],
)
def test_arguments_are_text(call: FakeToolCall, expected: str) -> None:
    assert call_object(3, call) == {
        "id": "f:3",
        "type": "function",
        "function": {"arguments": expected, "name": "f"},
    }


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        pytest.param(ReplyChoice("a"), "stop", id="text"),
        pytest.param(ReplyChoice(tool_calls=(FakeToolCall("f"),)), "tool_calls", id="calls"),
        pytest.param(ReplyChoice("a", finish_reason="length"), "length", id="given"),
        pytest.param(ReplyChoice("a", finish_reason=""), "", id="given and empty"),
    ],
)
def test_the_finish_reason_follows_from_what_was_said(choice: ReplyChoice, expected: str) -> None:
    assert choice.reason == expected


def test_a_chunk_carries_at_least_one_character() -> None:
    with pytest.raises(ValueError, match="chunk_chars"):
        Completion(id="", model="", created=0, choices=(), usage=None, chunk_chars=0)
