"""Play a script over respx: routes to a :class:`FakeTransport` under an ``AsyncKimi`` of their own.

respx is imported by :func:`mock_kimi`, so that the rest of the package works without the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, Unpack

import httpx
from attrs import field, frozen

from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    Cloudsway,
    Moonshot,
    OpenAICompatible,
    Provider,
    Retries,
)
from kimi_async.testing._checks import ScriptError
from kimi_async.testing._options import FakeOptions
from kimi_async.testing._provider import Script
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._routes import HOSTS
from kimi_async.testing._script import ScriptedReply
from kimi_async.testing._transport import FakeTransport
from kimi_async.testing._wire import ProviderName

if TYPE_CHECKING:
    import respx

__all__ = ["MockedKimi", "mock_kimi"]

_KEY: Final = "test-key"
# The port is the usual one, and makes these base URLs others than the default ones, which KIMI_BASE_URL would replace.
_ADAPTERS: Final[dict[ProviderName, Provider]] = {
    "acedata": AceDataCloud(_KEY, "https://api.acedata.cloud:443/kimi"),
    "cloudsway": Cloudsway(_KEY, "test-endpoint", "https://genaiapi.cloudsway.net:443/v1/ai"),
    "moonshot": Moonshot(_KEY, "https://api.moonshot.ai:443/v1"),
    "openai": OpenAICompatible(_KEY, "https://openai.test/v1"),
}


@frozen(kw_only=True)
class MockedKimi:
    """The client of :func:`mock_kimi` and its parts.

    Attributes:
        client: The client.
        http_client: The HTTP client beneath it, for an ``AsyncKimi`` with other settings. It answers for all providers,
            at their usual addresses and ``https://openai.test/v1``, for the key ``test-key``.
        router: The respx router beneath that, with a route for each provider: ``"acedata"``, ``"cloudsway"``,
            ``"moonshot"`` and ``"openai"``.
    """

    client: AsyncKimi
    http_client: httpx.AsyncClient
    router: respx.MockRouter
    _transport: FakeTransport = field(repr=False, alias="transport")

    @property
    def requests(self) -> list[ReceivedRequest]:
        """All requests so far, refused ones too."""
        return self._transport.requests

    @property
    def active_requests(self) -> int:
        """How many requests were begun and not yet closed by the client."""
        return self._transport.active_requests

    def add(self, *replies: ScriptedReply) -> None:
        """Append *replies* to the script, also while it runs.

        Raises:
            RuntimeError: The script is a function or one reply.
        """
        self._transport.add(*replies)


def mock_kimi(
    script: Script = (),
    *,
    provider: ProviderName = "acedata",
    model: str | None = "kimi-k3",
    **options: Unpack[FakeOptions],
) -> AbstractAsyncContextManager[MockedKimi]:
    """Return a client whose replies come from a script, with no socket involved.

    >>> import asyncio
    >>> from kimi_async.testing import Reply, mock_kimi
    >>> async def main():
    ...     async with mock_kimi([Reply("Hello!")]) as mock:
    ...         reply = await mock.client.chat("Hi")
    ...     print(reply.text, mock.requests[0].body["messages"])
    >>> asyncio.run(main())
    Hello! [{'role': 'user', 'content': 'Hi'}]

    Nothing is patched: other HTTP clients of the process are not touched. The body of a reply comes in the pieces
    of the script; waits count against the client's read timeout, a hang-up raises ``httpx.RemoteProtocolError`` while
    the body is read and a reset ``httpx.ReadError``. Leaving the block closes the client. A script that fails, or a
    request to a host without a route, raises :class:`ScriptError`.

    Args:
        script: One reply to every request, replies in their order, or a function that makes the reply to each
            :class:`ReceivedRequest`.
        provider: Whose client it is.
        model: The client's model.
        options: See :class:`FakeOptions`.

    Raises:
        ImportError: respx is not installed.
    """
    try:
        import respx
    except ImportError as error:
        raise ImportError("mock_kimi() needs respx: pip install 'kimi-async[testing]'") from error
    transport = FakeTransport(script, api_key=_KEY, **options)
    router = respx.MockRouter(assert_all_called=False, using=None)
    return _mocked(transport, router, respx.models.AllMockedAssertionError, provider, model)


@asynccontextmanager
async def _mocked(
    transport: FakeTransport,
    router: respx.MockRouter,
    not_routed: type[Exception],
    name: ProviderName,
    model: str | None,
) -> AsyncGenerator[MockedKimi]:
    for route in _ADAPTERS:
        hosts = tuple(host for host, owner in HOSTS.items() if owner == route)
        router.route(name=route, host__in=hosts).side_effect = transport.handle_async_request

    async def refusing_others(request: httpx.Request) -> httpx.Response:
        try:
            return await router.async_handler(request)
        except not_routed as error:
            raise ScriptError(
                f"no route of mock_kimi() is for {request.url.host}: "
                "the base_url of the provider, or KIMI_BASE_URL, is of another host"
            ) from error

    async with (
        transport,
        httpx.AsyncClient(transport=httpx.MockTransport(refusing_others)) as http_client,
        AsyncKimi(
            _ADAPTERS[name], model=model, retries=Retries.none(), http_client=http_client
        ) as client,
    ):
        yield MockedKimi(client=client, http_client=http_client, router=router, transport=transport)
