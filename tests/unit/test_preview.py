"""The preview of a request is the request, without the key."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import ACE, HELLO, FakeHost
from option_values import KEY, each_provider

import kimi_async as kimi
from kimi_async import (
    Cloudsway,
    Moonshot,
    Provider,
    WireRequest,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIMI_MODEL", raising=False)


def test_a_preview_is_the_whole_request_without_the_key() -> None:
    host = FakeHost()
    wire = host.client(Moonshot(KEY), model="kimi-k3").preview(
        [kimi.system("Be brief."), kimi.user("Hi")],
        max_tokens=5,
        stop=["a"],
        extra_body={"x": [None]},
        extra_headers={"x-team": "a"},
    )
    assert wire == WireRequest(
        method="POST",
        url="https://api.moonshot.ai/v1/chat/completions",
        headers={
            "accept": "text/event-stream, application/json",
            "content-type": "application/json",
        },
        body={
            "model": "kimi-k3",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": 5,
            "stop": ["a"],
            "x": [None],
        },
    )
    assert host.requests == []


@each_provider
@pytest.mark.parametrize("wire", ["stream", "json"])
async def test_what_is_sent_is_what_was_previewed_and_the_key(
    provider: Provider, wire: kimi.Wire
) -> None:
    host = FakeHost([HELLO])
    client = host.client(provider)
    shown = client.preview("Hi", wire=wire, seed=1)
    assert KEY not in repr(shown) + shown.content.decode() + repr(shown.headers) + shown.url
    assert host.requests == []
    await client.chat("Hi", wire=wire, seed=1)
    (request,) = host.requests
    assert (request.method, str(request.url), request.content) == (
        shown.method,
        shown.url,
        shown.content,
    )
    assert {name: request.headers[name] for name in shown.headers} == shown.headers
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_a_preview_knows_the_settings_of_client_and_call() -> None:
    client = FakeHost().client(model="a")
    assert client.preview("Hi").url == f"{ACE.base_url}/chat/completions"
    wire = client.preview("Hi", provider=Cloudsway(KEY, "path"), model="b")
    assert wire.url.endswith("/path/chat/completions")
    assert (wire.body["model"], wire.body["max_tokens"]) == ("b", 32768)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({"temperature": 3}, "temperature", id="out-of-range"),
        pytest.param({"temprature": 1}, "did you mean 'temperature'", id="unknown"),
        pytest.param({"provider": "acedata"}, "provider", id="provider"),
        pytest.param({"timeouts": 5}, "Timeouts", id="timeouts"),
        pytest.param({"limits": 5}, "Limits", id="limits"),
        pytest.param({"on_complete": 5}, "callable", id="on_complete"),
        pytest.param({"model": None}, "no model", id="no-model"),
        pytest.param(
            {"extra_headers": {"Authorization": "x"}}, "authorization", id="authorization"
        ),
    ],
)
async def test_preview_stream_and_chat_refuse_the_same(
    params: dict[str, Any], message: str
) -> None:
    host = FakeHost()
    client = host.client(model=None)
    with pytest.raises(kimi.ConfigurationError, match=message):
        client.preview("Hi", **params)
    with pytest.raises(kimi.ConfigurationError, match=message):
        client.stream("Hi", **params)
    with pytest.raises(kimi.ConfigurationError, match=message):
        await client.chat("Hi", **params)
    assert host.requests == []
