"""Join the chunks of a reply like a user of the wire format. Only the standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from _bodies import Said

from _clients import First

__all__ = ["Reading", "question"]


def question(model: str) -> dict[str, Any]:
    """The request."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


class Reading:
    """One reply so far."""

    def __init__(self, first: First) -> None:
        self._first: First | None = first
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, tuple[str, list[str]]] = {}

    def take(self, chunk: Mapping[str, Any]) -> None:
        """Take one decoded chunk."""
        for choice in chunk["choices"]:
            delta = choice["delta"]
            content = delta.get("content")
            if content:
                self._text.append(content)
            elif reasoning := delta.get("reasoning_content"):
                self._reasoning.append(reasoning)
            elif calls := delta.get("tool_calls"):
                self._take_calls(calls)
            else:
                continue
            if self._first is not None:
                self._came()

    def take_object(self, chunk: Any) -> None:
        """Take one chunk of the object form that openai-python gives, and litellm in imitation."""
        for choice in chunk.choices:
            delta = choice.delta
            if delta.content:
                self._text.append(delta.content)
            elif reasoning := getattr(delta, "reasoning_content", None):
                self._reasoning.append(reasoning)
            elif delta.tool_calls:
                for call in delta.tool_calls:
                    self._take_call(call.index, call.function.name, call.function.arguments)
            else:
                continue
            if self._first is not None:
                self._came()

    def said(self) -> Said:
        """Join it all."""
        calls = tuple((name, "".join(pieces)) for name, pieces in self._calls.values())
        return Said("".join(self._text), "".join(self._reasoning), calls)

    def _take_calls(self, calls: Sequence[Mapping[str, Any]]) -> None:
        for call in calls:
            function = call["function"]
            self._take_call(call["index"], function.get("name"), function["arguments"])

    def _take_call(self, index: int, name: str | None, arguments: str | None) -> None:
        if index not in self._calls:
            self._calls[index] = (name or "", [])
        self._calls[index][1].append(arguments or "")

    def _came(self) -> None:
        if self._first is not None:
            self._first()
            self._first = None
