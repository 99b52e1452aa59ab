"""Any schema is written by the rules of Moonshot or refused."""

import contextlib
import json
from typing import Any

import jsonschema
from hypothesis import given
from hypothesis import strategies as st
from written_schemas import INTEGER, NULL, TEXT, TYPES, check, of_one

from kimi_async import ConfigurationError
from kimi_async._request._moonshot_rules import moonshot_problem
from kimi_async.tools import moonshot_schema


def of_type(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {**schema, "type": name}


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text()
WORDS = st.sampled_from(
    [
        *("type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"),
        *("default", "required", "additionalProperties", "minLength", "minimum", "format"),
        *("description", "a", "prefixItems", "nullable", "propertyNames", "multipleOf", "$defs"),
    ]
)
VALUES = st.recursive(
    SCALARS | st.sampled_from([*TYPES, "#/$defs/a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
#: A schema whose keywords are random; half of the time a known type comes first, so that more of them are written.
NODES = st.dictionaries(WORDS, VALUES, max_size=4) | st.builds(
    of_type, st.dictionaries(WORDS, VALUES, max_size=3), st.sampled_from(TYPES)
)


@given(
    st.dictionaries(WORDS, VALUES, max_size=4),
    st.dictionaries(st.sampled_from(["a", "b"]), NODES, max_size=2),
)
def test_anything_is_written_by_the_rules_or_refused(
    schema: dict[str, Any], properties: dict[str, Any]
) -> None:
    try:
        written = moonshot_schema({"properties": properties, **schema, "type": "object"})
    except ConfigurationError:
        return
    check(written)
    assert moonshot_problem(written) is None
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert moonshot_schema(written) == written


@given(VALUES)
def test_a_schema_of_any_kind_is_judged_without_an_exception(schema: Any) -> None:
    assert moonshot_problem(schema) != ""
    with contextlib.suppress(ConfigurationError):
        moonshot_schema(schema)


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
