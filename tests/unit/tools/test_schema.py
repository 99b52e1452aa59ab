from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import ConfigurationError
from kimi_async.tools import moonshot_schema
from kimi_async.tools._schema import schema_of

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}
ANYTHING = {
    "anyOf": [{"type": name} for name in ("string", "number", "boolean", "object", "array", "null")]
}


def check(node: dict[str, Any], *, at_root: bool = True) -> None:
    """Hold *node* against the rules of ``docs/providers.md`` 3.3, independently of what wrote it."""
    annotations = {"title", "description"} | ({"$defs"} if at_root else set())
    kinds = [key for key in ("type", "anyOf", "$ref") if key in node]
    assert len(kinds) == 1
    if kinds != ["type"]:
        assert node.keys() - annotations == set(kinds)
    else:
        assert node["type"] in TYPES
        assert not {"oneOf", "allOf", "const", "pattern", "format", "prefixItems"} & node.keys()
    assert node.get("$ref", "#/$defs/").startswith("#/$defs/")
    parts = [*node.get("anyOf", ()), *node.get("properties", {}).values()]
    parts += [node[key] for key in ("items", "additionalProperties") if key in node]
    for part in [*parts, *node.get("$defs", {}).values()]:
        if not isinstance(part, bool):
            check(part, at_root=False)


def of_one(schema: object, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        pytest.param(TEXT, TEXT, id="simple"),
        pytest.param({}, ANYTHING, id="nothing-said"),
        pytest.param(True, ANYTHING, id="true"),
        pytest.param({"description": "d"}, {"description": "d", **ANYTHING}, id="only-described"),
        pytest.param(
            {"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}, id="enum-without-type"
        ),
        pytest.param({"const": 1}, {"type": "integer", "enum": [1]}, id="const"),
        pytest.param({"const": None}, NULL, id="const-null"),
        pytest.param(
            {"enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}, id="enum-of-numbers"
        ),
        pytest.param(
            {"enum": [True, "a"]},
            {
                "anyOf": [
                    {"type": "boolean", "enum": [True]},
                    {"type": "string", "enum": ["a"]},
                ]
            },
            id="mixed-enum",
        ),
        pytest.param(
            {"type": ["string", "null"], "minLength": 1, "default": None, "title": "A"},
            {
                "title": "A",
                "anyOf": [{"type": "string", "minLength": 1}, {"type": "null", "default": None}],
            },
            id="list-of-types",
        ),
        pytest.param(
            {"type": "string", "anyOf": [{"minLength": 1}, {"maxLength": 9}], "default": "a"},
            {"anyOf": [{"type": "string", "minLength": 1}, {"type": "string", "maxLength": 9}]},
            id="type-beside-anyOf",
        ),
        pytest.param({"anyOf": [True]}, {"anyOf": [ANYTHING]}, id="true-in-anyOf"),
        pytest.param({"oneOf": [TEXT, NULL]}, {"anyOf": [TEXT, NULL]}, id="oneOf"),
        pytest.param(
            {
                "type": "object",
                "properties": {"x": TEXT},
                "required": ["x"],
                "anyOf": [{"properties": {"y": TEXT}, "required": ["y", "x"]}, {}],
            },
            {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"x": TEXT, "y": TEXT},
                        "required": ["x", "y"],
                    },
                    {"type": "object", "properties": {"x": TEXT}, "required": ["x"]},
                ]
            },
            id="object-beside-anyOf",
        ),
        pytest.param(
            {"allOf": [INTEGER], "description": "d"},
            {"description": "d", **INTEGER},
            id="allOf-one",
        ),
        pytest.param({"allOf": [], "type": "null"}, NULL, id="allOf-none"),
        pytest.param({"minLength": 1}, {"type": "string", "minLength": 1}, id="string-by-limit"),
        pytest.param({"properties": {}}, {"type": "object", "properties": {}}, id="object-by-word"),
        pytest.param({"items": TEXT}, {"type": "array", "items": TEXT}, id="array-by-word"),
        pytest.param({"minimum": 1}, {"type": "number", "minimum": 1}, id="number-by-limit"),
        pytest.param({"type": "array", "items": {}}, {"type": "array"}, id="items-of-anything"),
        pytest.param(
            {"type": "array", "items": [TEXT, INTEGER, TEXT]},
            {"type": "array", "items": {"anyOf": [TEXT, INTEGER]}},
            id="tuple-of-draft-7",
        ),
        pytest.param(
            {"type": "array", "prefixItems": [TEXT], "items": INTEGER},
            {
                "description": '(prefixItems: [{"type": "string"}])',
                "type": "array",
                "items": {"anyOf": [TEXT, INTEGER]},
            },
            id="tuple-with-more",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {}},
            {"type": "object", "additionalProperties": True},
            id="additional-of-anything",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"const": "a"}},
            {"type": "object", "additionalProperties": {"type": "string", "enum": ["a"]}},
            id="additional-schema",
        ),
        pytest.param(
            {"type": "string", "format": "date", "pattern": "^2", "description": "Day."},
            {"description": "Day. (pattern: ^2; format: date)", "type": "string"},
            id="told",
        ),
        pytest.param(
            {"type": "integer", "default": 3, "$comment": "no", "examples": [1]},
            {"type": "integer", "default": 3},
            id="default-kept",
        ),
        pytest.param({"type": "integer", "default": "3"}, INTEGER, id="default-of-other-type"),
        pytest.param({"type": "object", "default": {}}, {"type": "object"}, id="default-object"),
        pytest.param(
            {"type": "number", "default": 1}, {"type": "number", "default": 1}, id="whole"
        ),
    ],
)
def test_a_schema_in_the_flavour(given: object, written: dict[str, Any]) -> None:
    schema = of_one(given)
    before = copy.deepcopy(schema)
    flavoured = moonshot_schema(schema)
    assert flavoured == of_one(written)
    assert schema == before
    check(flavoured)


def test_definitions_stand_below_defs_and_only_those_that_are_used() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/definitions/Node"}}}
    schema = of_one(
        {"$ref": "#/definitions/Node", "description": "First.", "default": None},
        definitions={"Node": node, "Unused": TEXT},
    )
    assert moonshot_schema({**schema, "$defs": {"Other": TEXT}}) == of_one(
        {"$ref": "#/$defs/Node", "description": "First."},
        **{"$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}}},
    )


def test_a_root_that_is_a_reference_is_written_out() -> None:
    schema = {
        "$ref": "#/$defs/A",
        "description": "d",
        "$defs": {"A": of_one({"$ref": "#/$defs/B"}), "B": TEXT},
    }
    written = moonshot_schema(schema)
    assert written == {
        **of_one({"$ref": "#/$defs/B"}),
        "description": "d",
        "$defs": {"B": TEXT},
    }
    check(written)


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (TEXT, "the root: it must be an object"),
        ({"anyOf": [{"type": "object"}]}, "the root: it must be an object"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "it must be an object"),
        ({"$ref": "#/$defs/A"}, "#/$defs/A: there is no such definition"),
        (of_one({"$ref": "#/$defs/A"}), "#/$defs/A: there is no such definition"),
        (of_one({"$ref": "#/properties/b"}), "the root.a: '$ref' must begin with #/$defs/"),
        (of_one({"$ref": 1}), "'$ref' must begin with #/$defs/"),
        (of_one({}, **{"$defs": {"a/b": {}}}), "$defs.a/b: the name of a definition must not hold"),
        (of_one({"not": {}}), "the root.a: 'not' is not known there"),
        (of_one({"type": "object", "patternProperties": {}}), "'patternProperties' is not known"),
        (of_one({"allOf": [{}, {}]}), "'allOf' of several schemas is not known there"),
        (of_one({"allOf": [1]}), "a subschema must be an object"),
        (of_one(False), "the root.a: a subschema must be an object"),
        (of_one({"anyOf": [1]}), "a subschema must be an object"),
        (of_one({"type": "text"}), "the root.a: there is no type 'text'"),
        (of_one({"enum": []}), "'enum' must list texts, numbers, booleans or null"),
        (of_one({"enum": [{}]}), "'enum' must list texts, numbers, booleans or null"),
        (of_one({}, required=["b"]), "the required 'b' is not among the properties"),
        ({"type": "object", "properties": {"anyOf": TEXT}}, "must not be named 'anyOf'"),
        ({"type": "object", "properties": 1}, "this is no JSON Schema: "),
        (of_one({"type": 1}), "this is no JSON Schema: "),
        (of_one({"allOf": {"type": None}}), "this is no JSON Schema: "),
    ],
)
def test_what_cannot_be_written(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        moonshot_schema(schema)
    assert caught.value.message.startswith("the schema cannot be written for Moonshot: ")
    assert problem in caught.value.message
    assert caught.value.__context__ is None


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text()
WORDS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"),
        *("default", "required", "additionalProperties", "minLength", "minimum", "format"),
        *("description", "a"),
    ]
)
VALUES = st.recursive(
    SCALARS | st.sampled_from([*TYPES, "#/$defs/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(WORDS | st.just("$defs"), VALUES, max_size=4))
def test_anything_is_written_by_the_rules_or_refused(schema: dict[str, Any]) -> None:
    try:
        written = moonshot_schema({**schema, "type": "object"})
    except ConfigurationError:
        return
    check(written)
    assert moonshot_schema(written) == written


Schemas = st.SearchStrategy[Any]


def holding(inner: Schemas) -> Schemas:
    return (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries({"oneOf": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries(
            {
                "type": st.just(["object", "null"]),
                "properties": st.fixed_dictionaries({"a": inner}),
            }
        )
    )


SIMPLE: list[Any] = [TEXT, INTEGER, NULL, {"enum": ["a", 1]}, {"const": "b"}, {}, True]
SUBSCHEMAS: Schemas = st.recursive(
    st.sampled_from([*SIMPLE, {"type": "string", "minLength": 2}]), holding, max_leaves=6
)


@given(SUBSCHEMAS, VALUES)
def test_what_a_schema_takes_it_still_takes(schema: object, value: Any) -> None:
    if jsonschema.Draft202012Validator(of_one(schema)).is_valid({"a": value}):
        written = moonshot_schema(of_one(schema))
        assert jsonschema.Draft202012Validator(written).is_valid({"a": value})


# Types


@dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    point: int


Other = pydantic.create_model("Point", y=(str, ...))
Holder = pydantic.create_model("Holder", other=(Other, ...))


class Plain:
    """A class that says nothing of its fields."""


def test_a_type_whose_values_are_objects() -> None:
    assert schema_of(Point) == {
        "title": "Point",
        "type": "object",
        "properties": {"x": INTEGER},
        "required": ["x"],
    }
    assert schema_of(Model)["properties"] == {"point": {"title": "Point", "type": "integer"}}


@pytest.mark.parametrize(
    ("into", "problem"),
    [
        (list[int], "the root: it must be an object"),
        (Plain, "Plain'> is not supported"),
        (
            msgspec.defstruct("Both", [("a", Point), ("b", Holder)]),
            "two different types are named 'Point'",
        ),
    ],
    ids=["no-object", "unknown", "one-name-twice"],
)
def test_a_type_without_a_schema(into: object, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        schema_of(into)
    assert problem in caught.value.message
    assert caught.value.__context__ is None
