"""A compressed body is read under the limits over each engine, and a small one that holds a gibibyte does no harm."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import Any

import pytest
from attrs import frozen
from engine_cases import HEADERS, EngineFault, Server
from engines import ENGINES, RUNS
from event_loops import LOOPS, Loop
from fake_host import HELLO, delta, sse
from loop_stalls import heartbeat

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible

pytestmark = pytest.mark.anyio

on_each_engine = pytest.mark.parametrize(("anyio_backend", "engine"), RUNS)
MIB = 1024 * 1024


def gzip_bomb(begin: bytes = b"") -> bytes:
    """A gibibyte of zeros after *begin*; its check sum is wrong, and nobody may read so far."""
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    head = compressor.compress(begin) + compressor.flush(zlib.Z_FULL_FLUSH)
    mebibyte = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return head + mebibyte * 1024


@frozen
class Bomb:
    """A compressed body, and the error that it ends in."""

    encoding: str
    body: bytes
    error: type[kimi.KimiError] = kimi.ProtocolError
    limit: str | None = None
    status: int = 200


BOMBS = {
    "gzip": Bomb("gzip", gzip_bomb(), limit="event_bytes"),
    "gzip-in-an-event": Bomb("gzip", gzip_bomb(sse(delta("Hel")) + b"data: "), limit="event_bytes"),
    "gzip-json": Bomb("gzip", gzip_bomb(b'{"id":"'), limit="body_bytes"),
    "gzip-error": Bomb("gzip", gzip_bomb(), error=kimi.ServerError, status=500),
    "gzip-gzip": Bomb("gzip, gzip", gzip_bomb()),
    "gzip-gzip-error": Bomb("gzip, gzip", gzip_bomb(), error=kimi.ServerError, status=500),
    "br": Bomb("br", b"\x8b" * MIB),
    "zstd": Bomb("zstd", b"\x28\xb5\x2f\xfd" * MIB),
}


def head(encoding: str, status: int = 200) -> bytes:
    said = HEADERS.replace(b"200", b"%d" % status)
    return said + b"content-encoding: %s\r\nconnection: close\r\n\r\n" % encoding.encode()


def client_of(server: Server, http: Any) -> AsyncKimi:
    provider = OpenAICompatible("test-key", f"http://127.0.0.1:{server.port}")
    return AsyncKimi(
        provider, model="m", http_client=http, checks="off", retries=kimi.Retries.none()
    )


@pytest.mark.parametrize(
    ("anyio_backend", "engine"), [(LOOPS["asyncio"], each) for each in ENGINES], ids=ENGINES
)
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_fills_no_memory_and_holds_no_loop(
    bomb: Bomb, engine: str, anyio_backend: Loop
) -> None:
    fault = EngineFault(id="", says=head(bomb.encoding, bomb.status) + bomb.body)
    async with Server(fault) as server, ENGINES[engine]() as http:
        client = client_of(server, http)
        tracemalloc.start()
        try:
            async with heartbeat() as heart:
                with pytest.raises(bomb.error) as caught:
                    await client.chat("Hi")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert getattr(caught.value, "limit", None) == bomb.limit
    assert peak < 100 * MIB
    # Tracing makes each allocation several times as dear.
    assert heart.longest < 0.2


@on_each_engine
async def test_a_list_of_models_is_a_bomb_like_any_other(engine: str, anyio_backend: Loop) -> None:
    fault = EngineFault(id="", says=head("gzip") + gzip_bomb(b'{"data":['))
    async with Server(fault) as server, ENGINES[engine]() as http:
        with pytest.raises(kimi.ProtocolError) as caught:
            await client_of(server, http).models()
    assert caught.value.limit == "body_bytes"


@on_each_engine
async def test_a_compressed_stream_gives_each_event_when_it_is_flushed(
    engine: str, anyio_backend: Loop
) -> None:
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = compressor.compress(sse(delta("Hel"))) + compressor.flush(zlib.Z_SYNC_FLUSH)
    rest = compressor.compress(HELLO) + compressor.flush()
    fault = EngineFault(id="", says=head("gzip") + first, then=rest)
    async with Server(fault) as server, ENGINES[engine]() as http:
        async with client_of(server, http).stream("Hi") as stream:
            texts: list[str] = []
            async for text in stream.text_deltas():
                texts.append(text)
                server.told.set()
    assert texts[0] == "Hel"
    assert "".join(texts) == "HelHello"


@on_each_engine
async def test_a_compressed_body_that_breaks_is_a_broken_stream(
    engine: str, anyio_backend: Loop
) -> None:
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    said = compressor.compress(sse(delta("Hel"))) + compressor.flush(zlib.Z_SYNC_FLUSH)
    async with Server(EngineFault(id="", says=head("gzip") + said)) as server:
        async with ENGINES[engine]() as http:
            with pytest.raises(kimi.StreamInterrupted) as caught:
                await client_of(server, http).chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"
