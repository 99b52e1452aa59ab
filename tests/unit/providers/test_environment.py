"""The provider that the environment names, and the settings that it takes from there."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import (
    AceDataCloud,
    AsyncKimi,
    Cloudsway,
    ConfigurationError,
    Moonshot,
    OpenAICompatible,
    Provider,
)
from kimi_async._providers._environment import provider_from_environment, with_base_url

Environment: TypeAlias = dict[str, str]

ACE: Environment = {"ACEDATACLOUD_API_TOKEN": "hush-a"}
CLOUDSWAY: Environment = {"CLOUDSWAY_API_KEY": "hush-c", "CLOUDSWAY_ENDPOINT_PATH": "hush-p"}
MOONSHOT: Environment = {"MOONSHOT_API_KEY": "hush-m"}
OPENAI: Environment = {"OPENAI_API_KEY": "hush-o", "OPENAI_BASE_URL": "https://hush-u"}
KEYS = ["ACEDATACLOUD_API_TOKEN", "CLOUDSWAY_API_KEY", "MOONSHOT_API_KEY"]

# The variables, and the provider that they ask for.
CHOSEN: dict[str, tuple[Environment, type[Provider]]] = {
    "ace-key": (ACE, AceDataCloud),
    "cloudsway-key": (CLOUDSWAY, Cloudsway),
    "cloudsway-key-without-path": ({"CLOUDSWAY_API_KEY": "hush-c"}, Cloudsway),
    "other-key-blank": (ACE | {"CLOUDSWAY_API_KEY": " \t"}, AceDataCloud),
    "other-path-is-no-key": (ACE | {"CLOUDSWAY_ENDPOINT_PATH": "hush-p"}, AceDataCloud),
    "provider-blank": (ACE | {"KIMI_PROVIDER": " "}, AceDataCloud),
    "named": ({"KIMI_PROVIDER": "acedata"}, AceDataCloud),
    "named-over-the-key": (ACE | {"KIMI_PROVIDER": "cloudsway"}, Cloudsway),
    "named-of-several": (ACE | CLOUDSWAY | {"KIMI_PROVIDER": "acedata"}, AceDataCloud),
    "named-with-blanks-and-capitals": ({"KIMI_PROVIDER": " CloudsWay\n"}, Cloudsway),
    "moonshot-key": (MOONSHOT, Moonshot),
    "openai-is-never-picked-by-itself": (ACE | OPENAI, AceDataCloud),
    "openai-by-name": ({"KIMI_PROVIDER": "openai"}, OpenAICompatible),
}

# The variables, and the error if they name no provider.
NONE: dict[str, tuple[Environment, list[str]]] = {
    "nothing": ({}, ["no provider", "AsyncKimi", *KEYS]),
    "keys-blank": (dict.fromkeys(KEYS, " "), ["no provider", *KEYS]),
    "other-variables": ({"KIMI_MODEL": "hush"} | OPENAI, ["no provider", *KEYS]),
    "several-keys": (
        ACE | CLOUDSWAY | MOONSHOT,
        ["several providers", *KEYS, "set KIMI_PROVIDER to acedata or cloudsway or moonshot"],
    ),
    "unknown-name": (
        ACE | {"KIMI_PROVIDER": "hush"},
        ["KIMI_PROVIDER must be one of", "acedata", "cloudsway", "moonshot", "openai"],
    ),
}


@pytest.mark.parametrize(("env", "kind"), CHOSEN.values(), ids=CHOSEN)
def test_a_provider_is_chosen(env: Environment, kind: type[Provider]) -> None:
    assert provider_from_environment(env) == kind()


@pytest.mark.parametrize(("env", "parts"), NONE.values(), ids=NONE)
def test_the_reason_for_none_lists_variables_and_no_value(
    env: Environment, parts: list[str]
) -> None:
    reason = provider_from_environment(env)
    assert isinstance(reason, str)
    assert [part for part in parts if part not in reason] == []
    assert "hush" not in reason


@given(env=st.dictionaries(st.sampled_from([*KEYS, "KIMI_PROVIDER"]), st.text()))
def test_any_environment_gives_an_adapter_without_key_or_a_reason(env: Environment) -> None:
    chosen = provider_from_environment(env)
    assert isinstance(chosen, str) or chosen.api_key is None


# The arguments of a provider, the variables, and its final settings.
RESOLVED: dict[str, tuple[Provider, Environment, Provider]] = {
    "ace-nothing": (AceDataCloud(), {}, AceDataCloud()),
    "ace-key": (AceDataCloud(), ACE | CLOUDSWAY, AceDataCloud("hush-a")),
    "ace-given-wins": (AceDataCloud("own"), ACE, AceDataCloud("own")),
    "ace-blank-is-not-given": (AceDataCloud(" "), ACE, AceDataCloud("hush-a")),
    "blanks-around-are-dropped": (
        AceDataCloud(),
        {"ACEDATACLOUD_API_TOKEN": " k \n"},
        AceDataCloud("k"),
    ),
    "blank-variable": (AceDataCloud(), {"ACEDATACLOUD_API_TOKEN": " "}, AceDataCloud()),
    "settings-stay": (
        AceDataCloud(base_url="http://h", models={"a": "b"}, allow_http=True),
        ACE,
        AceDataCloud("hush-a", "http://h", models={"a": "b"}, allow_http=True),
    ),
    "moonshot": (Moonshot(), MOONSHOT, Moonshot("hush-m")),
    "openai-both": (OpenAICompatible(), OPENAI, OpenAICompatible("hush-o", "https://hush-u")),
    "openai-base-url-given": (
        OpenAICompatible(base_url="https://h"),
        OPENAI,
        OpenAICompatible("hush-o", "https://h"),
    ),
    "cloudsway-both": (Cloudsway(), ACE | CLOUDSWAY, Cloudsway("hush-c", "hush-p")),
    "cloudsway-path-given": (Cloudsway(endpoint_path="p"), CLOUDSWAY, Cloudsway("hush-c", "p")),
    "cloudsway-key-given": (Cloudsway("own"), CLOUDSWAY, Cloudsway("own", "hush-p")),
    "cloudsway-settings-stay": (
        Cloudsway(max_tokens_default=5, thinking_words=("a", "b")),
        CLOUDSWAY,
        Cloudsway("hush-c", "hush-p", max_tokens_default=5, thinking_words=("a", "b")),
    ),
}


@pytest.mark.parametrize(("provider", "env", "resolved"), RESOLVED.values(), ids=RESOLVED)
def test_an_adapter_takes_what_it_was_not_given(
    provider: Provider, env: Environment, resolved: Provider
) -> None:
    assert provider.resolve(env) == resolved
    assert not [key for key in ("hush-a", "hush-c", "hush-m", "hush-o") if key in repr(resolved)]


def test_a_provider_can_have_a_name_of_its_own() -> None:
    assert AceDataCloud("key", name="acedata-eu").name == "acedata-eu"


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "a\nb", 5], ids=repr)
def test_a_name_that_would_not_fit_on_a_log_line_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="AceDataCloud: name must be 1 to 64 letters"):
        AceDataCloud("key", name=name).check()


HERE = {"KIMI_BASE_URL": " http://localhost:1/v1 "}
#: The providers, the variables, and the base URLs then; or the reason for none.
PLACED: dict[str, tuple[tuple[Provider, ...], Environment, list[str] | str]] = {
    "moonshot": ((Moonshot(),), {"MOONSHOT_BASE_URL": "https://h/v1"}, ["https://h/v1"]),
    "moonshot-only": ((OpenAICompatible(),), {"MOONSHOT_BASE_URL": "https://h/v1"}, [""]),
    "any-provider": ((Cloudsway(),), HERE, ["http://localhost:1/v1"]),
    "the-general-one-wins": (
        (Moonshot(),),
        HERE | {"MOONSHOT_BASE_URL": "https://h/v1"},
        ["http://localhost:1/v1"],
    ),
    "code-wins": ((Moonshot(base_url="https://own/v1"),), HERE, ["https://own/v1"]),
    "blank": ((Moonshot(),), {"KIMI_BASE_URL": " "}, ["https://api.moonshot.ai/v1"]),
    "several": (
        (Moonshot(), AceDataCloud()),
        HERE,
        "KIMI_BASE_URL is for one provider, and there are several: unset it",
    ),
    "several-with-their-own": (
        (Moonshot(base_url="https://a"), AceDataCloud(base_url="https://b")),
        HERE,
        ["https://a", "https://b"],
    ),
}


@pytest.mark.parametrize(("providers", "env", "expected"), PLACED.values(), ids=PLACED)
def test_the_environment_can_place_a_provider(
    providers: tuple[Provider, ...], env: Environment, expected: list[str] | str
) -> None:
    placed = with_base_url(providers, env)
    if isinstance(placed, str):
        assert isinstance(expected, str)
        assert placed.startswith(expected)
    else:
        assert [each.base_url for each in placed] == expected


def test_a_client_asks_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIMI_BASE_URL", "http://localhost:1/v1")
    client = AsyncKimi(Moonshot("hush-m"), model="m")
    assert client.preview("Hi").url == "http://localhost:1/v1/chat/completions"
    with pytest.raises(ConfigurationError, match="KIMI_BASE_URL is for one provider"):
        client.with_options(provider=[Moonshot("hush-m"), AceDataCloud("hush-a")])
