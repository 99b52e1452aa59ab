"""The example of a web service under real servers: statuses, and a browser that leaves at each stage."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import anyio
import httpx
import pytest
from paths import ROOT

from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    Faulty,
    ReceivedRequest,
    Reply,
    ScriptedReply,
    SlowHeaders,
    Stall,
)

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

#: Each server takes a listening socket of the test, so that no port is guessed and no start is awaited.
SERVERS: Final[dict[str, Callable[[int], list[str]]]] = {
    "uvicorn": lambda fd: ["uvicorn", f"--fd={fd}", "--app-dir=examples", "web_service:app"],
    "hypercorn": lambda fd: ["hypercorn", f"--bind=fd://{fd}", "web_service:app"],
}
PARAMS: Final = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason="not installed"),
    )
    for name in SERVERS
]
FORMATS: Final = ("text", "events", "openai", "ai-sdk")

#: Seconds for what should take a moment: machines are busy at times.
LONG: Final = 60.0


@contextmanager
def serving(server: str, fake: FakeProvider) -> Generator[str]:
    """Run the example under *server*, with *fake* as its provider; give its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", *SERVERS[server](listener.fileno())]
        environment = {
            **os.environ,
            "KIMI_PROVIDER": "acedata",
            "KIMI_MODEL": "kimi-k3",
            "ACEDATACLOUD_API_TOKEN": fake.api_key,
            "KIMI_BASE_URL": f"{fake.url}/acedata/kimi",
            "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT / "examples")]),
        }
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()], stderr=subprocess.PIPE
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.terminate()
            _, log = process.communicate(timeout=LONG)
    assert b"Traceback" not in log, log.decode()


#: The answer of the provider to each question.
REPLIES: Final[dict[str, ScriptedReply]] = {
    # Longer than a wait that the client takes itself.
    "a limit": ErrorReply(429, headers={"retry-after": "70"}),
    "an overload": ErrorReply(503, headers={"retry-after": "71"}),
    "a wrong key": ErrorReply(401),
    "an answer": Reply("Hello, you!", "A greeting."),
    "a cut": Reply("Hello, you!", cut_after=2, end="reset"),
    "no headers": Faulty(Reply("Hello"), SlowHeaders()),
    "no output": Faulty(Reply("Hello"), Stall(after_event=0)),
    "a pause": Faulty(Reply("Hello, you!"), Stall(after_event=2)),
    "no usage": Faulty(Reply("Hello"), Stall(after_event=-1)),
}


def script(request: ReceivedRequest) -> ScriptedReply:
    return REPLIES[request.body["messages"][0]["content"]]


@pytest.fixture(params=PARAMS)
async def service(
    request: pytest.FixtureRequest, anyio_backend: str
) -> AsyncGenerator[tuple[FakeProvider, httpx.AsyncClient]]:
    """Give a provider, and a browser of the service that asks it."""
    async with FakeProvider(script) as fake:
        with serving(request.param, fake) as url:
            async with httpx.AsyncClient(base_url=url, timeout=LONG) as browser:
                yield fake, browser


def asked(question: str, form: str) -> tuple[str, str, Any]:
    return "POST", f"/chat/{form}", [{"role": "user", "content": question}]


async def until_closed(fake: FakeProvider) -> None:
    await fake.wait_until(lambda: fake.active_requests == 0, timeout=LONG)


async def test_statuses_and_whole_replies(
    service: tuple[FakeProvider, httpx.AsyncClient], anyio_backend: str
) -> None:
    fake, browser = service
    assert "<title>Kimi chat" in (await browser.get("/")).text
    for question, status, wait in [
        ("a limit", 429, "70"),
        ("an overload", 503, "71"),
        ("a wrong key", 500, None),
    ]:
        method, url, said = asked(question, "events")
        refused = await browser.request(method, url, json=said)
        assert (refused.status_code, refused.headers.get("retry-after")) == (status, wait)
        assert question not in refused.text
    for form in FORMATS:
        method, url, said = asked("an answer", form)
        answer = await browser.request(method, url, json=said)
        assert (answer.status_code, answer.headers["x-accel-buffering"]) == (200, "no")
        assert "Hello, y" in answer.text
        method, url, said = asked("a cut", form)
        answer = await browser.request(method, url, json=said)
        assert "broke before its end" in answer.text
    await until_closed(fake)


async def leave(fake: FakeProvider, browser: httpx.AsyncClient, question: str, form: str) -> None:
    """Ask, and leave after the first bytes; or, if none come, when the provider was asked."""
    method, url, said = asked(question, form)
    before = len(fake.requests)
    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            async with browser.stream(method, url, json=said) as response:
                await anext(response.aiter_raw())
                tasks.cancel_scope.cancel()

        tasks.start_soon(read)
        if question in ("no headers", "no output"):
            await fake.wait_until(lambda: len(fake.requests) > before, timeout=LONG)
            tasks.cancel_scope.cancel()


async def test_a_browser_that_leaves_closes_the_request(
    service: tuple[FakeProvider, httpx.AsyncClient], anyio_backend: str
) -> None:
    fake, browser = service
    for question in ("no headers", "no output", "a pause", "no usage"):
        for form in FORMATS:
            await leave(fake, browser, question, form)
            await until_closed(fake)
