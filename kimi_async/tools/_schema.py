"""JSON Schemas of types, in Moonshot's flavour; pure.

Moonshot takes a subset of JSON Schema ("MFJS", ``docs/providers.md`` 3.3) and refuses the whole request for a schema
outside of it. It is a subset that every other host takes too, so there is one form for all.

pydantic models are known by their method ``model_json_schema``: pydantic is never imported.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kimi_async._errors import ConfigurationError

__all__ = ["moonshot_schema", "schema_of"]

_TYPES: Final = ("string", "number", "integer", "boolean", "object", "array", "null")
#: "integer" is a "number".
_ANY: Final = tuple(name for name in _TYPES if name != "integer")
#: What a subschema of each type may say, beside its annotations.
_OWN: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "number": frozenset({"minimum", "maximum"}),
    "integer": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "null": frozenset(),
}
#: What gives a type away where none is named.
_HINTS: Final[Mapping[str, frozenset[str]]] = {
    "object": _OWN["object"] | {"minProperties", "maxProperties"},
    "array": _OWN["array"] | {"prefixItems", "uniqueItems"},
    "string": _OWN["string"] | {"pattern", "format", "contentEncoding"},
    "number": _OWN["number"] | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}
#: What the subset lacks and the model can be told in words; it is checked here, when the value comes.
_TOLD: Final = (
    *("pattern", "format", "contentEncoding", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "uniqueItems", "prefixItems", "minProperties", "maxProperties"),
)
#: What cannot be said otherwise.
_REFUSED: Final = frozenset(
    {"not", "if", "then", "else", "patternProperties", "propertyNames", "contains"}
    | {"dependentRequired", "dependentSchemas", "$dynamicRef", "unevaluatedProperties"}
)
#: Names that no property may have: Moonshot's validator takes them for keywords.
_NO_NAMES: Final = frozenset({"$defs", "$ref", "anyOf", "required", "additionalProperties"})
_REFS: Final = ("#/$defs/", "#/definitions/")


def schema_of(into: object) -> dict[str, Any]:
    """The JSON Schema of a type whose values are objects, in Moonshot's flavour.

    Args:
        into: A ``TypedDict``, dataclass, attrs class, ``msgspec.Struct`` or pydantic model. Inside, everything that
            msgspec knows: builtins, ``Literal``, ``Annotated`` with bounds, enums, unions, and these classes again.

    Raises:
        ConfigurationError: Something in it has no JSON Schema, or none in this flavour.
    """
    foreign: dict[str, Any] = {}
    try:
        (schema,), own = msgspec.json.schema_components([into], schema_hook=_foreign_hook(foreign))
    except (TypeError, ValueError, NameError, RecursionError) as error:
        problem = _last_line(error)
    else:
        twice = [name for name in foreign if own.get(name, foreign[name]) != foreign[name]]
        if not twice:
            return moonshot_schema({**schema, "$defs": own | foreign})
        problem = f"two different types are named {twice[0]!r}"
    raise ConfigurationError(f"no JSON Schema can be made: {problem}")


def _foreign_hook(defs: dict[str, Any]) -> Callable[[builtins.type], dict[str, Any]]:
    """What gives the schema of a pydantic model; its definitions are put into *defs*."""

    def schema_of_model(model: Any) -> dict[str, Any]:
        if not hasattr(model, "model_json_schema"):
            raise NotImplementedError
        schema: dict[str, Any] = model.model_json_schema(ref_template="#/$defs/{model}")
        defs.update(schema.pop("$defs", {}))
        return schema

    return schema_of_model


def _last_line(error: Exception) -> str:
    return str(error).rpartition("\n")[2] or type(error).__name__


def moonshot_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write a JSON Schema in Moonshot's flavour, which every host takes.

    Every subschema gets its ``type``, inside of ``anyOf`` and never beside it; ``$ref`` stands below ``#/$defs``;
    ``oneOf`` and lists of types become ``anyOf``, ``const`` an ``enum``. Limits that the flavour lacks (``pattern``,
    ``format``, ...) are told in the description instead. A default is kept where it is a scalar of the right type.

    Args:
        schema: A schema of an object, of any draft. Nothing in it is changed.

    Raises:
        ConfigurationError: It is no schema of an object, or uses what cannot be said in the flavour (``not``, ``if``,
            ``patternProperties``, references to elsewhere, ...); the text names the place.

    Source: MoonshotAI/walle, ``docs/walle.md`` and ``docs/validation-principles.md`` (read 2026-11-22).
    """
    try:
        return _root(schema)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = str(error) or type(error).__name__
    raise _refusal("somewhere", f"this is no JSON Schema: {problem}")


def _root(schema: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        name: _node(value, f"$defs.{name}")
        for key in ("definitions", "$defs")
        for name, value in schema.get(key, {}).items()
    }
    slashed = next((name for name in given if "/" in name), None)
    if slashed is not None:
        raise _refusal(f"$defs.{slashed}", "the name of a definition must not hold '/'")
    root = _node(schema, "the root")
    if "$ref" in root:
        # A root has to name its type itself.
        root = _target(root, given) | {key: root[key] for key in root if key != "$ref"}
    if root.get("type") != "object":
        raise _refusal("the root", "it must be an object")
    used = _reachable(root, given)
    return root | ({"$defs": used} if used else {})


def _refusal(place: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"the schema cannot be written for Moonshot: {place}: {problem}")


def _target(node: Mapping[str, Any], defs: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    name = node["$ref"].removeprefix(_REFS[0])
    if name not in defs:
        raise _refusal(node["$ref"], "there is no such definition")
    return defs[name]


def _reachable(root: dict[str, Any], defs: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The definitions that *root* needs, by name."""
    found: dict[str, Any] = {}
    nodes = [root]
    while nodes:
        for part in _inside(nodes.pop()):
            if "$ref" in part:
                name = part["$ref"].removeprefix(_REFS[0])
                if name not in found:
                    found[name] = _target(part, defs)
                    nodes.append(found[name])
    return {name: found[name] for name in defs if name in found}


def _inside(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """*node* and all subschemas in it."""
    yield node
    subschemas = [*node.get("properties", {}).values(), *node.get("anyOf", ())]
    subschemas += [node[key] for key in ("items", "additionalProperties") if key in node]
    for part in subschemas:
        if isinstance(part, dict):
            yield from _inside(part)


def _node(schema: object, place: str) -> dict[str, Any]:
    """One subschema in the flavour."""
    if schema is True:
        schema = {}
    if not isinstance(schema, Mapping):
        raise _refusal(place, "a subschema must be an object")
    refused = sorted(_REFUSED & schema.keys())
    if refused:
        raise _refusal(place, f"{refused[0]!r} is not known there")
    parts = schema.get("allOf", ())
    if len(parts) > 1:
        raise _refusal(place, "'allOf' of several schemas is not known there")
    if parts:
        rest = {key: schema[key] for key in schema if key != "allOf"}
        return _node(_merged(rest, parts[0], place), place)
    if "$ref" in schema:
        return {"$ref": _reference(schema["$ref"], place), **_annotations(schema)}
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _any_of(schema, key, place)
    types = _types_of(schema, place)
    nodes = [_typed(schema, name, place) for name in types]
    return _annotations(schema) | (nodes[0] if len(nodes) == 1 else {"anyOf": nodes})


def _any_of(schema: Mapping[str, Any], key: str, place: str) -> dict[str, Any]:
    """A choice; what stands beside it goes into each branch, where alone it is allowed."""
    beside = {"title", "description", "default", "discriminator", "$defs", "definitions", key}
    shared = {name: schema[name] for name in schema if name not in beside}
    branches = [
        _node(_merged(shared, branch, place), f"{place}.anyOf[{number}]")
        for number, branch in enumerate(schema[key])
    ]
    return {**_annotations(schema), "anyOf": branches}


def _merged(shared: Mapping[str, Any], part: object, place: str) -> dict[str, Any]:
    """*part* with what applies to it from outside; where both speak, *part* is the narrower one."""
    if part is True:
        part = {}
    if not isinstance(part, Mapping):
        raise _refusal(place, "a subschema must be an object")
    own: dict[str, Any] = dict(part)
    merged = {**shared, **own}
    if "properties" in shared and "properties" in own:
        merged["properties"] = {**shared["properties"], **own["properties"]}
    if "required" in shared and "required" in own:
        merged["required"] = list(dict.fromkeys([*shared["required"], *own["required"]]))
    return merged


def _reference(ref: object, place: str) -> str:
    for start in _REFS:
        if isinstance(ref, str) and ref.startswith(start):
            return _REFS[0] + ref.removeprefix(start)
    raise _refusal(place, f"'$ref' must begin with {_REFS[0]}")


def _annotations(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Title and description, with the limits that can only be told."""
    kept = {key: schema[key] for key in ("title", "description") if key in schema}
    told = "; ".join(f"{key}: {_as_json(schema[key])}" for key in _TOLD if key in schema)
    if told:
        kept["description"] = f"{kept.get('description', '')} ({told})".strip()
    return kept


def _as_json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _types_of(schema: Mapping[str, Any], place: str) -> Sequence[str]:
    """The types that a subschema allows, each one of its own branches."""
    named = schema.get("type")
    if named is not None:
        types = [named] if isinstance(named, str) else list(dict.fromkeys(named))
        wrong = next((name for name in types if name not in _TYPES), None)
        if wrong is not None:
            raise _refusal(place, f"there is no type {wrong!r}")
        return types
    values = _values_of(schema)
    if values is not None:
        return _types_of_values(values, place)
    return next(
        ([name] for name, hints in _HINTS.items() if hints & schema.keys()),
        _ANY,
    )


def _values_of(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _types_of_values(values: list[Any], place: str) -> Sequence[str]:
    types = list(dict.fromkeys(map(_type_of_value, values)))
    if not types or "object" in types:
        raise _refusal(place, "'enum' must list texts, numbers, booleans or null")
    return [name for name in types if name != "integer" or "number" not in types]


def _type_of_value(value: object) -> str:
    """The type of a scalar; ``"object"`` for all that is none."""
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
        case _:
            return "object"


def _is_of(value: object, name: str) -> bool:
    own = _type_of_value(value)
    return own == name or (own, name) == ("integer", "number")


def _typed(schema: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    """What *schema* says of values of one type."""
    node: dict[str, Any] = {"type": name}
    node |= {key: schema[key] for key in schema if key in _OWN[name]}
    values = _values_of(schema)
    if values is not None and name != "null":
        node["enum"] = [value for value in values if _is_of(value, name)]
    if "default" in schema and name != "object" and _is_of(schema["default"], name):
        node["default"] = schema["default"]
    if name == "object":
        _type_object(node, place)
    elif name == "array":
        _type_array(node, schema, place)
    return node


def _type_object(node: dict[str, Any], place: str) -> None:
    properties = node.get("properties", {})
    bad = sorted(_NO_NAMES & properties.keys())
    if bad:
        raise _refusal(place, f"a property must not be named {bad[0]!r}")
    missing = [name for name in node.get("required", ()) if name not in properties]
    if missing:
        raise _refusal(place, f"the required {missing[0]!r} is not among the properties")
    if "properties" in node:
        node["properties"] = {
            name: _node(value, f"{place}.{name}") for name, value in properties.items()
        }
    if not isinstance(node.get("additionalProperties", True), bool):
        other = node["additionalProperties"]
        node["additionalProperties"] = _node(other, f"{place}.*") if other else True


def _type_array(node: dict[str, Any], schema: Mapping[str, Any], place: str) -> None:
    """Tuples have no form of their own: each element may be what any of them may be."""
    items = node.pop("items", True)
    heads = items if isinstance(items, Sequence) else schema.get("prefixItems", ())
    nodes: list[dict[str, Any]] = []
    for number, head in enumerate(heads):
        item = _node(head, f"{place}[{number}]")
        if item not in nodes:
            nodes.append(item)
    if isinstance(items, Mapping) and items:
        nodes.append(_node(items, f"{place}[]"))
    if nodes:
        node["items"] = nodes[0] if len(nodes) == 1 else {"anyOf": nodes}
