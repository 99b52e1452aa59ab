"""The complete request for each provider, and settings that are refused before anything is sent."""

from __future__ import annotations

import json
import pickle
from collections import defaultdict
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import DATA
from provider_values import ACE, CLOUDSWAY, KEY, altered, each_provider

from kimi_async import (
    AceDataCloud,
    Cloudsway,
    Provider,
    assistant,
    system,
    tool_result,
    user,
)
from kimi_async._errors import ConfigurationError
from kimi_async._messages import Messages, ToolCall
from kimi_async._models import Thinking
from kimi_async._request._params import chat_request
from kimi_async._wire import Wire, WireRequest

JSON: TypeAlias = dict[str, Any]
REQUESTS = DATA / "requests" / "cloudsway"


URLS = {
    "acedata": "https://api.acedata.cloud/kimi/chat/completions",
    "cloudsway": "https://genaiapi.cloudsway.net/v1/ai/path-1/chat/completions",
    "moonshot": "https://api.moonshot.ai/v1/chat/completions",
    "openai": "https://h/v1/chat/completions",
}
#: The fields that each provider gets by default.
ALWAYS = defaultdict[str, JSON](dict, {"cloudsway": {"max_tokens": 32768}})


def built(
    provider: Provider,
    messages: Messages = "Hello",
    *,
    model: str | None = "kimi-k2.5",
    wire: Wire = "json",
    **params: Any,
) -> WireRequest:
    return provider.build_request(chat_request(messages, params, model=model, wire=wire))


def sent(provider: Provider, messages: Messages = "Hello", **params: Any) -> JSON:
    """The body as it is sent."""
    body: JSON = json.loads(built(provider, messages, **params).content)
    return body


HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = ToolCall(id="f:0", name="f", arguments='{"a": 1}')


@pytest.mark.fact(
    "1.3/model",
    "1.3/stream",
    "1.3/stream-options-include-usage",
    "2.3/max-tokens",
    "2.3/stream",
    "2.3/stream-options-include-usage",
)
@each_provider
@pytest.mark.parametrize(
    ("wire", "accept", "added"),
    [
        ("json", "application/json", {}),
        (
            "stream",
            "text/event-stream, application/json",
            {"stream_options": {"include_usage": True}},
        ),
    ],
)
def test_plain_chat(provider: Provider, wire: Wire, accept: str, added: JSON) -> None:
    is_stream = wire == "stream"
    body = {"model": "kimi-k2.5", "messages": HELLO, "stream": is_stream} | added
    request = built(provider, wire=wire)
    assert request == WireRequest(
        method="POST",
        url=URLS[provider.name],
        headers={"accept": accept, "content-type": "application/json"},
        body=body | ALWAYS[provider.name],
    )
    assert json.loads(request.content) == request.body


SAME: JSON = {
    "temperature": 0.3,
    "max_tokens": 100,
    "top_p": 0.9,
    "n": 2,
    "stop": ["a", "b"],
    "frequency_penalty": -1,
    "presence_penalty": 1.5,
    "logprobs": True,
    "top_logprobs": 5,
    "logit_bias": {"1": -100},
    "response_format": {"type": "json_object"},
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "user": "u",
    "metadata": {"a": "b"},
    "seed": 0,
    "prompt_cache_key": "c",
    "reasoning_effort": "high",
}

# The parameters, and the fields that they add to the body for each provider.
PARAMS: dict[str, tuple[JSON, JSON, JSON]] = {
    **{name: ({name: value}, {name: value}, {name: value}) for name, value in SAME.items()},
    "all-at-once": (SAME, SAME, SAME),
    "max_completion_tokens": (
        {"max_completion_tokens": 5},
        {"max_completion_tokens": 5},
        {"max_tokens": 5},
    ),
    "both-limits": (
        {"max_tokens": 4, "max_completion_tokens": 5},
        {"max_tokens": 4, "max_completion_tokens": 5},
        {"max_tokens": 4},
    ),
    "thinking-on": (
        {"thinking": True},
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "true"}},
    ),
    "thinking-off": (
        {"thinking": False},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "false"}},
    ),
    "thinking-off-as-value": (
        {"thinking": Thinking(enabled=False)},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "false"}},
    ),
    "effort-drops-thinking": (
        {"reasoning_effort": "low", "thinking": True},
        {"reasoning_effort": "low"},
        {"reasoning_effort": "low"},
    ),
    "extra-body-overrides-everything": (
        {
            "extra_body": {"model": "m", "messages": [], "stream": None, "x": 1, "seed": 5},
            "seed": 6,
        },
        {"model": "m", "messages": [], "stream": None, "x": 1, "seed": 5},
        {"model": "m", "messages": [], "stream": None, "x": 1, "seed": 5},
    ),
    "extra-headers-are-not-in-the-body": ({"extra_headers": {"x-a": "b"}}, {}, {}),
}


@pytest.mark.fact(
    "1.3/max-tokens",
    "1.3/max-completion-tokens",
    "1.3/temperature",
    "1.3/top-p",
    "1.3/presence-penalty-frequency-penalty",
    "1.3/n",
    "1.3/stop",
    "1.3/response-format",
    "1.3/tools-tool-choice-parallel-tool",
    "1.3/thinking",
    "1.3/reasoning-effort",
    "1.3/seed-user-metadata-logprobs-top",
    "2.3/temperature",
    "2.3/max-tokens",
    "2.3/top-p",
    "2.3/frequency-penalty-presence-penalty",
    "2.3/n",
    "2.3/stop",
    "2.3/user",
    "2.3/tools-tool-choice",
)
@pytest.mark.parametrize(("params", "ace", "cloudsway"), PARAMS.values(), ids=PARAMS)
def test_params(params: JSON, ace: JSON, cloudsway: JSON) -> None:
    for provider, added in ((ACE, ace), (CLOUDSWAY, cloudsway)):
        body = {"model": "kimi-k2.5", "messages": HELLO, "stream": False}
        wire = built(provider, **params)
        assert wire.body == body | ALWAYS[provider.name] | added
        assert (wire.url, wire.headers) == (URLS[provider.name], built(provider).headers)


#: A setting of thinking, and the fields that it adds for two providers; a text names a missing field.
THINKING: dict[str, tuple[Thinking, JSON | str, JSON | str]] = {
    "keep": (
        Thinking(keep="all"),
        {"thinking": {"type": "enabled", "keep": "all"}},
        "cloudsway has no parameter for Thinking(keep=...); leave it out",
    ),
    "budget": (
        Thinking(budget_tokens=2000),
        "acedata has no thinking budget; leave budget_tokens out",
        {"thinking": {"type": "true", "budget_tokens": 2000}},
    ),
    "effort": (
        Thinking(effort="low"),
        {"reasoning_effort": "low"},
        "cloudsway has no parameter for Thinking(effort=...); leave it out",
    ),
    "effort-and-keep": (
        Thinking(effort="low", keep="all"),
        {"thinking": {"type": "enabled", "keep": "all"}, "reasoning_effort": "low"},
        "cloudsway has no parameter for Thinking(keep=...); leave it out",
    ),
    "effort-of-no-thinking": (
        Thinking(enabled=False, effort="low"),
        {"thinking": {"type": "disabled"}},
        "cloudsway has no parameter for Thinking(effort=...); leave it out",
    ),
}


@pytest.mark.fact("1.3/thinking", "2.3/thinking")
@pytest.mark.parametrize(("thinking", "ace", "cloudsway"), THINKING.values(), ids=THINKING)
def test_each_provider_spells_thinking(
    thinking: Thinking, ace: JSON | str, cloudsway: JSON | str
) -> None:
    for provider, expected in ((ACE, ace), (CLOUDSWAY, cloudsway)):
        if isinstance(expected, str):
            with pytest.raises(ConfigurationError) as caught:
                built(provider, thinking=thinking)
            assert str(caught.value) == expected
        else:
            body = sent(provider, thinking=thinking)
            added = {key: body[key] for key in ("thinking", "reasoning_effort") if key in body}
            assert added == expected


@pytest.mark.fact("2.3/thinking")
def test_the_words_for_thinking_at_cloudsway_can_be_set() -> None:
    provider = altered(CLOUDSWAY, thinking_words=("enabled", "disabled"))
    assert sent(provider, thinking=True)["thinking"] == {"type": "enabled"}
    assert sent(provider, thinking=False)["thinking"] == {"type": "disabled"}


@pytest.mark.fact("2.3/max-tokens")
def test_the_default_limit_of_cloudsway_can_be_set() -> None:
    assert sent(altered(CLOUDSWAY, max_tokens_default=9))["max_tokens"] == 9


@pytest.mark.fact("1.3/model", "2.3/model")
@each_provider
@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("kimi-k2.5", {"model": "MaaS_Kimi_K2.5_20260127"}),
        ("kimi-k3", {"model": "kimi-k3"}),
        (None, {}),
    ],
)
def test_model_names_are_translated(provider: Provider, model: str | None, named: JSON) -> None:
    translating = altered(provider, models={"kimi-k2.5": "MaaS_Kimi_K2.5_20260127"})
    body = sent(translating, model=model)
    assert body == named | {"messages": HELLO, "stream": False} | ALWAYS[provider.name]


@pytest.mark.fact(
    "1.3/messages",
    "1.3/messages-content",
    "1.3/messages-tool-calls-tool-call",
    "1.3/partial-message",
    "2.3/messages",
)
@each_provider
def test_messages_are_sent_in_order_and_whole(provider: Provider) -> None:
    messages: list[Any] = [
        system("Be brief."),
        user(
            [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "ms://1"}}]
        ),
        assistant("", reasoning_content="", tool_calls=[CALL]),
        tool_result(CALL, {"km": 1000}),
        {"role": "developer", "content": "as it is", "x": [1]},
        assistant("Once upon", partial=True, name="teller"),
    ]
    assert sent(provider, messages)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "ms://1"}},
            ],
        },
        {
            "role": "assistant",
            "reasoning_content": "",
            "tool_calls": [
                {
                    "id": "f:0",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1}'},
                }
            ],
        },
        {"role": "tool", "content": '{"km":1000}', "tool_call_id": "f:0", "name": "f"},
        {"role": "developer", "content": "as it is", "x": [1]},
        {"role": "assistant", "content": "Once upon", "name": "teller", "partial": True},
    ]


# But for a JSON boolean, the usage that is asked for and the output limit they are sent as they are.
@pytest.mark.fact(
    "2.3/messages",
    "2.3/stream",
    "2.3/tools-tool-choice",
    "2.3/response-format",
    "2.3/messages-1-partial",
    "2.3/thinking",
)
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("request_json_object", {"stream": False, "max_tokens": 32768}),
        ("request_partial", {"stream": False, "max_tokens": 32768}),
        (
            "request_stream_partial",
            {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 32768},
        ),
        ("request_thinking_off", {"stream": False, "max_tokens": 32768}),
        ("request_tool_result", {"stream": False}),
        ("request_tools", {"stream": False, "max_tokens": 32768}),
    ],
)
def test_the_requests_that_cloudsway_documents(name: str, changed: JSON) -> None:
    documented: JSON = json.loads((REQUESTS / f"{name}.json").read_bytes())
    params = dict(documented)
    wire: Wire = "stream" if params.pop("stream", False) in {True, "True"} else "json"
    if "thinking" in params:
        assert params["thinking"]["type"] == "false"
        params["thinking"] = Thinking(
            enabled=False, budget_tokens=params["thinking"]["budget_tokens"]
        )
    params.setdefault("model", None)
    assert sent(CLOUDSWAY, params.pop("messages"), wire=wire, **params) == documented | changed


@pytest.mark.fact("1.3/messages-tool-calls-tool-call")
def test_ace_sends_a_tool_result_unchanged() -> None:
    documented: JSON = json.loads((REQUESTS / "request_tool_result.json").read_bytes())
    assert sent(ACE, documented["messages"])["messages"] == documented["messages"]


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        (AceDataCloud(KEY, "https://h/v1"), "https://h/v1/chat/completions"),
        (AceDataCloud(KEY, " https://h/v1// "), "https://h/v1/chat/completions"),
        (AceDataCloud(KEY, "https://h"), "https://h/chat/completions"),
        (Cloudsway(KEY, "p", "https://h/v1/ai"), "https://h/v1/ai/p/chat/completions"),
        (Cloudsway(KEY, " /p/q/ ", "https://h/"), "https://h/p/q/chat/completions"),
        (Cloudsway(KEY, "a?b#c%", "https://h"), "https://h/a%3Fb%23c%25/chat/completions"),
    ],
)
def test_urls(provider: Provider, url: str) -> None:
    provider.check()
    assert provider.url == built(provider).url == url


# The key.


@each_provider
def test_the_key_is_in_the_authorization_alone(provider: Provider) -> None:
    request = chat_request("Hello", {}, model="m", wire="stream")
    wire = provider.build_request(request)
    assert provider.authorization() == f"Bearer {KEY}"
    for shown in (repr(provider), str(provider), repr(request), repr(wire)):
        assert KEY not in shown
    assert KEY.encode() not in pickle.dumps(wire) + wire.content


@each_provider
def test_a_request_shows_no_prompt(provider: Provider) -> None:
    request = chat_request("Hello", {"user": "u-1"}, model="m", wire="stream")
    assert repr(request) == "ChatRequest(model='m', wire='stream')"
    url = URLS[provider.name]
    assert repr(provider.build_request(request)) == f"WireRequest(method='POST', url='{url}')"


@each_provider
@given(key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_any_key_of_visible_ascii_is_sent_as_it_is(provider: Provider, key: str) -> None:
    given = altered(provider, api_key=f" \t{key}\r\n")
    given.check()
    assert given.authorization() == f"Bearer {key}"
