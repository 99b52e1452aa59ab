"""``check_provider()``: the providers of the package keep every rule, and each broken rule is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import pytest
from attrs import evolve, frozen

import kimi_async as kimi
from kimi_async import APIError, OpenAICompatible, WireRequest
from kimi_async._protocol._chunk import Chunk, Done
from kimi_async._wire import ChatRequest
from kimi_async.testing import check_provider

PROVIDERS = [
    kimi.AceDataCloud("test-key"),
    kimi.Cloudsway("test-key", "test-endpoint"),
    kimi.Moonshot("test-key"),
    OpenAICompatible("test-key", "https://openai.test/v1"),
]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_the_providers_of_the_package(provider: kimi.Provider) -> None:
    check_provider(provider)


class Changed(OpenAICompatible):
    """A provider whose requests are changed."""

    changes: ClassVar[Mapping[str, Any]] = {}
    url_changes: ClassVar[str] = "https://openai.test/v1"

    def build_request(self, request: ChatRequest) -> WireRequest:
        made = super().build_request(request)
        body = {**made.body, **self.changes}
        url = self.url_changes
        return WireRequest(method=made.method, url=url, headers=made.headers, body=body)


class StreamsNot(Changed):
    changes: ClassVar[Mapping[str, Any]] = {"stream": False}


class OtherMessages(Changed):
    changes: ClassVar[Mapping[str, Any]] = {"messages": [{"role": "user", "content": "Bye"}]}


class OtherParameter(Changed):
    changes: ClassVar[Mapping[str, Any]] = {"temperature": 0.5}


class KeyInBody(Changed):
    changes: ClassVar[Mapping[str, Any]] = {"user": "test-key"}


class NoURL(Changed):
    url_changes: ClassVar[str] = "openai.test"


class OtherContent(OpenAICompatible):
    def build_request(self, request: ChatRequest) -> WireRequest:
        made = super().build_request(request)
        return evolve(made, content=made.content.replace(b"Hello", b"Hallo"))


class ShowsKey(OpenAICompatible):
    def __repr__(self) -> str:
        return f"<{self.api_key}>"

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> APIError:
        del headers, now
        return APIError(body.decode(errors="replace"), status=status)


@frozen
class Resolves(OpenAICompatible):
    def resolve(self, env: Mapping[str, str]) -> Self:
        return evolve(super().resolve(env), base_url="https://other.test")


class Raises(OpenAICompatible):
    def parse_chunk(self, data: bytes) -> Chunk | Done:
        raise KeyError(len(data))


class Reverses(OpenAICompatible):
    def parse_completion(self, body: bytes) -> Chunk:
        return super().parse_completion(body.replace(b"llo", b"oll").replace(b"call_0", b"call_1"))


class Renames(OpenAICompatible):
    def parse_chunk(self, data: bytes) -> Chunk | Done:
        return super().parse_chunk(data.replace(b'"stop"', b'"length"'))


class Remembers(OpenAICompatible):
    seen: ClassVar[set[bytes]] = set()

    def parse_chunk(self, data: bytes) -> Chunk | Done:
        if data in self.seen:
            data = data.replace(b"Hello", b"Again")
        self.seen.add(data)
        return super().parse_chunk(data)


class Refuses(OpenAICompatible):
    def parse_completion(self, body: bytes) -> Chunk:
        raise kimi.ProtocolError(f"{len(body)} bytes")


class EndsEverything(OpenAICompatible):
    def parse_completion(self, body: bytes) -> Chunk:
        whole = b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
        return super().parse_completion(body if body.startswith(b'{"id"') else whole)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (StreamsNot, "stream is False for wire='stream'"),
        (OtherMessages, "the last message is not the one of the caller"),
        (OtherParameter, "a parameter of the caller is missing"),
        (KeyInBody, "the body holds the key"),
        (NoURL, "'openai.test' is not a URL"),
        (OtherContent, "content is not the JSON of body"),
        (ShowsKey, "its repr shows the key"),
        (ShowsKey, "the error of status 401 shows the key"),
        (ShowsKey, "status 404 is a APIError, not a NotFoundError"),
        (ShowsKey, "the error for the body b'' has no message"),
        (Resolves, "resolve({}) changes a provider"),
        (Raises, "replies: it raised KeyError"),
        (Reverses, "a text: text differs between a stream and one JSON body"),
        (Reverses, "a tool call: the list of tool calls differs"),
        (Remembers, "a thought: the events differ when the bytes arrive one by one"),
        (Refuses, "replies: it raised ProtocolError"),
        (Renames, "a text: the finish reason is 'length'"),
        (EndsEverything, "is a complete reply"),
    ],
)
def test_a_broken_rule_is_found(kind: type[OpenAICompatible], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_provider(kind("test-key", "https://openai.test/v1"))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (OpenAICompatible("short", "https://openai.test/v1"), "a key of at least 8 characters"),
        (OpenAICompatible("test-key", "https://openai.test/v1", name=""), "name is empty"),
        (OpenAICompatible("test-key"), "settings: it raised ConfigurationError"),
    ],
)
def test_settings_that_cannot_work(provider: kimi.Provider, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_provider(provider)
