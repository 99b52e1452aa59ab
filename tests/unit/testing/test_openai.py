from __future__ import annotations

from typing import Any

import pytest

from kimi_async._record import Usage
from kimi_async.testing._completion import Completion, FakeToolCall, ReplyChoice
from kimi_async.testing._wires import WIRES


def completion(*said: ReplyChoice, usage: Usage | None = None) -> Completion:
    return Completion(id="id", model="m", created=1, choices=said, usage=usage, chunk_chars=8)


@pytest.mark.parametrize(("cached", "expected"), [(0, {"cached_tokens": 0}), (None, {})])
def test_moonshot_says_cached_tokens_at_the_top(
    cached: int | None, expected: dict[str, int]
) -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5, cached_tokens=cached)
    counts = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert WIRES["moonshot"].body(completion(usage=usage))["usage"] == counts | expected


def test_a_moonshot_stream_is_the_one_of_the_documentation() -> None:
    said = completion(
        ReplyChoice("Hi", "ok", tool_calls=(FakeToolCall("f", id="call_1"),)),
        usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5, cached_tokens=0),
    )
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cached_tokens": 0}
    frame = {"id": "id", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    call = {"index": 0, "id": "call_1", "type": "function"}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "ok"},
        {"content": "Hi"},
        {"tool_calls": [call | {"function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
    ]
    finish = {"index": 0, "delta": {}, "finish_reason": "tool_calls", "usage": usage}
    assert list(WIRES["moonshot"].chunks(said)) == [
        *(
            frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            for delta in deltas
        ),
        frame | {"choices": [finish], "system_fingerprint": "fpv0_00000000"},
        frame | {"choices": [], "usage": usage},
    ]


def test_a_moonshot_message_leaves_out_what_was_not_said() -> None:
    message = WIRES["moonshot"].body(completion(ReplyChoice("Hi")))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hi"}


def test_a_compatible_stream_is_that_of_a_newer_vllm() -> None:
    """Reasoning only under ``reasoning``, and usage only in the last chunk."""
    said = completion(
        ReplyChoice("Hi", "ok"), usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
    )
    frame = {"id": "id", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas = [{"content": "", "role": "assistant"}, {"reasoning": "ok"}, {"content": "Hi"}, {}]
    *chunks, last = WIRES["openai"].chunks(said)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == deltas
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert not any("usage" in chunk or "usage" in chunk["choices"][0] for chunk in chunks)
    assert last == frame | {
        "choices": [],
        "usage": {
            "prompt_tokens": 3,
            "total_tokens": 5,
            "completion_tokens": 2,
            "prompt_tokens_details": None,
            "completion_tokens_details": None,
        },
    }


def test_a_compatible_message_has_the_one_key() -> None:
    message = WIRES["openai"].body(completion(ReplyChoice("Hi", "ok")))["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "reasoning": "ok",
        "tool_calls": [],
    }
