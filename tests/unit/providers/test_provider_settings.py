"""The settings of a provider: keys, paths, model names and URLs."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from attrs import fields_dict
from attrs.exceptions import FrozenInstanceError
from provider_values import KEY, altered, each_provider

from kimi_async import (
    AceDataCloud,
    Cloudsway,
    Provider,
    RateLimits,
)
from kimi_async._errors import ConfigurationError

HELD = "holds blanks, control or non-ASCII characters; copy only the value"

# A key or a path, and its mistake.
BAD_VALUES: dict[str, tuple[Any, str]] = {
    "none": (None, "is missing"),
    "empty": ("", "is missing"),
    "blanks": (" \t\n", "is missing"),
    "blank-inside": ("hush 1", HELD),
    "header-copied": ("Bearer hush", HELD),
    "line-end-inside": ("hush\r\n1", HELD),
    "tab-inside": ("hush\t1", HELD),
    "null-character": ("hush\0", HELD),
    "delete-character": ("hush\x7f", HELD),
    "not-ascii": ("hüsh", HELD),
    "hard-blank": ("hush\u00a01", HELD),
    "zero-width": ("hush\u200b", HELD),
    "bytes": (b"hush", "must be a text, not bytes"),
    "number": (5, "must be a text, not int"),
}


@each_provider
@pytest.mark.parametrize(("value", "problem"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_keys_and_paths_are_refused(provider: Provider, value: Any, problem: str) -> None:
    for field, variable in provider.environment.items():
        refused = altered(provider, **{field: value})
        kind = type(provider).__name__
        expected = f"{kind}: {field} {problem}; give {field}=... or set {variable}"
        assert refusal(refused) == expected


def refusal(provider: Provider) -> str:
    with pytest.raises(ConfigurationError) as caught:
        provider.check()
    assert "hush" not in str(caught.value)
    return caught.value.message


TABLE = "must be a table, such as that of AceDataCloud().capabilities.override(partial_mode=True)"
NAME = "must be 1 to 64 letters, digits, '_', '-' or '.'"
WORDS = 'must be two words in a tuple, such as ("true", "false")'

# Values of a wrong kind by option, and the problem that each of them is.
WRONG_KINDS: dict[str, tuple[list[Any], str]] = {
    "api_key": ([5, b"hush", ["hush"]], "must be a text, not "),
    "endpoint_path": ([5, b"hush", ["hush"]], "must be a text, not "),
    "base_url": ([5, b"hush", ["hush"]], "must be a text, not "),
    "models": ([5, "hush", ["hush"], {"hush": 5}, {5: "hush"}, None], "must map names to names"),
    "capabilities": ([None, "hush", {"partial_mode": True}, AceDataCloud], TABLE),
    "rate_limits": ([5, "hush", {"rpm": 5}, RateLimits], "must be a RateLimits(...), a Limiter "),
    "allow_http": ([None, "hush", 1, []], "must be True or False"),
    "tool_markers": ([None, "hush", True, ["hush"]], "must be one of 'pass', 'hide', 'parse'"),
    "thinking_tags": ([None, "hush", True, ["hush"]], "must be one of 'pass', 'hide', 'parse'"),
    "name": ([None, 5, "", "hush hush", b"hush"], NAME),
    "max_tokens_default": ([None, "1024", 1024.0, True, 0, -1], "must be a whole number from 1"),
    "thinking_words": (["off", ["on", "off"], ("on",), (True, False), None, 5], WORDS),
}


@each_provider
def test_every_option_of_a_wrong_kind_is_refused_at_once(provider: Provider) -> None:
    for option in fields_dict(cast("Any", type(provider))):
        values, problem = WRONG_KINDS[option]
        for value in values:
            text = refusal(altered(provider, **{option: value}))
            assert text.startswith(f"{type(provider).__name__}: {option} {problem}"), value


def test_a_path_of_slashes_is_missing() -> None:
    assert refusal(Cloudsway(KEY, "//")) == (
        "Cloudsway: endpoint_path is missing; give endpoint_path=... or set CLOUDSWAY_ENDPOINT_PATH"
    )


CLEAR = "must be https, or the key would be sent without encryption; pass allow_http=True if that is meant"
EXTRA = "must not hold a user name, a query or a fragment"
PART = "must be a whole URL, https://host/path"
SUFFIX = "must end before /chat/completions, which is added to it"

BAD_URLS: dict[str, tuple[Any, str]] = {
    "none": (None, "is missing"),
    "empty": ("", "is missing"),
    "number": (5, "must be a text, not int"),
    "host-alone": ("api.acedata.cloud", PART),
    "no-scheme": ("//h/hush", PART),
    "no-host": ("https:///hush", PART),
    "scheme-alone": ("https://", PART),
    "ftp": ("ftp://h/hush", PART),
    "http": ("http://h/hush", CLEAR),
    "http-private-address": ("http://192.168.1.1", CLEAR),
    "http-any-address": ("http://0.0.0.0", CLEAR),
    "http-like-localhost": ("http://localhost.example.com", CLEAR),
    "user": ("https://hush@h", EXTRA),
    "password": ("https://:hush@h", EXTRA),
    "user-and-password": ("https://u:hush@h", EXTRA),
    "empty-user": ("https://@h", EXTRA),
    "query": ("https://h/v1?key=hush", EXTRA),
    "empty-query": ("https://h/v1?", EXTRA),
    "fragment": ("https://h/v1#hush", EXTRA),
    "empty-fragment": ("https://h/v1#", EXTRA),
    "suffix": ("https://h/v1/chat/completions", SUFFIX),
    "suffix-and-slash": ("https://h/v1/chat/completions/", SUFFIX),
    "port-too-large": ("https://h:65536", "is not a URL"),
    "port-no-number": ("https://h:hush", "is not a URL"),
    "bracket": ("https://[::1", "is not a URL"),
    "blank-inside": ("https://h/hush 1", HELD),
    "line-end-inside": ("https://h\n.hush", HELD),
    "not-ascii": ("https://hüsh", HELD),
}


@each_provider
@pytest.mark.parametrize(("url", "problem"), BAD_URLS.values(), ids=BAD_URLS)
def test_bad_base_urls_are_refused(provider: Provider, url: Any, problem: str) -> None:
    refused = altered(provider, base_url=url)
    assert "hush@" not in repr(refused)  # a password
    assert refusal(refused).startswith(f"{type(provider).__name__}: base_url {problem}")


@each_provider
@pytest.mark.parametrize(
    ("url", "allow_http"),
    [
        ("https://h", False),
        ("HTTPS://h:8443/v1/", False),
        ("https://xn--hsh-hoa.example/v1", False),
        ("http://localhost:8000", False),
        ("http://LOCALHOST", False),
        ("http://127.0.0.1:8000/v1", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:8000", False),
        ("http://h/v1", True),
        ("http://192.168.1.1", True),
    ],
)
def test_good_base_urls_are_accepted(provider: Provider, url: str, allow_http: bool) -> None:
    altered(provider, base_url=url, allow_http=allow_http).check()


@each_provider
@pytest.mark.parametrize(
    "url", ["https://h", "https://h:8443/v1/ai", "https://ai", "http://localhost:8000/ai/"]
)
def test_every_request_goes_to_the_origin_that_was_checked(provider: Provider, url: str) -> None:
    """A host by the name of the suffix that Cloudsway's list of models does without is still the host."""
    provider = altered(provider, base_url=url)
    origin = urlsplit(url)[:2]
    assert urlsplit(provider.url)[:2] == urlsplit(provider.models_url)[:2] == origin


@each_provider
def test_an_adapter_is_a_value_that_cannot_be_changed(provider: Provider) -> None:
    assert altered(provider) == provider != altered(provider, api_key="sk-other")
    for field in ("api_key", "base_url"):
        with pytest.raises(FrozenInstanceError):
            setattr(provider, field, "hush")
