"""httpx, httpx-sse and json: typical code without an SDK."""

from __future__ import annotations

import json

from _bodies import Ask, Said
from httpx_sse import aconnect_sse

from _clients import First
from _clients._engines import http_client
from _clients._reading import Reading, question

__all__ = ["make"]


class BareSse:
    """Checks the content type, because httpx-sse does."""

    def __init__(self, url: str) -> None:
        self._http = http_client("httpx")
        self._url = f"{url}/v1/chat/completions"

    async def run(self, ask: Ask, first: First) -> Said:
        reading = Reading(first)
        body = question(ask.model)
        async with aconnect_sse(self._http, "POST", self._url, json=body) as source:
            async for event in source.aiter_sse():
                if event.data != "[DONE]":
                    reading.take(json.loads(event.data))
        return reading.said()

    async def close(self) -> None:
        await self._http.aclose()


def make(url: str) -> BareSse:
    return BareSse(url)
