"""The HTTP clients that bare reading and kimi_async are measured over."""

from __future__ import annotations

import importlib
from typing import Any, Final, Literal, TypeAlias

__all__ = ["CONNECTIONS", "SECONDS", "Engine", "http_client"]

Engine: TypeAlias = Literal["httpx", "httpx2", "aiohttp"]

#: As many connections as kimi_async allows itself, and long enough for a stream that is held.
CONNECTIONS: Final = 1000
SECONDS: Final = 600


def http_client(engine: Engine) -> Any:
    """Make a client that many streams at once fit into."""
    package: Any = importlib.import_module("httpx2" if engine == "httpx2" else "httpx")
    limits = package.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    if engine != "aiohttp":
        return package.AsyncClient(limits=limits, timeout=SECONDS)
    httpx_aiohttp: Any = importlib.import_module("httpx_aiohttp")
    transport = httpx_aiohttp.AiohttpTransport(limits=limits)
    return package.AsyncClient(transport=transport, timeout=SECONDS)
