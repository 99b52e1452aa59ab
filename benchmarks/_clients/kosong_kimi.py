"""The Kimi provider of kosong: its stream of parts, or ``kosong.generate()``, which also makes the message."""

from __future__ import annotations

import importlib
from typing import Any

from _bodies import Ask, Said

from _clients import First

__all__ = ["make"]


class Kosong:
    """A provider has one model, so each model that is asked for has a provider; they share the HTTP client."""

    def __init__(self, url: str, *, whole: bool) -> None:
        self._kosong: Any = importlib.import_module("kosong")
        self._kimi: Any = importlib.import_module("kosong.chat_provider.kimi")
        self._parts: Any = importlib.import_module("kosong.message")
        self._history = [self._parts.Message(role="user", content="Hi")]
        self._provider: Any = self._kimi.Kimi(model="m", api_key="test-key", base_url=f"{url}/v1")
        self._whole = whole

    async def run(self, ask: Ask, first: First) -> Said:
        provider = self._kimi.Kimi.__new__(self._kimi.Kimi)
        vars(provider).update(vars(self._provider), model=ask.model)
        if self._whole:
            return await self._generate(provider, first)
        return await self._iterate(provider, first)

    async def close(self) -> None:
        await self._provider.client.close()

    async def _generate(self, provider: Any, first: First) -> Said:
        """Have each part, and the message at the end."""
        waiting = [first]

        def part_came(_part: Any) -> None:
            if waiting:
                waiting.pop()()

        result = await self._kosong.generate(
            provider, "", [], self._history, on_message_part=part_came
        )
        return self._said(result.message)

    async def _iterate(self, provider: Any, first: First) -> Said:
        stream = await provider.generate("", [], self._history)
        parts = self._parts
        text: list[str] = []
        reasoning: list[str] = []
        calls: list[tuple[str, list[str]]] = []
        waiting = True
        async for part in stream:
            if waiting:
                first()
                waiting = False
            if isinstance(part, parts.TextPart):
                text.append(part.text)
            elif isinstance(part, parts.ThinkPart):
                reasoning.append(part.think)
            elif isinstance(part, parts.ToolCall):
                calls.append((part.function.name, [part.function.arguments or ""]))
            else:
                calls[-1][1].append(part.arguments_part or "")
        joined = tuple((name, "".join(pieces)) for name, pieces in calls)
        return Said("".join(text), "".join(reasoning), joined)

    def _said(self, message: Any) -> Said:
        texts = [part.text for part in message.content if isinstance(part, self._parts.TextPart)]
        thoughts = [
            part.think for part in message.content if isinstance(part, self._parts.ThinkPart)
        ]
        calls = tuple(
            (call.function.name, call.function.arguments or "") for call in message.tool_calls or ()
        )
        return Said("".join(texts), "".join(thoughts), calls)


def make(url: str, *, whole: bool) -> Kosong:
    return Kosong(url, whole=whole)
