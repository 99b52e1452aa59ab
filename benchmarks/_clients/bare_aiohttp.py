"""The bytes of aiohttp, without httpx above it, split at blank lines and decoded: the floor of a library on aiohttp."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from typing import Any

import msgspec
from _bodies import Ask, Said

from _clients import First
from _clients._engines import CONNECTIONS, SECONDS
from _clients._reading import Reading, question

__all__ = ["make"]


class BareAiohttp:
    """Checks nothing: no status, no type, no limit."""

    def __init__(self, url: str) -> None:
        self._aiohttp: Any = importlib.import_module("aiohttp")
        self._made: Any = None
        self._url = f"{url}/v1/chat/completions"
        self._decode = msgspec.json.Decoder().decode

    async def run(self, ask: Ask, first: First) -> Said:
        reading = Reading(first)
        held = b""
        async with self._session().post(self._url, json=question(ask.model)) as response:
            async for data in response.content.iter_any():
                *events, held = (held + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        reading.take(self._decode(event[6:]))
        return reading.said()

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()
            # aiohttp closes a connection over TLS in a later turn of the event loop.
            await asyncio.sleep(0)

    def _session(self) -> Any:
        """Return the session, which can be made only inside an event loop."""
        if self._made is None:
            # aiohttp's own context does not read SSL_CERT_FILE, because it is made at the import.
            tls = ssl.create_default_context()
            connector = self._aiohttp.TCPConnector(limit=CONNECTIONS, ssl=tls)
            timeout = self._aiohttp.ClientTimeout(total=SECONDS)
            self._made = self._aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._made


def make(url: str) -> BareAiohttp:
    return BareAiohttp(url)
