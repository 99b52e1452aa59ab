"""Readers of values without parts: numbers, texts, dates, enums, literals."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from kimi_async._errors import ConfigurationError
from kimi_async._types._reader import (
    Definitions,
    Misfit,
    Reader,
    Schema,
    expected,
    kind_of,
)

__all__ = ["ANYTHING", "SCALARS", "ChoiceReader", "PathReader", "ScalarReader"]


class _AnythingReader(Reader):
    """Takes every JSON value as it is."""

    label = "any"

    def read(self, value: Any) -> Any:
        return value

    def schema(self, _defs: Definitions, /) -> Schema:
        return {}


ANYTHING: Final = _AnythingReader()


class ScalarReader(Reader):
    """Reads one scalar.

    Args:
        label: The type in the words of the errors.
        kinds: The kinds of JSON values that can fit.
        schema: The JSON Schema.
        parse: Returns the value; raises :class:`ValueError` if it does not fit.
        bounds: The families of limits that can apply.
    """

    def __init__(
        self,
        label: str,
        kinds: Iterable[str],
        schema: Schema,
        parse: Callable[[Any], Any],
        *bounds: str,
    ) -> None:
        self.label = label
        self.kinds = frozenset(kinds)
        self.bounds = frozenset(bounds)
        self._schema = schema
        self._parse = parse

    def read(self, value: Any) -> Any:
        if kind_of(value) not in self.kinds:
            raise expected(self.label, value)
        try:
            return self._parse(value)
        except ValueError as error:
            problem = str(error)
        raise Misfit(problem)

    def schema(self, _defs: Definitions, /) -> Schema:
        return {**self._schema}


def _same(value: Any) -> Any:
    return value


def _whole(value: float) -> int:
    """Return a whole number: 3.0 is an integer in JSON Schema, too."""
    if value != math.floor(value):
        raise Misfit("Expected `int`, got `float`")
    return int(value)


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("Number out of range")
    return number


def _by_msgspec(into: Any) -> Callable[[Any], Any]:
    """Return a parser by msgspec, which knows RFC 3339, ISO 8601 durations and base64."""

    def parse(value: Any) -> Any:
        return msgspec.convert(value, into)

    return parse


def _moment(value: str) -> dt.datetime:
    """Return a date with a time, in UTC, with an offset, or without both."""
    if len(value) <= len("2026-01-01"):
        raise ValueError("Invalid RFC3339 encoded datetime")
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        problem = "Invalid RFC3339 encoded datetime"
    raise ValueError(problem)


def _time(value: str) -> dt.time:
    try:
        return dt.time.fromisoformat(value)
    except ValueError:
        problem = "Invalid RFC3339 encoded time"
    raise ValueError(problem)


def _decimal(value: Any) -> decimal.Decimal:
    number = msgspec.convert(str(value), decimal.Decimal)
    if not number.is_finite():
        raise ValueError("Number out of range")
    return number


def _text(format_: str) -> Schema:
    return {"type": "string", "format": format_}


_BASE64: Final[Schema] = {"type": "string", "contentEncoding": "base64"}

#: Every scalar type that is known by itself.
SCALARS: Final[dict[Any, Reader]] = {
    type(None): ScalarReader("null", ["null"], {"type": "null"}, _same),
    bool: ScalarReader("bool", ["bool"], {"type": "boolean"}, _same),
    int: ScalarReader("int", ["int", "float"], {"type": "integer"}, _whole, "number"),
    float: ScalarReader("float", ["int", "float"], {"type": "number"}, _finite, "number"),
    str: ScalarReader("str", ["str"], {"type": "string"}, _same, "text"),
    bytes: ScalarReader("bytes", ["str"], _BASE64, _by_msgspec(bytes), "bytes"),
    bytearray: ScalarReader("bytes", ["str"], _BASE64, _by_msgspec(bytearray), "bytes"),
    dt.datetime: ScalarReader("datetime", ["str"], _text("date-time"), _moment, "moment"),
    dt.date: ScalarReader("date", ["str"], _text("date"), _by_msgspec(dt.date), "moment"),
    dt.time: ScalarReader("time", ["str"], _text("time"), _time, "moment"),
    dt.timedelta: ScalarReader(
        "duration", ["str"], _text("duration"), _by_msgspec(dt.timedelta), "moment"
    ),
    decimal.Decimal: ScalarReader(
        "decimal",
        ["int", "float", "str"],
        {"anyOf": [{"type": "number"}, _text("decimal")]},
        _decimal,
        "number",
    ),
    uuid.UUID: ScalarReader("uuid", ["str"], _text("uuid"), _by_msgspec(uuid.UUID)),
}


class PathReader(ScalarReader):
    """Reads a text as a path of the file system.

    Args:
        cls: :class:`pathlib.Path`, or another class of that module.
    """

    def __init__(self, cls: type[pathlib.PurePath]) -> None:
        super().__init__("path", ["str"], _text("path"), cls)


class ChoiceReader(Reader):
    """Reads one of several fixed values: a ``Literal`` or an enum.

    Args:
        label: The type in the words of the errors.
        choices: Each value as JSON, and the value that it is read into.
        cls: The enum, which has a name in the schema and may accept more by ``_missing_``; ``None`` for a ``Literal``.
        text: The description of the enum.

    Raises:
        ConfigurationError: A value is not a text, a number, a boolean or ``None``.
    """

    def __init__(
        self,
        label: str,
        choices: Iterable[tuple[Any, Any]],
        cls: type[enum.Enum] | None = None,
        text: str = "",
    ) -> None:
        self.label = label
        self._cls = cls
        self._text = text
        self._choices: dict[tuple[str, Any], Any] = {}
        for value, choice in choices:
            if type(value) not in (str, int, float, bool, type(None)):
                raise ConfigurationError(
                    f"the values of {label} must be texts, numbers, booleans or None, not {type(value).__name__}"
                )
            # True == 1 == 1.0, so the kind is a part of the key.
            self._choices[_key(value)] = choice
        self.values = [value for _, value in self._choices]
        kinds = frozenset(map(kind_of, self.values))
        self.kinds = kinds | {"int", "float"} if kinds & {"int", "float"} else kinds

    def read(self, value: Any) -> Any:
        if kind_of(value) not in self.kinds:
            kinds = " | ".join(dict.fromkeys(map(kind_of, self.values)))
            raise Misfit(f"Expected `{kinds}`, got `{kind_of(value)}`")
        key = _key(value)
        if key in self._choices:
            return self._choices[key]
        if self._cls is not None and "_missing_" in vars(self._cls):
            try:
                return self._cls(value)
            except ValueError:
                problem = f"Invalid enum value {value!r}"
            raise Misfit(problem)
        raise Misfit(f"Invalid enum value {value!r}")

    def schema(self, defs: Definitions, /) -> Schema:
        if self._cls is None:
            return {"enum": self.values}
        return defs.refer(self, self.label, self._described)

    def _described(self, _defs: Definitions) -> Schema:
        text = {"description": self._text} if self._text else {}
        return {"title": self.label, **text, "enum": self.values}


def _key(value: Any) -> tuple[str, Any]:
    """Return a key under which 1 and 1.0 are the same, as in JSON, and True is not."""
    kind = kind_of(value)
    return ("number" if kind in ("int", "float") else kind, value)
