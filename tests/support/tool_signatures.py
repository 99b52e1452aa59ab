"""Thirty functions, each a tool: the schema that the model is told, arguments that fit, and some that do not."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
from msgspec import Meta


class Unit(enum.Enum):
    KM = "km"
    MILE = "mile"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    """A place on the map."""

    lat: float
    lon: float = 0.0


@attrs.frozen
class Trip:
    start: Point
    stops: list[Point] = attrs.field(factory=list)


class Filters(TypedDict):
    text: str
    limit: NotRequired[int]


class Node(msgspec.Struct):
    name: str
    children: list[Node] = []


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0, description="In years.")
    friend: Person | None = None


class Pair(NamedTuple):
    left: int
    right: str


CityName = NewType("CityName", str)


def no_parameters() -> str:
    return ""


def text(city: str) -> object:
    return city


def whole_number(count: int) -> object:
    return count


def number(km: float) -> object:
    return km


def truth(exact: bool) -> object:
    return exact


def nothing(none: None) -> object:
    return none


def default_text(unit: str = "km") -> object:
    return unit


def default_that_is_no_scalar(ids: tuple[int, ...] = (1,)) -> object:
    return ids


def optional(limit: int | None = None) -> object:
    return limit


def union(key: int | str) -> object:
    return key


def literal(sort: Literal["asc", "desc"] = "asc") -> object:
    return sort


def mixed_literal(mode: Literal["auto", 1] | None) -> object:
    return mode


def enumeration(unit: Unit = Unit.KM) -> object:
    return unit


def number_enumeration(level: Level) -> object:
    return level


def bounded(page: Annotated[int, Meta(ge=1, le=9, description="Which page.")]) -> object:
    return page


def open_bound(share: Annotated[float, Meta(gt=0, lt=1)]) -> object:
    return share


def short_text(
    code: Annotated[str, Meta(min_length=2, max_length=3, pattern="^[A-Z]+$")],
) -> object:
    return code


def list_of(names: list[str]) -> object:
    return names


def bounded_list(names: Annotated[list[str], Meta(min_length=1, max_length=2)]) -> object:
    return names


def any_list(rows: Sequence[Any]) -> object:
    return rows


def set_of(tags: frozenset[str]) -> object:
    return tags


def pair(point: tuple[float, float]) -> object:
    return point


def named_pair(pair: Pair) -> object:
    return pair


def mapping(counts: Mapping[str, int]) -> object:
    return counts


def whole_number_keys(names: dict[int, str]) -> object:
    return names


def a_dataclass(at: Point) -> object:
    return at


def an_attrs_class(trip: Trip) -> object:
    return trip


def a_typed_dict(filters: Filters) -> object:
    return filters


def a_recursive_struct(tree: Node) -> object:
    return tree


def tagged(pet: Cat | Dog) -> object:
    return pet


def a_pydantic_model(person: Person | None = None) -> object:
    return person


def pydantic_models(people: list[Person]) -> object:
    return people


def formats(day: dt.date, id: uuid.UUID) -> object:
    return day, id


def anything(value: Any) -> object:
    return value


def new_type(city: CityName) -> object:
    return city


async def several(start: str, end: str, *, unit: Unit = Unit.KM, exact: bool = False) -> object:
    return start, end, unit, exact


OBJECT = {"type": "object"}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}
POINT = {
    "title": "Point",
    "description": "A place on the map.",
    "type": "object",
    "properties": {"lat": NUMBER, "lon": {"type": "number", "default": 0.0}},
    "required": ["lat"],
}
UNIT = {"title": "Unit", "type": "string", "enum": ["km", "mile"]}
PERSON = {
    "title": "Person",
    "type": "object",
    "properties": {
        "name": {"title": "Name", "type": "string"},
        "age": {"title": "Age", "description": "In years.", "type": "integer", "minimum": 0},
        "friend": {"anyOf": [{"$ref": "#/$defs/Person"}, NULL]},
    },
    "required": ["name", "age"],
}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def animal(name: str, own: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": name,
        "type": "object",
        "properties": {"type": {"type": "string", "enum": [name]}, own: schema},
        "required": ["type", own],
    }


@attrs.frozen
class Signature:
    """One row: a function, the schema of its one parameter (``None``: it has not one), and arguments."""

    function: Callable[..., object]
    schema: dict[str, Any] | None
    #: Arguments as the model writes them, and what the function is then called with.
    fits: list[tuple[Any, Any]]
    #: Arguments that neither the schema nor the type takes.
    misfits: list[Any]
    #: Arguments that only the type refuses, because the schema cannot say why.
    subtle: list[Any] = attrs.field(factory=list, kw_only=True)
    defs: dict[str, Any] = attrs.field(factory=dict, kw_only=True)
    optional: bool = attrs.field(default=False, kw_only=True)


SIGNATURES = [
    Signature(text, TEXT, [("北京", "北京"), ("", "")], [1, None, ["a"]]),
    Signature(whole_number, INTEGER, [(3, 3), (-1, -1)], ["3", 3.5, True, None]),
    Signature(number, NUMBER, [(3.5, 3.5), (3, 3.0)], ["3", True]),
    Signature(truth, {"type": "boolean"}, [(True, True)], [1, "true", None]),
    Signature(nothing, NULL, [(None, None)], [0, ""]),
    Signature(default_text, {"type": "string", "default": "km"}, [("m", "m")], [1], optional=True),
    Signature(
        default_that_is_no_scalar,
        {"type": "array", "items": INTEGER},
        [([2], (2,))],
        [["2"]],
        optional=True,
    ),
    Signature(optional, {"anyOf": [INTEGER, NULL]}, [(5, 5), (None, None)], ["5"], optional=True),
    Signature(union, {"anyOf": [INTEGER, TEXT]}, [(5, 5), ("a", "a")], [None, 1.5]),
    Signature(
        literal,
        {"type": "string", "enum": ["asc", "desc"], "default": "asc"},
        [("desc", "desc")],
        ["up", 1],
        optional=True,
    ),
    Signature(
        mixed_literal,
        {
            "anyOf": [
                {"anyOf": [{"type": "integer", "enum": [1]}, {"type": "string", "enum": ["auto"]}]},
                NULL,
            ]
        },
        [("auto", "auto"), (1, 1), (None, None)],
        ["1", 2],
    ),
    Signature(
        enumeration,
        ref("Unit"),
        [("mile", Unit.MILE)],
        ["yard", 1],
        defs={"Unit": UNIT},
        optional=True,
    ),
    Signature(
        number_enumeration,
        ref("Level"),
        [(2, Level.HIGH)],
        [3, "1"],
        defs={"Level": {"title": "Level", "type": "integer", "enum": [1, 2]}},
    ),
    Signature(
        bounded,
        {"description": "Which page.", "type": "integer", "minimum": 1, "maximum": 9},
        [(1, 1), (9, 9)],
        [0, 10, "1"],
    ),
    Signature(
        open_bound,
        {"description": "(exclusiveMinimum: 0; exclusiveMaximum: 1)", "type": "number"},
        [(0.5, 0.5)],
        ["0.5"],
        subtle=[0, 1],
    ),
    Signature(
        short_text,
        {
            "description": "(pattern: ^[A-Z]+$)",
            "type": "string",
            "minLength": 2,
            "maxLength": 3,
        },
        [("PEK", "PEK")],
        ["P", "PEKI"],
        subtle=["pek"],
    ),
    Signature(list_of, {"type": "array", "items": TEXT}, [(["a"], ["a"]), ([], [])], ["a", [1]]),
    Signature(
        bounded_list,
        {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 2},
        [(["a"], ["a"])],
        [[], ["a", "b", "c"]],
    ),
    Signature(any_list, {"type": "array"}, [([1, "a", None], [1, "a", None])], ["a", {}]),
    Signature(
        set_of,
        {"description": "(uniqueItems: true)", "type": "array", "items": TEXT},
        [(["a", "a"], frozenset({"a"}))],
        [[1]],
    ),
    Signature(
        pair,
        {
            "description": '(prefixItems: [{"type": "number"}, {"type": "number"}])',
            "type": "array",
            "items": NUMBER,
            "minItems": 2,
            "maxItems": 2,
        },
        [([1, 2.5], (1.0, 2.5))],
        [[1], [1, 2, 3], ["1", 2]],
    ),
    Signature(
        named_pair,
        ref("Pair"),
        [([1, "a"], Pair(1, "a"))],
        [[1], [None, "a"]],
        subtle=[["a", 1]],
        defs={
            "Pair": {
                "title": "Pair",
                "description": '(prefixItems: [{"type": "integer"}, {"type": "string"}])',
                "type": "array",
                "items": {"anyOf": [INTEGER, TEXT]},
                "minItems": 2,
                "maxItems": 2,
            }
        },
    ),
    Signature(
        mapping,
        {"type": "object", "additionalProperties": INTEGER},
        [({"a": 1}, {"a": 1})],
        [{"a": "1"}],
    ),
    Signature(
        whole_number_keys,
        {"type": "object", "additionalProperties": TEXT},
        [({"1": "a"}, {1: "a"})],
        [{"1": 1}],
        subtle=[{"a": "a"}],
    ),
    Signature(
        a_dataclass,
        ref("Point"),
        [({"lat": 1.5}, Point(1.5)), ({"lat": 1, "lon": 2}, Point(1.0, 2.0))],
        [{}, {"lat": "1"}],
        defs={"Point": POINT},
    ),
    Signature(
        an_attrs_class,
        ref("Trip"),
        [({"start": {"lat": 1.0}, "stops": [{"lat": 2.0}]}, Trip(Point(1.0), [Point(2.0)]))],
        [{}, {"start": {}}],
        defs={
            "Trip": {
                "title": "Trip",
                "type": "object",
                "properties": {
                    "start": ref("Point"),
                    "stops": {"type": "array", "items": ref("Point")},
                },
                "required": ["start"],
            },
            "Point": POINT,
        },
    ),
    Signature(
        a_typed_dict,
        ref("Filters"),
        [({"text": "a"}, {"text": "a"})],
        [{"limit": 1}, {"text": "a", "limit": "1"}],
        defs={
            "Filters": {
                "title": "Filters",
                "type": "object",
                "properties": {"text": TEXT, "limit": INTEGER},
                "required": ["text"],
            }
        },
    ),
    Signature(
        a_recursive_struct,
        ref("Node"),
        [({"name": "a", "children": [{"name": "b"}]}, Node("a", [Node("b")]))],
        [{"name": "a", "children": [{}]}],
        defs={
            "Node": {
                "title": "Node",
                "type": "object",
                "properties": {
                    "name": TEXT,
                    "children": {"type": "array", "items": ref("Node")},
                },
                "required": ["name"],
            }
        },
    ),
    Signature(
        tagged,
        {"anyOf": [ref("Cat"), ref("Dog")]},
        [({"type": "Cat", "lives": 9}, Cat(9)), ({"type": "Dog", "tricks": []}, Dog([]))],
        [{"lives": 9}, {"type": "Cow"}, {"type": "Dog", "tricks": 1}],
        defs={
            "Cat": animal("Cat", "lives", INTEGER),
            "Dog": animal("Dog", "tricks", {"type": "array", "items": TEXT}),
        },
    ),
    Signature(
        a_pydantic_model,
        {"anyOf": [ref("Person"), NULL]},
        [
            ({"name": "Ada", "age": 36}, Person(name="Ada", age=36)),
            (None, None),
        ],
        [{"name": "Ada"}, {"name": "Ada", "age": -1}, 1],
        defs={"Person": PERSON},
        optional=True,
    ),
    Signature(
        pydantic_models,
        {"type": "array", "items": ref("Person")},
        [([{"name": "Ada", "age": 36}], [Person(name="Ada", age=36)])],
        [[{}], [{"name": "Ada", "age": 1, "friend": {}}]],
        defs={"Person": PERSON},
    ),
    Signature(
        anything,
        {"anyOf": [TEXT, NUMBER, {"type": "boolean"}, OBJECT, {"type": "array"}, NULL]},
        [(1, 1), ({"a": [None]}, {"a": [None]})],
        [],
    ),
    Signature(new_type, TEXT, [("Oslo", "Oslo")], [1]),
]

#: Those with none or several parameters, by what the model writes and what the function then gives.
OTHERS = [
    Signature(no_parameters, None, [({}, "")], [{"a": 1}]),
    Signature(
        formats,
        None,
        [
            (
                {"day": "2026-11-22", "id": "12345678-1234-5678-1234-567812345678"},
                (
                    dt.date(2026, 11, 22),
                    uuid.UUID("12345678-1234-5678-1234-567812345678"),
                ),
            )
        ],
        [{"day": "2026-11-22"}, {"day": 1, "id": 1}],
        subtle=[{"day": "today", "id": "me"}],
    ),
    Signature(
        several,
        None,
        [
            ({"start": "北京", "end": "上海"}, ("北京", "上海", Unit.KM, False)),
            (
                {"start": "a", "end": "b", "unit": "mile", "exact": True},
                ("a", "b", Unit.MILE, True),
            ),
        ],
        [{"start": "a"}, {"start": "a", "end": "b", "units": "km"}],
    ),
]
