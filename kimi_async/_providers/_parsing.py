"""Parse chunks and JSON bodies, the same way for every provider.

Three rules decide the doubtful cases:

- A core field (text, tool calls, finish reason, index) of another type is read where its meaning is certain: a number
  is its digits, an empty object of any type is empty, a list or an object is the text in it.
- Where it is not certain, it is a ``ProtocolError``: no part of the reply is dropped or guessed.
- Everything else (ids, names of models, usage, unknown keys) is ``None`` when it is not of the type it should be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from kimi_async._errors import ProtocolError
from kimi_async._finish_reasons import said_reason
from kimi_async._json_text import decode_as_sent, decode_object, decode_with_halves
from kimi_async._models import ModelInfo
from kimi_async._protocol._chunk import DONE, Chunk, ChunkChoice, Done, ToolCallPiece
from kimi_async._providers._envelopes import error_in, is_error, says_something
from kimi_async._record import Usage

__all__ = ["parse_any", "parse_completion", "parse_models"]

_NO_CALLS: Final[tuple[ToolCallPiece, ...]] = ()
#: Where the thinking stands, the usual places first (see the page Providers, sections 5 and 6.2).
_REASONING_KEYS: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
_DETAIL_KEYS: Final = ("reasoning_details", "thinking_blocks")
_TEXT_FIELDS: Final = ("content", "text", "refusal", *_REASONING_KEYS)
_CACHED_KEYS: Final = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
#: Where a finish reason that is an object has its word.
_REASON_KEYS: Final = ("reason", "type", "finish_reason", "name", "value")
#: Where an object has its text.
_TEXT_KEYS: Final = ("text", "content", "thinking", "reasoning", "value")
#: Where a tool call has its arguments.
_ARGUMENT_KEYS: Final = ("arguments", "parameters", "input")


def parse_any(data: bytes) -> Chunk | Done | None:
    """Read the data of one event of a stream, whatever JSON it is.

    Args:
        data: One JSON object or the literal ``[DONE]``.

    Returns:
        The chunk, :data:`~kimi_async._protocol._chunk.DONE`, or ``None`` when the object is not a chunk but an error
        object; the caller reads that with ``parse_error_object``.

    Raises:
        ProtocolError: *data* is neither, or a core field is of a wrong type.
    """
    if data == b"[DONE]":
        return DONE
    decoded = decode_with_halves(data)
    if decoded is None:
        if data.strip().upper() == b"[DONE]":
            return DONE
        raise ProtocolError(f"an event of the stream is not a JSON object ({len(data)} bytes)")
    return _read_either(*decoded, data, "delta")


def parse_completion(body: bytes) -> Chunk | None:
    """Read a whole JSON body as one chunk; ``None`` when it is an error object.

    Raises:
        ProtocolError: *body* is not a JSON object, has no choices, or a core field is of a wrong type.
    """
    decoded = decode_with_halves(body)
    if decoded is None:
        raise ProtocolError(f"the body of the reply is not a JSON object ({len(body)} bytes)")
    chunk = _read_either(*decoded, body, "message")
    if chunk is not None and not isinstance(decoded[0].get("choices"), list):
        raise ProtocolError("the body of the reply holds neither choices nor an error")
    return chunk


def _read_either(raw: dict[str, Any], sent: dict[str, Any], data: bytes, said: str) -> Chunk | None:
    """Return the chunk of *raw*; *sent* is the same with the halves of surrogate pairs."""
    if is_error(raw) and not raw.get("choices"):
        return None
    chunk = _read(raw, data, said)
    return chunk if sent is raw else _with_halves(chunk, _read(sent, data, said))


def _with_halves(chunk: Chunk, sent: Chunk) -> Chunk:
    """Return *chunk* with the texts of *sent*: only they are joined, so only they may hold a half."""
    choices = tuple(
        msgspec.structs.replace(
            choice,
            content=other.content,
            reasoning=other.reasoning,
            refusal=other.refusal,
            tool_calls=tuple(
                msgspec.structs.replace(call, arguments=cut.arguments)
                for call, cut in zip(choice.tool_calls, other.tool_calls, strict=True)
            ),
            has_halves=True,
        )
        for choice, other in zip(chunk.choices, sent.choices, strict=True)
    )
    return msgspec.structs.replace(chunk, choices=choices)


def parse_models(body: bytes) -> tuple[ModelInfo, ...] | None:
    """Read a list of models; ``None`` when it is an error object. Entries without an id are left out.

    Raises:
        ProtocolError: *body* is not a JSON object with a list called ``data``.
    """
    raw = decode_object(body.strip())
    if raw is not None and is_error(raw):
        return None
    listed = None if raw is None else raw.get("data")
    if type(listed) is not list:
        raise ProtocolError("the list of models should be an object that holds a list called data")
    entries = [item for item in listed if type(item) is dict]
    return tuple(_parse_model(item) for item in entries if _str_or_none(item.get("id")))


def _parse_model(item: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(
        id=item["id"],
        created=_count(item.get("created")),
        owned_by=_str_or_none(item.get("owned_by")),
        context_length=_count(item.get("context_length")),
        supports_image_in=_bool_or_none(item.get("supports_image_in")),
        supports_video_in=_bool_or_none(item.get("supports_video_in")),
        supports_reasoning=_bool_or_none(item.get("supports_reasoning")),
        raw=item,
    )


def _read(raw: dict[str, Any], data: bytes, said: str) -> Chunk:
    """Make the chunk of *raw*, the value of *data*, whose choices hold their text under the key *said*."""
    listed = raw.get("choices") or []
    if type(listed) is not list:
        raise _unexpected("choices", "a list", listed)
    failed = bool(error_in(raw))
    usage = raw.get("usage")
    choices: list[ChunkChoice] = []
    for place, item in enumerate(listed):
        if type(item) is not dict:
            if not item:
                continue
            raise _unexpected("choices[]", "an object", item)
        failed = failed or _has_failed(item)
        # Moonshot's place for it (see the page Providers, section 3.4).
        usage = usage or item.get("usage")
        choices.append(_parse_choice(item, place, said, data))
    if failed:
        # The host has failed: no choice is finished, whatever its finish reason is.
        choices = [msgspec.structs.replace(choice, finish_reason=None) for choice in choices]
    return Chunk(
        _str_or_none(raw.get("id")),
        _str_or_none(raw.get("model")),
        _int_or_none(raw.get("created")),
        tuple(choices),
        None if usage is None else parse_usage(usage),
        data,
        failed,
        raw.get("choices") is None and not usage and says_something(raw),
    )


def _has_failed(item: Mapping[str, Any]) -> bool:
    holders = (item, item.get("delta"), item.get("message"))
    return any(type(holder) is dict and holder.get("error") for holder in holders)


def _parse_choice(item: dict[str, Any], place: int, said: str, data: bytes) -> ChunkChoice:
    key = _key_of_delta(item, said)
    delta = _delta_of(item, place, key, data)
    calls = delta.get("tool_calls")
    reason = item.get("finish_reason")
    logprobs = item.get("logprobs")
    content, thought = _content(delta.get("content") or delta.get("text", delta.get("content")))
    reasoning = _reasoning(delta)
    return ChunkChoice(
        _index(item.get("index"), place),
        content,
        thought if reasoning is None else reasoning,
        _refusal(delta),
        _parse_calls(calls, whole="message" in (said, key)) if calls else _NO_CALLS,
        said_reason(_reason(reason)) if reason else None,
        logprobs if type(logprobs) is dict else None,
        delta.get("reasoning_content") is None and type(delta.get("reasoning")) is str,
        in_message=key != said and key == "message",
    )


def _key_of_delta(item: dict[str, Any], said: str) -> str | None:
    """Return the key of the delta or message of a choice; ``None`` if the choice has its fields itself."""
    # A stream that holds whole messages, or a body that holds deltas: seen after proxies.
    keys = (said, "delta" if said == "message" else "message")
    return next((key for key in keys if item.get(key)), None)


def _delta_of(item: dict[str, Any], place: int, key: str | None, data: bytes) -> dict[str, Any]:
    delta = item if key is None else item[key]
    if type(delta) is list and len(delta) == 1:
        delta = delta[0]
    if type(delta) is not dict:
        raise _unexpected(str(key), "an object", delta)
    numbers = [name for name in _TEXT_FIELDS if type(delta.get(name)) in (int, float)]
    if numbers:
        # A host turned a text of digits into a number: its digits are the text.
        sent = decode_as_sent(data)["choices"][place]
        sent = sent if key is None else sent[key]
        sent = sent[0] if type(sent) is list else sent
        delta = {**delta, **{name: sent[name] for name in numbers}}
    return delta


def _text(name: str, value: Any) -> str | None:
    """Return a text; ``None`` for a value that stands for nothing, such as ``false`` and ``[]``."""
    if value is None or type(value) is str:
        return value
    if type(value) in (int, float):
        return str(value)
    if not value:
        return None
    text = _text_in(value)
    if text is None:
        raise _unexpected(name, "a text", value)
    return text


def _text_in(value: Any) -> str | None:
    """Return the text of a list or an object that holds one, at any depth; ``None`` if there is none."""
    if type(value) is str:
        return value
    if type(value) is list:
        texts = [text for item in value if (text := _text_in(item)) is not None]
        return "".join(texts) if texts else None
    if type(value) is dict:
        texts = [text for key in _TEXT_KEYS if (text := _text_in(value.get(key))) is not None]
        return texts[0] if texts else None
    return None


def _content(value: Any) -> tuple[str | None, str | None]:
    """Return the content, and the thinking that stands in it as parts of a list."""
    if value is None or type(value) is str:
        return value, None
    if _kind_of(value) is not None:
        value = [value]
    if type(value) is not list:
        return _text("content", value), None
    value = [str(part) if type(part) in (int, float) else part for part in value]
    thoughts = [part for part in value if _is_thought(part)]
    others = [
        part for part in value if part not in (None, False, "", [], {}) and part not in thoughts
    ]
    texts = [part for part in others if _text_in(part) is not None]
    # A part that says its kind is known not to be text: an image, a refusal, an empty text.
    if any(_kind_of(part) is None for part in others if part not in texts):
        raise _unexpected("content[]", "a part with text", others)
    return _text_in(texts), _text_in(thoughts)


def _kind_of(part: Any) -> str | None:
    return _str_or_none(part.get("type")) if type(part) is dict else None


def _refusal(delta: Mapping[str, Any]) -> str | None:
    """Return the refusal, which some hosts send as a part of the content; a flag has no words."""
    value, content = delta.get("refusal"), delta.get("content")
    parts = content if type(content) is list else [content]
    refused = [
        part.get("refusal")
        for part in parts
        if type(part) is dict and part.get("type") == "refusal"
    ]
    texts = (None if value is True else _text("refusal", value), _text_in(refused))
    return next(filter(None, texts), texts[0])


def _reason(value: Any) -> str:
    """Return a finish reason as text; an object has it under one of a few keys."""
    if type(value) is dict:
        value = next(filter(None, map(_str_or_none, map(value.get, _REASON_KEYS))), value)
    return _text("finish_reason", value) or ""


def _is_thought(part: Any) -> bool:
    return type(part) is dict and (
        "thinking" in part or str(part.get("type")).endswith(("thinking", "reasoning"))
    )


def _reasoning(delta: Mapping[str, Any]) -> str | None:
    """Return the thinking of one delta, read from one key and never two.

    The first key with text wins; when there is none, the first that is present and ``""``. The lists count only when no
    plain key is there.
    """
    texts = [text for key in _REASONING_KEYS if (text := _text_in(delta.get(key))) is not None]
    texts = texts or [
        text for key in _DETAIL_KEYS if (text := _text_in(_listed(delta.get(key)))) is not None
    ]
    return next(filter(None, texts), texts[0] if texts else None)


def _listed(value: Any) -> list[Any] | None:
    return value if type(value) is list else None


def _parse_calls(calls: Any, *, whole: bool) -> tuple[ToolCallPiece, ...]:
    if type(calls) is dict and "function" in calls:
        calls = [calls]
    if type(calls) is not list:
        raise _unexpected("tool_calls", "a list", calls)
    return tuple(
        _parse_call(item, place if whole else None) for place, item in enumerate(calls) if item
    )


def _parse_call(item: Any, place: int | None) -> ToolCallPiece:
    """Read one entry of ``tool_calls``; *place* is its index when it does not say one."""
    if type(item) is not dict:
        raise _unexpected("tool_calls[]", "an object", item)
    # Some hosts leave the inner object out.
    function = item if item.get("function") is None else item["function"] or {}
    if type(function) is not dict:
        raise _unexpected("tool_calls[].function", "an object", function)
    values = map(function.get, _ARGUMENT_KEYS)
    return ToolCallPiece(
        _index(item.get("index"), place),
        _text("tool_calls[].id", item.get("id")) or None,
        _text("tool_calls[].function.name", function.get("name")) or None,
        _arguments(next((value for value in values if value is not None), None)),
        _str_or_none(item.get("type")),
    )


def _arguments(value: Any) -> str | None:
    """Return arguments as text; an object instead of text becomes compact JSON (see the page Providers, 6.3)."""
    if value is None or type(value) is str:
        return value
    try:
        return msgspec.json.encode(value).decode()
    except ValueError:  # it holds a half of a surrogate pair
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse_usage(raw: Any) -> Usage | None:
    """Read a usage object; ``None`` when it holds no count at all."""
    if type(raw) is not dict:
        return None
    prompt = _object(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    completion = _object(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    usage = Usage(
        prompt_tokens=_first_count(raw, "prompt_tokens", "input_tokens"),
        completion_tokens=_first_count(raw, "completion_tokens", "output_tokens"),
        total_tokens=_count(raw.get("total_tokens")),
        # Moonshot puts it at the top of usage (see the page Providers, section 3.4), and others do under other names.
        cached_tokens=_first_count(prompt, *_CACHED_KEYS, else_in=raw),
        reasoning_tokens=_first_count(completion, "reasoning_tokens", else_in=raw),
    )
    return None if usage == _NO_COUNTS else usage


def _object(value: Any) -> Mapping[str, Any]:
    return value if type(value) is dict else {}


def _first_count(
    raw: Mapping[str, Any], *keys: str, else_in: Mapping[str, Any] = _NOTHING
) -> int | None:
    for where in (raw, else_in):
        for key in keys:
            if key in where and (count := _count(where[key])) is not None:
                return count
    return None


_NO_COUNTS: Final = Usage()


def _count(value: Any) -> int | None:
    """Return a count; a whole float and a text of digits are counts, too. One of more than 18 digits is not."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 10**18 else None


def _bool_or_none(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _int_or_none(value: Any) -> int | None:
    return value if type(value) is int else None


def _str_or_none(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _index(value: Any, place: int | None) -> Any:
    """Return an index as a name: a number where it is one, else the text or the JSON that stands there."""
    if value is None or value == "":
        return place
    if type(value) is int:
        return value
    number = _count(value)
    if number is not None:
        return number
    return value if type(value) is str else json.dumps(value)


def _unexpected(name: str, expected: str, value: object) -> ProtocolError:
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        type(None): "null",
    }
    came = kinds.get(type(value), "a number")
    return ProtocolError(f"{name} of the reply should be {expected} and is {came}")
