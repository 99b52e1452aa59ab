"""Readers of values with parts: lists, sets, tuples, mappings and unions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from kimi_async._errors import ConfigurationError
from kimi_async._types._reader import (
    Definitions,
    Misfit,
    Reader,
    Schema,
    expected,
    kind_of,
    read_item,
)
from kimi_async._types._scalars import ChoiceReader

__all__ = ["AliasReader", "ListReader", "MappingReader", "TupleReader", "UnionReader"]


class ListReader(Reader):
    """Reads an array of any length.

    Args:
        item: Reads each element.
        make: Makes the list, set or tuple of them.
        unique: Whether equal elements become one.
    """

    label = "array"
    kinds = frozenset({"array"})
    bounds = frozenset({"array"})

    def __init__(self, item: Reader, make: Callable[[list[Any]], Any], *, unique: bool) -> None:
        self._item = item
        self._make = make
        self._unique = unique

    def read(self, value: Any) -> Any:
        if type(value) is not list:
            raise expected(self.label, value)
        items = [read_item(self._item, each, f"[{place}]") for place, each in enumerate(value)]
        try:
            return self._make(items)
        except TypeError as error:  # of values that cannot be in a set
            problem = str(error)
        raise ConfigurationError(f"nothing can be read into this type: {problem}")

    def schema(self, defs: Definitions, /) -> Schema:
        item = self._item.schema(defs)
        unique = {"uniqueItems": True} if self._unique else {}
        return {"type": "array", **({"items": item} if item else {}), **unique}


class TupleReader(Reader):
    """Reads an array with a type for each place: a ``tuple`` or a ``NamedTuple``.

    Args:
        label: The type in the words of the errors, and in the schema if it is a class.
        items: Reads the element of each place.
        make: Makes the tuple of the elements.
        required: How many elements must be there.
        text: The description of the class; ``None`` for a plain tuple.
    """

    kinds = frozenset({"array"})

    def __init__(
        self,
        label: str,
        make: Callable[[list[Any]], Any],
        text: str | None = None,
    ) -> None:
        self.label = label
        self.items: list[Reader] = []
        self.required = 0
        self._make = make
        self._text = text

    def read(self, value: Any) -> Any:
        if type(value) is not list:
            raise expected("array", value)
        least, most = self.required, len(self.items)
        if not least <= len(value) <= most:
            wanted = f"{most}" if least == most else f"{least} to {most}"
            raise Misfit(f"Expected `array` of length {wanted}, got {len(value)}")
        pairs = enumerate(zip(self.items, value, strict=False))
        return self._make([read_item(item, each, f"[{place}]") for place, (item, each) in pairs])

    def schema(self, defs: Definitions, /) -> Schema:
        return (
            self._described(defs)
            if self._text is None
            else defs.refer(self, self.label, self._described)
        )

    def _described(self, defs: Definitions) -> Schema:
        named = {} if self._text is None else {"title": self.label}
        text = {"description": self._text} if self._text else {}
        items = [item.schema(defs) for item in self.items]
        heads = {"prefixItems": items, "items": False} if items else {}
        size = {"minItems": self.required, "maxItems": len(items)}
        return {**named, **text, "type": "array", **heads, **size}


class MappingReader(Reader):
    """Reads an object with any keys.

    Args:
        key: Reads each key, which is a text in JSON.
        item: Reads each value.
        make: Makes the mapping of a dict.

    Raises:
        ConfigurationError: No text can be read as a key.
    """

    label = "object"
    kinds = frozenset({"object"})
    bounds = frozenset({"object"})

    def __init__(self, key: Reader, item: Reader, make: Callable[[dict[Any, Any]], Any]) -> None:
        if not key.kinds & {"str", *_NUMBERS}:
            raise ConfigurationError(
                f"the keys of an object are texts, and no text can be read as {key.label}"
            )
        self._key = key
        self._item = item
        self._make = make

    def read(self, value: Any) -> Any:
        if type(value) is not dict:
            raise expected(self.label, value)
        return self._make(
            {
                self._read_key(key): read_item(self._item, each, "[...]")
                for key, each in value.items()
            }
        )

    def _read_key(self, key: str) -> Any:
        """Return the key; a number is written as a text there."""
        try:
            return read_item(self._key, key, "[key]")
        except Misfit as misfit:
            first = misfit
        if not _NUMBER.fullmatch(key) or not self._key.kinds & _NUMBERS:
            raise first
        return read_item(self._key, json.loads(key), "[key]")

    def schema(self, defs: Definitions, /) -> Schema:
        item = self._item.schema(defs)
        names = getattr(self._key, "values", ())
        if isinstance(self._key, ChoiceReader) and all(isinstance(each, str) for each in names):
            fields = dict.fromkeys(names, item)
            return {"type": "object", "properties": fields, "additionalProperties": False}
        others = {"additionalProperties": item} if item else {}
        return {"type": "object", **others, **self._told_keys()}

    def _told_keys(self) -> Schema:
        """Return the schema of the keys, which Moonshot's flavour can only tell; none where any text is a key."""
        own = Definitions()
        schema = self._key.schema(own)
        schema = own.schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return {} if schema in ({}, {"type": "string"}) else {"propertyNames": schema}


_NUMBERS: Final = frozenset({"int", "float"})
#: A number in JSON.
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


class UnionReader(Reader):
    """Reads a value that fits one of several types: the first one in the order of the union.

    Args:
        members: The reader of each type.
    """

    def __init__(self, members: Sequence[Reader]) -> None:
        self.members = members
        self.label = " | ".join(member.label for member in members)
        self.kinds = frozenset[str]().union(*(member.kinds for member in members))
        self.bounds = frozenset[str]().union(*(member.bounds for member in members))

    def read(self, value: Any) -> Any:
        kind = kind_of(value)
        misfits: list[Misfit] = []
        named: list[Misfit] = []
        for member in self.members:
            if kind not in member.kinds:
                continue
            try:
                return read_item(member, value, "")
            except Misfit as misfit:
                misfits.append(misfit)
                if all(value.get(key, tag[0]) in tag for key, tag in member.tags.items()):
                    named.append(misfit)
        raise _nearest(named or misfits, expected(self.label, value), self.label)

    def schema(self, defs: Definitions, /) -> Schema:
        return {"anyOf": [member.schema(defs) for member in self.members]}


def _nearest(misfits: list[Misfit], other: Misfit, label: str) -> Misfit:
    """Return the one error that helps, or all of them together."""
    if not misfits:
        return other
    if len(misfits) == 1:
        return misfits[0]
    return Misfit(f"Expected `{label}`: {'; '.join(dict.fromkeys(map(str, misfits)))}")


class AliasReader(Reader):
    """Reads the type that a ``type`` statement names, and that may refer to itself.

    Args:
        name: The name of the alias.

    Attributes:
        target: The reader of that type; set when it is known.
        is_used: Whether the alias refers to itself.
    """

    target: Reader

    def __init__(self, name: str) -> None:
        self.label = name
        self.is_used = False

    def read(self, value: Any) -> Any:
        return self.target.read(value)

    def schema(self, defs: Definitions, /) -> Schema:
        return defs.refer(self, self.label, self._described)

    def _described(self, defs: Definitions) -> Schema:
        return self.target.schema(defs)
