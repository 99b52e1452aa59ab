"""Streams of asyncio and orjson, with no HTTP library: the least that Python can do."""

from __future__ import annotations

import asyncio
import importlib
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from _bodies import Ask, Said

from _clients import First
from _clients._reading import Reading, question

__all__ = ["make"]

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BareAsyncio:
    """Speaks as much HTTP/1.1 as the server of the comparison does, and keeps its connections.

    Attributes:
        reads: In how many pieces the bodies came, all together.
    """

    def __init__(self, url: str) -> None:
        self.reads = 0
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._free: list[Connection] = []
        self._loads: Any = importlib.import_module("orjson").loads

    async def run(self, ask: Ask, first: First) -> Said:
        connection = (
            self._free.pop()
            if self._free
            else await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        )
        reader, writer = connection
        body = json.dumps(question(ask.model)).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await reader.readuntil(b"\r\n\r\n")
        reading = Reading(first)
        await self._read(reader, reading)
        self._free.append(connection)
        return reading.said()

    async def close(self) -> None:
        for _, writer in self._free:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, reading: Reading) -> None:
        """Take the chunks of HTTP apart, each of them one event."""
        held = b""
        while True:
            data = held + await reader.read(65536)
            self.reads += 1
            at = 0
            while (line := data.find(b"\r\n", at)) >= 0:
                size = int(data[at:line], 16)
                end = line + 2 + size
                if len(data) < end + 2:
                    break
                if not size:
                    return
                for event in data[line + 2 : end].split(b"\n\n"):
                    if event and event != b"data: [DONE]":
                        reading.take(self._loads(event[6:]))
                at = end + 2
            held = data[at:]


def make(url: str) -> BareAsyncio:
    return BareAsyncio(url)
