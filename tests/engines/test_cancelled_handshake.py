"""A request that is cancelled at the end of its TLS handshake closes its connection, and nothing is logged."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import anyio
import pytest
import trustme
from anyio.streams.tls import TLSListener
from event_loops import on_loop

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible, aiohttp_client
from kimi_async._http._aiohttp import Protocol

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(
        "anyio_backend", [on_loop("asyncio", id="asyncio"), on_loop("uvloop", id="uvloop")]
    ),
]


async def test_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    gone = anyio.Event()

    async def serve(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
        gone.set()

    connection_made = Protocol.connection_made

    def cancel(self: Protocol, transport: asyncio.BaseTransport) -> None:
        connection_made(self, transport)
        asking.cancel()

    monkeypatch.setattr(Protocol, "connection_made", cancel)
    tcp = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = tcp.extra(anyio.abc.SocketAttribute.local_port)
    async with (
        TLSListener(tcp, serving, standard_compatible=False) as listener,
        aiohttp_client(verify=trusting) as http,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        provider = OpenAICompatible("test-key", f"https://127.0.0.1:{port}")
        client = AsyncKimi(provider, model="m", http_client=http, retries=kimi.Retries.none())
        asking = asyncio.create_task(client.chat("Hi"))
        await asyncio.wait([asking])
        assert asking.cancelled()
        await gone.wait()
        tasks.cancel_scope.cancel()
    assert not logged
