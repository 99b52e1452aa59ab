"""The schemas of types."""

from collections.abc import Callable
from dataclasses import dataclass, make_dataclass

import msgspec
import pydantic
import pytest
from written_schemas import INTEGER

from kimi_async import ConfigurationError
from kimi_async.tools._schema import schema_of


@dataclass
class Point:
    x: int


class Model(pydantic.BaseModel):
    point: int


Other = pydantic.create_model("Point", y=(str, ...))
Holder = pydantic.create_model("Holder", other=(Other, ...), another=(Other, ...))


class Plain:
    """A class that says nothing of its fields."""


def test_a_type_whose_values_are_objects() -> None:
    assert schema_of(Point) == {
        "title": "Point",
        "type": "object",
        "properties": {"x": INTEGER},
        "required": ["x"],
        "additionalProperties": False,
    }
    assert schema_of(Model)["properties"] == {"point": {"title": "Point", "type": "integer"}}


def test_two_types_of_one_name() -> None:
    """A pydantic model is a definition of its own where it is used twice."""
    both = msgspec.defstruct("Both", [("a", Point), ("b", Holder), ("c", Holder), ("d", Point)])
    schema = schema_of(both)
    point = {"title": "Point", "type": "object", "required": ["y"]}
    assert schema["properties"]["a"] == schema["properties"]["d"] == {"$ref": "#/$defs/Point"}
    for name in "bc":
        other = {"$ref": "#/$defs/Point_2"}
        assert schema["properties"][name]["properties"] == {"other": other, "another": other}
    assert schema["$defs"]["Point"]["properties"] == {"x": INTEGER}
    assert schema["$defs"]["Point_2"] == {
        **point,
        "properties": {"y": {"title": "Y", "type": "string"}},
    }
    assert schema["$defs"].keys() == {"Point", "Point_2"}


def test_two_classes_of_one_name() -> None:
    both = msgspec.defstruct("Both", [("a", Point), ("b", point_of_text), ("c", third_point)])
    defs = schema_of(both)["$defs"]
    kinds = [defs[name]["properties"]["x"]["type"] for name in ("Point", "Point_2", "Point_3")]
    assert kinds == ["integer", "string", "boolean"]


point_of_text = make_dataclass("Point", [("x", str)])
third_point = make_dataclass("Point", [("x", bool)])


class Unsayable(pydantic.BaseModel):
    run: Callable[[], None]


@pytest.mark.parametrize(
    ("into", "problem"),
    [
        (list[int], "the root: it must be an object"),
        (Plain, "Plain'> is not supported"),
        (dict[list[int], int], "the keys of an object are texts, and no text can be read as array"),
        (dict[bool, int], "no text can be read as bool"),
        (Unsayable, "no JSON Schema can be made of Unsayable: Cannot generate a JsonSchema"),
    ],
    ids=["no-object", "unknown", "keys-array", "keys-bool", "pydantic"],
)
def test_a_type_without_a_schema(into: object, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        schema_of(into)
    assert problem in caught.value.message
    assert caught.value.__context__ is None
