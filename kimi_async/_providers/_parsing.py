"""Reading of chunks and JSON bodies, the same for every provider.

Two rules decide the doubtful cases. Core fields (text, tool calls, finish reason, indices) of an unexpected type are a
``ProtocolError``: what the model said is neither dropped nor guessed. Everything else (ids, names of models, usage,
keys that we do not know) is ``None`` when it is not of the type it should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kimi_async._errors import ProtocolError
from kimi_async._json_text import decode_object
from kimi_async._models import ModelInfo
from kimi_async._protocol._chunk import DONE, Chunk, ChunkChoice, Done, ToolCallPiece
from kimi_async._providers._envelopes import is_error
from kimi_async._record import Usage

__all__ = ["parse_any", "parse_completion", "parse_models"]

_NO_CALLS: Final[tuple[ToolCallPiece, ...]] = ()


def parse_any(data: bytes) -> Chunk | Done | None:
    """Read the data of one event of a stream, whatever JSON it is.

    Args:
        data: One JSON object or the literal ``[DONE]``.

    Returns:
        The chunk, :data:`~kimi_async._wire.DONE`, or ``None`` when the object is not a chunk but an error object;
        the caller reads that with ``_errors``.

    Raises:
        ProtocolError: *data* is neither, or a core field is of a wrong type.
    """
    raw = decode_object(data)
    if raw is None:
        if data.strip() == b"[DONE]":
            return DONE
        raise ProtocolError(f"an event of the stream is no JSON object ({len(data)} bytes)")
    return None if is_error(raw) else _read(raw, data, "delta")


def parse_completion(body: bytes) -> Chunk | None:
    """Read a whole JSON body as one chunk; ``None`` when it is an error object.

    Raises:
        ProtocolError: *body* is no JSON object, holds no choices, or a core field is of a wrong type.
    """
    raw = decode_object(body)
    if raw is None:
        raise ProtocolError(f"the body of the reply is no JSON object ({len(body)} bytes)")
    if is_error(raw):
        return None
    if not isinstance(raw.get("choices"), list):
        raise ProtocolError("the body of the reply holds neither choices nor an error")
    return _read(raw, body, "message")


def parse_models(body: bytes) -> tuple[ModelInfo, ...] | None:
    """Read a list of models; ``None`` when it is an error object. Entries without an id are left out.

    Raises:
        ProtocolError: *body* is no JSON object with a list called ``data``.
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
    created = item.get("created")
    if type(created) is str and created.isascii() and created.isdigit() and len(created) < 19:
        created = int(created)  # Cloudsway writes it as text (docs/providers.md 2.1)
    return ModelInfo(
        id=item["id"],
        created=_count(created),
        owned_by=_str_or_none(item.get("owned_by")),
        context_length=_count(item.get("context_length")),
        supports_image_in=_bool_or_none(item.get("supports_image_in")),
        supports_video_in=_bool_or_none(item.get("supports_video_in")),
        supports_reasoning=_bool_or_none(item.get("supports_reasoning")),
        raw=item,
    )


def _read(raw: dict[str, Any], data: bytes, said: str) -> Chunk:
    """Make the chunk of *raw*, the value of *data*, whose choices hold what was said under the key *said*."""
    listed = raw.get("choices")
    choices: tuple[ChunkChoice, ...] = ()
    usage = raw.get("usage")
    if listed:
        if type(listed) is not list:
            raise _unexpected("choices", "a list", listed)
        choices = tuple(_parse_choice(item, place, said) for place, item in enumerate(listed))
        if not usage:
            # Moonshot's place for it (docs/providers.md 3.4).
            usage = next((item["usage"] for item in listed if item.get("usage")), None)
    return Chunk(
        _str_or_none(raw.get("id")),
        _str_or_none(raw.get("model")),
        _int_or_none(raw.get("created")),
        choices,
        None if usage is None else parse_usage(usage),
        data,
    )


def _parse_choice(item: Any, place: int, said: str) -> ChunkChoice:
    if type(item) is not dict:
        raise _unexpected("choices[]", "an object", item)
    whole = said == "message"
    delta = item.get(said)
    if delta is None:
        # A stream that holds whole messages, or a body that holds deltas: seen behind proxies. Whole either way.
        delta = item.get("delta" if whole else "message")
        whole = True
    if delta is None:
        delta = {}
    elif type(delta) is not dict:
        raise _unexpected(said, "an object", delta)
    index = item.get("index")
    calls = delta.get("tool_calls")
    reason = item.get("finish_reason")
    if reason is not None and type(reason) is not str:
        raise _unexpected("finish_reason", "a text", reason)
    logprobs = item.get("logprobs")
    return ChunkChoice(
        place if index is None else _index(index, "choices[].index"),
        _content(delta.get("content")),
        _reasoning(delta),
        _text("refusal", delta.get("refusal")),
        _parse_calls(calls, whole=whole) if calls else _NO_CALLS,
        reason or None,  # "" is no reason (DESIGN.md)
        logprobs if type(logprobs) is dict else None,
        delta.get("reasoning_content") is None and type(delta.get("reasoning")) is str,
    )


def _text(name: str, value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    raise _unexpected(name, "a text", value)


def _content(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if type(value) is list and all(
        type(part) is dict and type(part.get("text")) is str for part in value
    ):
        return "".join(part["text"] for part in value)
    raise _unexpected("content", "a text", value)


def _reasoning(delta: Mapping[str, Any]) -> str | None:
    """The thinking of one delta, read from one key and never two (``docs/providers.md`` 5, 6.2).

    The first key with text wins; when there is none, a present ``""`` does.
    """
    text = delta.get("reasoning_content")
    if text is None or text == "" or type(text) is not str:
        other = delta.get("reasoning")
        if type(other) is str and (other or type(text) is not str):
            text = other
        elif type(text) is not str:
            text = _detailed_reasoning(delta.get("reasoning_details"))
    return text


def _detailed_reasoning(details: Any) -> str | None:
    """The texts of OpenRouter's ``reasoning_details`` array, which counts only when no plain key is there."""
    if type(details) is not list:
        return None
    texts = [
        item["text"] for item in details if type(item) is dict and type(item.get("text")) is str
    ]
    return "".join(texts) if texts else None


def _parse_calls(calls: Any, *, whole: bool) -> tuple[ToolCallPiece, ...]:
    if type(calls) is not list:
        raise _unexpected("tool_calls", "a list", calls)
    return tuple(_parse_call(item, place if whole else None) for place, item in enumerate(calls))


def _parse_call(item: Any, place: int | None) -> ToolCallPiece:
    """Read one entry of ``tool_calls``; *place* is its index when it does not say one."""
    if type(item) is not dict:
        raise _unexpected("tool_calls[]", "an object", item)
    function = item.get("function")
    if function is None:
        function = {}
    elif type(function) is not dict:
        raise _unexpected("tool_calls[].function", "an object", function)
    index = item.get("index")
    return ToolCallPiece(
        place if index is None else _index(index, "tool_calls[].index"),
        _text("tool_calls[].id", item.get("id")) or None,
        _text("tool_calls[].function.name", function.get("name")) or None,
        _arguments(function.get("arguments")),
        _str_or_none(item.get("type")),
    )


def _arguments(value: Any) -> str | None:
    """Arguments as text; an object instead of text becomes compact JSON (``docs/providers.md`` 6.3)."""
    if value is None or type(value) is str:
        return value
    return msgspec.json.encode(value).decode()


def parse_usage(raw: Any) -> Usage | None:
    """Read a usage object; ``None`` when it holds no count at all."""
    if type(raw) is not dict:
        return None
    prompt, completion = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    cached = _count(prompt.get("cached_tokens")) if type(prompt) is dict else None
    usage = Usage(
        prompt_tokens=_count(raw.get("prompt_tokens")),
        completion_tokens=_count(raw.get("completion_tokens")),
        total_tokens=_count(raw.get("total_tokens")),
        # Moonshot puts it at the top of usage (docs/providers.md 3.4).
        cached_tokens=_count(raw.get("cached_tokens")) if cached is None else cached,
        reasoning_tokens=_count(completion.get("reasoning_tokens"))
        if type(completion) is dict
        else None,
    )
    return None if usage == _NO_COUNTS else usage


_NO_COUNTS: Final = Usage()


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _bool_or_none(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _int_or_none(value: Any) -> int | None:
    return value if type(value) is int else None


def _str_or_none(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _index(value: Any, name: str) -> int:
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if type(value) is int and value >= 0:
        return value
    raise _unexpected(name, "a number from 0", value)


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
