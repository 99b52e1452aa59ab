"""openai-python as most people stream with it: ``create(stream=True)``, and joining the chunks."""

from __future__ import annotations

import importlib
from typing import Any

from _bodies import Ask, Said

from _clients import First
from _clients._reading import Reading, question

__all__ = ["make"]


class OpenAIPlain:
    """Its chunks have no field for thinking; ``reasoning_content`` is read as the extra that it is."""

    def __init__(self, url: str) -> None:
        openai: Any = importlib.import_module("openai")
        self.openai = openai.AsyncOpenAI(api_key="test-key", base_url=f"{url}/v1")

    async def run(self, ask: Ask, first: First) -> Said:
        reading = Reading(first)
        async with await self.openai.chat.completions.create(**question(ask.model)) as stream:
            async for chunk in stream:
                reading.take_object(chunk)
        return reading.said()

    async def close(self) -> None:
        await self.openai.close()


def make(url: str) -> OpenAIPlain:
    return OpenAIPlain(url)
