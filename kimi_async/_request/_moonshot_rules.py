"""The schemas that Moonshot refuses; pure.

Only rules are here that its validator applies at every level, so that a finding is never a false alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = [
    "MOST_BRANCHES",
    "NO_NAMES",
    "TYPES",
    "is_of",
    "moonshot_problem",
    "type_of_value",
]

TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
#: Names that no property may have: Moonshot's validator takes them for keywords.
NO_NAMES: Final = frozenset({"$defs", "$ref", "anyOf", "required", "additionalProperties"})
#: How many branches a choice may have: the documentation says 10, the validator 100.
MOST_BRANCHES: Final = 10
_REFUSED_BRANCHES: Final = 100

_SCALARS: Final = ("string", "integer", "number", "boolean", "null")


def moonshot_problem(schema: object) -> str | None:
    """Return why Moonshot refuses the parameters of a tool, with the place; ``None`` if it is not known to.

    Args:
        schema: The JSON Schema.

    Source: MoonshotAI/walle, ``validator.go`` and ``keyword_validators.go`` (read 2026-11-28).
    """
    try:
        return next(_problems(schema, schema, "the root"), None)
    except RecursionError:
        return "the root: it is nested too deeply"


def _problems(schema: object, root: Any, place: str) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for problem in (*_of_type(schema), *_of_enum(schema), *_of_ref(schema, root)):
            yield f"{place}: {problem}"
        yield from _of_object(schema, root, place)
        yield from _of_definitions(schema, root)
        if "items" in schema:
            yield from _problems(schema["items"], root, f"{place}[]")
        yield from _of_choice(schema, root, place)
    else:
        yield f"{place}: a subschema must be an object"


def _of_type(schema: Mapping[str, Any]) -> Iterator[str]:
    for key in ("title", "description"):
        if not isinstance(schema.get(key, ""), str):
            yield f"{key!r} must be a text"
    types = _types_of(schema)
    if "type" in schema:
        if not types or any(name not in TYPES for name in types):
            yield f"there is no type {schema['type']!r}"
        for key in ("anyOf", "$ref"):
            if key in schema:
                yield f"'type' stands beside {key!r}, and must be inside of it"


def _types_of(schema: Mapping[str, Any]) -> list[Any]:
    named = schema.get("type")
    return list(named) if isinstance(named, (list, tuple)) else [named]


def _of_enum(schema: Mapping[str, Any]) -> Iterator[str]:
    values = schema.get("enum", ("",))
    if not isinstance(values, (list, tuple)) or not values:
        yield "'enum' must be a list with values"
    elif "enum" in schema:
        types = _types_of(schema)
        if "type" not in schema:
            yield "'enum' needs a 'type' beside it"
        elif not all(name in _SCALARS for name in types):
            yield "'enum' is for texts, numbers and booleans"
        elif not all(any(is_of(value, name) for name in types) for value in values):
            yield "a value of 'enum' is not of the type beside it"


def _of_ref(schema: Mapping[str, Any], root: Any) -> Iterator[str]:
    ref = schema.get("$ref", "#")
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        yield "'$ref' must be '#' or begin with '#/$defs/'"
    elif ref.startswith("#/$defs/"):
        defs = root.get("$defs")
        found = defs.get(ref.removeprefix("#/$defs/")) if isinstance(defs, Mapping) else None
        if not isinstance(defs, Mapping) or ref.split("/")[2] not in defs:
            yield f"there is no definition {ref!r}"
        elif isinstance(found, Mapping):
            for key in schema.keys() & found.keys() - {"$ref"}:
                yield f"{key!r} stands beside '$ref', and also in {ref!r}"


def _of_object(schema: Mapping[str, Any], root: Any, place: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        yield f"{place}: 'properties' must be an object"
    for name, value in _items(properties):
        if name in NO_NAMES:
            yield f"{place}: a property must not be named {name!r}"
        if not _is_plain(value):
            yield from _problems(value, root, f"{place}.{name}")
    required = schema.get("required", ())
    names = [name for name, _ in _items(properties)]
    if not isinstance(required, (list, tuple)):
        yield f"{place}: 'required' must be a list"
    elif any(name not in names for name in required):
        missing = next(name for name in required if name not in names)
        yield f"{place}: the required {missing!r} is not among the properties"
    others = schema.get("additionalProperties", True)
    if not isinstance(others, bool):
        yield from _problems(others, root, f"{place}.*")


def _is_plain(schema: object) -> bool:
    """Return whether this is one type with a description: most properties are, and need no closer look."""
    return (
        type(schema) is dict
        and schema.keys() <= {"type", "description"}
        and schema.get("type") in TYPES
        and type(schema.get("description", "")) is str
    )


def _of_definitions(schema: Mapping[str, Any], root: Any) -> Iterator[str]:
    for name, value in _items(schema.get("$defs")):
        if "/" in str(name):
            yield f"$defs.{name}: the name of a definition must not hold '/'"
        yield from _problems(value, root, f"$defs.{name}")


def _items(given: object) -> list[tuple[str, Any]]:
    return list(given.items()) if isinstance(given, Mapping) else []


def _of_choice(schema: Mapping[str, Any], root: Any, place: str) -> Iterator[str]:
    if "anyOf" not in schema:
        return
    branches = schema["anyOf"]
    if not isinstance(branches, (list, tuple)) or not 1 <= len(branches) <= _REFUSED_BRANCHES:
        yield f"{place}: 'anyOf' must be a list of 1 to {_REFUSED_BRANCHES} schemas"
    else:
        for number, branch in enumerate(branches):
            yield from _problems(branch, root, f"{place}.anyOf[{number}]")


def type_of_value(value: object) -> str:
    """Return the type of a JSON value, ``"integer"`` for a number without a point."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"


def is_of(value: object, name: str) -> bool:
    """Return whether a JSON value is of this type."""
    own = type_of_value(value)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if own == "number" and name == "integer":
        return isinstance(value, float) and value.is_integer()
    return own == name or (own, name) == ("integer", "number")
