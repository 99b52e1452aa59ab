"""The reader of JSON objects with known fields: dataclasses, attrs classes, ``TypedDict`` and ``msgspec.Struct``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from attrs import frozen

from kimi_async._types._reader import Definitions, Misfit, Reader, Schema, expected, read_item
from kimi_async._types._scalars import ChoiceReader

__all__ = ["Field", "ObjectReader"]

_UNSAYABLE = (msgspec.MsgspecError, TypeError, ValueError, RecursionError)


@frozen
class Field:
    """One field of an object.

    Attributes:
        key: The name in JSON.
        name: The name that the class knows; ``None`` for a field that it is not told.
        reader: Reads the value.
        is_required: Whether the field must be there.
        default: The value of a field that is not there; told to the model where JSON can say it.
        text: The text about the field in the docstring of the class, or ``""``.
    """

    key: str
    name: str | None
    reader: Reader
    is_required: bool
    default: Any = None
    text: str = ""

    def schema(self, defs: Definitions) -> Schema:
        schema = self.reader.schema(defs)
        if self.text:
            schema = {"description": self.text} | schema
        if not self.is_required and _is_scalar(self.default):
            schema = {**schema, "default": msgspec.to_builtins(self.default)}
        return schema


def _is_scalar(value: object) -> bool:
    try:
        plain = msgspec.to_builtins(value)
    except _UNSAYABLE:
        return False
    return isinstance(plain, (str, int, float, bool))


class ObjectReader(Reader):
    """Reads an object with known fields.

    Args:
        label: The name of the class.
        make: Makes the value of a dict of the fields.
        text: The description of the class, or ``""``.
        is_closed: Whether keys that are not known are refused.
    """

    kinds = frozenset({"object"})

    def __init__(
        self,
        label: str,
        make: Callable[[dict[str, Any]], Any],
        text: str,
        *,
        is_closed: bool,
    ) -> None:
        self.label = label
        self._make = make
        self._text = text
        self._is_closed = is_closed
        self._fields: dict[str, Field] = {}

    def add(self, field: Field) -> None:
        """Add a field."""
        self._fields[field.key] = field
        if isinstance(field.reader, ChoiceReader):
            self.tags = {**self.tags, field.key: field.reader.values}

    def read(self, value: Any) -> Any:
        if type(value) is not dict:
            raise expected("object", value)
        unknown = value.keys() - self._fields.keys() if self._is_closed else ()
        if unknown:
            first = next(key for key in value if key in unknown)
            raise Misfit(f"Object contains unknown field `{first}`")
        given: dict[str, Any] = {}
        for key, field in self._fields.items():
            if key in value:
                read = read_item(field.reader, value[key], f".{key}")
                if field.name is not None:
                    given[field.name] = read
            elif field.is_required:
                raise Misfit(f"Object missing required field `{key}`")
        return self._make(given)

    def schema(self, defs: Definitions, /) -> Schema:
        return defs.refer(self, self.label, self.described)

    def described(self, defs: Definitions) -> Schema:
        """Return the schema itself, in place of a reference to it."""
        text = {"description": self._text} if self._text else {}
        required = [key for key, field in self._fields.items() if field.is_required]
        return {
            "title": self.label,
            **text,
            "type": "object",
            "properties": {key: field.schema(defs) for key, field in self._fields.items()},
            **({"required": required} if required else {}),
            **({"additionalProperties": False} if self._is_closed else {}),
        }
