"""Streams that cannot be sent: used before, used meanwhile, or sent already."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from asgi_browser import Browser, over
from web_cases import Case, parse, run

import kimi_async as kimi
from kimi_async import web
from kimi_async.testing import Reply, virtual_time
from kimi_async.web import ReplyResponse

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


async def read_a_part(stream: web.Streamed) -> None:
    for _ in range(2):  # the first event of a run asks for nothing
        await anext(stream)


async def read_all(stream: web.Streamed) -> None:
    await stream.final()


async def close(stream: web.Streamed) -> None:
    await stream.aclose()


async def enter_and_close(stream: web.Streamed) -> None:
    async with stream:
        pass


async def answer_with_it(stream: web.Streamed) -> None:
    await Browser().ask(ReplyResponse(stream))


CALLS = pytest.mark.parametrize("call", [Case([]).call, run, parse], ids=["stream", "run", "parse"])
OSLO_IN_JSON = Reply('{"name": "Oslo", "people": 7}')
USES = [read_a_part, read_all, close, enter_and_close, answer_with_it]


@CALLS
@pytest.mark.parametrize("use", USES)
async def test_a_stream_that_was_used_before_is_refused(
    use: Callable[[web.Streamed], Awaitable[None]], call: Callable[[kimi.AsyncKimi], web.Streamed]
) -> None:
    fake = over(OSLO_IN_JSON)
    stream = call(fake.client())
    await use(stream)
    asked = len(fake.requests)
    with pytest.raises(RuntimeError, match=r"nobody has read or closed, not <.*of a new stream"):
        ReplyResponse(stream)
    if use is read_a_part:
        await stream.final()
    assert (len(fake.requests), fake.active_requests) == (asked, 0)


@CALLS
@pytest.mark.parametrize("use", [read_a_part, close])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_response_whose_stream_was_used_meanwhile_leaves_it_alone(
    method: str,
    use: Callable[[web.Streamed], Awaitable[None]],
    call: Callable[[kimi.AsyncKimi], web.Streamed],
) -> None:
    fake, browser = over(OSLO_IN_JSON), Browser()
    stream = call(fake.client())
    response = ReplyResponse(stream)
    await use(stream)
    with (
        contextlib.nullcontext() if method == "HEAD" else pytest.raises(RuntimeError, match="not <")
    ):
        await browser.ask(response, method)
    assert (browser.body, len(fake.requests)) == (b"", use is read_a_part)
    if use is read_a_part:
        await stream.final()


@CALLS
async def test_a_stream_that_was_entered_can_be_sent(
    call: Callable[[kimi.AsyncKimi], web.Streamed],
) -> None:
    browser = Browser()
    async with call(over(OSLO_IN_JSON).client()) as stream:
        await browser.ask(ReplyResponse(stream))
    assert browser.body == b'{"name": "Oslo", "people": 7}'


@CALLS
async def test_a_stream_has_one_response(call: Callable[[kimi.AsyncKimi], web.Streamed]) -> None:
    browser = Browser()
    stream = call(over(OSLO_IN_JSON).client())
    response = ReplyResponse(stream)
    with pytest.raises(RuntimeError, match=r"^<.*> belongs to another response; make a new stream"):
        ReplyResponse(stream)
    await browser.ask(response)
    assert browser.body == b'{"name": "Oslo", "people": 7}'


@pytest.mark.parametrize("seconds", [0.0, 10.0], ids=["after-it", "meanwhile"])
async def test_a_response_is_sent_once(seconds: float) -> None:
    browser = Browser()
    response = ReplyResponse(over(Reply("Hello, you!", pace=5.0)).client().stream("Hi"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(browser.ask, response)
        await anyio.sleep(seconds or 1000.0)
        with pytest.raises(RuntimeError, match="was sent before; make a new one"):
            await browser.ask(response)
    assert browser.body == b"Hello, you!"
