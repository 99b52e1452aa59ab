"""The envelope of an error: its code, type, words, ids and status, wherever a host puts them; pure.

An error object often holds another one: that of the host on which this host stands, as an object, in a list, or as JSON
inside a text (see the page Providers, section 6.4). Each of these objects is a *level*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from kimi_async._json_text import decode_object
from kimi_async._protocol._error_words import reports_error

__all__ = ["Envelope", "error_in", "is_error", "read_envelope", "says_something"]

Level: TypeAlias = Mapping[str, Any]

#: Where the next level stands.
_INNER_KEYS: Final = (
    *("error", "errors", "detail", "details", "metadata", "raw", "message", "upstream_error"),
    *("response", "fault", "base_resp", "innererror"),
)
#: Where words stand, the better places first.
_WORD_KEYS: Final = (
    *("error", "errors", "message", "msg", "detail", "details", "error_msg", "error_message"),
    *("errmsg", "error_description", "status_msg", "description", "title"),
    *("faultstring", "reason", "text", "upstream_error", "response", "fault"),
    *("metadata", "raw", "base_resp"),
)
_CODE_KEYS: Final = ("code", "error_code", "errcode", "err_code", "status_code")
#: Other places of a word that says the class of an error.
_KIND_KEYS: Final = ("type", "status", "reason", "error")
_STATUS_KEYS: Final = ("status_code", "http_status", "http_code", "status")
#: Keys that only an object without choices needs to have to be an error.
_FLAT_KEYS: Final = (
    *("errors", "detail", "error_code", "error_msg", "error_message", "errcode", "errmsg"),
)
#: Keys whose text is often only the name of the failure; the words beside it say more.
_NAME_KEYS: Final = ("error", "title")
#: Keys under which a host has the words of the host on which it stands.
_BEHIND_KEYS: Final = ("metadata", "raw", "upstream_error")
#: Keys that have another name, not only another spelling.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "response_metadata": "response",
    "__type": "type",
    "retry_delay": "retry_after",
    "err": "error",
    "err_msg": "error_msg",
    "err_message": "error_message",
}
#: Keys of the reply itself; they never explain a failure.
_REPLY_KEYS: Final = frozenset(("choices", "usage"))
#: The keys of a usual chunk, and the values of its "object"; the last chunk, with the usage, often has no choices.
_CHUNK_KEYS: Final = _REPLY_KEYS | {"id", "object", "created", "model", "system_fingerprint"}
_CHUNK_OBJECTS: Final = (None, "chat.completion.chunk", "chat.completion")
#: Keys whose values have a place of their own in an error. A value of several words is not such a fact.
_FACT_KEYS: Final = frozenset(
    (
        *(*_CODE_KEYS, *_STATUS_KEYS, "retry_after", "type", "object", "success"),
        *("trace_id", "request_id"),
    )
)
_KNOWN_KEYS: Final = frozenset((*_INNER_KEYS, *_WORD_KEYS, *_FLAT_KEYS, *_FACT_KEYS, *_OTHER_NAMES))
#: Keys of the head of a chunk. Inside an error object they are names of fields of the request.
_HEAD_KEYS: Final = frozenset(("id", "created", "model", "data", "param"))

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
        text: All that it says in words, for the tables of wordings.
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
_SUCCESSES: Final = (None, 0, 200, "", "0", "200")


def error_in(raw: Level) -> Any:
    """Return the part of an object by which it says, also beside choices, that it failed; falsy if it does not.

    Some gateways write an error object without a value into every chunk.
    """
    result = raw.get("base_resp")
    if type(result) is dict and result.get("status_code") not in _SUCCESSES:
        return result  # MiniMax
    error = raw.get("error")
    return None if _is_empty(error) else error


def _is_empty(error: object) -> bool:
    values = error.values() if isinstance(error, dict) else [error]
    return all(
        not value or (type(value) in (str, int) and _word(value) in (None, "0", "200"))
        for value in values
    )


def is_error(raw: Level) -> bool:
    """Return whether a JSON object says that something failed (see the page Providers, section 6.4).

    ``error`` counts beside ``choices`` too; the flat forms count only without them.
    """
    if error_in(raw):
        return True
    if raw.get("choices") or (raw.keys() <= _CHUNK_KEYS and raw.get("object") in _CHUNK_OBJECTS):
        return False
    raw = _plain(raw)
    return bool(
        error_in(raw)
        or (raw.get("error") and raw.get("choices") is None)
        or any(response.get("error") for response in _objects(raw.get("response")))
        or _words_report_error(raw)
        or raw.get("success") is False
        or any(raw.get(key) in ("error", "failed") for key in ("object", "type", "status"))
        or (raw.get("code") not in _SUCCESSES and ("message" in raw or "msg" in raw))
        or any(raw.get(key) for key in _FLAT_KEYS)
        or _status_of(raw, _STATUS_KEYS) is not None
    )


def _words_report_error(raw: Level) -> bool:
    if raw.get("code") in (0, 200, "0", "200"):
        return False
    # A body that echoes a request or a list of models has its words deeper than a message.
    said = [raw[key] for key in ("message", "msg") if isinstance(raw.get(key), str)]
    return any(reports_error(text.encode("utf-8", "replace")) for text in said)


def says_something(raw: Level) -> bool:
    """Return whether an object holds more than the head of a chunk, codes and ids."""
    raw = _plain(raw)
    return (_words(raw) or _leftover(raw)) is not None


def read_envelope(raw: Level) -> Envelope:
    """Read an error object of any shape, also one that stands in a choice or in its delta."""
    raw = _plain(raw)
    failed = list(filter(None, map(_error_of_choice, _objects(raw.get("choices")))))
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
        wait=next((str(wait) for level in inside_out if (wait := level.get("retry_after"))), None),
        status=_status_in(inside_out, _STATUS_KEYS),
        number=_status_in(inside_out, (*_CODE_KEYS, "type")),
        kinds=tuple(_texts_in(inside_out, (*_CODE_KEYS, *_KIND_KEYS))),
        text=" ".join(_texts_in(levels, _WORD_KEYS)),
    )


def _error_of_choice(choice: Level) -> Any:
    holders = (choice, *_objects(choice.get("delta")), *_objects(choice.get("message")))
    return next((holder["error"] for holder in holders if holder.get("error")), None)


def _plain(level: Level) -> Level:
    """Return *level* with its known keys in one spelling: ``Message``, ``errorMsg`` and ``RequestID`` are known."""
    plain = dict(level)
    for key in level:
        usual = _usual(key)
        if usual != key and usual not in plain:
            plain[usual] = plain.pop(key)
    return plain


@lru_cache(maxsize=256)
def _usual(key: str) -> str:
    spelled = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return _OTHER_NAMES.get(spelled, spelled) if spelled in _KNOWN_KEYS else key


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
    return [_plain(item) for item in items if isinstance(item, dict)]


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
    level = _plain(level)
    said = {key: text for key in _WORD_KEYS if (text := _words(level.get(key), depth))}
    if not said:
        named = (
            f"{key}: {text}"
            for key, value in level.items()
            if key not in _REPLY_KEYS
            and isinstance(value, list | dict)
            and (text := _words(value, depth))
        )
        return next(named, None)
    text = _joined(level, said)
    place = level.get("loc")
    return f"{'.'.join(map(str, place))}: {text}" if isinstance(place, list) and place else text


def _joined(level: Level, said: dict[str, str]) -> str:
    """Return the best of the words of one level, with its name before them and the words of another host after."""
    # A number under "error" is a code, where there are words beside it.
    best = sorted(said, key=lambda key: said[key].isdigit())
    names = [key for key in best if key in _NAME_KEYS and isinstance(level[key], str)]
    words = [key for key in best if key not in names][:1]
    chosen = [
        *names,
        *words,
        *(key for key in best if key in _BEHIND_KEYS and not said[key].isdigit()),
    ]
    text = ""
    for part in map(said.__getitem__, chosen):
        if part not in text:
            text = f"{text.rstrip('.:')}: {part}" if text else part
    return text


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
            if not _is_fact(key, item, inside=depth < _MOST_DEPTH)
        }
        return {key: part for key, part in named.items() if part is not None} or None
    nothing = isinstance(value, bool) or (isinstance(value, str) and _word(value) is None)
    return None if nothing else value


def _is_fact(key: str, value: object, *, inside: bool) -> bool:
    """Return whether a value is told elsewhere or explains nothing, so that an excerpt leaves it out."""
    if key in _REPLY_KEYS:
        return not inside
    if isinstance(value, list | dict) or (isinstance(value, str) and " " in value.strip()):
        return False
    return key in _FACT_KEYS or (not inside and key in _HEAD_KEYS)


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
