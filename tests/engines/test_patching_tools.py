"""A tool that patches httpx sees each request of the clients that we make, whatever they send with."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from engines import ENGINES, OUR_ENGINES
from fake_host import HELLO

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

URL = "https://api.test/v1"

on_each_engine = pytest.mark.parametrize("engine", OUR_ENGINES)
#: respx's own name for what it patches.
both_ways = pytest.mark.parametrize("using", ["httpcore", "httpx"])


@pytest.fixture(autouse=True)
def no_socket(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Count the connections that are opened."""
    opened: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", opened.append)
    yield opened
    assert not opened


def client_of(http: Any) -> AsyncKimi:
    return AsyncKimi(
        OpenAICompatible("test-key", URL),
        model="m",
        http_client=http,
        checks="off",
        retries=kimi.Retries.none(),
    )


@on_each_engine
@both_ways
async def test_a_mocked_reply_is_given(engine: str, using: str) -> None:
    async with ENGINES[engine]() as http:
        with respx.mock(using=using) as router:
            route = router.post(f"{URL}/chat/completions").respond(content=HELLO)
            assert (await client_of(http).chat("Hi")).text == "Hello"
            assert (await client_of(http).chat("x" * 100_000)).text == "Hello"
        assert route.call_count == 2
        assert route.calls.last.request.headers["authorization"] == "Bearer test-key"


@on_each_engine
@both_ways
async def test_a_request_without_a_route_opens_no_socket(engine: str, using: str) -> None:
    async with ENGINES[engine]() as http:
        with respx.mock(using=using), pytest.raises(kimi.TransportError) as caught:
            await client_of(http).chat("Hi")
    assert "AllMockedAssertionError" in str(caught.value.cause)


@on_each_engine
@pytest.mark.parametrize(
    ("kind", "name"),
    [(httpx.AsyncHTTPTransport, "handle_async_request"), (httpx.AsyncClient, "send")],
)
async def test_a_replaced_function_has_the_request(
    kind: type, name: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pytest-httpx replaces the first, and Sentry the second."""

    async def replacement(self: object, request: httpx.Request, **_: object) -> httpx.Response:
        return httpx.Response(200, content=HELLO, request=request)

    monkeypatch.setattr(kind, name, replacement)
    async with ENGINES[engine]() as http:
        assert (await client_of(http).chat("Hi")).text == "Hello"
