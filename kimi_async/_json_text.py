"""Read JSON from a host or a model, measure its depth, and check it against a type; pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import accumulate
from typing import Any, Final

import msgspec

from kimi_async._errors import ConfigurationError

__all__ = [
    "decode_as_sent",
    "decode_object",
    "decode_with_halves",
    "is_deeper",
    "objects_in",
    "read_json_text",
]


_decode: Final = msgspec.json.Decoder().decode
#: One half of a surrogate pair, which JSON can express and UTF-8 cannot.
_HALF: Final = "[\ud800-\udfff]"

#: So many objects in one event are read.
_MOST_OBJECTS: Final = 4_000
#: JSON strings; the last one may lack its end. Possessive, so that every input takes linear time.
_TEXTS: Final = rb'(?s)"(?:[^"\\]+|\\.?)*+"?'
_LEVELS: Final[Mapping[int, int]] = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ALL_ELSE: Final = bytes(set(range(256)) - _LEVELS.keys())


def is_deeper(data: bytes | bytearray, levels: int) -> bool:
    """Return whether objects and arrays are nested deeper than *levels* in the JSON in *data*.

    The brackets are examined only if *data* holds more than *levels* of them and is long enough for their closing
    brackets. So the usual chunk costs 0.05 us.
    """
    if len(data) <= 2 * levels or data.count(b"{") + data.count(b"[") <= levels:
        return False
    brackets = re.sub(_TEXTS, b"", data).translate(None, _ALL_ELSE)
    return max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > levels


def decode_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *data*, or ``None`` if *data* is not one.

    Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD: one damaged character must not end a reply.
    """
    value, _ = _decode_any(data)
    return value if type(value) is dict else None


def decode_with_halves(data: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the JSON object in *data* twice: as :func:`decode_object` does, and with halves of surrogate pairs kept.

    Both are the same object if *data* has no such halves, as nearly always.
    """
    value, sent = _decode_any(data)
    return (value, sent) if type(value) is dict else None


def decode_as_sent(data: bytes) -> Any:
    """Return JSON that :func:`decode_object` could decode, with each number as the text that was sent."""
    return json.loads(
        data.decode("utf-8-sig", "replace"),
        strict=False,
        parse_int=str,
        parse_float=str,
        parse_constant=_no_value,
    )


def objects_in(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the JSON objects with which *data* begins, and the rest of it, each without blanks around it.

    More than 4,000 are none: to read them would hold the event loop.
    """
    text = data.decode("utf-8", "surrogateescape").strip()
    decoder, blanks = json.JSONDecoder(strict=False), re.compile(r"\s*")
    objects: list[bytes] = []
    begin = 0
    with suppress(ValueError, RecursionError):
        while text.startswith("{", begin) and len(objects) <= _MOST_OBJECTS:
            _, end = decoder.raw_decode(text, begin)
            objects.append(_sent(text[begin:end]))
            begin = next(blanks.finditer(text, end)).end()
    return ([], data) if len(objects) > _MOST_OBJECTS else (objects, _sent(text[begin:]))


def _sent(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode_any(data: bytes) -> tuple[Any, Any]:
    try:
        value = sent = _decode(data)
    except (ValueError, RecursionError):
        value, sent = _decode_leniently(data)
    return value, sent


def _decode_leniently(data: bytes) -> tuple[Any, Any]:
    try:
        text = json.dumps(
            json.loads(
                data.decode("utf-8-sig", "replace"),
                strict=False,
                parse_constant=_no_value,
                parse_float=_float_or_none,
            ),
            ensure_ascii=False,
        )
        mended = re.sub(_HALF, "\ufffd", text)
        value = _decode(mended.encode())
        return value, value if mended == text else json.loads(text)
    except (ValueError, RecursionError):
        return None, None


def _float_or_none(digits: str) -> float | None:
    """Read a number that is too large for a float as null: it is no count, and the rest of the reply is whole."""
    value = float(digits)
    return value if math.isfinite(value) else None


def _no_value(_: str) -> None:
    """Read ``NaN`` and the infinities as null; hosts in Python write them among logprobs."""


def read_json_text(text: str, into: Any = Any) -> Any:
    """Return the value of the JSON in *text*, checked against the type *into*; ``Any`` accepts every value.

    Raw control characters inside strings and a byte order mark at the start are accepted, because models and hosts
    write them; everything else is strict.

    Args:
        text: The JSON.
        into: A type; the page Tools lists the types.

    Raises:
        ValueError: The text does not fit; the message names the expected type and the place.
        ConfigurationError: *into* is a type into which no JSON can be read.
    """
    try:
        plain = text.removeprefix("\ufeff")
        value = json.loads(plain, strict=False, parse_constant=_refuse_constant)
        return value if into is Any else _read(into, value)
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError as error:  # raised by json, or by the reader, which names the place
        problem = str(error)
    raise ValueError(problem)


def _read(into: Any, value: Any) -> Any:
    # Imported on first use, because most programs read no types.
    from kimi_async._types import read_item, reader_of

    try:
        reader = reader_of(into)
    except ConfigurationError as error:
        problem = error.message
    else:
        return read_item(reader, value, "")
    raise ConfigurationError(f"nothing can be read into this type: {problem}")


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
