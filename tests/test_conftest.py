from __future__ import annotations

import socket

import anyio
import pytest


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
