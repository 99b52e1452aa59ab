"""Requests to Moonshot and to other OpenAI-compatible hosts, and their selection by the environment."""

from __future__ import annotations

import json
from typing import Any, TypeAlias, cast

import pytest
from attrs import evolve

from kimi_async import (
    AsyncKimi,
    ConfigurationError,
    Messages,
    Moonshot,
    OpenAICompatible,
    Provider,
    Thinking,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from kimi_async._providers._environment import provider_from_environment
from kimi_async._request._params import chat_request
from kimi_async._wire import Wire, WireRequest

JSON: TypeAlias = dict[str, Any]

KEY = "sk-made-up"
MOONSHOT = Moonshot(KEY)
OTHER = OpenAICompatible(KEY, "https://host.test/v1")
URLS = {
    "moonshot": "https://api.moonshot.ai/v1/chat/completions",
    "openai": "https://host.test/v1/chat/completions",
}

each_provider = pytest.mark.parametrize(
    "provider", [MOONSHOT, OTHER], ids=lambda provider: provider.name
)


def built(
    provider: Provider, messages: Messages = "Hello", *, wire: Wire = "json", **params: Any
) -> WireRequest:
    return provider.build_request(chat_request(messages, params, model="kimi-k3", wire=wire))


def body(messages: list[JSON] | None = None, **more: Any) -> JSON:
    """A whole body of an unstreamed request."""
    asked = [{"role": "user", "content": "Hello"}] if messages is None else messages
    return {"model": "kimi-k3", "messages": asked, "stream": False, **more}


@pytest.mark.fact("3.3/temperature", "3.3/top-p-n-penalties")
@each_provider
def test_plain_chat(provider: Provider) -> None:
    """Nothing is sent that was not asked for: Moonshot refuses all but the fixed sampling values."""
    wire = built(provider)
    assert wire == WireRequest(
        method="POST",
        url=URLS[provider.name],
        headers={"accept": "application/json", "content-type": "application/json"},
        body=body(),
    )
    assert json.loads(wire.content) == body()


@pytest.mark.fact("3.3/stream-options-include-usage")
@each_provider
def test_streaming(provider: Provider) -> None:
    wire = built(provider, wire="stream")
    assert wire.url == URLS[provider.name]
    assert wire.headers["accept"] == "text/event-stream, application/json"
    assert wire.body == body() | {"stream": True, "stream_options": {"include_usage": True}}


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SEARCH = {"type": "builtin_function", "function": {"name": "$web_search"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}


def alike(params: JSON, added: JSON) -> tuple[JSON, JSON, JSON]:
    return params, added, added


# The parameters, and the fields that they add to the body for Moonshot and for other hosts.
PARAMS: dict[str, tuple[JSON, JSON, JSON]] = {
    **{
        name: alike({name: value}, {name: value})
        for name, value in {
            "temperature": 1.0,
            "top_p": 0.95,
            "n": 1,
            "stop": ["a", "b", "c", "d", "e"],
            "max_completion_tokens": 5,
            "tools": [TOOL],
            "tool_choice": "required",
            "reasoning_effort": "max",
            "prompt_cache_key": "c",
            "top_logprobs": 20,
        }.items()
    },
    "json-mode": alike(
        {"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}
    ),
    "json-schema": alike({"response_format": SCHEMA}, {"response_format": SCHEMA}),
    "builtin-tool": alike({"tools": [SEARCH]}, {"tools": [SEARCH]}),
    "output-limit": ({"max_tokens": 5}, {"max_completion_tokens": 5}, {"max_tokens": 5}),
    "both-limits": (
        {"max_tokens": 4, "max_completion_tokens": 5},
        {"max_completion_tokens": 5},
        {"max_tokens": 4, "max_completion_tokens": 5},
    ),
    "thinking-on": alike({"thinking": True}, {"thinking": {"type": "enabled"}}),
    "thinking-off": alike({"thinking": False}, {"thinking": {"type": "disabled"}}),
    "thinking-kept": alike(
        {"thinking": Thinking(keep="all")}, {"thinking": {"type": "enabled", "keep": "all"}}
    ),
    "9-thinking-with-an-effort": alike(
        {"thinking": Thinking(keep="all", effort="low")},
        {"thinking": {"type": "enabled", "keep": "all", "effort": "low"}},
    ),
    "9-thinking-as-a-dict": alike(
        {"thinking": {"type": "enabled", "keep": "all", "effort": "low"}},
        {"thinking": {"type": "enabled", "keep": "all", "effort": "low"}},
    ),
    "effort-drops-thinking": alike(
        {"reasoning_effort": "low", "thinking": False}, {"reasoning_effort": "low"}
    ),
    "9-safety-identifier": alike({"safety_identifier": "u"}, {"safety_identifier": "u"}),
    "9-prediction": alike(
        {"prediction": {"type": "content", "content": "x"}},
        {"prediction": {"type": "content", "content": "x"}},
    ),
}


@pytest.mark.fact(
    "3.3/max-completion-tokens",
    "3.3/temperature",
    "3.3/stop",
    "3.3/thinking",
    "3.3/reasoning-effort",
    "3.3/response-format",
    "3.3/tools-function-name",
    "3.3/tools-function-parameters",
    "3.3/builtin-tool",
    "3.3/tool-choice",
    "3.3/prompt-cache-key-safety-identifier",
)
@pytest.mark.parametrize(("params", "moonshot", "other"), PARAMS.values(), ids=PARAMS)
def test_params(params: JSON, moonshot: JSON, other: JSON) -> None:
    assert built(MOONSHOT, **params).body == body(**moonshot)
    assert built(OTHER, **params).body == body(**other)


@each_provider
def test_a_thinking_budget_has_no_word_there(provider: Provider) -> None:
    problem = f"^{provider.name} has no thinking budget; leave budget_tokens out$"
    with pytest.raises(ConfigurationError, match=problem):
        built(provider, thinking=Thinking(budget_tokens=5))


CALL = ToolCall(id="f:0", name="f", arguments='{"a": 1}')
WIRE_CALL = {"id": "f:0", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "ms://1"}}
VIDEO = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA=="}}

# The messages, and how they are written.
MESSAGES: dict[str, tuple[list[Any], list[JSON]]] = {
    "tool-result": (
        [assistant(reasoning_content="Let me see.", tool_calls=[CALL]), tool_result(CALL, "2")],
        [
            {
                "role": "assistant",
                "reasoning_content": "Let me see.",
                "tool_calls": [WIRE_CALL],
            },
            {"role": "tool", "content": "2", "tool_call_id": "f:0", "name": "f"},
        ],
    ),
    "partial": (
        [system("Be brief."), assistant("Once", partial=True, name="teller", reasoning_content="")],
        [
            {"role": "system", "content": "Be brief."},
            {
                "role": "assistant",
                "content": "Once",
                "reasoning_content": "",
                "name": "teller",
                "partial": True,
            },
        ],
    ),
    "parts": (
        [user([{"type": "text", "text": "What?"}, IMAGE, VIDEO])],
        [{"role": "user", "content": [{"type": "text", "text": "What?"}, IMAGE, VIDEO]}],
    ),
    "dynamic-tools": (
        [{"role": "system", "tools": [TOOL]}, user("Hello")],
        [{"role": "system", "tools": [TOOL]}, {"role": "user", "content": "Hello"}],
    ),
    "builtin-call": (
        [
            assistant(
                tool_calls=[
                    ToolCall(id="s:0", name="$web_search", arguments="{}", type="builtin_function")
                ]
            ),
        ],
        [
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "s:0",
                        "type": "builtin_function",
                        "function": {"name": "$web_search", "arguments": "{}"},
                    }
                ],
            }
        ],
    ),
}


@pytest.mark.fact(
    "3.3/builtin-tool",
    "3.3/messages-tools",
    "3.3/messages-1-partial",
    "3.3/content-parts",
    "3.3/messages-reasoning-content",
    "6.4/reasoning-content-is-missing-in",
)
@each_provider
@pytest.mark.parametrize(("messages", "sent"), MESSAGES.values(), ids=MESSAGES)
def test_messages(provider: Provider, messages: list[Any], sent: list[JSON]) -> None:
    assert built(provider, messages).body == body(sent)


@each_provider
def test_a_model_is_needed_and_translated(provider: Provider) -> None:
    assert provider.needs_model
    told: Provider = evolve(cast("Any", provider), models={"kimi-k3": "K3"})
    assert built(told).body == body() | {"model": "K3"}


@each_provider
def test_the_key_is_not_shown(provider: Provider) -> None:
    assert provider.authorization() == f"Bearer {KEY}"
    assert KEY not in repr(provider)
    assert provider.models_url == URLS[provider.name].replace("chat/completions", "models")


# The environment.

MOONSHOT_KEY = {"MOONSHOT_API_KEY": "hush-m"}
OPENAI_KEY = {"OPENAI_API_KEY": "hush-o"}
OPENAI = OPENAI_KEY | {"OPENAI_BASE_URL": "https://host.test/v1/"}

# The variables, and the provider of the client or the error without one.
PICKED: dict[str, tuple[dict[str, str], Provider | str]] = {
    "moonshot-key": (MOONSHOT_KEY, Moonshot("hush-m")),
    "moonshot-named": (MOONSHOT_KEY | {"KIMI_PROVIDER": "Moonshot"}, Moonshot("hush-m")),
    "moonshot-named-over-openai": (
        OPENAI | MOONSHOT_KEY | {"KIMI_PROVIDER": "moonshot"},
        Moonshot("hush-m"),
    ),
    "openai-beside-moonshot": (OPENAI | MOONSHOT_KEY, Moonshot("hush-m")),
    "openai-named": (
        OPENAI | MOONSHOT_KEY | {"KIMI_PROVIDER": "openai"},
        OpenAICompatible("hush-o", "https://host.test/v1"),
    ),
    "openai-alone": (OPENAI, "no provider: give one to AsyncKimi"),
    "openai-without-key": (
        {"KIMI_PROVIDER": "openai", "OPENAI_BASE_URL": "https://host.test/v1"},
        "api_key is missing; give api_key=... or set OPENAI_API_KEY",
    ),
    "openai-without-base-url": (
        OPENAI_KEY | {"KIMI_PROVIDER": "openai"},
        "base_url is missing; give base_url=... or set OPENAI_BASE_URL",
    ),
    "openai-with-a-bad-base-url": (
        OPENAI | {"KIMI_PROVIDER": "openai", "OPENAI_BASE_URL": "http://host.test/hush"},
        "base_url must be https",
    ),
    "moonshot-named-without-key": (
        OPENAI | {"KIMI_PROVIDER": "moonshot"},
        "api_key is missing; give api_key=... or set MOONSHOT_API_KEY",
    ),
    "two-keys": (
        MOONSHOT_KEY | {"ACEDATACLOUD_API_TOKEN": "hush-a"},
        "set KIMI_PROVIDER to acedata or moonshot",
    ),
    "unknown-name": (
        OPENAI | {"KIMI_PROVIDER": "hush"},
        "KIMI_PROVIDER must be one of acedata, cloudsway, moonshot, openai",
    ),
}
VARIABLES = (
    *("KIMI_PROVIDER", "KIMI_MODEL", "ACEDATACLOUD_API_TOKEN", "CLOUDSWAY_API_KEY"),
    *("CLOUDSWAY_ENDPOINT_PATH", "MOONSHOT_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(("env", "expected"), PICKED.values(), ids=PICKED)
def test_the_environment_picks_a_provider_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], expected: Provider | str
) -> None:
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    if isinstance(expected, str):
        with pytest.raises(ConfigurationError) as caught:
            AsyncKimi()
        assert expected in str(caught.value)
        assert "hush" not in str(caught.value)
    else:
        assert AsyncKimi().providers[0] == expected


def test_what_is_picked_has_no_key_yet() -> None:
    assert provider_from_environment(OPENAI | {"KIMI_PROVIDER": "openai"}) == OpenAICompatible()


def test_a_given_base_url_wins_over_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in OPENAI.items():
        monkeypatch.setenv(variable, value)
    client = AsyncKimi(OpenAICompatible(base_url="https://other.test"))
    assert client.providers[0] == OpenAICompatible("hush-o", "https://other.test")
