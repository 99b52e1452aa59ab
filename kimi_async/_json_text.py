"""Reading JSON that was not written here: how deep it is, and whether it fits a type; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kimi_async._errors import ConfigurationError

if TYPE_CHECKING:
    from kimi_async._types import Reader

__all__ = [
    "decode_as_sent",
    "decode_object",
    "decode_with_halves",
    "is_deeper",
    "read_json_text",
]


_decode: Final = msgspec.json.Decoder().decode
#: One half of a surrogate pair, which JSON can spell and no text can hold.
_HALF: Final = "[\ud800-\udfff]"

#: JSON texts, the last one perhaps without its end. Possessive, so that no input takes more than linear time.
_TEXTS: Final = rb'(?s)"(?:[^"\\]+|\\.?)*+"?'
_LEVELS: Final[Mapping[int, int]] = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ALL_ELSE: Final = bytes(set(range(256)) - _LEVELS.keys())


def is_deeper(data: bytes | bytearray, levels: int) -> bool:
    """Whether objects and arrays are nested deeper than *levels* in the JSON in *data*.

    The brackets are followed only when there are enough of them, and *data* is long enough for both sides of so many;
    so the usual chunk costs 0.05 us.
    """
    if len(data) <= 2 * levels or data.count(b"{") + data.count(b"[") <= levels:
        return False
    brackets = re.sub(_TEXTS, b"", data).translate(None, _ALL_ELSE)
    return max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > levels


def decode_object(data: bytes) -> dict[str, Any] | None:
    """Decode one JSON object; ``None`` when *data* is anything else.

    Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD: a damaged character is not a reason to lose a
    reply.
    """
    value, _ = _decode_any(data)
    return value if type(value) is dict else None


def decode_with_halves(data: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Decode one JSON object twice: as :func:`decode_object` does, and with each half of a surrogate pair kept.

    Both are the same object where there are no halves, which is nearly always.
    """
    value, sent = _decode_any(data)
    return (value, sent) if type(value) is dict else None


def decode_as_sent(data: bytes) -> Any:
    """Decode JSON that :func:`decode_object` has decoded, with each number as the text that was sent."""
    return json.loads(
        data.decode("utf-8-sig", "replace"),
        strict=False,
        parse_int=str,
        parse_float=str,
        parse_constant=_no_value,
    )


def _decode_any(data: bytes) -> tuple[Any, Any]:
    try:
        value = sent = _decode(data)
    except (ValueError, RecursionError):
        value, sent = _decode_leniently(data)
    return value, sent


def _decode_leniently(data: bytes) -> tuple[Any, Any]:
    try:
        text = json.dumps(
            json.loads(data.decode("utf-8-sig", "replace"), strict=False, parse_constant=_no_value),
            ensure_ascii=False,
        )
        mended = re.sub(_HALF, "\ufffd", text)
        value = _decode(mended.encode())
        return value, value if mended == text else json.loads(text)
    except (ValueError, RecursionError):
        return None, None


def _no_value(_: str) -> None:
    """Read ``NaN`` and the infinities, which Python hosts write among logprobs, as null."""


def read_json_text(text: str, into: Any = Any) -> Any:
    """Read *text* as JSON and check it against the type *into*, ``Any`` being any value.

    Raw control characters inside strings are accepted, because models do write them; everything else is strict.

    Args:
        text: The JSON.
        into: A type; the page "Tools" says which types there are.

    Raises:
        ValueError: The text does not fit; the message names the expected type and the place.
        ConfigurationError: Nothing can be read into *into*.
    """
    try:
        value = json.loads(text, strict=False, parse_constant=_refuse_constant)
        return value if into is Any else _reader_of(into).read(value)
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError as error:  # of json, and of the reader, which names the place
        problem = str(error)
    raise ValueError(problem)


def _reader_of(into: Any) -> Reader:
    # Loaded when it is used: most programs read no types.
    from kimi_async._types import reader_of

    try:
        return reader_of(into)
    except ConfigurationError as error:
        problem = error.message
    raise ConfigurationError(f"nothing can be read into this type: {problem}")


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
