"""The table of types: how each is told to the model, which values are read into it, and which are refused, and where.

A case holds for the parameter of a tool, for ``parse()`` and for ``ToolCall.parse()``, because all of them ask one
reader.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
)

import annotated_types as at
import attrs
import msgspec
import pydantic
from msgspec import Meta
from pydantic.dataclasses import dataclass as pydantic_dataclass

T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
Either = TypeVar("Either", int, str)

Json = dict[str, Any]

OBJECT = {"type": "object"}
TEXT = {"type": "string"}
NUMBER = {"type": "number"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}
TRUTH = {"type": "boolean"}


def told(text: str, schema: Json) -> Json:
    return {"description": text, **schema}


def ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def array_of(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def either(*branches: Json) -> Json:
    return {"anyOf": [*branches]}


def one_of(*values: object) -> Json:
    kinds: dict[type, str] = {str: "string", int: "integer", bool: "boolean"}
    return {"type": kinds[type(values[0])], "enum": [*values]}


def class_of(name: str, fields: Json, *required: str, closed: bool = True, **more: Any) -> Json:
    need = {"required": [*required]} if required else {}
    shut = {"additionalProperties": False} if closed else {}
    return {"title": name, "type": "object", "properties": fields, **need, **shut, **more}


@attrs.frozen(kw_only=True)
class TypeCase:
    """One type.

    Attributes:
        name: The id of the case.
        hint: The type.
        schema: The schema of a value, in Moonshot's flavour.
        fits: Values as the model writes them, with what they are read into.
        misfits: Values that the schema and the check refuse, with the place.
        subtle: Values that only the check refuses, with the place: the schema tells the reason in words.
        lenient: Values that only the check accepts, with what they are read into.
        defs: The definitions that the schema refers to.
    """

    name: str
    hint: Any
    schema: Json
    fits: list[tuple[Any, Any]]
    misfits: list[tuple[Any, str]]
    subtle: list[tuple[Any, str]] = attrs.field(factory=list)
    lenient: list[tuple[Any, Any]] = attrs.field(factory=list)
    defs: Json = attrs.field(factory=dict)


# Classes


class Unit(enum.Enum):
    """A measure of length."""

    KM = "km"
    MILE = "mile"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(enum.Enum):
    ONE = 1
    AUTO = "auto"
    HALF = 0.5
    YES = True
    NONE = None


class Share(enum.Enum):
    HALF = 0.5
    ALL = 1.0


class Loose(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Loose | None:
        return cls.RED if value == "RED" else None


@dataclass
class Point:
    """A place on the map.

    Attributes:
        lat: Degrees to the north.
    """

    lat: float
    lon: float = 0.0


@dataclass
class Line:
    start: Point
    ends: list[Point] = dataclasses.field(default_factory=list)


@dataclass
class Checked:
    low: int
    high: dataclasses.InitVar[int]
    width: int = dataclasses.field(init=False)

    def __post_init__(self, high: int) -> None:
        if high < self.low:
            raise ValueError("high must not be below low")
        self.width = high - self.low


#: As of a class that annotates ``__key``.
Hidden: Any = dataclasses.make_dataclass("Hidden", [("_Hidden__key", int)])
Hidden.__doc__ = "A private name.\n\nAttributes:\n    __key: Of what."


@dataclass
class Looked:
    word: str

    def __post_init__(self) -> None:
        self.word = {"a": "b"}[self.word]


@dataclass
class Box(Generic[T]):
    content: T
    rest: list[T] | None = None


@dataclass
class Crate(Box[list[T]], Generic[T]):
    label: T | None = None


def to_percent(share: float) -> int:
    return int(share * 100)


@attrs.frozen
class Account:
    _name: str = attrs.field()
    percent: int = attrs.field(converter=to_percent)
    code: int = attrs.field(converter=int, default=0, kw_only=True)
    tags: tuple[str, ...] = attrs.field(converter=tuple[str, ...], factory=tuple)
    number: int = attrs.field(alias="no", default=1)
    untyped: Any = attrs.field(default=None)
    role: str = attrs.field(init=False, default="guest")
    age: int = attrs.field(default=0, validator=attrs.validators.ge(0))


class Filters(TypedDict):
    text: str
    limit: NotRequired[int]


class Wide(Filters, total=False):
    page: int
    key: Required[Annotated[str, Meta(min_length=1)]]


class Pair(NamedTuple):
    left: int
    right: str = ""


class Bare(NamedTuple):
    a: Any
    b: Any


class Node(msgspec.Struct):
    name: str
    children: list[Node] = []


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


class Renamed(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    first_name: str
    last_name: str | msgspec.UnsetType = msgspec.UNSET


class Row(msgspec.Struct, array_like=True):
    id: int
    name: str


@dataclass
class Bird:
    kind: Literal["bird"]
    wings: int


@dataclass
class Fish:
    kind: Literal["fish"]
    fins: int


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0, description="In years.")
    friend: Person | None = None


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    day: dt.date
    unit: Unit
    pair: tuple[int, int]
    tags: set[str] = pydantic.Field(alias="labels")


class Lion(pydantic.BaseModel):
    kind: Literal["lion"]
    mane: bool = True


class Owl(pydantic.BaseModel):
    kind: Literal["owl"]
    eyes: int


Animal = Annotated[Lion | Owl, pydantic.Field(discriminator="kind")]


@pydantic_dataclass
class Order:
    amount: Annotated[int, pydantic.Field(ge=1, le=100)]
    note: str = ""


CityName = NewType("CityName", str)


def strip_mark(text: str) -> str:
    return text.removesuffix("!")


# Schemas of these classes

LAT = told("Degrees to the north.", NUMBER)
POINT = class_of(
    "Point",
    {"lat": LAT, "lon": {"type": "number", "default": 0.0}},
    "lat",
    description="A place on the map.",
)
UNIT = {"title": "Unit", "description": "A measure of length.", **one_of("km", "mile")}
PERSON = class_of(
    "Person",
    {
        "name": {"title": "Name", "type": "string"},
        "age": {"title": "Age", "description": "In years.", "type": "integer", "minimum": 0},
        "friend": either(ref("Person"), NULL),
    },
    "name",
    "age",
    closed=False,
)
LION = class_of(
    "Lion",
    {
        "kind": {"title": "Kind", **one_of("lion")},
        "mane": {"title": "Mane", "type": "boolean", "default": True},
    },
    "kind",
    closed=False,
)
OWL = class_of(
    "Owl",
    {"kind": {"title": "Kind", **one_of("owl")}, "eyes": {"title": "Eyes", "type": "integer"}},
    "kind",
    "eyes",
    closed=False,
)
CAT = class_of("Cat", {"type": one_of("Cat"), "lives": INTEGER}, "type", "lives", closed=False)
DOG = class_of(
    "Dog", {"type": one_of("Dog"), "tricks": array_of(TEXT)}, "type", "tricks", closed=False
)
ANYTHING = either(TEXT, NUMBER, TRUTH, OBJECT, {"type": "array"}, NULL)

UTC = dt.UTC
NAIVE = dt.datetime.fromisoformat("2026-01-01T10:00:00")
ID = "12345678-1234-5678-1234-567812345678"


def case(
    name: str,
    hint: Any,
    schema: Json,
    fits: list[tuple[Any, Any]],
    misfits: list[tuple[Any, str]],
    **more: Any,
) -> TypeCase:
    return TypeCase(name=name, hint=hint, schema=schema, fits=fits, misfits=misfits, **more)


SCALARS = [
    case("text", str, TEXT, [("北京", "北京"), ("", "")], [(1, ""), (None, ""), (["a"], "")]),
    case("int", int, INTEGER, [(3, 3), (-1, -1), (3.0, 3)], [("3", ""), (3.5, ""), (True, "")]),
    case(
        "float",
        float,
        NUMBER,
        [(3.5, 3.5), (3, 3.0)],
        [("3", ""), (True, "")],
        subtle=[(10**400, "")],
    ),
    case("bool", bool, TRUTH, [(True, True)], [(1, ""), ("true", ""), (None, "")]),
    case("none", None, NULL, [(None, None)], [(0, ""), ("", "")]),
    case("any", Any, ANYTHING, [(1, 1), ({"a": [None]}, {"a": [None]})], []),
    case("object", object, ANYTHING, [("a", "a")], []),
    case(
        "bytes",
        bytes,
        told("(contentEncoding: base64)", TEXT),
        [("aGk=", b"hi")],
        [(1, "")],
        subtle=[("a", "")],
    ),
    case(
        "bytearray",
        bytearray,
        told("(contentEncoding: base64)", TEXT),
        [("aGk=", bytearray(b"hi"))],
        [(1, "")],
        subtle=[("a", "")],
    ),
    case(
        "datetime",
        dt.datetime,
        told("(format: date-time)", TEXT),
        [
            ("2026-01-01T10:00:00Z", dt.datetime(2026, 1, 1, 10, tzinfo=UTC)),
            ("2026-01-01 10:00", NAIVE),
        ],
        [(1, "")],
        subtle=[("2026-01-01", ""), ("tomorrow at noon", "")],
    ),
    case(
        "date",
        dt.date,
        told("(format: date)", TEXT),
        [("2026-11-22", dt.date(2026, 11, 22))],
        [(1, "")],
        subtle=[("today", "")],
    ),
    case(
        "time",
        dt.time,
        told("(format: time)", TEXT),
        [("10:00", dt.time(10)), ("10:00:00Z", dt.time(10, tzinfo=UTC))],
        [(1, "")],
        subtle=[("noon", "")],
    ),
    case(
        "timedelta",
        dt.timedelta,
        told("(format: duration)", TEXT),
        [("P1DT1H", dt.timedelta(days=1, hours=1))],
        [(1, "")],
        subtle=[("an hour", "")],
    ),
    case(
        "Decimal",
        decimal.Decimal,
        either(NUMBER, told("(format: decimal)", TEXT)),
        [
            ("1.10", decimal.Decimal("1.10")),
            (9.99, decimal.Decimal("9.99")),
            (3, decimal.Decimal(3)),
        ],
        [(None, ""), (True, "")],
        subtle=[("x", ""), ("NaN", "")],
    ),
    case(
        "UUID",
        uuid.UUID,
        told("(format: uuid)", TEXT),
        [(ID, uuid.UUID(ID))],
        [(1, "")],
        subtle=[("me", "")],
    ),
    case(
        "Path",
        pathlib.Path,
        told("(format: path)", TEXT),
        [("a/b", pathlib.Path("a/b"))],
        [(1, "")],
    ),
    case(
        "PurePosixPath",
        pathlib.PurePosixPath,
        told("(format: path)", TEXT),
        [("a/b", pathlib.PurePosixPath("a/b"))],
        [(None, "")],
    ),
    case("NewType", CityName, TEXT, [("Oslo", "Oslo")], [(1, "")]),
    case("TypeVar", T, ANYTHING, [(1, 1)], []),
    case("TypeVar-bound", Bound, INTEGER, [(1, 1)], [("a", "")]),
    case("TypeVar-constraints", Either, either(INTEGER, TEXT), [(1, 1), ("a", "a")], [(None, "")]),
]

CHOICES = [
    case(
        "enum",
        Unit,
        ref("Unit"),
        [("mile", Unit.MILE)],
        [("yard", ""), (1, "")],
        defs={"Unit": UNIT},
    ),
    case(
        "IntEnum",
        Level,
        ref("Level"),
        [(2, Level.HIGH), (2.0, Level.HIGH)],
        [(3, ""), ("1", "")],
        defs={"Level": {"title": "Level", **one_of(1, 2)}},
    ),
    case(
        "enum-mixed",
        Mixed,
        ref("Mixed"),
        [(1, Mixed.ONE), ("auto", Mixed.AUTO), (0.5, Mixed.HALF), (None, Mixed.NONE)],
        [(2, ""), ("1", "")],
        defs={
            "Mixed": {
                "title": "Mixed",
                **either(
                    {"type": "string", "enum": ["auto"]}, {"type": "number", "enum": [1, 0.5]}, NULL
                ),
            }
        },
    ),
    case(
        "enum-of-floats",
        Share,
        ref("Share"),
        [(0.5, Share.HALF), (1, Share.ALL)],
        [(2, ""), ("1", ""), (True, "")],
        defs={"Share": {"title": "Share", "type": "number", "enum": [0.5, 1.0]}},
    ),
    case(
        "enum-missing",
        Loose,
        ref("Loose"),
        [("red", Loose.RED)],
        [("blue", ""), (1, "")],
        lenient=[("RED", Loose.RED)],
        defs={"Loose": {"title": "Loose", **one_of("red")}},
    ),
    case(
        "Literal",
        Literal["asc", "desc"],
        one_of("asc", "desc"),
        [("desc", "desc")],
        [("up", ""), (1, "")],
    ),
    case(
        "Literal-mixed",
        Literal["auto", 1, True] | None,
        either(either(one_of("auto"), one_of(1), one_of(True)), NULL),
        [("auto", "auto"), (1, 1), (True, True), (None, None)],
        [("1", ""), (2, ""), (False, "")],
    ),
    case("Literal-enum", Literal[Unit.KM], one_of("km"), [("km", Unit.KM)], [("mile", "")]),
]

LIMITS = [
    case(
        "Meta",
        Annotated[int, Meta(ge=1, le=9, description="Which page.")],
        told("Which page.", {"type": "integer", "minimum": 1, "maximum": 9}),
        [(1, 1), (9, 9)],
        [(0, ""), (10, ""), ("1", "")],
    ),
    case(
        "Meta-open",
        Annotated[float, Meta(gt=0, lt=1)],
        told("(exclusiveMinimum: 0; exclusiveMaximum: 1)", NUMBER),
        [(0.5, 0.5)],
        [("0.5", "")],
        subtle=[(0, ""), (1, "")],
    ),
    case(
        "Meta-text",
        Annotated[str, Meta(min_length=2, max_length=3, pattern="^[A-Z]+$")],
        told("(pattern: ^[A-Z]+$)", {"type": "string", "minLength": 2, "maxLength": 3}),
        [("PEK", "PEK")],
        [("P", ""), ("PEKI", "")],
        subtle=[("pek", "")],
    ),
    case(
        "Meta-multiple",
        Annotated[int, Meta(multiple_of=5)],
        told("(multipleOf: 5)", INTEGER),
        [(10, 10)],
        [("5", "")],
        subtle=[(3, "")],
    ),
    case(
        "Meta-multiple-float",
        Annotated[float, Meta(multiple_of=0.5)],
        told("(multipleOf: 0.5)", NUMBER),
        [(1.5, 1.5)],
        [("5", "")],
        subtle=[(0.3, "")],
    ),
    case(
        "MultipleOf-tenths",
        Annotated[float, at.MultipleOf(0.1)],
        told("(multipleOf: 0.1)", NUMBER),
        [(0.3, 0.3), (2, 2.0), (1e16, 1e16), (1e300, 1e300)],
        [("0.3", "")],
        subtle=[(0.35, "")],
    ),
    case(
        "MultipleOf-decimal",
        Annotated[decimal.Decimal, at.MultipleOf(0.1)],
        told(
            "(multipleOf: 0.1)",
            either(
                told("(multipleOf: 0.1)", NUMBER),
                told("(format: decimal; multipleOf: 0.1)", TEXT),
            ),
        ),
        [("0.3", decimal.Decimal("0.3"))],
        [(None, "")],
        subtle=[("0.35", ""), ("1e900000000", "")],
    ),
    case(
        "Predicate-that-raises",
        Annotated[str, at.Predicate(lambda text: {"a": True}[text])],
        TEXT,
        [("a", "a")],
        [(1, "")],
        subtle=[("b", "")],
    ),
    case(
        "Predicate-that-raises-in-a-union",
        Annotated[str, at.Predicate(lambda text: {"a": True}[text])] | list[str] | pathlib.Path,
        either(TEXT, array_of(TEXT), told("(format: path)", TEXT)),
        [("a", "a"), ("b", pathlib.Path("b"))],
        [(1, "")],
    ),
    case(
        "Meta-list",
        Annotated[list[str], Meta(min_length=1, max_length=2)],
        array_of(TEXT, minItems=1, maxItems=2),
        [(["a"], ["a"])],
        [([], ""), (["a", "b", "c"], "")],
    ),
    case(
        "Meta-bytes",
        Annotated[bytes, Meta(max_length=2)],
        told("(contentEncoding: base64; maxBytes: 2)", TEXT),
        [("aGk=", b"hi")],
        [(1, "")],
        subtle=[("aGlo", "")],
    ),
    case(
        "Meta-tz",
        Annotated[dt.datetime, Meta(tz=True)],
        told("(format: date-time; timezone: with a time zone)", TEXT),
        [("2026-01-01T10:00:00Z", dt.datetime(2026, 1, 1, 10, tzinfo=UTC))],
        [(1, "")],
        subtle=[("2026-01-01T10:00:00", "")],
    ),
    case(
        "Meta-title",
        Annotated[str, Meta(title="Name", extra_json_schema={"maxLength": 9})],
        {"title": "Name", "type": "string", "maxLength": 9},
        [("a", "a")],
        [(1, "")],
    ),
    case(
        "Meta-of-enum",
        Annotated[Unit, Meta(description="Which.")],
        told("Which.", either(ref("Unit"))),
        [("km", Unit.KM)],
        [("yard", "")],
        defs={"Unit": UNIT},
    ),
    case("words", Annotated[str, "The city."], told("The city.", TEXT), [("a", "a")], [(1, "")]),
    case("Ge", Annotated[int, at.Ge(1)], {"type": "integer", "minimum": 1}, [(1, 1)], [(0, "")]),
    case(
        "Interval",
        Annotated[float, at.Interval(ge=1, lt=3)],
        told("(exclusiveMaximum: 3)", {"type": "number", "minimum": 1}),
        [(1, 1.0)],
        [(0, "")],
        subtle=[(3, "")],
    ),
    case(
        "Len",
        Annotated[dict[str, int], at.Len(1, 2)],
        told(
            "(minProperties: 1; maxProperties: 2)",
            {"type": "object", "additionalProperties": INTEGER},
        ),
        [({"a": 1}, {"a": 1})],
        [([], "")],
        subtle=[({}, "")],
    ),
    case(
        "set-Len",
        Annotated[set[int], at.MinLen(2)],
        told("(uniqueItems: true)", array_of(INTEGER, minItems=2)),
        [([1, 2], {1, 2})],
        [([1], "")],
        subtle=[([1, 1], "")],
    ),
    case(
        "Ge-date",
        Annotated[dt.date, at.Ge(dt.date(2026, 1, 1))],
        told("(format: date; formatMinimum: 2026-01-01)", TEXT),
        [("2026-01-01", dt.date(2026, 1, 1))],
        [(1, "")],
        subtle=[("2025-12-31", "")],
    ),
    case(
        "Ge-Decimal",
        Annotated[decimal.Decimal, at.Gt(0)],
        told(
            "(exclusiveMinimum: 0)",
            either(
                told("(exclusiveMinimum: 0)", NUMBER),
                told("(format: decimal; exclusiveMinimum: 0)", TEXT),
            ),
        ),
        [("1", decimal.Decimal(1))],
        [(None, "")],
        subtle=[(0, ""), ("-1", "")],
    ),
    case(
        "Predicate",
        at.LowerCase[str],
        TEXT,
        [("a", "a")],
        [(1, "")],
        subtle=[("A", "")],
    ),
    case(
        "Timezone",
        Annotated[dt.datetime, at.Timezone(None)],
        told("(format: date-time; timezone: without a time zone)", TEXT),
        [("2026-01-01T10:00:00", NAIVE)],
        [(1, "")],
        subtle=[("2026-01-01T10:00:00Z", "")],
    ),
    case("Unit-of-measure", Annotated[int, at.Unit("m")], INTEGER, [(1, 1)], [("1", "")]),
    case(
        "doc", Annotated[int, at.doc("How many.")], told("How many.", INTEGER), [(1, 1)], [("", "")]
    ),
    case(
        "Field",
        Annotated[int, pydantic.Field(ge=1, le=100, description="How many.")],
        told("How many.", {"type": "integer", "minimum": 1, "maximum": 100}),
        [(1, 1)],
        [(0, ""), (1000000, ""), ("5", "")],
    ),
    case(
        "PositiveInt",
        pydantic.PositiveInt,
        told("(exclusiveMinimum: 0)", INTEGER),
        [(1, 1)],
        [("a", "")],
        subtle=[(0, "")],
    ),
    case(
        "conint",
        pydantic.conint(ge=1),
        {"type": "integer", "minimum": 1},
        [(1, 1)],
        [(0, ""), ("1", "")],
    ),
    case(
        "condecimal",
        pydantic.condecimal(ge=1, max_digits=3),
        either({"type": "number", "minimum": 1}, TEXT),
        [("1.5", decimal.Decimal("1.5"))],
        [(0, ""), ([], "")],
        subtle=[("x", "")],
    ),
    case(
        "conlist",
        pydantic.conlist(int, min_length=1),
        array_of(INTEGER, minItems=1),
        [([1], [1])],
        [([], ""), (["a"], "$[0]")],
    ),
    case(
        "constr",
        pydantic.constr(max_length=2),
        {"type": "string", "maxLength": 2},
        [("ab", "ab")],
        [("abc", ""), (1, "")],
    ),
    case(
        "Field-pattern",
        Annotated[str, pydantic.Field(pattern="^a")],
        told("(pattern: ^a)", TEXT),
        [("ab", "ab")],
        [(1, "")],
        subtle=[("b", "")],
    ),
    case(
        "validator",
        Annotated[str, pydantic.AfterValidator(strip_mark), Meta(max_length=2)],
        {"type": "string", "maxLength": 2},
        [("a", "a")],
        [("abc", ""), (1, "")],
        lenient=[("ab!", "ab")],
    ),
    case(
        "pydantic-type",
        pydantic.AnyUrl,
        told("(format: uri)", {"type": "string", "minLength": 1}),
        [("https://a.b/", pydantic.AnyUrl("https://a.b/"))],
        [(1, "")],
        subtle=[("no url", "")],
    ),
    case(
        "limits-of-a-union",
        Annotated[int | None, at.Ge(1)],
        either({"type": "integer", "minimum": 1}, NULL),
        [(1, 1), (None, None)],
        [(0, "")],
    ),
]

CONTAINERS = [
    case(
        "list",
        list[str],
        array_of(TEXT),
        [(["a"], ["a"]), ([], [])],
        [("a", ""), ([1], "$[0]"), (["a", None], "$[1]")],
    ),
    case("list-bare", list, {"type": "array"}, [([1, "a"], [1, "a"])], [("a", "")]),
    case("Sequence", Sequence[Any], {"type": "array"}, [([1, None], [1, None])], [({}, "")]),
    case(
        "deque",
        collections.deque[int],
        array_of(INTEGER),
        [([1], collections.deque([1]))],
        [(["a"], "$[0]")],
    ),
    case(
        "set",
        frozenset[str],
        told("(uniqueItems: true)", array_of(TEXT)),
        [(["a", "a"], frozenset({"a"}))],
        [([1], "$[0]")],
    ),
    case("tuple", tuple[int, ...], array_of(INTEGER), [([1], (1,))], [(["a"], "$[0]")]),
    case(
        "tuple-pair",
        tuple[float, float],
        told(
            '(prefixItems: [{"type": "number"}, {"type": "number"}])',
            array_of(NUMBER, minItems=2, maxItems=2),
        ),
        [([1, 2.5], (1.0, 2.5))],
        [([1], ""), ([1, 2, 3], ""), (["1", 2], "$[0]")],
    ),
    case(
        "tuple-empty",
        tuple[()],
        {"type": "array", "minItems": 0, "maxItems": 0},
        [([], ())],
        [([1], "")],
    ),
    case(
        "NamedTuple",
        Pair,
        ref("Pair"),
        [([1, "a"], Pair(1, "a")), ([1], Pair(1))],
        [([], ""), ([None, "a"], "$[0]")],
        subtle=[(["a", 1], "$[0]")],
        defs={
            "Pair": {
                "title": "Pair",
                **told(
                    '(prefixItems: [{"type": "integer"}, {"type": "string"}])',
                    array_of(either(INTEGER, TEXT), minItems=1, maxItems=2),
                ),
            }
        },
    ),
    case(
        "NamedTuple-of-anything",
        Bare,
        ref("Bare"),
        [([1, "a"], Bare(1, "a"))],
        [([1], "")],
        defs={
            "Bare": {
                "title": "Bare",
                **told("(prefixItems: [{}, {}])", array_of(ANYTHING, minItems=2, maxItems=2)),
            }
        },
    ),
    case(
        "Mapping",
        Mapping[str, int],
        {"type": "object", "additionalProperties": INTEGER},
        [({"a": 1}, {"a": 1})],
        [({"a": "1"}, "$[...]"), ([], "")],
    ),
    case("dict-bare", dict, OBJECT, [({"a": 1}, {"a": 1})], [([], "")]),
    case(
        "dict-int-keys",
        dict[int, str],
        told(
            '(propertyNames: {"type": "integer"})',
            {"type": "object", "additionalProperties": TEXT},
        ),
        [({"1": "a"}, {1: "a"})],
        [({"1": 1}, "$[...]")],
        subtle=[({"a": "a"}, "$[key]"), ({"1_0": "a"}, "$[key]"), ({" 1": "a"}, "$[key]")],
    ),
    case(
        "dict-float-keys",
        dict[Annotated[float, Meta(ge=0)], str],
        told(
            '(propertyNames: {"type": "number", "minimum": 0})',
            {"type": "object", "additionalProperties": TEXT},
        ),
        [({"1.5": "a"}, {1.5: "a"})],
        [({"1": 1}, "$[...]")],
        subtle=[({"-1": "a"}, "$[key]"), ({"x": "a"}, "$[key]")],
    ),
    case(
        "dict-date-keys",
        dict[dt.date, int],
        told(
            '(propertyNames: {"type": "string", "format": "date"})',
            {"type": "object", "additionalProperties": INTEGER},
        ),
        [({"2026-01-01": 1}, {dt.date(2026, 1, 1): 1})],
        [([], "")],
        subtle=[({"today": 1}, "$[key]"), ({"1": 1}, "$[key]")],
    ),
    case(
        "dict-enum-keys",
        dict[Level, int],
        told(
            '(propertyNames: {"title": "Level", "enum": [1, 2]})',
            {"type": "object", "additionalProperties": INTEGER},
        ),
        [({"1": 5}, {Level.LOW: 5})],
        [([], "")],
        subtle=[({"3": 1}, "$[key]"), ({"LOW": 1}, "$[key]")],
    ),
    case(
        "dict-pattern-keys",
        dict[Annotated[str, Meta(pattern="^a")], int],
        told(
            '(propertyNames: {"type": "string", "pattern": "^a"})',
            {"type": "object", "additionalProperties": INTEGER},
        ),
        [({"ab": 1}, {"ab": 1})],
        [([], "")],
        subtle=[({"b": 1}, "$[key]"), ({"1": 1}, "$[key]")],
    ),
    case(
        "dict-fixed-keys",
        dict[Literal["a", "b"], int],
        {
            "type": "object",
            "properties": {"a": INTEGER, "b": INTEGER},
            "additionalProperties": False,
        },
        [({"a": 1}, {"a": 1})],
        [({"c": 1}, "$[key]"), ({"a": "1"}, "$[...]")],
    ),
    case("union", int | str, either(INTEGER, TEXT), [(5, 5), ("a", "a")], [(None, ""), (1.5, "")]),
    case(
        "optional",
        Either | None,
        either(either(INTEGER, TEXT), NULL),
        [(5, 5), (None, None)],
        [(1.5, "")],
    ),
    case(
        "int-before-float", float | int, either(INTEGER, NUMBER), [(3, 3), (3.5, 3.5)], [("3", "")]
    ),
    case(
        "date-or-text",
        dt.date | str,
        either(told("(format: date)", TEXT), TEXT),
        [("2026-01-01", dt.date(2026, 1, 1)), ("soon", "soon")],
        [(1, "")],
    ),
    case(
        "path-or-none",
        pathlib.Path | None,
        either(told("(format: path)", TEXT), NULL),
        [("a", pathlib.Path("a")), (None, None)],
        [(1, "")],
    ),
]

CLASSES = [
    case(
        "dataclass",
        Point,
        ref("Point"),
        [({"lat": 1.5}, Point(1.5)), ({"lat": 1, "lon": 2}, Point(1.0, 2.0))],
        [({}, ""), ({"lat": "1"}, "$.lat"), ({"lat": 1, "lng": 2}, ""), ([], "")],
        defs={"Point": POINT},
    ),
    case(
        "dataclass-nested",
        Line,
        ref("Line"),
        [({"start": {"lat": 1.0}, "ends": [{"lat": 2.0}]}, Line(Point(1.0), [Point(2.0)]))],
        [
            ({}, ""),
            ({"start": {}}, "$.start"),
            ({"start": {"lat": 1}, "ends": [{"lat": 1, "x": 1}]}, "$.ends[0]"),
        ],
        defs={
            "Point": POINT,
            "Line": class_of(
                "Line", {"start": ref("Point"), "ends": array_of(ref("Point"))}, "start"
            ),
        },
    ),
    case(
        "dataclass-checked",
        Checked,
        ref("Checked"),
        [({"low": 1, "high": 2}, Checked(1, 2))],
        [({"low": 1}, ""), ({"low": 1, "high": 2, "width": 1}, "")],
        subtle=[({"low": 2, "high": 1}, "")],
        defs={"Checked": class_of("Checked", {"low": INTEGER, "high": INTEGER}, "low", "high")},
    ),
    case(
        "dataclass-generic",
        Box[int],
        ref("Box"),
        [({"content": 1, "rest": [2]}, Box(1, [2]))],
        [({"content": "a"}, "$.content"), ({"content": 1, "rest": ["a"]}, "$.rest[0]")],
        defs={
            "Box": class_of(
                "Box", {"content": INTEGER, "rest": either(array_of(INTEGER), NULL)}, "content"
            )
        },
    ),
    case(
        "dataclass-generic-base",
        Crate[int],
        ref("Crate"),
        [({"content": [1], "rest": [[2]], "label": 3}, Crate([1], [[2]], 3))],
        [({"content": 1}, "$.content")],
        defs={
            "Crate": class_of(
                "Crate",
                {
                    "content": array_of(INTEGER),
                    "rest": either(array_of(array_of(INTEGER)), NULL),
                    "label": either(INTEGER, NULL),
                },
                "content",
            )
        },
    ),
    case(
        "attrs",
        Account,
        ref("Account"),
        [
            (
                {"name": "a", "percent": 0.5, "tags": ["x"], "no": 2, "untyped": [1]},
                Account("a", 0.5, ("x",), no=2, untyped=[1]),
            )
        ],
        [
            ({"name": "a"}, ""),
            ({"_name": "a", "percent": 1}, ""),
            ({"name": "a", "percent": 1, "role": "admin"}, ""),
            ({"name": "a", "percent": "1"}, "$.percent"),
            ({"name": "a", "percent": 1, "number": 1}, ""),
        ],
        subtle=[({"name": "a", "percent": 1, "age": -1}, "")],
        defs={
            "Account": class_of(
                "Account",
                {
                    "name": TEXT,
                    "percent": NUMBER,
                    "code": {"type": "integer", "default": 0},
                    "tags": array_of(TEXT),
                    "no": {"type": "integer", "default": 1},
                    "untyped": ANYTHING,
                    "age": {"type": "integer", "default": 0},
                },
                "name",
                "percent",
            )
        },
    ),
    case(
        "TypedDict",
        Filters,
        ref("Filters"),
        [({"text": "a"}, {"text": "a"})],
        [
            ({"limit": 1}, ""),
            ({"text": "a", "limit": "1"}, "$.limit"),
            ({"text": "a", "page": 1}, ""),
        ],
        defs={"Filters": class_of("Filters", {"text": TEXT, "limit": INTEGER}, "text")},
    ),
    case(
        "TypedDict-inherited",
        Wide,
        ref("Wide"),
        [({"text": "a", "key": "k"}, {"text": "a", "key": "k"})],
        [({"text": "a"}, ""), ({"text": "a", "key": ""}, "$.key")],
        defs={
            "Wide": class_of(
                "Wide",
                {
                    "text": TEXT,
                    "limit": INTEGER,
                    "page": INTEGER,
                    "key": {"type": "string", "minLength": 1},
                },
                "text",
                "key",
            )
        },
    ),
    case(
        "Struct-recursive",
        Node,
        ref("Node"),
        [({"name": "a", "children": [{"name": "b"}]}, Node("a", [Node("b")]))],
        [({"name": "a", "children": [{}]}, "$.children[0]")],
        defs={
            "Node": class_of(
                "Node", {"name": TEXT, "children": array_of(ref("Node"))}, "name", closed=False
            )
        },
    ),
    case(
        "Struct-renamed",
        Renamed,
        ref("Renamed"),
        [
            ({"firstName": "a"}, Renamed("a")),
            ({"firstName": "a", "lastName": "b"}, Renamed("a", "b")),
        ],
        [({"first_name": "a"}, ""), ({"firstName": 1}, "$.firstName")],
        defs={"Renamed": class_of("Renamed", {"firstName": TEXT, "lastName": TEXT}, "firstName")},
    ),
    case(
        "Struct-array",
        Row,
        ref("Row"),
        [([1, "a"], Row(1, "a"))],
        [([1], "")],
        subtle=[(["a", 1], "$[0]")],
        defs={
            "Row": {
                "title": "Row",
                **told(
                    '(prefixItems: [{"type": "integer"}, {"type": "string"}])',
                    array_of(either(INTEGER, TEXT), minItems=2),
                ),
            }
        },
    ),
    case(
        "Struct-tagged",
        Cat | Dog,
        either(ref("Cat"), ref("Dog")),
        [({"type": "Cat", "lives": 9}, Cat(9)), ({"type": "Dog", "tricks": []}, Dog([]))],
        [
            ({"lives": 9}, ""),
            ({"type": "Cow"}, "$.type"),
            ({"type": "Dog", "tricks": 1}, "$.tricks"),
        ],
        defs={"Cat": CAT, "Dog": DOG},
    ),
    case(
        "Struct-or-text",
        Cat | str,
        either(ref("Cat"), TEXT),
        [({"type": "Cat", "lives": 9}, Cat(9)), ("a", "a")],
        [({"type": "Cat"}, ""), (1, "")],
        defs={"Cat": CAT},
    ),
    case(
        "dataclass-union",
        Bird | Fish | None,
        either(ref("Bird"), ref("Fish"), NULL),
        [({"kind": "fish", "fins": 2}, Fish("fish", 2)), (None, None)],
        [({"kind": "fish", "fins": "2"}, "$.fins"), ({"kind": "dog"}, "$.kind")],
        defs={
            "Bird": class_of("Bird", {"kind": one_of("bird"), "wings": INTEGER}, "kind", "wings"),
            "Fish": class_of("Fish", {"kind": one_of("fish"), "fins": INTEGER}, "kind", "fins"),
        },
    ),
    case(
        "pydantic",
        Person,
        ref("Person"),
        [({"name": "Ada", "age": 36}, Person(name="Ada", age=36))],
        [({"name": "Ada"}, "age"), ({"name": "Ada", "age": -1}, "age"), (1, "")],
        lenient=[({"name": "Ada", "age": "36"}, Person(name="Ada", age=36))],
        defs={"Person": PERSON},
    ),
    case(
        "pydantic-list",
        list[Person],
        array_of(ref("Person")),
        [([{"name": "Ada", "age": 36}], [Person(name="Ada", age=36)])],
        [([{}], "$[0]"), ([{"name": "Ada", "age": 1, "friend": {}}], "$[0]")],
        defs={"Person": PERSON},
    ),
    case(
        "pydantic-strict",
        Strict,
        class_of(
            "Strict",
            {
                "day": {"title": "Day", **told("(format: date)", TEXT)},
                "unit": ref("Unit"),
                "pair": {
                    "title": "Pair",
                    **told(
                        '(prefixItems: [{"type": "integer"}, {"type": "integer"}])',
                        array_of(INTEGER, minItems=2, maxItems=2),
                    ),
                },
                "labels": {"title": "Labels", **told("(uniqueItems: true)", array_of(TEXT))},
            },
            "day",
            "unit",
            "pair",
            "labels",
        ),
        [
            (
                {"day": "2026-01-01", "unit": "km", "pair": [1, 2], "labels": ["a"]},
                Strict(day=dt.date(2026, 1, 1), unit=Unit.KM, pair=(1, 2), labels={"a"}),
            )
        ],
        [
            ({"day": "2026-01-01", "unit": "km", "pair": [1, "2"], "labels": []}, "pair.1"),
            ({"day": "2026-01-01", "unit": "km", "pair": [1, 2], "labels": [], "x": 1}, "x"),
        ],
        defs={"Unit": UNIT},
    ),
    case(
        "pydantic-union",
        Lion | Owl | None,
        either(either(ref("Lion"), ref("Owl")), NULL),
        [({"kind": "owl", "eyes": 2}, Owl(kind="owl", eyes=2)), (None, None)],
        [({"kind": "cow"}, "Owl.eyes")],
        defs={"Lion": LION, "Owl": OWL},
    ),
    case(
        "pydantic-discriminated",
        Animal,
        either(ref("Lion"), ref("Owl")),
        [({"kind": "owl", "eyes": 2}, Owl(kind="owl", eyes=2))],
        [({"kind": "owl"}, "owl.eyes"), ({"kind": "cow"}, "")],
        defs={"Lion": LION, "Owl": OWL},
    ),
    case(
        "pydantic-or-text",
        Lion | str,
        either(LION, TEXT),
        [({"kind": "lion"}, Lion(kind="lion")), ("a", "a")],
        [({"kind": "cow"}, "kind"), (1, "")],
    ),
    case(
        "dataclass-private-name",
        Hidden,
        ref("Hidden"),
        [({"__key": 1}, Hidden(1))],
        [({"_Hidden__key": 1}, ""), ({"__key": "1"}, "$.__key")],
        defs={
            "Hidden": class_of(
                "Hidden",
                {"__key": told("Of what.", INTEGER)},
                "__key",
                description="A private name.",
            )
        },
    ),
    case(
        "post-init-that-raises-KeyError",
        list[Looked],
        array_of(ref("Looked")),
        [([], []), ([{"word": "a"}], [Looked("a")])],
        [([{}], "$[0]")],
        subtle=[([{"word": "c"}], "$[0]")],
        defs={"Looked": class_of("Looked", {"word": TEXT}, "word")},
    ),
    case(
        "pydantic-dataclass",
        Order,
        class_of(
            "Order",
            {
                "amount": {"title": "Amount", "type": "integer", "minimum": 1, "maximum": 100},
                "note": {"title": "Note", "type": "string", "default": ""},
            },
            "amount",
            closed=False,
        ),
        [({"amount": 1}, Order(1))],
        [({"amount": 1000000}, "amount"), ({}, "amount")],
    ),
]

#: Every case.
TYPES = [*SCALARS, *CHOICES, *LIMITS, *CONTAINERS, *CLASSES]
