"""The meaning of a finish reason, for every spelling that a host is known to use; pure.

Hosts pass on the words of the server that runs the model, so one meaning has many spellings: OpenAI's, Anthropic's,
Gemini's, Cohere's, those of vLLM and of text-generation-inference. The word itself stays in ``finish_reason``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

__all__ = ["Meaning", "meaning_of", "said_reason"]

#: ``natural``: the model ended by itself, and its tool calls are complete. ``length`` and ``content_filter``: the reply
#: was cut. ``gave_up``: the host says that it failed, so the reply is broken. ``unknown``: any other word; nothing is
#: known of its tool calls.
Meaning: TypeAlias = Literal["natural", "length", "content_filter", "gave_up", "unknown"]

#: In lower case, with ``_`` between words.
_SPELLINGS: Final[Mapping[Meaning, str]] = {
    "natural": (
        "stop tool_calls function_call"
        " end_turn end_of_turn stop_sequence stop_token tool_call tool_use eos eos_token eos_found end complete"
        " completed done finished"
    ),
    "length": (
        "length max_tokens max_output_tokens max_completion_tokens max_new_tokens max_length token_limit"
        " model_length model_context_window_exceeded context_length_exceeded length_limit"
    ),
    "content_filter": (
        "content_filter content_filtered safety image_safety prohibited_content sensitive recitation blocklist spii"
        " guardrail_intervened refusal error_toxic content_moderation moderation blocked filtered"
    ),
    "gave_up": (
        "error errored abort aborted cancel cancelled canceled user_cancel failed fail timed_out deadline_exceeded"
        " insufficient_system_resource overloaded engine_overloaded server_overloaded killed crash crashed fatal"
        " terminated interrupted preempted evicted shutdown disconnect disconnected connection_closed connection_lost"
        " connection_reset bad_gateway out_of_memory oom rate_limit rate_limited unknown_failure worker_died"
    ),
}
#: Endings of any word by which a host says that it gave up, such as those of ``engine_error`` and ``ModelException``.
_GAVE_UP: Final = r"(?!no_|without_).*(error|exception|failed|failure|timeout|unavailable|cancell?ed|abort|aborted)"
_MEANINGS: Final[Mapping[str, Meaning]] = {
    spelling: meaning for meaning, spellings in _SPELLINGS.items() for spelling in spellings.split()
}


def said_reason(word: str) -> str | None:
    """Return a finish reason, or ``None`` for a text that stands for none: hosts write ``null`` as a text."""
    return None if word.lower() in ("", "null", "none") else word


def meaning_of(reason: str) -> Meaning:
    """Return the meaning of a finish reason, however its words are joined: ``max_tokens``, ``maxTokens``."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])|[- ]", "_", reason.strip()).lower()
    word = word.removeprefix("finish_reason_")
    return _MEANINGS.get(word) or ("gave_up" if re.fullmatch(_GAVE_UP, word) else "unknown")
