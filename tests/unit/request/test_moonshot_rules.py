from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from type_cases import TYPES, TypeCase

from kimi_async import ConfigurationError
from kimi_async._request._moonshot_rules import moonshot_problem
from kimi_async.tools import moonshot_schema, tool

TEXT = {"type": "string"}


def of_one(schema: object, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


def many(levels: int) -> dict[str, Any]:
    """Objects that lie in each other that deep."""
    schema: dict[str, Any] = TEXT
    for _ in range(levels):
        schema = of_one(schema)
    return schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, None),
        (of_one(TEXT, required=["a"], additionalProperties=False), None),
        (of_one({"type": ["string", "null"], "enum": ["a", None]}), None),
        (of_one({"anyOf": [TEXT, {"$ref": "#"}, {"$ref": "#/properties/a"}]}), None),
        (of_one({"$ref": "#/$defs/b"}, **{"$defs": {"b": TEXT}}), None),
        (1, "the root: a subschema must be an object"),
        (of_one(True), "the root.a: a subschema must be an object"),
        (of_one({"description": None}), "the root.a: 'description' must be a text"),
        (of_one({"type": "text"}), "the root.a: there is no type 'text'"),
        (of_one({"type": []}), "the root.a: there is no type []"),
        (of_one({"type": "string", "anyOf": [TEXT]}), "the root.a: 'type' stands beside 'anyOf'"),
        (of_one({"type": "string", "$ref": "#"}), "the root.a: 'type' stands beside '$ref'"),
        (of_one({"enum": ["a"]}), "the root.a: 'enum' needs a 'type' beside it"),
        (of_one({"type": "string", "enum": []}), "the root.a: 'enum' must be a list with values"),
        (of_one({"type": "array", "enum": [[1]]}), "the root.a: 'enum' is for texts, numbers"),
        (of_one({"type": "string", "enum": [1]}), "the root.a: a value of 'enum' is not of the"),
        (of_one({"$ref": 1}), "the root.a: '$ref' must be '#' or begin with '#/$defs/'"),
        (of_one({"$ref": "#/$defs/b"}), "the root.a: there is no definition '#/$defs/b'"),
        (
            of_one({"$ref": "#/$defs/b", "title": "A"}, **{"$defs": {"b": {"title": "B"}}}),
            "the root.a: 'title' stands beside '$ref', and also in '#/$defs/b'",
        ),
        (of_one({"$ref": "#/$defs/b", "title": "A"}, **{"$defs": {"b": TEXT}}), None),
        (of_one({"$ref": "#/$defs/b/items"}, **{"$defs": {"b": {"items": TEXT}}}), None),
        (of_one({"type": "array", "items": [TEXT]}), "the root.a[]: a subschema must be an object"),
        (of_one({"anyOf": []}), "the root.a: 'anyOf' must be a list of 1 to 100 schemas"),
        (of_one({"anyOf": [TEXT] * 101}), "the root.a: 'anyOf' must be a list of 1 to 100 schemas"),
        (of_one({"anyOf": [TEXT, 1]}), "the root.a.anyOf[1]: a subschema must be an object"),
        (of_one({"additionalProperties": 1}), "the root.a.*: a subschema must be an object"),
        ({"properties": 1}, "the root: 'properties' must be an object"),
        ({"properties": {"$ref": TEXT}}, "the root: a property must not be named '$ref'"),
        ({"required": 1}, "the root: 'required' must be a list"),
        ({"required": ["a"]}, "the root: the required 'a' is not among the properties"),
        ({"$defs": {"a/b": TEXT}}, "$defs.a/b: the name of a definition must not hold '/'"),
        ({"$defs": {"a": 1}}, "$defs.a: a subschema must be an object"),
        pytest.param(many(2_000), "the root: it is nested too deeply", id="too-deep"),
    ],
    ids=lambda case: case if isinstance(case, str) else json.dumps(case)[:60] if case else "none",
)
def test_a_schema_that_moonshot_refuses(schema: object, problem: str | None) -> None:
    found = moonshot_problem(schema)
    assert found == problem or (found is not None and problem is not None and problem in found)


@pytest.mark.parametrize("case", TYPES, ids=lambda case: case.name)
def test_the_schema_of_every_type_is_accepted(case: TypeCase) -> None:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = case.hint
    assert moonshot_problem(tool(function).parameters) is None


WORDS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "$ref", "enum", "required", "$defs"),
        *("additionalProperties", "description", "string", "object", "#", "#/$defs/a", "a", "/"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_any_schema_is_judged_and_what_we_write_is_accepted(schema: Any) -> None:
    moonshot_problem(schema)
    try:
        written = moonshot_schema(schema)
    except ConfigurationError:
        return
    assert moonshot_problem(written) is None
