"""A chat service: FastAPI, one page for the browser, and replies that stream into it.

It takes provider, key and model from the environment:

    pip install 'kimi-async[web]' fastapi uvicorn
    uvicorn --app-dir examples web_service:app

The page reads the format "events". ``POST /chat/<format>`` gives the same reply in each format, for a body such as
``[{"role": "user", "content": "Hi"}]``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel

import kimi_async as kimi
from kimi_async.web import Format, ReplyResponse

PAGE = Path(__file__).with_name("web_service.html")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Make one client for all requests, and close it when the service ends."""
    async with kimi.AsyncKimi() as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


def client_of(request: Request) -> kimi.AsyncKimi:
    client: kimi.AsyncKimi = request.app.state.client
    return client


Client = Annotated[kimi.AsyncKimi, Depends(client_of)]


class Said(BaseModel):
    """One message of the chat; the browser cannot send a system message."""

    role: Literal["user", "assistant"]
    content: str


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.post("/chat/{format}")
async def chat(client: Client, format: Format, messages: list[Said]) -> ReplyResponse:
    """Answer the chat so far."""
    said = [kimi.Message(role=each.role, content=each.content) for each in messages]
    return ReplyResponse(client.stream(said), format)
