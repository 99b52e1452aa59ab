"""The shapes that OpenAI's clients read, as far as one chunk and one completion share them; pure.

OpenAI's types know fewer values than ours: an id and the name of a model are texts, a time is a number, and a finish
reason is one of four words. So ``None`` becomes ``""`` or 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kimi_async._record import Outcome, Usage

__all__ = ["finish_word", "openai_head", "openai_usage"]

#: OpenAI has no word for "other". ``length`` tells a client that the answer may be incomplete, ``stop`` would hide it.
_WORDS: Final[Mapping[Outcome, str]] = {
    "complete": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "other": "length",
}


def finish_word(outcome: Outcome | None) -> str | None:
    """Return OpenAI's finish reason for the *outcome* of a choice; ``None`` while there is none."""
    return None if outcome is None else _WORDS[outcome]


def openai_head(
    kind: str, *, id: str | None, model: str | None, created: int | None
) -> dict[str, Any]:
    """Return the first keys of an object of OpenAI's.

    Args:
        kind: ``"chat.completion"`` or ``"chat.completion.chunk"``.
        id: The provider's id of the reply.
        model: The model that the provider named.
        created: Unix seconds.
    """
    return {"id": id or "", "object": kind, "created": created or 0, "model": model or ""}


def openai_usage(usage: Usage) -> dict[str, Any]:
    """Return *usage* as OpenAI spells it; details that were not reported are left out."""
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    total = usage.total_tokens
    spelled: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
    }
    if usage.cached_tokens is not None:
        spelled["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        spelled["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return spelled
