"""Make the requests of ``kimi-async doctor``, and find the facts in the replies. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Unpack

from attrs import field, frozen

from kimi_async import APIError, CallParams, ChatCompletion, KimiError, Message, assistant, user
from kimi_async._json_text import decode_object
from kimi_async.cli._words import counted, in_words_of_the_shell

__all__ = ["MAX_TOKENS", "PROBES", "Finding", "Heard", "Probe", "findings"]

#: The limit of one reply: a model that thinks needs some hundred tokens before its answer.
MAX_TOKENS: Final = 800
_NO_SUCH_MODEL: Final = "no-such-model-of-kimi-async-doctor"
#: The statuses that say that the request is not accepted as it is.
_REFUSALS: Final = (400, 404, 422)
#: In the place of a reply to a request that was not sent.
_NOTHING: Final = ChatCompletion(provider="")
_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "reasoning_details")
_MARKUP_OF_CALLS: Final = ("<|tool_call", "<|open|>call")


@frozen(kw_only=True)
class Heard:
    """Everything that one request brought.

    Attributes:
        events: The texts of the server-sent events, ``[DONE]`` included; a JSON body is one text.
        reply: The reply, as far as it arrived.
        error: The error in place of it.
        headers: The headers of the response, names in lower case.
        request_id: The request id in them, or ``None``.
        first_output: Seconds to the first output, or ``None``.
    """

    events: tuple[str, ...] = ()
    reply: ChatCompletion = _NOTHING
    error: KimiError | None = None
    headers: Mapping[str, str] = field(factory=dict)
    request_id: str | None = None
    first_output: float | None = None

    @property
    def objects(self) -> list[Mapping[str, Any]]:
        """The events that are JSON objects, decoded."""
        decoded = (decode_object(event.encode()) for event in self.events)
        return [each for each in decoded if each is not None]

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """The deltas of a stream, or the messages of a JSON body."""
        choices = (choice for each in self.objects for choice in _choices(each))
        found = (choice.get("delta") or choice.get("message") for choice in choices)
        return [message for message in found if isinstance(message, Mapping)]

    @property
    def thought(self) -> bool:
        """Whether the model thought."""
        return bool(self.reply.reasoning) or "</think>" in self.reply.text


@frozen(kw_only=True)
class Finding:
    """One thing that a provider does or does not do.

    Attributes:
        aspect: Its name.
        seen: The finding for a reader. It may hold text of the host.
        capability: The field of :class:`~kimi_async.capabilities.Capabilities` that says the same, or ``None``.
        value: The value of that field by this finding; ``None`` if the replies leave it open.
        setting: The argument of the provider that helps, such as ``thinking_tags="parse"``, or ``None``.
        failed: Whether the request failed, so that nothing is known.
    """

    aspect: str
    seen: str
    capability: str | None = None
    value: bool | str | None = None
    setting: str | None = None
    failed: bool = False


@frozen(kw_only=True)
class Probe:
    """One request, and the way to read its reply.

    Attributes:
        aspect: The name of its main finding.
        messages: The messages.
        params: The parameters.
        read: Returns the findings in a reply; it also gets the reply to the plain request.
        capability: The capability that it tries; a refusal says that the provider does not have it.
        costs: Whether it is billed.
    """

    aspect: str
    messages: Sequence[Message]
    params: CallParams = field(factory=CallParams)
    read: Callable[[Heard, Heard], Iterator[Finding]]
    capability: str | None = None
    costs: bool = True


def findings(probe: Probe, heard: Heard, plain: Heard) -> list[Finding]:
    """Return the findings of one request.

    Args:
        probe: The request.
        heard: Everything that it brought.
        plain: Everything that the plain request brought, which is the first one.
    """
    error = heard.error
    if probe.capability is None or error is None:
        return [*probe.read(heard, plain)]
    # A refusal says something of the parameter only if the same request without it is accepted.
    if isinstance(error, APIError) and error.status in _REFUSALS and plain.error is None:
        seen = f"no: refused with status {error.status}: {error.message}"
        return [Finding(aspect=probe.aspect, seen=seen, capability=probe.capability, value=False)]
    return [_failure(probe.aspect, error, probe.capability)]


def _failure(aspect: str, error: KimiError, capability: str | None = None) -> Finding:
    seen = f"failed: {type(error).__name__}: {in_words_of_the_shell(error.message)}"
    return Finding(aspect=aspect, seen=seen, capability=capability, failed=True)


def _choices(chunk: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = chunk.get("choices")
    found = choices if isinstance(choices, list) else []
    return [choice for choice in found if isinstance(choice, Mapping)]


# The plain request


def _read_plain(heard: Heard, _plain: Heard) -> Iterator[Finding]:
    if heard.error is not None:
        yield _failure("streaming", heard.error)
    else:
        yield Finding(aspect="streaming", seen=_streaming(heard))
    if heard.objects:
        yield _end(heard)
    if heard.error is None:
        yield _usage_place(heard)
        yield _reasoning_key(heard)
    yield Finding(aspect="request id", seen=_request_id(heard))
    yield Finding(aspect="rate limits", seen=_rate_limits(heard))


def _streaming(heard: Heard) -> str:
    if _is_whole(heard):
        return "no: one JSON body in place of a stream"
    chunks = counted(len(heard.objects), "chunk", "chunks")
    return f"yes: {chunks}, first output after {heard.first_output or 0:.2f} s"


def _is_whole(heard: Heard) -> bool:
    return any("message" in choice for each in heard.objects for choice in _choices(each))


def _end(heard: Heard) -> Finding:
    reasons = [
        choice["finish_reason"]
        for each in heard.objects
        for choice in _choices(each)
        if choice.get("finish_reason") is not None
    ]
    words = "no finish reason" if not reasons else f"finish reason {', '.join(map(repr, reasons))}"
    if not _is_whole(heard):
        done = any(event.strip() == "[DONE]" for event in heard.events)
        words += ", then [DONE]" if done else ", no [DONE]"
    return Finding(aspect="end of reply", seen=words)


def _usage_place(heard: Heard) -> Finding:
    places = list(dict.fromkeys(_places_of_usage(heard)))
    value: str | None = "any"
    if _is_whole(heard) or not places:
        value = None
    elif len(places) == 1 and places[0] in ("last chunk", "choice"):
        value = places[0]
    seen = " and ".join(places) or "nowhere: no token counts"
    return Finding(aspect="usage", seen=seen, capability="usage_place", value=value)


def _places_of_usage(heard: Heard) -> Iterator[str]:
    for each in heard.objects:
        if each.get("usage"):
            whole = "the JSON body" if _is_whole(heard) else "chunk with the finish reason"
            yield whole if _choices(each) else "last chunk"
        if any(choice.get("usage") for choice in _choices(each)):
            yield "choice"


def _reasoning_key(heard: Heard) -> Finding:
    keys = [key for key in _REASONING_KEYS if any(message.get(key) for message in heard.messages)]
    text = "".join(str(message.get("content") or "") for message in heard.messages)
    setting = None
    if "</think>" in text:
        keys.append("content, before </think>")
        setting = 'thinking_tags="parse"'
    seen = " and ".join(keys) or "none: the model did not think"
    return Finding(aspect="reasoning", seen=seen, setting=setting)


def _request_id(heard: Heard) -> str:
    names = [name for name, value in heard.headers.items() if value == heard.request_id]
    return f"header {names[0]}: {heard.request_id}" if names else "none in the headers"


def _rate_limits(heard: Heard) -> str:
    limits = [
        f"{name} {value}"
        for name, value in heard.headers.items()
        if name.startswith(("x-ratelimit", "ratelimit"))
    ]
    return ", ".join(limits) or "none in the headers"


# The requests with a parameter more


def _read_calls(heard: Heard, _plain: Heard) -> Iterator[Finding]:
    reply = heard.reply
    setting, value, seen = None, None, "no call; the model answered with a text"
    if reply.tool_calls:
        call = reply.tool_calls[0]
        city = (decode_object(call.arguments.encode()) or {}).get("city")
        value = isinstance(city, str)
        with_id = "without an id" if call.id is None else f"id {call.id}"
        reason = reply.finish_reason
        with_id += "" if reason == "tool_calls" else f", finish reason {reason!r}"
        seen = f"yes: {with_id}" if value else f"no: the arguments are {call.arguments!r}"
    elif any(mark in reply.text for mark in _MARKUP_OF_CALLS):
        seen, setting = "left in the text, in the markup of Kimi", 'tool_markers="parse"'
    elif not reply.text:
        seen = _no_answer(reply)
    yield Finding(aspect="tool calls", seen=seen, capability="tools", value=value, setting=setting)


def _no_answer(reply: ChatCompletion) -> str:
    return f"not clear: no answer, finish reason {reply.finish_reason!r}"


def _read_json(
    aspect: str, capability: str, keys: Sequence[str] = ()
) -> Callable[[Heard, Heard], Iterator[Finding]]:
    """Return the reader of a reply that should be a JSON object, with exactly these *keys* if there are any."""

    def read(heard: Heard, _plain: Heard) -> Iterator[Finding]:
        reply = heard.reply
        # A host that left the thinking in the content may still have written JSON after it.
        text = reply.text.rpartition("</think>")[2].strip()
        found = decode_object(text.encode())
        value: bool | None = found is not None and [*found] == [*(keys or found)]
        seen = "yes" if value else f"no: the answer was {text[:40]!r}"
        if not value and (not text or reply.outcome == "length"):
            value, seen = None, _no_answer(reply)
        yield Finding(aspect=aspect, seen=seen, capability=capability, value=value)

    return read


def _read_prefix(heard: Heard, _plain: Heard) -> Iterator[Finding]:
    reply = heard.reply
    text = reply.text.rpartition("</think>")[2].strip().lower()
    value: bool | None = None
    if text.startswith("five"):
        value, seen = True, "continued"
    elif text.startswith("one"):
        value, seen = False, "not honoured: the answer starts anew"
    elif not text and reply.outcome == "complete":
        value, seen = False, "not honoured: no text came after the prefix"
    else:
        seen = f"not clear: the answer was {text[:40]!r}" if text else _no_answer(reply)
    yield Finding(aspect="partial mode", seen=seen, capability="partial_mode", value=value)


def _read_switch(heard: Heard, plain: Heard) -> Iterator[Finding]:
    value: bool | None = not heard.thought
    seen = "off: no thinking" if value else "no: it thought although it was switched off"
    if value and not plain.thought:
        value, seen = None, "not clear: the model did not think in the plain request either"
    yield Finding(aspect="thinking off", seen=seen, capability="thinking_switch", value=value)


def _read_error(heard: Heard, _plain: Heard) -> Iterator[Finding]:
    error = heard.error
    if error is None:
        seen = "none: an unknown model name was answered"
        yield Finding(aspect="error", seen=seen)
    elif not isinstance(error, APIError):
        yield _failure("error", error)
    else:
        body = ", ".join(_keys_of(error.body)) or "no JSON"
        code = "" if error.code is None else f", code {error.code!r}"
        is_event = heard.headers.get("content-type", "").startswith("text/event-stream")
        event = ", in an event" if is_event else ""
        seen = f"{type(error).__name__}, status {error.status}{code}{event} ({body})"
        yield Finding(aspect="error", seen=seen)


def _keys_of(body: object, prefix: str = "") -> Iterator[str]:
    """Return the names of the fields of an envelope, those of its objects with a dot."""
    for key, value in body.items() if isinstance(body, Mapping) else ():
        inner = [*_keys_of(value, f"{prefix}{key}.")]
        yield from inner or [f"{prefix}{key}"]


# The list

_TOOL: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Return the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
#: No prompt names these fields, so that only the schema can bring them.
_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"seat_of_government": {"type": "string"}},
    "required": ["seat_of_government"],
    "additionalProperties": False,
}
_FORMAT: Final = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "strict": True, "schema": _SCHEMA},
}
_CAPITAL: Final = "Which city is the capital of Norway? Answer in JSON."
_COUNT: Final = "Count from one to ten, in English words with a blank between two of them."


def _probe(
    aspect: str,
    capability: str,
    read: Callable[[Heard, Heard], Iterator[Finding]],
    *messages: Message,
    **params: Unpack[CallParams],
) -> Probe:
    limited: CallParams = {**params}
    limited["max_tokens"] = MAX_TOKENS
    return Probe(aspect=aspect, messages=messages, params=limited, read=read, capability=capability)


#: The plain request is the first one.
PROBES: Final = (
    Probe(
        aspect="streaming",
        messages=[user("What is 17 plus 25? Answer with the number.")],
        params={"max_tokens": MAX_TOKENS},
        read=_read_plain,
    ),
    _probe(
        "tool calls",
        "tools",
        _read_calls,
        user("Call get_weather for the city of Oslo."),
        tools=[_TOOL],
    ),
    _probe(
        "JSON mode",
        "json_object",
        _read_json("JSON mode", "json_object"),
        user(_CAPITAL),
        response_format={"type": "json_object"},
    ),
    _probe(
        "JSON schema",
        "json_schema",
        _read_json("JSON schema", "json_schema", ["seat_of_government"]),
        user(_CAPITAL),
        response_format=_FORMAT,
    ),
    _probe(
        "partial mode",
        "partial_mode",
        _read_prefix,
        user(_COUNT),
        assistant("one two three four", partial=True),
    ),
    _probe(
        "thinking off", "thinking_switch", _read_switch, user("What is 18 plus 26?"), thinking=False
    ),
    Probe(
        aspect="error",
        messages=[user("Hello")],
        params={"model": _NO_SUCH_MODEL, "max_tokens": 16},
        read=_read_error,
        costs=False,
    ),
)
