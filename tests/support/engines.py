"""The HTTP engines that the tests with sockets run over: ``pytest --engine=aiohttp tests/exits/test_exits.py``."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import httpx
import pytest
from event_loops import on_loop

from kimi_async import aiohttp_client, http_client
from kimi_async._http import _clients


def httpx2_client(**settings: Any) -> Any:
    """As a caller makes one, but for the TLS context, which takes longer to build than some limits here are."""
    httpx2 = import_module("httpx2")
    tls = _clients.tls_context()
    return httpx2.AsyncClient(timeout=None, trust_env=False, verify=tls, **settings)


def httpx_client(**settings: Any) -> httpx.AsyncClient:
    """The same, of httpx; ``http_client()`` reads by a network backend of ours."""
    return httpx.AsyncClient(
        timeout=None, trust_env=False, verify=_clients.tls_context(), **settings
    )


ENGINES: dict[str, Callable[..., Any]] = {
    "ours": http_client,
    "httpx": httpx_client,
    "aiohttp": aiohttp_client,
    "httpx2": httpx2_client,
}

#: Each engine on the event loops that differ for it: on uvloop, httpx and httpx2 behave as on asyncio.
RUNS = [
    on_loop(loop, engine, id=f"{engine}-{loop}")
    for engine, loops in {
        "ours": ("asyncio", "trio"),
        "httpx": ("asyncio", "trio"),
        "aiohttp": ("asyncio", "uvloop"),
        "httpx2": ("asyncio", "trio"),
    }.items()
    for loop in loops
]

#: The engines of the clients that we make ourselves.
OUR_ENGINES = ("ours", "aiohttp")
OUR_RUNS = [run for run in RUNS if run.values[1] in OUR_ENGINES]

ASYNCIO_ONLY = "aiohttp runs on asyncio only"


def cannot(engine: str, loop: str) -> str:
    """Why *engine* does not run on *loop*; ``""`` where it does."""
    return ASYNCIO_ONLY if (engine, loop) == ("aiohttp", "trio") else ""


def skips(engine: str, item: pytest.Item) -> pytest.MarkDecorator:
    """The mark that leaves *item* out where *engine* does not run."""
    call = getattr(item, "callspec", None)
    backend = call.params.get("anyio_backend", "") if call else ""
    loop = backend if isinstance(backend, str) else backend[0]
    reason = cannot(engine, loop)
    return pytest.mark.skipif(bool(reason), reason=reason)
