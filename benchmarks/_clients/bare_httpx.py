"""The raw bytes of an HTTP client, split at blank lines and decoded: the floor of a library on that client."""

from __future__ import annotations

from typing import Any

import msgspec
from _bodies import Ask, Said

from _clients import First
from _clients._engines import Engine, http_client
from _clients._reading import Reading, question

__all__ = ["make"]


class BareHttpx:
    """Checks nothing: no status, no type, no limit."""

    def __init__(self, http: Any, url: str) -> None:
        self._http = http
        self._url = f"{url}/v1/chat/completions"
        self._decode = msgspec.json.Decoder().decode

    async def run(self, ask: Ask, first: First) -> Said:
        reading = Reading(first)
        held = b""
        async with self._http.stream("POST", self._url, json=question(ask.model)) as response:
            async for data in response.aiter_raw():
                *events, held = (held + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        reading.take(self._decode(event[6:]))
        return reading.said()

    async def close(self) -> None:
        await self._http.aclose()


def make(url: str, engine: Engine) -> BareHttpx:
    return BareHttpx(http_client(engine), url)
