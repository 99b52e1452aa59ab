from __future__ import annotations

import sys
from typing import Any

import anyio
import httpx
import pytest

from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    AuthenticationError,
    Cloudsway,
    NotFoundError,
    RateLimitError,
    StreamInterrupted,
    StreamStart,
)
from kimi_async._wire import Wire
from kimi_async.testing import (
    Answer,
    ErrorReply,
    FakeToolCall,
    MockedKimi,
    ProviderName,
    Recording,
    Reply,
    Send,
    Wait,
    mock_kimi,
    recording,
    split_events,
)

pytestmark = pytest.mark.anyio

KO = "acedata/stream_reasoning_ko"
HEADERS = {"authorization": "Bearer test-key"}
ACEDATA = "https://api.acedata.cloud/kimi/chat/completions"


@pytest.mark.parametrize("provider", ["acedata", "cloudsway", "moonshot", "openai"])
@pytest.mark.parametrize("wire", ["stream", "json"], ids=["streamed", "whole"])
async def test_a_reply_reaches_the_client(provider: ProviderName, *, wire: Wire) -> None:
    said = Reply("Hello", "ok", tool_calls=[FakeToolCall("f", {"a": 1})])
    async with mock_kimi([said], provider=provider) as mock:
        reply = await mock.client.chat("Hi", wire=wire)
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("Hello", "ok", "tool_calls")
    assert [call.arguments for call in reply.tool_calls] == ['{"a": 1}']
    assert reply.usage == said.usage
    (request,) = mock.requests
    assert (request.provider, request.body["messages"]) == (
        provider,
        [{"role": "user", "content": "Hi"}],
    )
    assert request.connection == 0


@pytest.mark.parametrize("provider", ["acedata", "cloudsway", "moonshot", "openai"])
async def test_models_are_listed(provider: ProviderName) -> None:
    async with mock_kimi(provider=provider, models=["kimi-k3"]) as mock:
        (model,) = await mock.client.models()
    assert (model.id, model.created) == ("kimi-k3", 1770992031)


async def test_each_send_is_one_piece() -> None:
    async with (
        mock_kimi([Recording(KO)]) as mock,
        mock.http_client.stream("POST", ACEDATA, json={}, headers=HEADERS) as response,
    ):
        pieces = [piece async for piece in response.aiter_raw()]
    assert tuple(pieces) == split_events(recording(KO))


@pytest.mark.parametrize(
    ("end", "expected"),
    [("hangup", httpx.RemoteProtocolError), ("reset", httpx.ReadError)],
)
async def test_a_broken_body_raises_what_a_broken_connection_raises(
    end: Any, expected: type[Exception]
) -> None:
    reply = Reply("Hello, you!", cut_after=2, end=end)
    async with mock_kimi([reply, reply]) as mock:
        with pytest.raises(expected):
            await mock.http_client.post(ACEDATA, json={"stream": True}, headers=HEADERS)
        with pytest.raises(StreamInterrupted) as caught:
            await mock.client.chat("Hi")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hello, y"


async def test_silence_runs_into_the_read_timeout() -> None:
    waits = [Answer(steps=(Send(b": hi\n\n"), Wait(seconds))) for seconds in (None, 60)]
    limits = httpx.Timeout(None, read=0.01)
    async with mock_kimi(waits) as mock:
        for _ in waits:
            with pytest.raises(httpx.ReadTimeout, match=r"no byte for 0\.01 s"):
                await mock.http_client.post(ACEDATA, json={}, headers=HEADERS, timeout=limits)
            assert mock.active_requests == 0


async def test_a_wait_within_the_read_timeout_passes() -> None:
    async with mock_kimi([Reply("Hello", pace=0.0001)]) as mock:
        assert (await mock.client.chat("Hi")).text == "Hello"


async def test_a_stall_lasts_until_the_client_gives_up() -> None:
    async with mock_kimi([Reply("Hello", end="stall")]) as mock:
        with anyio.move_on_after(0.01) as scope:
            await mock.http_client.post(ACEDATA, json={}, headers=HEADERS, timeout=None)
        assert (scope.cancelled_caught, mock.active_requests) == (True, 0)


async def test_leaving_a_stream_early_closes_the_body() -> None:
    async with mock_kimi([Reply("Hello, you there!")]) as mock:
        async with mock.client.stream("Hi") as stream:
            assert isinstance(await anext(stream), StreamStart)
            assert mock.active_requests == 1
        assert mock.active_requests == 0


async def test_errors_are_those_of_the_provider_and_replies_are_added() -> None:
    async with mock_kimi([ErrorReply(429, message="slow down")]) as mock:
        with pytest.raises(RateLimitError, match="slow down"):
            await mock.client.chat("Hi")
        mock.add(Reply("Hello"))
        assert (await mock.client.chat("Hi")).text == "Hello"


async def test_clients_with_other_settings_share_the_routes() -> None:
    def script(request: object) -> Reply:
        return Reply("Hello")

    async with mock_kimi(script) as mock:
        http_client = mock.http_client
        async with AsyncKimi(Cloudsway("test-key", "x"), http_client=http_client) as client:
            assert (await client.chat("Hi")).text == "Hello"
        async with AsyncKimi(AceDataCloud("no"), model="m", http_client=http_client) as client:
            with pytest.raises(AuthenticationError):
                await client.chat("Hi")
        wrong = AceDataCloud("test-key", "https://api.acedata.cloud/nothing")
        async with AsyncKimi(wrong, model="m", http_client=http_client) as client:
            with pytest.raises(NotFoundError):
                await client.chat("Hi")
        assert [route.call_count for route in mock.router.routes] == [2, 1, 0, 0]


async def test_other_http_clients_are_not_touched() -> None:
    """Nothing is patched, so this one goes to the network, where nobody listens."""
    async with mock_kimi([Reply("Hello")]) as mock, httpx.AsyncClient() as other:
        with pytest.raises(httpx.ConnectError):
            await other.post("http://127.0.0.1:1")
    assert mock.requests == []


async def test_it_shows_no_key() -> None:
    async with mock_kimi() as mock:
        assert isinstance(mock, MockedKimi)
        assert "test-key" not in repr(mock)


def test_without_respx_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "respx", None)
    with pytest.raises(ImportError, match=r"pip install 'kimi-async\[testing\]'"):
        mock_kimi()


@pytest.mark.parametrize("name", ["acedata", "cloudsway", "moonshot", "openai"])
async def test_the_environment_does_not_redirect_it(
    name: ProviderName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIMI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("MOONSHOT_BASE_URL", "http://127.0.0.1:1/v1")
    async with mock_kimi([Reply("Hi")], provider=name) as mock:
        assert (await mock.client.chat("Hi")).text == "Hi"
    assert "//" not in mock.requests[0].path
