"""Each async context manager may be entered by one task and left by another, as fixtures of pytest-asyncio are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from kimi_async import AsyncKimi, http_client
from kimi_async.testing import FakeProvider, FakeTransport, Reply, mock_kimi, record

pytestmark = pytest.mark.anyio


def client() -> AsyncKimi:
    return FakeTransport(Reply("1")).client()


MANAGERS: dict[str, Callable[[Path], AbstractAsyncContextManager[Any]]] = {
    "client": lambda _: client(),
    "stream": lambda _: client().stream("Hi"),
    "parsed-stream": lambda _: client().stream_parse("Hi", int),
    "run": lambda _: client().run("Hi"),
    "batch": lambda _: client().batch(["Hi"]),
    "http-client": lambda _: http_client(),
    "provider": lambda _: FakeProvider(Reply("1")),
    "transport": lambda _: FakeTransport(Reply("1")),
    "mock": lambda _: mock_kimi(Reply("1")),
    "recorder": lambda folder: record(folder / "file.kimi", over=FakeTransport(Reply("1"))),
}


@pytest.mark.parametrize("name", MANAGERS)
async def test_one_task_enters_and_another_leaves(name: str, tmp_path: Path) -> None:
    manager = MANAGERS[name](tmp_path)
    for step in (manager.__aenter__, partial(manager.__aexit__, None, None, None)):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(step)
