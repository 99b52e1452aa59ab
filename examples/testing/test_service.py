"""Test a FastAPI service: answers, streams and errors of the provider, without a server and without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse

import kimi_async as kimi
from kimi_async.testing import ErrorReply, FakeTransport, Reply

pytestmark = pytest.mark.anyio

# The service

app = FastAPI()


async def kimi_client() -> kimi.AsyncKimi:
    return kimi.AsyncKimi()


Client = Annotated[kimi.AsyncKimi, Depends(kimi_client)]


@app.get("/answer")
async def answer(question: str, client: Client) -> dict[str, str]:
    try:
        reply = await client.chat(question)
    except kimi.QuotaExceededError as error:
        raise HTTPException(503, "no answers today") from error
    return {"answer": reply.text}


@app.get("/story")
async def story(client: Client) -> StreamingResponse:
    stream = client.stream("Tell me a story")
    await anext(stream)  # an error of the provider raises here, before our status is sent
    return StreamingResponse(texts(stream))


async def texts(stream: kimi.ChatStream) -> AsyncIterator[str]:
    async with stream:
        async for text in stream.text_deltas():
            yield text


# Its tests


@pytest.fixture
async def web(fake: FakeTransport) -> AsyncIterator[httpx.AsyncClient]:
    async def fake_client() -> kimi.AsyncKimi:
        return fake.client()

    app.dependency_overrides[kimi_client] = fake_client
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_an_answer(fake: FakeTransport, web: httpx.AsyncClient) -> None:
    fake.add(Reply("Forty-two."))
    response = await web.get("/answer", params={"question": "What is six by nine?"})
    assert response.json() == {"answer": "Forty-two."}


async def test_the_question_is_sent(fake: FakeTransport, web: httpx.AsyncClient) -> None:
    fake.add(Reply("Forty-two."))
    await web.get("/answer", params={"question": "What is six by nine?"})
    assert fake.requests[0].messages == (kimi.user("What is six by nine?"),)


async def test_no_quota(fake: FakeTransport, web: httpx.AsyncClient) -> None:
    fake.add(ErrorReply(402))
    response = await web.get("/answer", params={"question": "Hi"})
    assert response.status_code == 503


async def test_a_stream(fake: FakeTransport, web: httpx.AsyncClient) -> None:
    fake.add(Reply("Once upon a time", pace=60))
    response = await web.get("/story")
    assert response.text == "Once upon a time"
