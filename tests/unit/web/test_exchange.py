"""A response over ASGI in virtual time: statuses, silence, and a browser that leaves at each stage."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from asgi_browser import Browser, over
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from web_cases import CASES, OSLO, Case, parse, run

import kimi_async as kimi
from kimi_async import web
from kimi_async.testing import (
    ErrorReply,
    FakeTransport,
    Faulty,
    NoHeaders,
    Reply,
    ScriptedReply,
    ScriptError,
    SlowHeaders,
    Stall,
    virtual_time,
)
from kimi_async.tools import tool
from kimi_async.web import Format, ReplyResponse

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


@pytest.mark.parametrize(
    ("reply", "status", "retry_after"),
    [
        (ErrorReply(429, headers={"retry-after": "7"}), 429, b"7"),
        (ErrorReply(429), 429, b"5"),
        (ErrorReply(503), 503, b"5"),
        (ErrorReply(500), 503, b"5"),
        (ErrorReply(401), 500, None),
        (ErrorReply(400, message="secret words"), 400, None),
        (Faulty(Reply("Hi"), NoHeaders()), 503, b"5"),
        (Faulty(Reply("Hi"), SlowHeaders(1e6)), 504, None),
    ],
    ids=["429-7", "429", "503", "500", "401", "400", "no-headers", "silence"],
)
@pytest.mark.parametrize("format", ["text", "events", "openai", "ai-sdk"])
async def test_a_failure_before_the_first_output_is_a_status(
    reply: ScriptedReply,
    status: int,
    retry_after: bytes | None,
    format: Format,
    caplog: pytest.LogCaptureFixture,
) -> None:
    browser, fake = Browser(), over(reply)
    await browser.ask(ReplyResponse(fake.client().stream("secret prompt"), format))
    assert browser.status == status
    assert browser.headers.get(b"retry-after") == retry_after
    assert browser.headers[b"content-type"] == b"application/json"
    assert browser.body.startswith(b'{"error":{"type":"')
    for secret in (b"secret", b"test-key"):
        assert secret not in browser.body
        assert secret.decode() not in caplog.text
    assert ("answered with status 500" in caplog.text) is (status == 500)
    assert not browser.messages[-1]["more_body"]
    assert fake.active_requests == 0


async def test_an_answer_that_cannot_begin_a_value_is_a_status() -> None:
    browser = Browser()
    await browser.ask(ReplyResponse(Case([Reply("Oslo, of course")], parse).stream()))
    assert (browser.status, browser.headers[b"content-type"]) == (502, b"application/json")


def leave_at_once(browser: Browser) -> float:
    browser.leave()
    return 0.0


def raise_os_error(browser: Browser) -> float:
    raise OSError


def raise_at_a_piece(browser: Browser) -> float:
    if len(browser.messages) == 3:
        raise OSError
    return 0.0


def raise_at_a_comment(browser: Browser) -> float:
    if comments_of(browser):
        raise OSError
    return 0.0


def leave_at_the_end(browser: Browser) -> float:
    if not browser.messages[-1].get("more_body", True):
        browser.leave()
    return 0.0


WAITING = Faulty(Reply("Hello, you!", "A greeting."), Stall(after_event=3))


@pytest.mark.parametrize(
    ("reply", "on_message"),
    [
        pytest.param(WAITING, leave_at_once, id="when the response starts"),
        pytest.param(WAITING, raise_os_error, id="the server says so at the start"),
        pytest.param(Reply("Hello, you!"), raise_at_a_piece, id="the server says so at a piece"),
        pytest.param(Reply("Hello"), leave_at_the_end, id="at the end"),
    ],
)
@pytest.mark.parametrize("format", ["text", "events", "openai", "ai-sdk"])
async def test_nothing_is_open_when_the_browser_has_left(
    reply: ScriptedReply, on_message: Callable[[Browser], float], format: Format
) -> None:
    browser, fake = Browser(on_message), over(reply)
    await browser.ask(ReplyResponse(fake.client().stream("Hi"), format))
    assert fake.active_requests == 0
    assert anyio.current_time() < 0.2


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Faulty(Reply("Hi"), SlowHeaders(1e6)), id="before the headers"),
        pytest.param(Faulty(Reply("Hi"), Stall(after_event=0)), id="before the first output"),
        pytest.param(WAITING, id="between events"),
    ],
)
@pytest.mark.parametrize("format", ["text", "events", "openai", "ai-sdk"])
async def test_the_browser_leaving_closes_the_request_at_once(
    reply: ScriptedReply, format: Format
) -> None:
    browser, fake = Browser(), over(reply)
    response = ReplyResponse(fake.client(max_concurrency=1).stream("Hi"), format)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(browser.ask, response)
        await anyio.sleep(10)
        assert fake.active_requests == 1
        browser.leave()
    assert fake.active_requests == 0
    assert anyio.current_time() - 10 < 0.2


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-seen"] = str(response.status_code)
    return response


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        pytest.param(Faulty(Reply("Hi"), SlowHeaders(1e6)), 499, id="before the first output"),
        pytest.param(WAITING, 200, id="between events"),
    ],
)
async def test_a_middleware_sees_a_response_when_the_browser_leaves(
    reply: ScriptedReply, status: int
) -> None:
    browser, fake = Browser(), over(reply)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await ReplyResponse(fake.client().stream("Hi"), "events")(scope, receive, send)

    inner = BaseHTTPMiddleware(app, pass_on)
    outer = BaseHTTPMiddleware(inner, pass_on)
    scope = {"type": "http", "method": "GET", "headers": []}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outer, scope, browser.receive, browser.send)
        await anyio.sleep(10)
        browser.leave()
    assert fake.active_requests == 0
    assert {message.get("status", status) for message in browser.messages} <= {status}
    assert anyio.current_time() - 10 < 0.2


async def test_the_browser_leaving_ends_a_tool() -> None:
    ended: list[bool] = []

    @tool
    async def weather(city: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    fake, browser = FakeTransport([Reply("Wait.", tool_calls=[OSLO])]), Browser()
    response = ReplyResponse(fake.client().run("Hi", tools=[weather], tool_timeout=None), "events")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(browser.ask, response)
        await anyio.sleep(10)
        browser.leave()
    assert (ended, fake.active_requests) == ([True], 0)


@pytest.mark.parametrize("format", ["text", "events", "openai", "ai-sdk"])
async def test_a_response_that_never_starts_sends_nothing(format: Format) -> None:
    fake = FakeTransport([])
    ReplyResponse(fake.client().stream("Hi"), format)
    assert fake.requests == []


SILENT = Faulty(Reply("Hello, you!"), Stall(after_event=2, seconds=40.0))


def comments_of(browser: Browser) -> list[float]:
    messages = zip(browser.messages, browser.times, strict=True)
    return [time for message, time in messages if message.get("body") == b": keep-alive\n\n"]


@pytest.mark.parametrize("format", ["events", "openai", "ai-sdk"])
async def test_comments_keep_a_silent_connection_open(format: Format) -> None:
    browser = Browser()
    await browser.ask(ReplyResponse(over(SILENT).client().stream("Hi"), format))
    comments = comments_of(browser)
    assert len(comments) >= 2
    times = sorted({*comments, *browser.times})
    assert max(later - time for time, later in itertools.pairwise(times)) <= 15


@pytest.mark.parametrize(("format", "keep_alive"), [("text", 15.0), ("events", None)])
async def test_no_comments(format: Format, keep_alive: float | None) -> None:
    browser = Browser()
    await browser.ask(ReplyResponse(over(SILENT).client().stream("Hi"), format, keep_alive))
    assert comments_of(browser) == []


def slow_at_the_end(browser: Browser) -> float:
    return 0.0 if browser.messages[-1].get("more_body", True) else 100.0


async def test_no_comment_comes_after_the_end() -> None:
    browser = Browser(slow_at_the_end)
    await browser.ask(ReplyResponse(CASES["complete"].stream(), "events"))
    assert not browser.messages[-1]["more_body"]
    assert browser.messages[-2]["body"] == b": keep-alive\n\n" or comments_of(browser) == []


@pytest.mark.parametrize("slow", [b": keep-alive\n\n", b"data: "], ids=["comment", "piece"])
async def test_a_message_waits_for_the_one_before(slow: bytes) -> None:
    def seconds(browser: Browser) -> float:
        return 50.0 if browser.messages[-1].get("body", b"").startswith(slow) else 0.0

    browser = Browser(seconds)
    await browser.ask(ReplyResponse(over(SILENT).client().stream("Hi"), "events"))
    assert browser.most_sends_at_once == 1
    assert b"event: end" in browser.body


async def test_a_busy_connection_needs_no_comment() -> None:
    paced = Reply("Hello, you! " * 20, pace=5.0)
    browser = Browser()
    await browser.ask(ReplyResponse(over(paced).client().stream("Hi"), "events"))
    assert comments_of(browser) == []


@pytest.mark.parametrize("format", ["text", "events", "openai", "ai-sdk"])
@pytest.mark.parametrize("call", [Case([]).call, parse])
async def test_all_that_arrives_together_is_one_message(
    call: Callable[[kimi.AsyncKimi], web.Streamed], format: Format
) -> None:
    paced = Reply('{"name": "Oslo", "people": 700000}', pace=5.0)
    browser = Browser()
    await browser.ask(ReplyResponse(call(over(paced).client()), format, keep_alive=None))
    (_, *pieces, last), (_, *times, _) = browser.messages, browser.times
    assert len(times) > 5
    assert len(set(times)) == len(times)
    assert all(piece["more_body"] for piece in pieces)
    assert last == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("format", ["events", "openai", "ai-sdk"])
async def test_a_server_that_fails_at_a_comment_ends_the_exchange(format: Format) -> None:
    browser, fake = Browser(raise_at_a_comment), over(SILENT)
    await browser.ask(ReplyResponse(fake.client().stream("Hi"), format))
    assert (fake.active_requests, len(comments_of(browser))) == (0, 1)
    assert anyio.current_time() < 15.2


#: An ``OSError`` of ``send`` means that the browser left; that of a tool is a failure.
@pytest.mark.parametrize("kind", [ValueError, FileNotFoundError, ConnectionResetError])
@pytest.mark.parametrize("format", ["text", "events", "openai", "ai-sdk"])
async def test_the_exception_of_a_tool_is_told_and_raised(
    format: Format, kind: type[Exception]
) -> None:
    @tool
    async def weather(city: str) -> str:
        raise kind("a secret of the tool")

    fake = FakeTransport([Reply("Wait.", tool_calls=[OSLO])])
    stream = fake.client().run("Hi", tools=[weather], on_tool_error="raise")
    browser = Browser()
    with pytest.raises(kind, match="a secret of the tool"):
        await browser.ask(ReplyResponse(stream, format))
    assert b"This service failed." in browser.body
    assert b"secret" not in browser.body


async def test_a_background_task_runs_after_the_response() -> None:
    lengths: list[int] = []
    browser = Browser()

    async def note() -> None:
        lengths.append(len(browser.body))

    task = BackgroundTask(note)
    await browser.ask(ReplyResponse(Case([Reply("Hello")], run).stream(), background=task))
    assert lengths == [5]


async def test_more_headers() -> None:
    browser = Browser()
    headers = {"X-Chat": "1", "Cache-Control": "no-store"}
    response = ReplyResponse(CASES["complete"].stream(), headers=headers)
    response.set_cookie("seen", "yes")
    response.status_code = 203
    await browser.ask(response)
    assert (browser.headers[b"x-chat"], browser.headers[b"cache-control"]) == (b"1", b"no-store")
    assert len(browser.headers) == len(browser.messages[0]["headers"])
    assert (browser.status, browser.headers[b"set-cookie"][:8]) == (203, b"seen=yes")


async def test_a_head_request_asks_nothing() -> None:
    browser, fake = Browser(), over(Reply("Hello"))
    await browser.ask(ReplyResponse(fake.client().stream("Hi"), "events"), "HEAD")
    assert (browser.status, browser.body, fake.requests) == (200, b"", [])
    assert browser.headers[b"content-type"] == b"text/event-stream"
    assert not browser.messages[-1]["more_body"]


async def test_the_error_of_a_script_is_raised_as_it_is() -> None:
    with pytest.raises(ScriptError):
        await Browser().ask(ReplyResponse(FakeTransport([]).client().stream("Hi")))


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 10**309, True, "15"])
def test_a_wrong_keep_alive_is_refused(seconds: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="keep_alive must be"):
        ReplyResponse(CASES["complete"].stream(), "events", seconds)


def test_without_starlette_only_its_response_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.responses", None)
    monkeypatch.delitem(sys.modules, "kimi_async.web._response", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'kimi-async\[web\]'"):
        importlib.import_module("kimi_async.web").__getattr__("ReplyResponse")
    assert web.asgi_body(CASES["complete"].stream()).headers


def test_other_names_are_missing() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = web.Nothing
