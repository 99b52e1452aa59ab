"""The helper of openai-python that gives events and the whole completion: ``chat.completions.stream()``."""

from __future__ import annotations

from typing import Any

from _bodies import Ask, Said

from _clients import First
from _clients._reading import question
from _clients.openai_plain import OpenAIPlain

__all__ = ["make"]


class OpenAIStream(OpenAIPlain):
    """Read every event, and take the content from the final completion."""

    async def run(self, ask: Ask, first: First) -> Said:
        body = question(ask.model)
        del body["stream"]
        async with self.openai.chat.completions.stream(**body) as stream:
            async for event in stream:
                # Thinking has no event of its own; the chunk that holds it comes first.
                if event.type == "chunk" and event.chunk.choices[0].delta.content is None:
                    first()
                    break
                if event.type in {"content.delta", "tool_calls.function.arguments.delta"}:
                    first()
                    break
            async for _ in stream:
                pass
            completion = await stream.get_final_completion()
        return _said(completion.choices[0].message)


def _said(message: Any) -> Said:
    calls = tuple(
        (call.function.name, call.function.arguments) for call in message.tool_calls or ()
    )
    return Said(message.content or "", getattr(message, "reasoning_content", None) or "", calls)


def make(url: str) -> OpenAIStream:
    return OpenAIStream(url)
