"""A redirect never carries the key to another origin: between two real servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

import kimi_async as kimi
from kimi_async import AsyncKimi
from kimi_async.testing import ErrorReply, FakeProvider, Reply

pytestmark = pytest.mark.anyio


async def chat(client: AsyncKimi) -> object:
    return await client.chat("Hi")


async def one_body(client: AsyncKimi) -> object:
    return await client.chat("Hi", wire="json")


async def models(client: AsyncKimi) -> object:
    return await client.models()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", [chat, one_body, models], ids=lambda ask: ask.__name__)
@pytest.mark.parametrize("follows", [False, True], ids=["own-client", "client-that-follows"])
async def test_the_key_stays_with_the_origin(
    status: int, ask: Callable[[AsyncKimi], Awaitable[object]], follows: bool
) -> None:
    async with FakeProvider(lambda _: Reply("stolen")) as other:
        moved = ErrorReply(status, headers={"location": f"{other.url}/acedata/kimi/elsewhere"})
        async with FakeProvider([moved], models=moved) as fake:
            async with httpx.AsyncClient(follow_redirects=True) as http:
                async with AsyncKimi(
                    fake.acedata(),
                    model="m",
                    http_client=http if follows else None,
                    retries=kimi.Retries.none(),
                ) as client:
                    with pytest.raises(kimi.APIError, match="redirects are not followed") as caught:
                        await ask(client)
    assert caught.value.status == status
    assert len(fake.requests) == 1
    assert (other.requests, other.total_connections) == ([], 0)
