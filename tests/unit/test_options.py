"""Options of a client, of a copy and of one call, and the requests that follow."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import math
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from attrs import fields
from fake_host import ACE, HELLO, FakeHost
from option_values import KEY

import kimi_async as kimi
from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    ClientOptions,
    Cloudsway,
    Moonshot,
    ReplyRecord,
    Timeouts,
)
from kimi_async._request._borrowed import _NAMES
from kimi_async.conversation import Conversation
from kimi_async.tools._run import RunOptions

pytestmark = pytest.mark.anyio


LARGE = kimi.Limits(event_bytes=2**30)
SHORT = Timeouts(connect=1, write=2, first_output=3, idle=4)


def sent(host: FakeHost, at: int = -1) -> Any:
    """The body of a request that *host* got."""
    return json.loads(host.requests[at].content)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KIMI_MODEL", raising=False)


# Spellings that people bring along from other SDKs.

BORROWED = {
    "api_key": "give the key to the provider",
    "base_url": "give the URL to the provider",
    "max_retries": r"retries=Retries\(",
    "timeout": r"timeouts=Timeouts\(",
    "stream": 'wire="json"',
    "stream_options": "token counts",
    "functions": r"tools=\[",
    "function_call": "tool_choice=",
    "response_model": r"client\.parse\(",
    "proxy": r"http_client=kimi_async\.http_client\(proxy=",
    "verify": r"http_client=kimi_async\.http_client\(verify=",
    "system_prompt": r"kimi_async\.system\(",
    "instructions": r"kimi_async\.system\(",
    "prompt": r"client\.chat\(",
    "input": r"client\.chat\(",
}


@pytest.mark.parametrize(("name", "advice"), BORROWED.items(), ids=BORROWED)
async def test_a_borrowed_spelling_is_refused_with_ours(name: str, advice: str) -> None:
    host = FakeHost()
    client = host.client()
    given: dict[str, Any] = {name: KEY}
    calls: list[Callable[..., object]] = [
        functools.partial(host.client, **given),
        functools.partial(client.with_options, **given),
        functools.partial(client.stream, "Hi", **given),
        functools.partial(client.preview, "Hi", **given),
        functools.partial(client.run, "Hi", **given),
        functools.partial(client.stream_parse, "Hi", int, **given),
        functools.partial(client.conversation().stream, "Hi", **given),
        functools.partial(client.conversation(**given).stream, "Hi"),
        functools.partial(client.conversation().run, "Hi", **given),
    ]
    for call in calls:
        with pytest.raises(kimi.ConfigurationError, match=f"'{name}': .*{advice}") as caught:
            call()
        assert KEY not in str(caught.value)
    for ask in (client.chat, functools.partial(client.parse, into=int), client.conversation().send):
        with pytest.raises(kimi.ConfigurationError, match=f"'{name}': .*{advice}"):
            await ask("Hi", **given)
    assert host.requests == []


@pytest.mark.parametrize(
    ("name", "ours"),
    {
        "AsyncOpenAI": "AsyncKimi",
        "OpenAI": r"AsyncKimi, with asyncio\.run\(\)",
        "OpenAIError": "KimiError",
        "APIConnectionError": "TransportError, or StreamInterrupted after the first output",
        "APITimeoutError": "KimiTimeoutError",
        "APIStatusError": "APIError",
        "InternalServerError": "ServerError or OverloadedError",
    }.items(),
)
def test_a_borrowed_name_of_the_module_is_told_with_ours(name: str, ours: str) -> None:
    with pytest.raises(
        AttributeError, match=f"no attribute '{name}'; in place of .*{name} use {ours}$"
    ):
        getattr(kimi, name)


def test_every_name_of_openai_that_is_told_has_one_here() -> None:
    for name, ours in _NAMES.items():
        assert not hasattr(kimi, name)
        assert hasattr(kimi, ours.partition(",")[0].partition(" ")[0])


@pytest.mark.parametrize("name", ["Kimi"])
def test_another_name_is_missing_as_in_any_module(name: str) -> None:
    with pytest.raises(AttributeError, match=r"^module 'kimi_async' has no attribute 'Kimi'$"):
        getattr(kimi, name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        # Another host has these; they are no slips of ours.
        ("top_k", r"'top_k'; extra_body=\{\.\.\.\} sends"),
        ("store", r"'store'; extra_body=\{\.\.\.\} sends"),
        # Only a conversation takes it.
        ("system", r"'system': .*kimi_async\.system\("),
    ],
)
def test_a_parameter_of_another_host_is_refused_with_advice(name: str, advice: str) -> None:
    given: dict[str, Any] = {name: 1}
    with pytest.raises(kimi.ConfigurationError, match=advice):
        FakeHost().client().preview("Hi", **given)


def test_a_function_that_is_not_a_tool_is_refused_with_the_decorator() -> None:
    client = FakeHost().client()
    undecorated: list[Any] = [sent]
    for call in (client.stream, client.preview, client.run):
        with pytest.raises(kimi.ConfigurationError, match=r"decorate it with @kimi_async\.tools"):
            call("Hi", tools=undecorated)


def test_an_unknown_setting_of_a_client_is_refused() -> None:
    unknown: dict[str, Any] = {"modell": "m"}
    with pytest.raises(kimi.ConfigurationError, match="setting 'modell'; did you mean 'model'"):
        AsyncKimi(ACE, **unknown)


# Several providers.


async def test_several_providers_are_kept_in_their_order_and_the_first_is_asked() -> None:
    host = FakeHost([HELLO])
    client = host.client([Moonshot(KEY), Cloudsway(KEY, "path")])
    assert [provider.name for provider in client.providers] == ["moonshot", "cloudsway"]
    assert repr(client) == "<AsyncKimi moonshot, cloudsway model='kimi-k2.6'>"
    assert (await client.chat("Hi")).provider == "moonshot"
    copy = client.with_options(provider=(Cloudsway(KEY, "path"), ACE))
    assert copy.preview("Hi").url.startswith("https://genaiapi.cloudsway.net/")
    assert copy.preview("Hi", provider=[ACE]).url == ACE.url


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        pytest.param([], "at least one provider", id="none"),
        pytest.param([ACE, "moonshot"], "must be a provider .* not str", id="a-name"),
        pytest.param("ace", "must be a provider .* not str", id="text"),
        pytest.param([ACE, Moonshot("a b")], "holds blanks", id="bad-key"),
        pytest.param(
            [ACE, Moonshot(KEY), AceDataCloud(KEY)],
            "two providers have the name 'acedata': give one of them another name=",
            id="one-name-twice",
        ),
    ],
)
def test_providers_that_cannot_work_together_are_refused(providers: Any, message: str) -> None:
    with pytest.raises(kimi.ConfigurationError, match=message):
        AsyncKimi(providers)


def test_two_accounts_of_one_provider_have_different_names() -> None:
    client = AsyncKimi([ACE, AceDataCloud(KEY, name="second")])
    assert [provider.name for provider in client.providers] == ["acedata", "second"]


def test_a_model_is_needed_when_one_of_the_providers_needs_it() -> None:
    client = FakeHost().client([Cloudsway(KEY, "path"), ACE], model=None)
    with pytest.raises(kimi.ConfigurationError, match=r"no model: .*acedata has no default"):
        client.preview("Hi")


# Defaults that two signatures declare.


def defaults(call: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(call).parameters.values()
    return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_a_call_has_the_same_defaults_in_a_conversation() -> None:
    assert defaults(AsyncKimi.chat) == defaults(Conversation.send)
    assert defaults(AsyncKimi.run) == {each.name: each.default for each in fields(RunOptions)}


# The messages are encoded once.


@dataclasses.dataclass
class Counted:
    """A value that counts how often it is encoded."""

    text: str
    reads: ClassVar[list[str]] = []

    def __getattribute__(self, name: str) -> Any:
        Counted.reads += [name] if name == "text" else []
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("name", "more"),
    [("stream", {}), ("preview", {}), ("run", {}), ("stream_parse", {"into": int})],
    ids=["stream", "preview", "run", "stream_parse"],
)
def test_the_messages_of_a_request_are_encoded_once(name: str, more: dict[str, Any]) -> None:
    Counted.reads.clear()
    said = {"role": "user", "content": "Hi", "note": Counted("x")}
    getattr(FakeHost().client(), name)([said], **more)
    assert Counted.reads == ["text"]


# A copy with other settings.


async def test_a_copy_shares_the_connections_and_leaves_the_first_alone() -> None:
    host = FakeHost([HELLO], [HELLO])
    first = host.client(model="a")
    copy = first.with_options(model="b")
    await copy.chat("Hi")
    await first.chat("Hi")
    assert [sent(host, at)["model"] for at in (0, 1)] == ["b", "a"]
    assert type(copy) is type(first)


@pytest.mark.parametrize("closed", ["first", "copy"])
async def test_closing_either_closes_both(closed: str) -> None:
    clients = {"first": FakeHost().client()}
    clients["copy"] = clients["first"].with_options()
    await clients[closed].aclose()
    for client in clients.values():
        with pytest.raises(RuntimeError, match="closed"):
            await client.chat("Hi")


async def test_every_option_of_a_copy_counts() -> None:
    host = FakeHost([HELLO])
    told: list[ReplyRecord] = []
    seen: list[kimi.CallInfo] = []
    options: ClientOptions = {
        "provider": Cloudsway(KEY, "path"),
        "model": "b",
        "timeouts": SHORT,
        "limits": LARGE,
        "max_concurrency": None,
        "on_complete": told.append,
        "headers": {"x-team": "a"},
        "checks": "off",
        "hooks": [seen.append],
        "retries": kimi.Retries(attempts=2),
        "breaker": kimi.Breaker(consecutive=9),
        "on_interrupt": "raise",
        "hedge_after": "p95",
    }
    assert options.keys() == ClientOptions.__annotations__.keys()
    client = host.client(headers={"x-old": "a"}).with_options(**options)
    # Not warned of, although it is likely to be refused.
    reply = await client.chat("Hi", reasoning_effort="high")
    (request,) = host.requests
    assert reply.provider == client.providers[0].name == "cloudsway"
    assert sent(host)["model"] == "b"
    assert request.extensions["timeout"] == {"connect": 1, "write": 2, "read": 4, "pool": None}
    assert told == [reply.record]
    assert [call.providers for call in seen] == [("cloudsway",)]
    assert request.headers["x-team"] == "a"
    assert "x-old" not in request.headers
    assert client._caller.settings.limits is LARGE
    settings = client._caller.settings
    assert (settings.hedge_after, settings.on_interrupt) == ("p95", "raise")
    assert (settings.retries, settings.breaker) == (options["retries"], options["breaker"])
    assert repr(client) == "<AsyncKimi cloudsway model='b'>"


async def test_a_setting_is_taken_back_by_a_copy() -> None:
    told: list[ReplyRecord] = []
    client = FakeHost([HELLO]).client(on_complete=told.append)
    await client.with_options(on_complete=None).chat("Hi")
    assert told == []
    with pytest.raises(kimi.ConfigurationError, match="no model"):
        client.with_options(model=None).preview("Hi")


def test_a_copy_takes_its_provider_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", KEY)
    assert FakeHost().client().with_options(provider=Moonshot()).providers == (Moonshot(KEY),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"modell": "b", "api_key": KEY},
            "^unknown option 'api_key': give the key to the provider",
            id="borrowed",
        ),
        pytest.param(
            {"modell": "b"}, "^unknown option 'modell'; did you mean 'model'", id="unknown"
        ),
        pytest.param({"model": ["b"]}, "^model must be a text, not list$", id="model"),
        pytest.param(
            {"tools": []},
            r"^unknown option 'tools': it is a parameter; give it to each call, or to client\.conversation\(\)$",
            id="parameter",
        ),
        pytest.param({"http_client": None}, "^unknown option 'http_client'$", id="http_client"),
        pytest.param({"provider": "acedata"}, "must be a provider", id="provider"),
        pytest.param({"provider": Moonshot("a b")}, "holds blanks", id="bad-key"),
        pytest.param({"timeouts": 5}, r"must be a Timeouts\(", id="timeouts"),
        pytest.param({"limits": 5}, r"must be a Limits\(", id="limits"),
        pytest.param({"timeouts": None}, r"must be a Timeouts\(", id="no-timeouts"),
        pytest.param({"on_complete": "log"}, "callable that is not async", id="on_complete"),
        pytest.param({"headers": {"AUTHORIZATION": KEY}}, "authorization", id="authorization"),
        pytest.param({"headers": {"x-a": "b\n"}}, "x-a", id="header"),
        pytest.param({"headers": None}, "headers must map", id="no-headers"),
        *(
            pytest.param({"hedge_after": value}, '"p50" to "p99"', id=f"hedge_after-{value}")
            for value in (
                0,
                -1.0,
                True,
                math.inf,
                10**309,
                math.nan,
                "p49",
                "p100",
                "P95",
                "95",
                [1.0],
            )
        ),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    client = FakeHost().client()
    with pytest.raises(kimi.ConfigurationError, match=message) as caught:
        client.with_options(**options)
    assert KEY not in str(caught.value)
    if options.keys() & {"timeouts", "on_complete", "headers"} and None not in options.values():
        with pytest.raises(kimi.ConfigurationError, match=message):
            AsyncKimi(ACE, **options)


# One call with other settings.


async def test_the_settings_of_one_call_count_for_it_alone() -> None:
    host = FakeHost([HELLO], [HELLO])
    of_the_client: list[ReplyRecord] = []
    of_the_call: list[ReplyRecord] = []
    client = host.client(on_complete=of_the_client.append)
    reply = await client.chat(
        "Hi", provider=Moonshot(KEY), timeouts=SHORT, on_complete=of_the_call.append, n=1
    )
    assert reply.provider == "moonshot"
    assert host.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert host.requests[0].extensions["timeout"]["connect"] == 1
    assert not sent(host).keys() & {"provider", "timeouts", "on_complete"}
    assert (len(of_the_client), len(of_the_call)) == (0, 1)
    assert (await client.chat("Hi")).provider == "acedata"
    assert host.requests[1].headers["authorization"] == f"Bearer {ACE.api_key}"
    assert host.requests[1].extensions["timeout"]["connect"] == 10
    assert (len(of_the_client), len(of_the_call)) == (1, 1)


async def test_a_call_can_leave_on_complete_out() -> None:
    told: list[ReplyRecord] = []
    await FakeHost([HELLO]).client(on_complete=told.append).chat("Hi", on_complete=None)
    assert told == []


# Headers and body.


async def test_headers_of_the_call_win_over_those_of_the_client_and_those_over_ours() -> None:
    host = FakeHost([HELLO])
    client = host.client(headers={"X-A": "client", "x-b": "client", "Accept": "client"})
    await client.chat("Hi", extra_headers={"x-a": "call", "Content-Type": "call"})
    headers = host.requests[0].headers
    assert headers.get_list("x-a") == ["call"]
    assert headers.get_list("x-b") == ["client"]
    assert headers.get_list("accept") == ["client"]
    assert headers.get_list("content-type") == ["call"]
    assert headers.get_list("authorization") == [f"Bearer {ACE.api_key}"]


@pytest.mark.fact("6.1/misleading-429-by-user-agent")
@pytest.mark.parametrize(
    ("settings", "extra_headers", "agent"),
    [
        ({}, {}, f"kimi-async/{kimi.__version__}"),
        ({"headers": {"User-Agent": "client"}}, {}, "client"),
        ({"headers": {"User-Agent": "client"}}, {"user-agent": "call"}, "call"),
        ({}, {"USER-AGENT": "call"}, "call"),
    ],
    ids=["ours", "of-the-client", "of-both", "of-the-call"],
)
async def test_the_user_agent_can_be_changed(
    settings: dict[str, Any], extra_headers: dict[str, str], agent: str
) -> None:
    host = FakeHost([HELLO])
    await host.client(**settings).chat("Hi", extra_headers=extra_headers)
    assert host.requests[0].headers.get_list("user-agent") == [agent]


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
async def test_the_authorization_is_refused_wherever_headers_are_given(name: str) -> None:
    host = FakeHost()
    given = {name: f"Bearer {KEY}"}
    with pytest.raises(kimi.ConfigurationError, match=r"^headers .* api_key$") as by_client:
        host.client(headers=given)
    with pytest.raises(kimi.ConfigurationError, match=r"^extra_headers .* api_key$") as by_call:
        await host.client().chat("Hi", extra_headers=given)
    assert KEY not in str(by_client.value) + str(by_call.value)
    assert host.requests == []


async def test_extra_body_is_laid_over_everything() -> None:
    host = FakeHost([HELLO])
    over = {"model": "c", "stream_options": None, "max_tokens": 7, "seed": 2, "x": {"y": [1]}}
    client = host.client(Cloudsway(KEY, "path"))
    await client.chat("Hi", seed=1, extra_body=over)
    assert sent(host) == {
        "model": "c",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": None,
        "max_tokens": 7,
        "seed": 2,
        "x": {"y": [1]},
    }
