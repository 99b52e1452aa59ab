"""Find the prefix that a request wants continued, and cut it from the text of a fake. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["prefix_of", "without_prefix"]


def prefix_of(body: Mapping[str, Any]) -> str:
    """Return the text that a request wants continued; ``""`` = none."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("partial") is not True:
        return ""
    content = last.get("content")
    return content if isinstance(content, str) else ""


def without_prefix(content: str | None, prefix: str) -> str | None:
    """Return *content* without *prefix*; a content that does not begin with it stays."""
    return None if content is None else content.removeprefix(prefix)
