"""The same scripts without a socket: respx routes under an ``AsyncKimi`` of their own.

respx is imported by :func:`mock_kimi`, so that the rest of the package works without the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, assert_never

import anyio
import anyio.lowlevel
import httpx
from attrs import field, frozen

from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    ChatAdapter,
    Cloudsway,
    Moonshot,
    OpenAICompatible,
)
from kimi_async.testing._provider import HOSTS, Models, ReceivedRequest, Script, ScriptedProvider
from kimi_async.testing._script import ScriptedReply
from kimi_async.testing._steps import Answer, Finish, Hangup, Reset, Send, Wait
from kimi_async.testing._wire import ProviderName

if TYPE_CHECKING:
    import respx

__all__ = ["MockedKimi", "mock_kimi"]

_KEY: Final = "test-key"
_ADAPTERS: Final[dict[ProviderName, ChatAdapter]] = {
    "acedata": AceDataCloud(_KEY),
    "cloudsway": Cloudsway(_KEY, "test-endpoint"),
    "moonshot": Moonshot(_KEY),
    "openai": OpenAICompatible(_KEY, "https://openai.test/v1"),
}


class _Body(httpx.AsyncByteStream):
    """The body of an answer, one piece for each send.

    A class and not an async generator, which would need somebody to close it when the reply is left early.
    """

    def __init__(self, answer: Answer, request: httpx.Request, open_bodies: set[_Body]) -> None:
        self._steps = iter(answer.steps)
        self._request = request
        self._open_bodies = open_bodies
        open_bodies.add(self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for step in self._steps:
            match step:
                case Send(data):
                    await anyio.lowlevel.checkpoint()
                    return data
                case Wait(seconds):
                    await self._wait(seconds)
                case Hangup():
                    text = "peer closed connection without sending complete message body"
                    raise httpx.RemoteProtocolError(text, request=self._request)
                case Reset():
                    raise httpx.ReadError("connection reset by peer", request=self._request)
                case Finish():
                    pass  # always the last
                case _:
                    assert_never(step)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._open_bodies.discard(self)

    async def _wait(self, seconds: float | None) -> None:
        """Say nothing for a while. As on a socket, the client's read timeout is what ends a long silence."""
        limit: float | None = self._request.extensions.get("timeout", {}).get("read")
        with anyio.move_on_after(limit) as scope:
            await (anyio.sleep_forever() if seconds is None else anyio.sleep(seconds))
        if scope.cancelled_caught:
            raise httpx.ReadTimeout(f"no byte for {limit} s", request=self._request)


@frozen(kw_only=True)
class MockedKimi:
    """What :func:`mock_kimi` hands out.

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
    _provider: ScriptedProvider = field(repr=False, alias="provider")
    _open_bodies: set[_Body] = field(repr=False, alias="open_bodies")

    @property
    def requests(self) -> list[ReceivedRequest]:
        """All requests so far, refused ones too."""
        return self._provider.requests

    @property
    def active_requests(self) -> int:
        """How many replies were begun and not yet closed by the client."""
        return len(self._open_bodies)

    def add(self, *replies: ScriptedReply) -> None:
        """Append replies to the script, also while it runs.

        Raises:
            RuntimeError: The script is a function.
        """
        self._provider.add(*replies)


def mock_kimi(
    script: Script = (),
    *,
    provider: ProviderName = "acedata",
    model: str | None = "kimi-k2.5",
    models: Models | None = None,
) -> AbstractAsyncContextManager[MockedKimi]:
    """Give a client whose replies come from a script, with no socket involved.

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
    the body is read and a reset ``httpx.ReadError``. Leaving the block closes the client, and raises what a script
    function raised, if it did.

    Args:
        script: The replies in their order, or a function that makes the reply to each :class:`ReceivedRequest`.
        provider: Whose client it is.
        model: The client's model.
        models: The models that every provider lists, or a reply to every request for the list; ``None`` = the models
            that each provider documents.

    Raises:
        ImportError: respx is not installed.
    """
    try:
        import respx
    except ImportError as error:
        raise ImportError("mock_kimi() needs respx: pip install 'kimi-async[testing]'") from error
    router = respx.MockRouter(assert_all_called=False, using=None)
    return _mocked(ScriptedProvider(script, _KEY, models), router, provider, model)


@asynccontextmanager
async def _mocked(
    provider: ScriptedProvider,
    router: respx.MockRouter,
    name: ProviderName,
    model: str | None,
) -> AsyncGenerator[MockedKimi]:
    open_bodies: set[_Body] = set()

    async def answer(request: httpx.Request) -> httpx.Response:
        """Answer one request, as a side effect of the route that it matched."""
        given = provider.answer(
            method=request.method,
            path=request.url.raw_path.decode(),
            headers=request.headers,
            content=await request.aread(),
            connection=0,
        )
        body = _Body(given, request, open_bodies)
        return httpx.Response(given.status, headers=[*given.headers], stream=body)

    for route in _ADAPTERS:
        hosts = tuple(host for host, owner in HOSTS.items() if owner == route)
        router.route(name=route, host__in=hosts).side_effect = answer
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as http_client,
        AsyncKimi(_ADAPTERS[name], model=model, http_client=http_client) as client,
    ):
        yield MockedKimi(
            client=client,
            http_client=http_client,
            router=router,
            provider=provider,
            open_bodies=open_bodies,
        )
    provider.raise_failure()
