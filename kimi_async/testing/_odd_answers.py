"""Oddities of event streams, of error envelopes, of whole answers and of the requests that are refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from attrs import evolve

from kimi_async.testing._completion import dump
from kimi_async.testing._oddity import JSON, Events, Oddity
from kimi_async.testing._steps import Answer, Finish, Send
from kimi_async.testing._wire import ErrorSpec, phrase
from kimi_async.testing._wires import WIRES

__all__ = ["ANSWER_ODDITIES"]

_DONE: Final = b"data: [DONE]\n\n"


# Events


def _each_event(change: Callable[[bytes], bytes]) -> Callable[[Events], Events]:
    return lambda events: tuple(map(change, events))


def _numbered(events: Events) -> Events:
    fields = "event: message\nid: {}\nretry: 3000\n"
    return tuple(fields.format(number).encode() + event for number, event in enumerate(events))


def _with_mark(events: Events) -> Events:
    return (b"\xef\xbb\xbf" + events[0], *events[1:])


def _without_done(events: Events) -> Events:
    return tuple(event for event in events if event.strip() != _DONE.strip())


def _after_done(events: Events) -> Events:
    return (*events, b'data: {"choices":[{"index":0,"delta":{"content":"late"}}]}\n\n')


def _half_of_the_last(events: Events) -> Events:
    """Cut the last event that holds a chunk, with everything after it."""
    *before, last = _without_done(events)
    return (*before, last[: len(last) // 2])


# Answers


def _is_json(answer: Answer) -> bool:
    return ("content-type", "application/json") in answer.headers


def _padded(answer: Answer) -> Answer:
    if not _is_json(answer):
        return answer
    return evolve(answer, steps=(Send(b"\n  \n\n"), *answer.steps))


def _typed(answer: Answer) -> Answer:
    headers = dict(answer.headers) | {"content-type": "text/plain"}
    return evolve(answer, headers=tuple(headers.items()))


def _emptied(answer: Answer) -> Answer:
    return answer if answer.status >= 400 else evolve(answer, steps=(Finish(),))


def _as_page(answer: Answer) -> Answer:
    words = phrase(answer.status)
    page = f"<html><head><title>{words}</title></head><body>{words}</body></html>"
    return _error(answer, answer.status, "text/html", page.encode())


def _under_200(answer: Answer) -> Answer:
    return _error(answer, 200, "application/json", answer.body)


def _as_event(answer: Answer) -> Answer:
    return _error(answer, 200, "text/event-stream", b"data: " + answer.body + b"\n\n")


def _as_field(answer: Answer) -> Answer:
    return _error(answer, 200, "text/event-stream", b"error: " + answer.body + b"\n\n")


def _error(answer: Answer, status: int, content_type: str, body: bytes) -> Answer:
    """Replace the answer of an error; that of a reply stays."""
    if answer.status < 400:
        return answer
    headers = dict(answer.headers) | {"content-type": content_type}
    return evolve(
        answer, status=status, headers=tuple(headers.items()), steps=(Send(body), Finish())
    )


# Errors


def _flat(error: ErrorSpec, _written: Any) -> JSON:
    code = 20000 + error.status if error.code is None else error.code
    return {"code": code, "message": error.message, "data": None}


def _bare_text(error: ErrorSpec, _written: Any) -> JSON:
    return {"error": error.message}


def _nil_type(error: ErrorSpec, _written: Any) -> JSON:
    message = f"{error.message} (request id: {error.number:024d})"
    written = {"type": "<nil>", "code": error.code or "<nil>", "message": message}
    return {"error": written, "type": "error"}


def _raw_metadata(error: ErrorSpec, _written: Any) -> JSON:
    upstream = {"object": "error", "message": error.message, "code": error.code or error.status}
    written = {"message": "Provider returned error", "code": error.status}
    return {"error": written | {"metadata": {"raw": dump(upstream), "provider_name": "Kimi"}}}


def _detail(error: ErrorSpec, _written: Any) -> JSON:
    return {"detail": [{"loc": ["body"], "msg": error.message, "type": error.type or "error"}]}


# Requests


def _messages(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    messages = body.get("messages")
    if isinstance(messages, list):
        yield from (message for message in messages if isinstance(message, dict))


def _missing_reasoning(body: Mapping[str, Any]) -> str | None:
    for index, message in enumerate(_messages(body)):
        if message.get("tool_calls") and "reasoning_content" not in message:
            return (
                "thinking is enabled but reasoning_content is missing in assistant tool call "
                f"message at index {index}"
            )
    return None


def _temperature(body: Mapping[str, Any]) -> str | None:
    if body.get("temperature", 1) == 1:
        return None
    return "invalid temperature: only 1 is allowed for this model"


def _repeated_ids(body: Mapping[str, Any]) -> str | None:
    ids = [
        call.get("id") for message in _messages(body) for call in message.get("tool_calls") or ()
    ]
    repeated = [call_id for number, call_id in enumerate(ids) if call_id in ids[:number]]
    return f"tool_call_id {repeated[0]} is duplicated" if repeated else None


def _events(
    name: str, effect: str, change: Callable[[Events], Events], section: str = "6.1"
) -> Oddity:
    return Oddity(name=name, section=section, effect=effect, events=change)


def _whole(name: str, effect: str, change: Callable[[Answer], Answer]) -> Oddity:
    return Oddity(name=name, section="6.1", effect=effect, answer=change)


def _errors(name: str, effect: str, change: Callable[[ErrorSpec, Any], Any]) -> Oddity:
    return Oddity(name=name, section="6.4", effect=effect, error=change)


def _envelope_of(name: str, effect: str) -> Oddity:
    wire = next(WIRES[provider] for provider in WIRES if name.endswith(provider))
    return _errors(name, effect, lambda error, _written: wire.error(error))


def _refusing(name: str, section: str, effect: str, reads: Callable[[Any], str | None]) -> Oddity:
    return Oddity(name=name, section=section, effect=effect, refusal=reads)


ANSWER_ODDITIES: Final = (
    _events(
        "keep-alive-comments",
        "a comment comes before each event",
        _each_event(lambda event: b": keep-alive\n\n" + event),
    ),
    _events("event-fields", "events have the fields `event`, `id` and `retry`", _numbered),
    _events(
        "no-blank",
        "`data:` without a blank after it",
        _each_event(lambda event: event.replace(b"data: ", b"data:", 1)),
    ),
    _events(
        "extra-lines", "more blank lines between events", _each_event(lambda event: event + b"\n\n")
    ),
    _events(
        "ping-lines",
        "`data: ping` comes before each event",
        _each_event(lambda event: b"data: ping\n\n" + event),
        "6.5",
    ),
    _events("no-done", "`[DONE]` is left out", _without_done),
    _events("event-after-done", "an event comes after `[DONE]`", _after_done),
    _events("half-event", "the body ends politely inside an event", _half_of_the_last, "6.5"),
    _events(
        "crlf", "lines end with CRLF", _each_event(lambda event: event.replace(b"\n", b"\r\n"))
    ),
    _events("byte-order-mark", "the stream begins with a byte order mark", _with_mark),
    Oddity(
        name="json-for-stream",
        section="6.1",
        effect="a JSON body, although a stream was asked for",
        is_streamed=False,
    ),
    Oddity(
        name="stream-for-json",
        section="6.1",
        effect="a stream, although a JSON body was asked for",
        is_streamed=True,
    ),
    _envelope_of("error-acedata", "the envelope of Ace Data Cloud"),
    _envelope_of("error-moonshot", "the envelope of Moonshot"),
    _envelope_of("error-openai", "the envelope of a compatible host"),
    _errors("error-flat", '`{"code": 20429, "message": ..., "data": null}`', _flat),
    _errors("error-text", '`{"error": "..."}`', _bare_text),
    _errors("error-nil-type", "the type is `<nil>`, and the request id is in the text", _nil_type),
    _errors("error-metadata", "the error is JSON text in `error.metadata.raw`", _raw_metadata),
    _errors("error-detail", '`{"detail": [{"msg": ...}]}`', _detail),
    _whole("json-padded", "blank lines come before a JSON body", _padded),
    _whole("empty-body", "status 200 without a body", _emptied),
    _whole("error-page", "errors are HTML pages of a gateway", _as_page),
    _whole("error-under-200", "errors have status 200", _under_200),
    _whole("error-event", "errors are an event under status 200", _as_event),
    _whole("error-field", "errors are an SSE field `error` under status 200", _as_field),
    _whole("content-type-text", "every body is declared as `text/plain`", _typed),
    _refusing(
        "refuses-missing-reasoning",
        "6.4",
        "400 if a message with tool calls has no `reasoning_content`",
        _missing_reasoning,
    ),
    _refusing("refuses-temperature", "3.3", "400 for every temperature but 1", _temperature),
    _refusing(
        "refuses-repeated-ids", "6.3", "400 if two tool calls have the same id", _repeated_ids
    ),
)
