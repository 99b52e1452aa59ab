"""Run programs that use the provider of the environment against a fake provider."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from anyio.from_thread import start_blocking_portal

from kimi_async.testing import FakeProvider, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    import pytest

    Send = Callable[..., Awaitable[Any]]

# These may be set on the machine of the tester.
SETTINGS = [
    "KIMI_PROVIDER",
    "KIMI_MODEL",
    "KIMI_BASE_URL",
    "ACEDATACLOUD_API_TOKEN",
    "CLOUDSWAY_API_KEY",
    "CLOUDSWAY_ENDPOINT_PATH",
    "MOONSHOT_API_KEY",
    "MOONSHOT_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
]


@contextmanager
def provider_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    script: Script,
    name: str = "acedata",
    model: str = "kimi-k3",
) -> Generator[FakeProvider]:
    """Run a fake provider as the one of the environment, and redirect requests to other machines to it.

    So a program is run as a user would write it. The fake lives in a thread of its own, because programs run outside of
    any event loop and may call ``asyncio.run``.
    """
    import httpx2  # the constants above serve environments without it

    for setting in SETTINGS:
        monkeypatch.delenv(setting, raising=False)
    monkeypatch.setenv("KIMI_PROVIDER", name)
    monkeypatch.setenv("KIMI_MODEL", model)
    monkeypatch.setenv("CLOUDSWAY_ENDPOINT_PATH", "test-endpoint")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeProvider(script)) as fake,
    ):
        for setting in ("ACEDATACLOUD_API_TOKEN", "CLOUDSWAY_API_KEY", "MOONSHOT_API_KEY"):
            monkeypatch.setenv(setting, fake.api_key)
        for transport in (httpx.AsyncHTTPTransport, httpx2.AsyncHTTPTransport):
            send = transport.handle_async_request
            monkeypatch.setattr(transport, "handle_async_request", diverted(send, fake))
        yield fake


def diverted(send: Send, fake: FakeProvider) -> Send:
    """Return a ``handle_async_request`` that connects to *fake* in place of any other machine."""
    here = httpx.URL(fake.url)

    async def send_here(transport: Any, request: Any) -> Any:
        port = request.url.port if request.url.host == here.host else here.port
        request.url = request.url.copy_with(scheme=here.scheme, host=here.host, port=port)
        return await send(transport, request)

    return send_here
