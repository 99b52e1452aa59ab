from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from written_schemas import INTEGER, NULL, TEXT, check, of_one

from kimi_async import ConfigurationError
from kimi_async.tools import moonshot_schema

ANYTHING = {
    "anyOf": [{"type": name} for name in ("string", "number", "boolean", "object", "array", "null")]
}


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
        pytest.param(
            {"type": "number", "default": float("nan")}, {"type": "number"}, id="default-nan"
        ),
        pytest.param({"type": "integer", "default": "3"}, INTEGER, id="default-of-other-type"),
        pytest.param({"type": "object", "default": {}}, {"type": "object"}, id="default-object"),
        pytest.param(
            {"type": "number", "default": 1}, {"type": "number", "default": 1}, id="whole"
        ),
        pytest.param(
            {"type": "integer", "enum": [1.0, 2]}, {"type": "integer", "enum": [1.0, 2]}, id="1.0"
        ),
        pytest.param(
            {"type": "array", "enum": [[1]], "description": "One."},
            {"description": "One. (enum: [[1]])", "type": "array"},
            id="enum-of-arrays",
        ),
        pytest.param(
            {"enum": [{}, "a"]},
            {
                "description": '(enum: [{}, "a"])',
                "anyOf": [{"type": "object"}, {"type": "string", "enum": ["a"]}],
            },
            id="enum-with-an-object",
        ),
        pytest.param(
            {"type": ["integer", "string"], "enum": ["a"]},
            {"type": "string", "enum": ["a"]},
            id="type-without-a-value",
        ),
        pytest.param(
            {"type": "string", "nullable": True, "description": "d"},
            {"description": "d", "anyOf": [TEXT, NULL]},
            id="nullable",
        ),
        pytest.param({"type": "string", "nullable": False}, TEXT, id="not-nullable"),
        pytest.param({"type": "string", "description": None, "title": 1}, TEXT, id="odd-notes"),
        pytest.param(
            of_one(TEXT, required=["a", "b", "a"]),
            of_one(TEXT, required=["a"]),
            id="required-and-missing",
        ),
        pytest.param(of_one(TEXT, required=True), of_one(TEXT), id="required-of-draft-3"),
        pytest.param(
            {"allOf": [{"minimum": 1}, {"type": "integer", "maximum": 3}]},
            {"type": "integer", "minimum": 1, "maximum": 3},
            id="allOf-that-adds-up",
        ),
        pytest.param(
            {"allOf": [of_one(TEXT), {"$ref": "#/$defs/b"}]},
            {"type": "object", "properties": {"a": TEXT, "b": NULL}},
            id="allOf-with-a-reference",
        ),
        pytest.param(
            {"enum": [1], "anyOf": [{"const": n} for n in range(21)]},
            {
                "anyOf": [
                    {"anyOf": [{"type": "integer", "enum": [n]} for n in range(10)]},
                    {"anyOf": [{"type": "integer", "enum": [n]} for n in range(10, 20)]},
                    {"type": "integer", "enum": [20]},
                ]
            },
            id="many-branches",
        ),
    ],
)
def test_a_schema_in_the_flavour(given: object, written: dict[str, Any]) -> None:
    schema = of_one(given, **{"$defs": {"b": {"properties": {"b": NULL}}}})
    before = copy.deepcopy(schema)
    flavoured = moonshot_schema(schema)
    assert flavoured == of_one(written)
    assert schema == before
    check(flavoured)


def test_a_definition_may_refer_to_itself_beside_something_else() -> None:
    schema = of_one(
        {"$ref": "#/$defs/A"},
        **{
            "$defs": {
                "A": {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#"}, {"$ref": "#/$defs/B"}]},
                "B": NULL,
            }
        },
    )
    assert moonshot_schema(schema) == schema


def test_definitions_stand_below_defs_and_only_those_that_are_used() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/definitions/Node"}}}
    schema = of_one(
        {"$ref": "#/definitions/Node", "description": "First.", "default": None},
        definitions={"Node": node, "Unused": TEXT},
    )
    assert moonshot_schema({**schema, "$defs": {"Other": TEXT}}) == of_one(
        {"description": "First.", "anyOf": [{"$ref": "#/$defs/Node"}]},
        **{"$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}}},
    )


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        pytest.param({}, {"type": "object"}, id="nothing-said"),
        pytest.param({"type": ["object", "null"]}, {"type": "object"}, id="or-null"),
        pytest.param(
            {"$schema": "x", "$id": "y", "nullable": True, **of_one(TEXT)}, of_one(TEXT), id="notes"
        ),
        pytest.param(of_one({"$ref": "#"}), of_one({"$ref": "#"}), id="itself"),
        pytest.param(
            of_one(TEXT) | {"properties": {"a": TEXT, "b": {"$ref": "#/properties/a"}}},
            {
                "type": "object",
                "properties": {"a": TEXT, "b": {"$ref": "#/$defs/a"}},
                "$defs": {"a": TEXT},
            },
            id="another-property",
        ),
        pytest.param(
            of_one(
                {"type": "array", "items": [{"$ref": "#/$defs/x~1y/anyOf/1"}]},
                **{"$defs": {"x/y": {"anyOf": [NULL, TEXT]}}},
            ),
            of_one(
                {"type": "array", "items": {"$ref": "#/$defs/1"}},
                **{"$defs": {"1": TEXT}},
            ),
            id="a-part-of-a-definition",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/x~1y"}, "b": {"$ref": "#/definitions/x_y"}},
                "$defs": {"x/y": NULL},
                "definitions": {"x_y": TEXT},
            },
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/x_y"}, "b": {"$ref": "#/$defs/x_y_2"}},
                "$defs": {"x_y": NULL, "x_y_2": TEXT},
            },
            id="two-of-one-name",
        ),
        pytest.param(
            {
                **of_one(TEXT, required=["a"], description="Send."),
                "anyOf": [
                    {"required": ["b", "c"], "properties": {"b": TEXT, "c": TEXT}},
                    {"$ref": "#/$defs/or"},
                ],
                "$defs": {"or": {"required": ["b"], "properties": {"b": NULL}}},
            },
            {
                "type": "object",
                "description": (
                    'Send. (anyOf: [{"required": ["b", "c"], "properties": {"b": {"type": "string"}, '
                    '"c": {"type": "string"}}}, {"required": ["b"], "properties": {"b": {"type": "null"}}}])'
                ),
                "properties": {"a": TEXT, "b": {"anyOf": [TEXT, NULL]}, "c": TEXT},
                "required": ["a", "b"],
            },
            id="alternatives",
        ),
        pytest.param(
            {
                "oneOf": [
                    of_one({"const": each}, additionalProperties=False) for each in ("x", "y", "z")
                ]
            },
            {
                "type": "object",
                "description": "(oneOf: "
                + json.dumps(
                    [of_one({"const": each}, additionalProperties=False) for each in "xyz"]
                )
                + ")",
                "properties": {
                    "a": {"anyOf": [{"type": "string", "enum": [each]} for each in "xyz"]}
                },
                "required": [],
                "additionalProperties": False,
            },
            id="only-alternatives",
        ),
        pytest.param(
            of_one(TEXT, anyOf=[]),
            of_one(TEXT, description="(anyOf: [])"),
            id="no-alternative",
        ),
        pytest.param(
            {"allOf": [of_one(TEXT), {"required": ["a"]}]}, of_one(TEXT, required=["a"]), id="allOf"
        ),
    ],
)
def test_the_root_in_the_flavour(schema: dict[str, Any], written: dict[str, Any]) -> None:
    assert moonshot_schema(schema) == written
    check(written)


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
        ({"anyOf": [{"type": "object"}, TEXT]}, "each of its alternatives must be an object"),
        ({"anyOf": [{"minLength": 1}]}, "each of its alternatives must be an object"),
        ({"anyOf": [1]}, "a subschema must be an object"),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
            "it must be an object, and refers",
        ),
        ({"$ref": "#/$defs/A"}, "#/$defs/A: there is no such definition"),
        (of_one({"$ref": "#/$defs/A"}), "#/$defs/A: there is no such definition"),
        (of_one({"$ref": "#/properties/b"}), "#/properties/b: there is no such definition"),
        (of_one({"$ref": "#/required/1"}, required=["a"]), "#/required/1: there is no such"),
        (of_one({"$ref": "#/required/0"}, required=["a"]), "a subschema must be an object"),
        (of_one({"$ref": "other.json"}), "the root.a: '$ref' must be '#' or begin with '#/'"),
        (of_one({"$ref": 1}), "'$ref' must be a text"),
        ({"$ref": []}, "the root: '$ref' must be a text"),
        (
            of_one({"$ref": "#/$defs/A"}, **{"$defs": {"A": {"$ref": "#/$defs/A"}}}),
            "$defs.A: it refers to itself and says nothing else",
        ),
        (
            of_one(
                {"$ref": "#/$defs/A"},
                **{
                    "$defs": {
                        "A": {"anyOf": [{"$ref": "#/$defs/B"}]},
                        "B": {"anyOf": [{"$ref": "#/$defs/A"}]},
                    }
                },
            ),
            "it refers to itself and says nothing else",
        ),
        (of_one({"minimum": float("nan")}), "the root.a: 'minimum' must be a number"),
        (of_one({"minLength": "2"}), "the root.a: 'minLength' must be a number"),
        (of_one({"enum": [float("inf")]}), "'enum' must be a value that JSON has"),
        (of_one({"pattern": object()}), "'pattern' must be a value that JSON has"),
        (of_one({"enum": 1}), "the root.a: 'enum' must be a list"),
        (of_one({"items": 1}), "the root.a: 'items' must be a schema"),
        ({"type": "object", "properties": {1: TEXT}}, "the root: 'properties' must be an object"),
        (1, "the root: a subschema must be an object"),
        (None, "the root: a subschema must be an object"),
        (of_one({"not": {}}), "the root.a: 'not' is not known there"),
        (of_one({"type": "object", "patternProperties": {}}), "'patternProperties' is not known"),
        (of_one({"allOf": [{"minimum": 1}, {"minimum": 2}]}), "'allOf' of schemas that limit the"),
        (of_one({"allOf": [of_one(TEXT), of_one(NULL)]}), "'allOf' of schemas that limit the"),
        (of_one({"allOf": [{"$ref": "#/properties/a"}, {}]}), "this is not a JSON Schema"),
        (of_one({"type": []}), "the root.a: no value can be of its type"),
        (of_one({"type": "integer", "enum": ["a"]}), "the root.a: no value can be of its type"),
        (of_one({"anyOf": []}), "the root.a: 'anyOf' is empty"),
        (of_one({"allOf": [1]}), "a subschema must be an object"),
        (of_one(False), "the root.a: a subschema must be an object"),
        (of_one({"anyOf": [1]}), "a subschema must be an object"),
        (of_one({"type": "text"}), "the root.a: there is no type 'text'"),
        (of_one({"enum": []}), "the root.a: 'enum' is empty"),
        ({"type": "object", "properties": {"anyOf": TEXT}}, "must not be named 'anyOf'"),
        ({"type": "object", "properties": 1}, "the root: 'properties' must be an object"),
        (of_one({"type": 1}), "the root.a: 'type' must be a text or a list of texts"),
        (of_one({"type": [1]}), "the root.a: 'type' must be a text or a list of texts"),
        (of_one({"allOf": {"type": None}}), "the root.a: 'allOf' must be a list"),
    ],
)
def test_what_cannot_be_written(schema: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        moonshot_schema(schema)
    assert caught.value.message.startswith("the schema cannot be written for Moonshot: ")
    assert problem in caught.value.message
    assert caught.value.__context__ is None
