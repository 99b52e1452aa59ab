"""Write a JSON Schema in the flavour that Moonshot accepts; pure.

Moonshot takes a subset of JSON Schema, "MFJS", and refuses the whole request for a schema outside of it. Every other
host takes that subset, too, so there is one form for all.

Source: MoonshotAI/walle, ``docs/walle.md``, ``docs/mfjs-spec.md`` and its test data (read 2026-11-28).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from kimi_async._errors import ConfigurationError
from kimi_async._request._moonshot_rules import (
    MOST_BRANCHES,
    NO_NAMES,
    TYPES,
    is_of,
    type_of_value,
)
from kimi_async._to_json import problem_of_json

__all__ = ["moonshot_schema"]

_Schema: TypeAlias = Mapping[str, Any]

#: "integer" is a "number".
_ANY: Final = tuple(name for name in TYPES if name != "integer")
#: The keywords of a subschema of each type, beside its annotations.
_OWN: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "number": frozenset({"minimum", "maximum"}),
    "integer": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "null": frozenset(),
}
#: The keywords that imply a type where none is named.
_HINTS: Final[Mapping[str, frozenset[str]]] = {
    "object": _OWN["object"] | {"minProperties", "maxProperties", "propertyNames"},
    "array": _OWN["array"] | {"prefixItems", "uniqueItems"},
    "string": _OWN["string"] | {"pattern", "format", "contentEncoding"},
    "number": _OWN["number"] | {"exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}
#: Limits that the subset lacks, and that the model can be told in words. Some are words of our own readers.
_TOLD: Final = (
    *("pattern", "format", "contentEncoding", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "uniqueItems", "prefixItems", "minProperties", "maxProperties"),
    *("formatMinimum", "formatMaximum", "formatExclusiveMinimum", "formatExclusiveMaximum"),
    *("minBytes", "maxBytes", "timezone", "propertyNames"),
)
#: Limits that cannot be said otherwise.
_REFUSED: Final = frozenset(
    {"not", "if", "then", "else", "patternProperties", "contains"}
    | {"dependentRequired", "dependentSchemas", "$dynamicRef", "unevaluatedProperties"}
)
_CHOICES: Final = ("anyOf", "oneOf")
_ANNOTATIONS: Final = ("title", "description")


def moonshot_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write a JSON Schema in Moonshot's flavour, which every host takes.

    Every subschema gets its ``type``, inside of ``anyOf`` and never beside it. ``oneOf``, lists of types and
    ``nullable`` become ``anyOf``, and ``const`` becomes an ``enum``. References go to ``#`` or to ``#/$defs``.
    Alternatives at the root are merged into one object and told in its description, and so are limits that the flavour
    lacks (``pattern``, ``format`` and others). A default is kept where it is a scalar of the right type, and a required
    name is kept where there is such a property.

    Args:
        schema: A schema of an object, of any draft. Nothing in it is changed.

    Raises:
        ConfigurationError: The schema does not describe an object, or uses a keyword that the flavour cannot express
            (``not``, ``if``, ``patternProperties``, references to elsewhere and others); the text names the place.

    Source: MoonshotAI/walle, ``docs/walle.md`` and ``docs/validation-principles.md`` (read 2026-11-28).
    """
    try:
        return _Writer(schema).write()
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        pass  # the words of Python would not help
    raise _refusal("the root", "this is not a JSON Schema, or it contains itself")


def _refusal(place: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"the schema cannot be written for Moonshot: {place}: {problem}")


class _Writer:
    """Writes one schema; every part that something refers to becomes a definition of its own."""

    def __init__(self, schema: _Schema) -> None:
        self._source = schema
        self._defs: dict[str, Any] = {}
        #: The name of the definition for each place that something refers to.
        self._names: dict[tuple[str, ...], str] = {}

    def write(self) -> dict[str, Any]:
        root = self._node(self._one_object(_mapping(self._source, "the root")), "the root")
        if root.get("type") != "object":
            raise _refusal("the root", "it must be an object")
        empty = self._empty_definition()
        if empty is not None:
            raise _refusal(f"$defs.{empty}", "it refers to itself and says nothing else")
        return root | ({"$defs": self._defs} if self._defs else {})

    # The root

    def _one_object(self, schema: _Schema) -> _Schema:
        """Return the root without a reference, and with its alternatives merged: it must name its type itself."""
        schema = self._without_refs(schema, "the root")
        schema = {key: schema[key] for key in schema if key not in ("nullable", "$schema", "$id")}
        if schema.get("type") == "object" or "object" in _listed(schema.get("type")):
            schema = {**schema, "type": "object"}
        for key in _CHOICES:
            if key in schema:
                rest = {name: schema[name] for name in schema if name != key}
                branches = [self._branch(each) for each in schema[key]]
                schema = _merged_root(rest, key, branches)
        return (
            schema
            if schema.keys() - {*_ANNOTATIONS, "$defs", "definitions"}
            else {**schema, "type": "object"}
        )

    def _branch(self, branch: object) -> _Schema:
        """Return one alternative of the root, which must be an object."""
        flat = self._one_object(self._without_refs(_mapping(branch, "the root"), "the root"))
        if _types_of(flat, "the root") != ["object"]:
            raise _refusal("the root", "each of its alternatives must be an object")
        return flat

    def _without_refs(self, schema: _Schema, place: str) -> _Schema:
        """Return *schema* merged with the schema that it refers to and with its ``allOf``."""
        seen: set[object] = set()
        while "$ref" in schema or "allOf" in schema:
            if "$ref" in schema:
                if schema["$ref"] in seen:
                    raise _refusal(place, "it must be an object, and refers to itself")
                seen.add(schema["$ref"])
                rest = {key: schema[key] for key in schema if key != "$ref"}
                target = self._target(_tokens(schema["$ref"], place), schema["$ref"])
                schema = _merged(_mapping(target, place), rest)
            else:
                schema = self._of_all(schema, place)
        return schema

    # References

    def _target(self, tokens: Iterable[str], ref: object) -> object:
        part: Any = self._source
        for token in tokens:
            if isinstance(part, Mapping) and token in part:
                part = part[token]
            elif isinstance(part, Sequence) and token.isdecimal() and int(token) < len(part):
                part = part[int(token)]
            else:
                raise _refusal(str(ref), "there is no such definition")
        return part

    def _reference(self, ref: object, place: str) -> str:
        tokens = _tokens(ref, place)
        if not tokens:
            return "#"
        if tokens not in self._names:
            target = self._target(tokens, ref)
            name = self._free(tokens[-1].replace("/", "_"))
            self._names[tokens] = name
            self._defs[name] = {}
            self._defs[name] = self._node(target, f"$defs.{name}")
        return f"#/$defs/{self._names[tokens]}"

    def _free(self, name: str) -> str:
        free, number = name, 1
        while free in self._defs:
            number += 1
            free = f"{name}_{number}"
        return free

    def _empty_definition(self) -> str | None:
        """Return the name of a definition that says nothing but a reference to itself."""
        waiting = dict(self._defs)
        while True:
            known = [name for name, node in waiting.items() if _says_something(node, waiting)]
            if not known:
                return next(iter(waiting), None)
            for name in known:
                del waiting[name]

    # Subschemas

    def _node(self, given: object, place: str) -> dict[str, Any]:
        """Return one subschema in the flavour."""
        schema = _mapping(given, place)
        refused = sorted(_REFUSED & schema.keys())
        if refused:
            raise _refusal(place, f"{refused[0]!r} is not known there")
        if "allOf" in schema:
            return self._node(self._of_all(schema, place), place)
        if schema.get("nullable") is True:
            return self._node(_with_null(schema), place)
        if "$ref" in schema:
            # Moonshot refuses a description here if the definition has one, too; in a choice it may stand.
            node = {"$ref": self._reference(schema["$ref"], place)}
            notes = _annotations(schema)
            return {**notes, "anyOf": [node]} if notes else node
        for key in _CHOICES:
            if key in schema:
                return self._any_of(schema, key, place)
        nodes = [self._typed(schema, name, place) for name in _types_of(schema, place)]
        return _annotations(schema) | _one_of(nodes)

    def _of_all(self, schema: _Schema, place: str) -> _Schema:
        """Return *schema* merged with each of its ``allOf``."""
        merged: _Schema = {key: schema[key] for key in schema if key != "allOf"}
        parts = [_mapping(part, place) for part in schema["allOf"]]
        if len(parts) > 1:
            parts = [self._without_refs(part, place) for part in parts]
            if any(_clash(first, second) for first, second in itertools.pairwise(parts)):
                raise _refusal(place, "'allOf' of schemas that limit the same is not known there")
        for part in parts:
            merged = _merged(merged, part)
        return merged

    def _any_of(self, schema: _Schema, key: str, place: str) -> dict[str, Any]:
        """Return a choice; the keywords beside it go into each branch, the only place where they are allowed."""
        beside = {*_ANNOTATIONS, "default", "discriminator", "$defs", "definitions", key}
        shared = {name: schema[name] for name in schema if name not in beside}
        branches = [
            self._node(_merged(shared, _mapping(branch, place)), f"{place}.anyOf[{number}]")
            for number, branch in enumerate(schema[key])
        ]
        if not branches:
            raise _refusal(place, f"{key!r} is empty")
        return {**_annotations(schema), "anyOf": _grouped(branches)}

    def _typed(self, schema: _Schema, name: str, place: str) -> dict[str, Any]:
        """Return the part of *schema* about values of one type."""
        node: dict[str, Any] = {"type": name}
        node |= {key: schema[key] for key in schema if key in _OWN[name]}
        values = _values_of(schema)
        if values is not None and name not in ("null", "object", "array"):
            node["enum"] = [value for value in values if is_of(value, name)]
        default = schema.get("default", {})  # not of any of these types
        if name not in ("object", "array") and is_of(default, name):
            node["default"] = default
        if name == "object":
            self._type_object(node, place)
        elif name == "array":
            self._type_array(node, schema, place)
        return node

    def _type_object(self, node: dict[str, Any], place: str) -> None:
        properties = node.get("properties", {})
        bad = sorted(NO_NAMES & properties.keys())
        if bad:
            raise _refusal(place, f"a property must not be named {bad[0]!r}")
        if "properties" in node:
            node["properties"] = {
                name: self._node(value, f"{place}.{name}") for name, value in properties.items()
            }
        required = node.pop("required", None)
        if _is_list(required):
            node["required"] = [name for name in properties if name in required]
        if not isinstance(node.get("additionalProperties", True), bool):
            other = node["additionalProperties"]
            node["additionalProperties"] = self._node(other, f"{place}.*") if other else True

    def _type_array(self, node: dict[str, Any], schema: _Schema, place: str) -> None:
        """Write the elements: tuples have no form of their own, so each element may be of the type of any of them."""
        items = node.pop("items", True)
        heads = items if isinstance(items, Sequence) else schema.get("prefixItems", ())
        nodes: list[dict[str, Any]] = []
        for number, head in enumerate(heads):
            item = self._node(head, f"{place}[{number}]")
            if item not in nodes:
                nodes.append(item)
        if isinstance(items, Mapping) and items:
            nodes.append(self._node(items, f"{place}[]"))
        if nodes:
            node["items"] = _one_of(nodes)


def _mapping(schema: object, place: str) -> _Schema:
    """Return a subschema whose keywords have the form that JSON Schema gives them."""
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise _refusal(place, "a subschema must be an object")
    for form, (keywords, is_form) in _FORMS.items():
        wrong = next((key for key in keywords if key in schema and not is_form(schema[key])), None)
        if wrong is not None:
            raise _refusal(place, f"{wrong!r} must be {form}")
    return schema


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _is_type(value: object) -> bool:
    return isinstance(value, str) or (_is_list(value) and all(map(_is_text, _listed(value))))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_items(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple, bool))


def _is_number(value: object) -> bool:
    return is_of(value, "number")


def _is_json(value: object) -> bool:
    return problem_of_json({"": value}) is None


#: The form of the value of each keyword that is read here.
_FORMS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[object], bool]]]] = {
    "an object": (("properties", "$defs", "definitions"), _is_object),
    "a list": (("enum", "allOf", *_CHOICES, "prefixItems"), _is_list),
    "a text": (("$ref",), _is_text),
    "a text or a list of texts": (("type",), _is_type),
    "a schema": (("items",), _is_items),
    "a number": (
        (*sorted(_OWN["number"] | _OWN["string"]), "minItems", "maxItems"),
        _is_number,
    ),
    "a value that JSON has": (("const", "enum", *_TOLD), _is_json),
}


def _says_something(node: _Schema, waiting: Mapping[str, Any]) -> bool:
    """Return whether a node has a type, or a reference to a definition that is not among *waiting*."""
    if "$ref" in node:
        return node["$ref"].removeprefix("#/$defs/") not in waiting
    return "type" in node or any(_says_something(branch, waiting) for branch in node["anyOf"])


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _tokens(ref: object, place: str) -> tuple[str, ...]:
    """Return the steps of a reference inside of the schema, from its root."""
    if ref == "#":
        return ()
    if not isinstance(ref, str) or not ref.startswith("#/"):
        raise _refusal(place, "'$ref' must be '#' or begin with '#/'")
    steps = unquote(ref).split("/")[1:]
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _grouped(branches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return *branches* in groups, because a choice may have ten at most."""
    while len(branches) > MOST_BRANCHES:
        branches = [
            _one_of(branches[start : start + MOST_BRANCHES])
            for start in range(0, len(branches), MOST_BRANCHES)
        ]
    return branches


def _one_of(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    return nodes[0] if len(nodes) == 1 else {"anyOf": _grouped(nodes)}


def _with_null(schema: _Schema) -> _Schema:
    """Return *schema* with ``null`` as a choice, the meaning of ``nullable`` in OpenAPI."""
    notes = {key: schema[key] for key in _ANNOTATIONS if key in schema}
    inner = {key: schema[key] for key in schema if key not in (*_ANNOTATIONS, "nullable")}
    return {**notes, "anyOf": [inner, {"type": "null"}]}


def _merged_root(rest: _Schema, key: str, branches: list[_Schema]) -> _Schema:
    """Return one object that accepts each of the alternatives; they are told in its description."""
    merged: dict[str, Any] = {**rest}
    if branches:
        needed = [set(_listed(branch.get("required"))) for branch in branches]
        always = [
            name
            for name in _listed(branches[0].get("required"))
            if all(name in each for each in needed)
        ]
        merged["required"] = [*_listed(rest.get("required")), *always]
    properties: dict[str, Any] = {**rest.get("properties", {})}
    for branch in branches:
        for name, value in branch.get("properties", {}).items():
            known = properties.setdefault(name, value)
            if known != value:
                properties[name] = {"anyOf": [*_alternatives(known), value]}
    merged["properties"] = properties
    closed = [branch.get("additionalProperties") for branch in branches]
    if "additionalProperties" not in rest and closed and all(each is False for each in closed):
        merged["additionalProperties"] = False
    told = f"({key}: {_as_json(branches)})"
    merged["description"] = f"{rest.get('description', '')} {told}".strip()
    return {**merged, "type": rest.get("type", "object")}


def _alternatives(schema: Any) -> list[Any]:
    if isinstance(schema, Mapping) and schema.keys() == {"anyOf"}:
        return _listed(schema["anyOf"])
    return [schema]


def _clash(first: _Schema, second: _Schema) -> bool:
    """Return whether two schemas limit the same thing in two ways."""
    free = {"properties", "required", "$defs", "definitions", *_ANNOTATIONS}
    return any(first[key] != second[key] for key in first.keys() & second.keys() - free) or any(
        first["properties"][name] != second["properties"][name]
        for name in first.get("properties", {}).keys() & second.get("properties", {}).keys()
    )


def _merged(shared: _Schema, part: _Schema) -> _Schema:
    """Return *part* with the keywords from outside; a keyword of *part* wins, because it is the narrower one."""
    merged = {**shared, **part}
    if "properties" in shared and "properties" in part:
        merged["properties"] = {**shared["properties"], **part["properties"]}
    if "required" in shared and "required" in part:
        merged["required"] = list(dict.fromkeys([*shared["required"], *part["required"]]))
    return merged


def _annotations(schema: _Schema) -> dict[str, Any]:
    """Return title and description, with the limits that can only be told."""
    kept = {key: schema[key] for key in _ANNOTATIONS if isinstance(schema.get(key), str)}
    said = [f"{key}: {_as_json(schema[key])}" for key in _TOLD if key in schema]
    values = _values_of(schema)
    if values and any(type_of_value(value) in ("object", "array") for value in values):
        said.append(f"enum: {_as_json(values)}")
    if said:
        kept["description"] = f"{kept.get('description', '')} ({'; '.join(said)})".strip()
    return kept


def _as_json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _types_of(schema: _Schema, place: str) -> Sequence[str]:
    """Return the types that a subschema allows, each of which gets a branch of its own."""
    named = schema.get("type")
    values = _values_of(schema)
    if values == []:
        raise _refusal(place, "'enum' is empty")
    if named is not None:
        types = [named] if isinstance(named, str) else list(dict.fromkeys(named))
        wrong = next((name for name in types if name not in TYPES), None)
        if wrong is not None:
            raise _refusal(place, f"there is no type {wrong!r}")
        if values is not None:
            types = [name for name in types if any(is_of(value, name) for value in values)]
        if not types:
            raise _refusal(place, "no value can be of its type")
        return types
    if values is not None:
        types = list(dict.fromkeys(map(type_of_value, values)))
        return [name for name in types if name != "integer" or "number" not in types]
    return next(([name] for name, hints in _HINTS.items() if hints & schema.keys()), _ANY)


def _values_of(schema: _Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None
