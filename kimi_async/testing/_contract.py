"""The rules that every provider keeps, as a check for providers of your own; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from kimi_async._errors import (
    APIError,
    AuthenticationError,
    KimiError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from kimi_async._events import StreamEvent
from kimi_async._models import ChatCompletion
from kimi_async._protocol._decoder import ReplyDecoder
from kimi_async._providers import Provider
from kimi_async._request._params import chat_request
from kimi_async._wire import Wire

__all__ = ["check_provider"]

_CALL: Final = {
    "index": 0,
    "id": "call_0",
    "type": "function",
    "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'},
}
_USAGE: Final = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
#: Replies in the common form: the name, the deltas, the finish reason.
_REPLIES: Final[tuple[tuple[str, list[dict[str, Any]], str], ...]] = (
    ("a text", [{"role": "assistant", "content": "Hé"}, {"content": "llo 你好"}], "stop"),
    ("a thought", [{"reasoning_content": "Hm."}, {"content": "Hello"}], "stop"),
    ("a tool call", [{"tool_calls": [_CALL]}], "tool_calls"),
    ("a cut text", [{"content": "Hel"}], "length"),
)
_STATUSES: Final[tuple[tuple[int, type[APIError]], ...]] = (
    (401, AuthenticationError),
    (404, NotFoundError),
    (429, RateLimitError),
    (500, ServerError),
)
#: Bodies and lines that no provider should send, and that some send.
_RUBBISH: Final = (
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"<html>Bad gateway</html>",
    b"\xff\xfe",
    b'{"error": []}',
    b'{"error": {"message": 5}}',
    b'{"choices": 5}',
    b'{"choices": [{"delta": []}]}',
    b'{"choices": [{"delta": {"tool_calls": [null, 5, {"function": 5}]}}]}',
)


def check_provider(provider: Provider) -> None:
    """Check that *provider* keeps the rules on which the client relies.

    A test calls it with each provider of its own::

        def test_my_provider():
            check_provider(MyProvider("test-key"))

    It sends nothing. It checks the requests, replies of the common form as a stream and as one JSON body, error
    responses, bytes that are no reply, and that the key is never shown.

    Args:
        provider: A provider with all that it needs, such as a key of at least 8 characters.

    Raises:
        AssertionError: A rule is broken; the message lists all of them.
    """
    problems = [problem for check in _CHECKS for problem in _problems_of(check, provider)]
    if problems:
        lines = "\n".join(f"- {problem}" for problem in problems)
        raise AssertionError(f"{type(provider).__name__} breaks these rules:\n{lines}")


def _problems_of(check: Callable[[Provider], Iterator[str]], provider: Provider) -> list[str]:
    """Return the problems that a check finds; an exception of the provider is one."""
    problems: list[str] = []
    try:
        problems.extend(check(provider))
    except Exception as error:
        name = check.__name__.removeprefix("_").replace("_", " ")
        problems.append(f"{name}: it raised {type(error).__name__}: {error}")
    return problems


def _settings(provider: Provider) -> Iterator[str]:
    if not provider.name:
        yield "name is empty"
    if len(provider.api_key or "") < 8:
        yield "give it a key of at least 8 characters for this check"
    elif str(provider.api_key) in repr(provider):
        yield "its repr shows the key"
    provider.check()
    if provider.resolve({}) != provider:
        yield "resolve({}) changes a provider that lacks nothing"


def _requests(provider: Provider) -> Iterator[str]:
    wires: tuple[Wire, ...] = ("stream", "json")
    for wire in wires:
        request = chat_request("Hello", {"temperature": 1.0}, model="a-model", wire=wire)
        made = provider.build_request(request)
        body = json.loads(made.content)
        if body != made.body:
            yield f"build_request(): content is not the JSON of body ({wire})"
        if bool(body.get("stream")) is not (wire == "stream"):
            yield f"build_request(): stream is {body.get('stream')!r} for wire={wire!r}"
        if body["messages"][-1] != {"role": "user", "content": "Hello"}:
            yield "build_request(): the last message is not the one of the caller"
        if body.get("temperature") != 1.0:
            yield "build_request(): a parameter of the caller is missing"
        if provider.api_key and provider.api_key.encode() in made.content:
            yield "build_request(): the body holds the key"
        if not made.url.startswith(("https://", "http://")):
            yield f"build_request(): {made.url!r} is not a URL"


def _replies(provider: Provider) -> Iterator[str]:
    for name, deltas, reason in _REPLIES:
        body = _stream_of(deltas, reason)
        streamed, events = _decoded(provider, [body])
        whole, _ = _decoded(provider, [_json_of(deltas, reason)])
        for problem in _differences(streamed, whole):
            yield f"{name}: {problem} differs between a stream and one JSON body"
        if _decoded(provider, [body[at : at + 1] for at in range(len(body))])[1] != events:
            yield f"{name}: the events differ when the bytes arrive one by one"
        if streamed.choices[0].finish_reason != reason:
            yield f"{name}: the finish reason is {streamed.choices[0].finish_reason!r}"


def _differences(one: ChatCompletion, other: ChatCompletion) -> Iterator[str]:
    for part in ("text", "reasoning", "finish_reason", "usage"):
        if getattr(one, part) != getattr(other, part):
            yield part
    if one.message.tool_calls != other.message.tool_calls:
        yield "the list of tool calls"


def _decoded(provider: Provider, pieces: list[bytes]) -> tuple[ChatCompletion, list[StreamEvent]]:
    decoder = ReplyDecoder(provider)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    events += decoder.close()
    if decoder.failure is not None:
        raise decoder.failure
    return decoder.snapshot(), events


def _stream_of(deltas: list[dict[str, Any]], reason: str) -> bytes:
    chunks: list[dict[str, Any]] = [
        *({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {"choices": [], "usage": _USAGE},
    ]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "a-model"}
    lines = [json.dumps({**head, **chunk}, ensure_ascii=False) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


def _json_of(deltas: list[dict[str, Any]], reason: str) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for delta in deltas:
        for key, value in delta.items():
            is_text = isinstance(value, str) and key != "role"
            message[key] = (message.get(key) or "") + value if is_text else value
    choice = {"index": 0, "message": message, "finish_reason": reason}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "a-model"}
    return json.dumps({**head, "choices": [choice], "usage": _USAGE}, ensure_ascii=False).encode()


def _error_responses(provider: Provider) -> Iterator[str]:
    for status, kind in _STATUSES:
        error = _error_of(provider, status, {"error": {"message": f"no {provider.api_key}"}})
        if not isinstance(error, kind):
            yield f"status {status} is a {type(error).__name__}, not a {kind.__name__}"
        if str(provider.api_key) in str(error):
            yield f"the error of status {status} shows the key"
    for body in _RUBBISH:
        error = _error_of(provider, 500, body)
        if not error.message:
            yield f"the error for the body {body!r} has no message"


def _error_of(provider: Provider, status: int, body: Mapping[str, Any] | bytes) -> APIError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return provider.parse_error(status, {}, content, now=0.0)


def _rubbish(provider: Provider) -> Iterator[str]:
    for line in _RUBBISH:
        for body in (line, b"data: " + line + b"\n\n"):
            decoder = ReplyDecoder(provider)
            decoder.feed(body)
            decoder.close()
            if decoder.complete:
                yield f"the body {body!r} is a complete reply"
        for parse in (provider.parse_chunk, provider.parse_completion):
            with suppress(KimiError):  # the only exceptions that a caller should see
                parse(line)


_CHECKS: Final = (_settings, _requests, _replies, _error_responses, _rubbish)
