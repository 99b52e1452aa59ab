"""The envelope of an error: its code, type, words, ids and status, wherever a host puts them; pure.

An error object often holds another one: that of the host on which this host stands, as an object, in a list, or as JSON
inside a text (see the page Providers, section 6.4). Each of these objects is a *level*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from kimi_async._json_text import decode_object

__all__ = ["Envelope", "is_error", "read_envelope"]

Level: TypeAlias = Mapping[str, Any]

#: Where the next level stands.
_INNER_KEYS: Final = (
    *("error", "errors", "detail", "details", "metadata", "raw", "message", "upstream_error"),
    *("response", "fault"),
)
#: Where words stand, the better places first.
_WORD_KEYS: Final = (
    *("error", "errors", "message", "msg", "detail", "details", "error_msg", "error_message"),
    *("errmsg", "errorMessage", "error_description", "status_msg", "description", "title"),
    *("faultstring", "reason", "text", "upstream_error", "response", "fault"),
    *("metadata", "raw"),
)
_CODE_KEYS: Final = ("code", "error_code", "errcode", "err_code")
#: Other places of a word that says the class of an error.
_KIND_KEYS: Final = ("type", "status", "reason", "error")
_STATUS_KEYS: Final = (
    *("status_code", "statusCode", "http_status", "httpStatus", "http_code", "httpCode", "status"),
)
#: Keys that only an object without choices needs to have to be an error.
_FLAT_KEYS: Final = (
    *("errors", "detail", "error_code", "error_msg", "error_message", "errcode", "errmsg"),
)
_WAIT_KEYS: Final = ("retry_after", "retryDelay")
#: Keys whose values are neither words nor worth an excerpt.
_NO_WORDS: Final = frozenset(
    (
        *(*_CODE_KEYS, *_STATUS_KEYS, *_WAIT_KEYS, "type", "object", "success", "id", "choices"),
        *("trace_id", "request_id", "created", "model", "data", "param", "usage"),
    )
)

_REQUEST_ID_IN_TEXT: Final = r"\(request id:\s*([\w.-]{4,100})\)"
_MOST_LEVELS: Final = 8
_MOST_ITEMS: Final = 8
_MOST_DEPTH: Final = 6


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one error object; ``None`` where it says nothing.

    Attributes:
        code: Its code, as text.
        type: Its type.
        message: Its words.
        trace_id: Ace Data Cloud's id of the request.
        request_id: The id of the request.
        wait: How long to wait, as it says it.
        status: The HTTP status that it names.
        number: A code that may be an HTTP status.
        kinds: Its codes and types, those of the innermost level first.
        text: All that it says, for the tables of wordings.
    """

    code: str | None
    type: str | None
    message: str | None
    trace_id: str | None
    request_id: str | None
    wait: str | None
    status: int | None
    number: int | None
    kinds: tuple[str, ...]
    text: str


#: Codes of an envelope that say that all is well.
_SUCCESSES: Final = (0, 200, "0", "200")


def is_error(raw: Level) -> bool:
    """Return whether a JSON object says that something failed (see the page Providers, section 6.4).

    ``error`` counts beside ``choices`` too; the flat forms count only without them.
    """
    if raw.get("error"):
        return True
    if raw.get("choices"):
        return False
    return (
        raw.get("success") is False
        or "error" in (raw.get("object"), raw.get("type"), raw.get("status"))
        or (raw.get("code", 0) not in _SUCCESSES and ("message" in raw or "msg" in raw))
        or any(raw.get(key) for key in _FLAT_KEYS)
        or _status_of(raw, _STATUS_KEYS) is not None
    )


def read_envelope(raw: Level) -> Envelope:
    """Read an error object of any shape, also one that stands in a choice."""
    failed = [choice["error"] for choice in _objects(raw.get("choices")) if choice.get("error")]
    if failed and not raw.get("error"):
        raw = {**raw, "error": failed[0]}
    levels = _levels(raw)
    # The level that speaks for this host; the first object inside of it, if there is one.
    own = levels[1] if len(levels) > 1 else raw
    message = _words(raw) or _leftover(raw)
    named = re.search(_REQUEST_ID_IN_TEXT, message or "", re.IGNORECASE)
    inside_out = levels[::-1]
    return Envelope(
        code=next(_texts_in((own, raw, *levels), _CODE_KEYS), None),
        type=_word(own.get("type")) or (None if raw.get("error") else _word(raw.get("type"))),
        message=message,
        trace_id=_word(raw.get("trace_id")) or _word(own.get("trace_id")),
        request_id=_word(raw.get("request_id"))
        or _word(own.get("request_id"))
        or (named and named[1]),
        wait=next(_texts_in(inside_out, _WAIT_KEYS), None),
        status=_status_in(inside_out, _STATUS_KEYS),
        number=_status_in(inside_out, (*_CODE_KEYS, "type")),
        kinds=tuple(_texts_in(inside_out, (*_CODE_KEYS, *_KIND_KEYS))),
        text=" ".join(_texts_in(levels, (*_WORD_KEYS, *_CODE_KEYS, "type"))),
    )


def _levels(raw: Level) -> list[Level]:
    """Return *raw* and the error objects inside of it, from the outermost one to the innermost ones."""
    found = [raw]
    for level in found:
        for key in _INNER_KEYS:
            found += _objects(level.get(key))
        del found[_MOST_LEVELS:]
    return found


def _objects(value: object) -> list[Level]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = decode_object(value.encode("utf-8", "replace"))
    items = value[:_MOST_ITEMS] if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _words(value: object, depth: int = _MOST_DEPTH) -> str | None:
    """Return the words of a value of an envelope, whatever its shape."""
    text = _word(value)
    if text is not None:
        inner = _objects(text)
        return (_words(inner[0], depth - 1) if inner and depth else None) or text
    if not depth:
        return None
    if isinstance(value, list):
        said = [_words(item, depth - 1) for item in value[:_MOST_ITEMS]]
        return "; ".join(filter(None, said)) or None
    return _words_of_object(value, depth - 1) if isinstance(value, dict) else None


def _words_of_object(level: Level, depth: int) -> str | None:
    said = [text for key in _WORD_KEYS if (text := _words(level.get(key), depth))]
    if not said:
        nested = [(key, level[key]) for key in level if key not in _NO_WORDS]
        said = [
            f"{key}: {text}"
            for key, value in nested
            if isinstance(value, list | dict) and (text := _words(value, depth))
        ]
    if not said:
        return None
    text = said[0]
    # A text under "error" is often only the name of the status.
    if isinstance(level.get("error"), str) and len(said) > 1 and said[1] not in text:
        text = f"{text}: {said[1]}"
    place = level.get("loc")
    return f"{'.'.join(map(str, place))}: {text}" if isinstance(place, list) and place else text


def _leftover(raw: Level) -> str | None:
    """Return, as JSON, the part of an object without words that may still say something."""
    left = _part_that_says(raw, _MOST_DEPTH)
    return msgspec.json.encode(left).decode() if left else None


def _part_that_says(value: object, depth: int) -> object:
    if not depth:
        return "..."
    if isinstance(value, list):
        parts = [_part_that_says(item, depth - 1) for item in value[:_MOST_ITEMS]]
        return [part for part in parts if part is not None] or None
    if isinstance(value, dict):
        named = {
            key: _part_that_says(item, depth - 1)
            for key, item in value.items()
            if key not in _NO_WORDS
        }
        return {key: part for key, part in named.items() if part is not None} or None
    return None if isinstance(value, bool) or value == "" else value


def _word(value: object) -> str | None:
    """Return a code or text, ints as text; ``None`` for a value that stands for nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return value if value.strip() and value not in ("<nil>", "null") else None


def _texts_in(levels: Sequence[Level], keys: Sequence[str]) -> Iterator[str]:
    for level in levels:
        for key in keys:
            value = level.get(key)
            for item in value[:_MOST_ITEMS] if isinstance(value, list) else [value]:
                if (text := _word(item)) is not None:
                    yield text


def _status_in(levels: Sequence[Level], keys: Sequence[str]) -> int | None:
    return next(
        (status for level in levels if (status := _status_of(level, keys)) is not None), None
    )


def _status_of(level: Level, keys: Sequence[str]) -> int | None:
    """Return the first of the values that is an HTTP status of an error."""
    words = [_word(level.get(key)) for key in keys]
    numbers = [int(word) for word in words if word and re.fullmatch("[45][0-9][0-9]", word)]
    return numbers[0] if numbers else None
