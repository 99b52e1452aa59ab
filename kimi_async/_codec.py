"""Turn values of this library into plain data and JSON, and back; pure.

The format is that of msgspec: an object has one key for each field, an event the key ``event`` beside them with the
name of its class. Keys that the reader does not know are ignored, so that an older version reads a newer one.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

import msgspec

from kimi_async._errors import ConfigurationError, ProtocolError

__all__ = ["decode", "encode", "plain"]

T = TypeVar("T")


def plain(value: object) -> dict[str, Any]:
    """Return *value* as the dicts, lists, texts and numbers that a JSON decoder gives."""
    # Through JSON: msgspec.to_builtins() would leave tuples in it.
    built: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return built


def encode(value: object) -> bytes:
    """Return *value* as compact JSON in UTF-8.

    Halves of surrogate pairs become U+FFFD: a model can write one as an escape, in the arguments of a call or a value.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_halves(msgspec.to_builtins(value)))


def _without_halves(value: Any) -> Any:
    match value:
        case str():
            return re.sub("[\ud800-\udfff]", "\ufffd", value)
        case list():
            return list(map(_without_halves, value))
        case dict():
            return {_without_halves(key): _without_halves(each) for key, each in value.items()}
        case _:
            return value


def decode(data: bytes, kind: Any, name: str) -> Any:
    """Read JSON that :func:`encode` wrote.

    Args:
        data: The JSON.
        kind: The type of the value, or a union of Structs.
        name: Its name in the error, such as ``"event"``.

    Raises:
        ProtocolError: *data* is not JSON or does not fit *kind*.
        ConfigurationError: *data* is neither bytes nor a text.
    """
    if not isinstance(data, bytes | bytearray | memoryview | str):
        raise ConfigurationError(
            f"the {name} is read from the JSON that to_json() wrote, not from {type(data).__name__}"
        )
    try:
        return _decoder(kind).decode(data)
    except RecursionError:
        problem = "it is nested too deeply"
    except msgspec.ValidationError as error:
        problem = str(error)  # names types, places and tags, and quotes no text of a reply
    except ValueError:
        problem = "it is not JSON in UTF-8"
    failure = ProtocolError(f"the data should be one {name} of kimi_async as JSON: {problem}")
    failure.advice = (
        "Decode what to_json() wrote, with the same version of kimi_async or a later one."
    )
    raise failure


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    # Made at first use: to resolve the types of a reply takes a millisecond, and few programs decode any.
    return msgspec.json.Decoder(kind)
