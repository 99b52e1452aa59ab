"""The client: its settings, and ``chat()`` and ``stream()`` with equal results."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_host import ACE, HELLO, FakeHost, delta, sse

import kimi_async as kimi
from kimi_async import AceDataCloud, AsyncKimi, Cloudsway

pytestmark = pytest.mark.anyio

VARIABLES = (
    *("KIMI_PROVIDER", "KIMI_MODEL", "ACEDATACLOUD_API_TOKEN"),
    *("CLOUDSWAY_API_KEY", "CLOUDSWAY_ENDPOINT_PATH"),
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_the_environment_gives_provider_key_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDSWAY_API_KEY", " key ")
    monkeypatch.setenv("CLOUDSWAY_ENDPOINT_PATH", "/path/")
    monkeypatch.setenv("KIMI_MODEL", " kimi-k3 ")
    client = AsyncKimi()
    assert client.providers == (Cloudsway("key", "path"),)
    assert repr(client) == "<AsyncKimi cloudsway model='kimi-k3'>"


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "theirs")
    monkeypatch.setenv("KIMI_MODEL", "theirs")
    client = AsyncKimi(AceDataCloud("mine"), model="mine")
    assert client.providers[0].api_key == "mine"
    assert repr(client) == "<AsyncKimi acedata model='mine'>"
    assert AsyncKimi(AceDataCloud()).providers[0].api_key == "theirs"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({}, "no provider: give one to AsyncKimi", id="nothing"),
        pytest.param({"provider": AceDataCloud()}, "ACEDATACLOUD_API_TOKEN", id="no key"),
        pytest.param(
            {"provider": Cloudsway("key")}, "endpoint_path is missing", id="no endpoint path"
        ),
        pytest.param({"provider": "acedata"}, "a provider such as .* not str", id="a name"),
        pytest.param(
            {"provider": AceDataCloud}, "a provider such as .* not type", id="the class itself"
        ),
        pytest.param(
            {"provider": ACE, "headers": {"Authorization": "x"}},
            "authorization",
            id="authorization",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(kimi.ConfigurationError, match=message):
        AsyncKimi(**settings)


@pytest.mark.fact("2.3/model")
async def test_no_model_is_an_error_where_one_is_needed_and_only_there() -> None:
    with pytest.raises(kimi.ConfigurationError, match=r"no model: .* KIMI_MODEL"):
        FakeHost().client(model=None).stream("Hi")
    host = FakeHost([HELLO])
    await host.client(Cloudsway("key", "path"), model=None).chat("Hi")
    assert b'"model"' not in host.requests[0].content


async def test_the_model_of_the_call_wins() -> None:
    host = FakeHost([HELLO])
    await host.client(model="a").chat("Hi", model="b")
    assert b'"model":"b"' in host.requests[0].content


async def test_a_bad_parameter_is_refused_before_anything_is_sent() -> None:
    host = FakeHost()
    with pytest.raises(kimi.ConfigurationError, match="temperature"):
        await host.client().chat("Hi", temperature=3)
    assert host.requests == []


async def test_streamed_and_unstreamed_ask_differently_and_give_the_same() -> None:
    body = (
        b'{"id":"c1","model":"m","created":7,"choices":[{"index":0,"message":{"role":"assistant",'
        b'"content":"Hello"},"finish_reason":"stop"}],"extra":1,'
        b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
    )
    host = FakeHost([HELLO], [body])
    client = host.client()
    streamed, unstreamed = await client.chat("Hi"), await client.chat("Hi", wire="json")
    assert streamed == unstreamed
    assert (streamed.raw, (unstreamed.raw or {})["extra"]) == (None, 1)
    assert b'"stream":true' in host.requests[0].content
    assert b'"stream":false' in host.requests[1].content


@pytest.mark.fact(
    "1.3/messages-reasoning-content",
    "6.4/reasoning-content-is-missing-in",
    "6.4/empty-string-reasoning-dropped-next",
)
async def test_a_reply_can_be_sent_back_as_it_came() -> None:
    said = delta(
        "",
        role="assistant",
        reasoning_content="",
        tool_calls=[{"index": 0, "id": "f:0", "function": {"name": "f", "arguments": "{ }"}}],
    )
    host = FakeHost([sse(said, delta(finish="tool_calls"))], [HELLO])
    client = host.client()
    first = await client.chat("Hi")
    answer = kimi.tool_result(first.tool_calls[0], {"km": 1000})
    await client.chat([kimi.user("Hi"), first.message, answer])
    sent = httpx.Response(200, content=host.requests[1].content).json()["messages"]
    assert sent[1:] == [
        {
            "role": "assistant",
            "reasoning_content": "",
            "tool_calls": [
                {"id": "f:0", "type": "function", "function": {"name": "f", "arguments": "{ }"}}
            ],
        },
        {"role": "tool", "content": '{"km":1000}', "tool_call_id": "f:0", "name": "f"},
    ]


@pytest.mark.parametrize(
    ("messages", "params", "message"),
    [
        pytest.param("\ud800", {}, "cannot be written as JSON", id="half a character"),
        pytest.param("Hi", {"model": "\ud800"}, "cannot be written as JSON", id="in the model"),
        pytest.param("Hi", {"wire": "sse"}, 'wire must be "stream" or "json"', id="wire"),
        pytest.param("Hi", {"timeouts": 5}, r"a Timeouts\(...\)", id="timeouts"),
        pytest.param("Hi", {"on_complete": 5}, "callable that is not async", id="on_complete"),
        pytest.param("Hi", {"provider": 5}, "must be a provider", id="provider"),
    ],
)
async def test_a_call_that_cannot_be_sent_is_refused(
    messages: str, params: dict[str, Any], message: str
) -> None:
    host = FakeHost()
    with pytest.raises(kimi.ConfigurationError, match=message):
        await host.client().chat(messages, **params)
    assert host.requests == []


@pytest.mark.parametrize("model", ["\ud800", 5, ["a"], ""])
async def test_the_model_of_the_client_is_checked_too(model: Any) -> None:
    with pytest.raises(kimi.ConfigurationError):
        await FakeHost().client(model=model).chat("Hi")


async def test_what_was_checked_is_what_is_sent() -> None:
    tools: list[dict[str, Any]] = [{"type": "function"}]
    host = FakeHost([HELLO])
    stream = host.client(checks="off").stream("Hi", tools=tools)
    tools[0]["function"] = object()
    await stream.final()
    assert b'"tools":[{"type":"function"}]' in host.requests[0].content


async def _waits(record: kimi.ReplyRecord) -> None:
    """A callback that would have to be awaited."""


def test_an_on_complete_that_would_have_to_be_awaited_is_refused() -> None:
    with pytest.raises(kimi.ConfigurationError, match="a callable that is not async"):
        FakeHost().client(on_complete=_waits)


@pytest.mark.parametrize("content", [b"Hi", 5, {"type": "text"}, None], ids=repr)
def test_content_that_is_neither_text_nor_parts_is_refused(content: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="content must be a text"):
        kimi.user(content)
