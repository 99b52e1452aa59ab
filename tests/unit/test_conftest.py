from __future__ import annotations

import socket
from typing import Any

import anyio
import pytest
from engines import ASYNCIO_ONLY, skips


@pytest.mark.anyio
async def test_another_machine_cannot_be_reached() -> None:
    """192.0.2.1 is an address for documentation, which nobody has."""
    refusal = pytest.RaisesExc(pytest.fail.Exception, match=r"connect to 192\.0\.2\.1")
    with pytest.RaisesGroup(refusal, flatten_subgroups=True):
        await anyio.connect_tcp("192.0.2.1", 80)


@pytest.mark.anyio
async def test_this_machine_can_be_reached() -> None:
    """The servers of the tests are here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.getsockname()[1]) as stream:
            assert stream.extra(anyio.abc.SocketAttribute.remote_address) == server.getsockname()


class Item:
    def __init__(self, **params: object) -> None:
        self.callspec = self
        self.params = params


@pytest.mark.parametrize(
    ("engine", "item", "reason"),
    [
        ("aiohttp", Item(anyio_backend="trio"), ASYNCIO_ONLY),
        ("aiohttp", Item(anyio_backend=("trio", {})), ASYNCIO_ONLY),
        ("aiohttp", Item(anyio_backend=("asyncio", {})), ""),
        ("aiohttp", Item(case="trio"), ""),
        ("aiohttp", object(), ""),
        ("httpx", Item(anyio_backend="trio"), ""),
        ("httpx2", Item(anyio_backend="trio"), ""),
    ],
    ids=["name", "options", "another-loop", "no-loop", "no-parameters", "httpx", "httpx2"],
)
def test_an_engine_leaves_out_the_loops_that_it_does_not_run_on(
    engine: str, item: Any, reason: str
) -> None:
    mark = skips(engine, item).mark
    assert (mark.args, mark.kwargs) == ((bool(reason),), {"reason": reason})
