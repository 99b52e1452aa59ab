"""Each spelling of a finish reason has one meaning, whatever its case."""

from __future__ import annotations

import pytest

from kimi_async._finish_reasons import Meaning, meaning_of

SPELLINGS: dict[Meaning, list[str]] = {
    "natural": [
        "stop",
        "tool_calls",
        "function_call",
        "end_turn",
        "eos",
        "STOP",
        "tool-calls",
        "toolCalls",
        "EndTurn",
        "finish_reason_stop",
    ],
    "length": [
        "length",
        "max_tokens",
        "MAX_TOKENS",
        "model_length",
        "Max Tokens",
        "maxTokens",
        "FINISH_REASON_MAX_TOKENS",
    ],
    "content_filter": [
        *("content_filter", "content-filter", "SAFETY", "PROHIBITED_CONTENT", "sensitive"),
        *("recitation", "RECITATION", "contentFilter", "content_moderation"),
    ],
    "gave_up": [
        *("error", "ERROR", "abort", "aborted", "network_error", "cancelled", "canceled", "failed"),
        *("timeout", "server_error", " error ", "engine_error", "exception", "model_error"),
        *("connection_error", "unavailable", "killed", "service_unavailable", "EngineException"),
        *("generation failed", "request-timeout", "terminated", "out_of_memory", "disconnected"),
        *("user_abort", "networkError"),
    ],
    "unknown": ["unexpected_state", "OTHER", "stop!", "no error", " "],
}


@pytest.mark.parametrize(
    ("meaning", "word"), [(meaning, word) for meaning, words in SPELLINGS.items() for word in words]
)
def test_the_meaning_of_a_finish_reason(meaning: Meaning, word: str) -> None:
    assert meaning_of(word) == meaning
