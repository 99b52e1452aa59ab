"""kimi_async: every event is read, and the content is that of the final completion."""

from __future__ import annotations

from typing import Any, Final

from _bodies import Ask, Said

from _clients import First
from _clients._engines import Engine, http_client
from kimi_async import (
    AsyncKimi,
    ContentDelta,
    OpenAICompatible,
    ReasoningDelta,
    Timeouts,
    ToolCallDelta,
    aiohttp_client,
)

__all__ = ["make"]

LIMITS: Final = {
    "default": Timeouts(),
    "total": Timeouts(total=3600),
    "none": Timeouts(
        connect=None, write=None, first_output=None, idle=None, progress=None, finish_grace=None
    ),
}
OUTPUT: Final = (ReasoningDelta, ContentDelta, ToolCallDelta)


class Kimi:
    """As users have it; over httpx it makes its HTTP client itself."""

    def __init__(self, client: AsyncKimi, http: Any, *, partial: bool) -> None:
        self._client = client
        self._http = http
        self._partial = partial

    async def run(self, ask: Ask, first: First) -> Said:
        async with self._client.stream("Hi", model=ask.model) as stream:
            async for event in stream:
                if isinstance(event, OUTPUT):
                    first()
                    break
            if self._partial:
                async for event in stream:
                    if isinstance(event, ToolCallDelta):
                        event.partial()
            else:
                async for _ in stream:
                    pass
            reply = await stream.final()
        calls = tuple((call.name, call.arguments) for call in reply.tool_calls)
        return Said(reply.text, reply.reasoning, calls)

    async def close(self) -> None:
        await self._client.aclose()
        if self._http is not None:
            await self._http.aclose()


def make(url: str, engine: Engine, limits: str = "default", *, partial: bool = False) -> Kimi:
    http: Any = None
    if engine != "httpx":
        http = aiohttp_client() if engine == "aiohttp" else http_client(engine)
    provider = OpenAICompatible("test-key", f"{url}/v1")
    client = AsyncKimi(provider, timeouts=LIMITS[limits], http_client=http)
    return Kimi(client, http, partial=partial)
