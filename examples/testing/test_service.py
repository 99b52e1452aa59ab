"""Test a FastAPI service: answers, streams and errors of the provider, without a server and without a key.

pip install 'kimi-async[web]' fastapi pytest
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request

import kimi_async as kimi
from kimi_async.testing import ErrorReply, FakeTransport, Reply
from kimi_async.web import ReplyResponse

pytestmark = pytest.mark.anyio

# The service


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with kimi.AsyncKimi() as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/answer")
async def answer(request: Request, question: str) -> dict[str, str]:
    try:
        reply = await request.app.state.client.chat(question)
    except kimi.QuotaExceededError as error:
        raise HTTPException(503, "no answers today") from error
    return {"answer": reply.text}


@app.get("/story")
async def story(request: Request) -> ReplyResponse:
    return ReplyResponse(request.app.state.client.stream("Tell me a story"))


# Its tests


@pytest.fixture
async def web(fake: FakeTransport) -> AsyncIterator[httpx.AsyncClient]:
    app.state.client = fake.client()  # the transport below does not run the lifespan
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


async def test_a_stream_that_breaks(fake: FakeTransport, web: httpx.AsyncClient) -> None:
    fake.add(Reply("Once upon a time", chunk_chars=5, cut_after=3, end="reset"))
    response = await web.get("/story")
    assert "[interrupted: " in response.text


async def test_a_stream_that_stalls(fake: FakeTransport, web: httpx.AsyncClient) -> None:
    fake.add(Reply("Once upon a time", chunk_chars=5, cut_after=3, end="stall"))
    response = await web.get("/story")  # five minutes of silence, which take no time here
    assert "[timeout: " in response.text
