"""litellm as its documentation streams: ``acompletion(stream=True)`` for a host of the OpenAI kind."""

from __future__ import annotations

import importlib
import os
from typing import Any

from _bodies import Ask, Said

from _clients import First
from _clients._reading import Reading, question

__all__ = ["make"]


class LiteLLM:
    """Without its price table and its telemetry; the rest is the default."""

    def __init__(self, url: str) -> None:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        litellm: Any = importlib.import_module("litellm")
        litellm.telemetry = False
        self._litellm = litellm
        self._base = f"{url}/v1"

    async def run(self, ask: Ask, first: First) -> Said:
        reading = Reading(first)
        stream = await self._litellm.acompletion(
            **question(ask.model),
            custom_llm_provider="openai",
            api_base=self._base,
            api_key="test-key",
        )
        async for chunk in stream:
            reading.take_object(chunk)
        return reading.said()

    async def close(self) -> None:
        """It has no public way to close its connections."""


def make(url: str) -> LiteLLM:
    return LiteLLM(url)
