from __future__ import annotations

import ast
import datetime as dt
import enum
import functools
import json
import sys
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import pytest
from type_cases import Person

import kimi_async as kimi
from kimi_async import ConfigurationError, OutputError
from kimi_async.tools import Tool, tool

if TYPE_CHECKING:
    from fractions import Fraction

pytestmark = pytest.mark.anyio


class Pages(enum.Enum):
    ALL = "all"


def several(start: str, end: str, *, pages: Pages = Pages.ALL, exact: bool = False) -> object:
    return start, end, pages, exact


def no_parameters() -> str:
    return ""


def name_of(city: str) -> None: ...


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"start": "北京", "end": "上海"}', ("北京", "上海", Pages.ALL, False)),
        (
            '{"start": "a", "end": "b", "pages": "all", "exact": true}',
            ("a", "b", Pages.ALL, True),
        ),
    ],
    ids=["defaults", "all"],
)
def test_a_default_is_that_of_the_function(text: str, expected: object) -> None:
    made = tool(several)
    assert made.call(text) == expected
    properties = made.parameters["properties"]
    assert properties["exact"] == {"type": "boolean", "default": False}
    assert properties["pages"] == {"$ref": "#/$defs/Pages"}
    assert made.parameters["required"] == ["start", "end"]


@pytest.mark.parametrize("parameter", ["day", "__y", "self_", "class_"])
def test_a_format_stands_after_the_words_of_the_docstring(parameter: str) -> None:
    def book(day: dt.date) -> dt.date:
        return day

    renamed = book.__code__.replace(co_varnames=(parameter,))
    function = types.FunctionType(renamed, {})
    function.__annotations__ = {parameter: dt.date}
    function.__doc__ = f"Book.\n\nArgs:\n    {parameter}: The day of travel."
    made = tool(function)
    assert made.parameters["properties"] == {
        parameter: {"description": "The day of travel. (format: date)", "type": "string"}
    }
    assert made.call(f'{{"{parameter}": "2026-11-28"}}') == dt.date(2026, 11, 28)


@dataclass
class Options:
    path: str
    dry_run: bool = False


@pytest.mark.parametrize("options", [Options, list[Options], dict[str, Options]], ids=str)
def test_an_option_that_nobody_knows_is_refused_at_any_depth(options: Any) -> None:
    def delete(options: Any) -> None: ...

    delete.__annotations__["options"] = options
    misspelt = {"path": "/", "dryrun": True}
    given = {"list": [misspelt], "dict": {"a": misspelt}}.get(options.__name__, misspelt)
    with pytest.raises(OutputError, match="Object contains unknown field `dryrun`"):
        tool(delete).bind(json.dumps({"options": given}))


@tool
def find(city: str, limit: int = 3) -> str:
    """Find hotels.

    In any city.

    Args:
        city: Where to look, in
            English.
        limit (int, optional): How many: at most 9.

    Returns:
        Their names.
    """
    return f"{limit} in {city}"


def test_what_the_model_is_told() -> None:
    assert find.to_wire() == {
        "type": "function",
        "function": {
            "name": "find",
            "description": "Find hotels.\n\nIn any city.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"description": "Where to look, in English.", "type": "string"},
                    "limit": {
                        "description": "How many: at most 9.",
                        "type": "integer",
                        "default": 3,
                    },
                },
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }


def test_a_tool_is_still_its_function() -> None:
    assert find("Oslo") == "3 in Oslo"
    assert find(city="Oslo", limit=1) == "1 in Oslo"
    assert find.call('{"city": "Oslo"}') == "3 in Oslo"
    assert not find.is_async
    assert repr(find) == "Tool(name='find', description='Find hotels.\\n\\nIn any city.')"
    assert len({find, find}) == 1


async def test_an_async_tool_gives_what_can_be_awaited() -> None:
    @tool(name="double-it", description="Twice.")
    async def double(number: int) -> int:
        return 2 * number

    assert (double.name, double.description, double.is_async) == ("double-it", "Twice.", True)
    assert await double(3) == 6
    assert await double.call('{"number": 4}') == 8


class Store:
    def __init__(self, stock: int) -> None:
        self.stock = stock

    def count(self, item: str) -> str:
        return f"{self.stock} {item}"

    @classmethod
    def kinds(cls, prefix: str) -> str:
        return prefix + cls.__name__

    @staticmethod
    def price(item: str) -> str:
        return f"{item}: 1"


@functools.wraps(Store.price)
def wrapped(*args: str, **options: str) -> str:
    return f"wrapped {Store.price(*args, **options)}"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (Store(3).count, "3 x"),
        (Store.price, "x: 1"),
        (wrapped, "wrapped x: 1"),
    ],
    ids=["bound-method", "staticmethod", "wrapped"],
)
def test_other_functions_are_tools_too(function: Callable[[str], str], expected: str) -> None:
    made = tool(function)
    assert list(made.parameters["properties"]) == ["item"]
    assert made.description is None
    assert "description" not in made.to_wire()["function"]
    assert made.call('{"item": "x"}') == expected


def test_a_bound_classmethod_is_a_tool() -> None:
    assert tool(Store.kinds).call('{"prefix": "a "}') == "a Store"


def test_the_description_of_meta_wins_over_the_docstring() -> None:
    def page(number: Annotated[int, msgspec.Meta(description="Meta")]) -> None:
        """Turn.

        :param number: Docstring
        """

    assert tool(page).parameters["properties"]["number"]["description"] == "Meta"


def test_a_description_does_not_stand_beside_a_reference() -> None:
    """Moonshot refuses it there where the definition has one, too."""

    def turn(pages: Pages) -> None:
        """Turn.

        :param pages: Which.
        """

    properties = tool(turn).parameters["properties"]
    assert properties["pages"] == {"description": "Which.", "anyOf": [{"$ref": "#/$defs/Pages"}]}


def test_the_type_of_the_result_need_not_be_known() -> None:
    def made(number: int) -> Fraction | None: ...

    assert tool(made).name == "made"


@pytest.mark.parametrize("text", ["", " \n", "{}", " { } "])
def test_blank_arguments_are_none(text: str) -> None:
    assert tool(no_parameters).call(text) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"city": 1}', "Expected `str`, got `int` - at `$.city`"),
        ("{}", "Object missing required field `city`"),
        ('{"city": "Oslo", "town": 1}', "Object contains unknown field `town`"),
        ("[]", "Expected `object`, got `array`"),
        ('{"city": ', "Expecting value: line 1 column 10 (char 9)"),
    ],
    ids=["type", "missing", "unknown", "no-object", "cut"],
)
def test_what_does_not_fit_is_named_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(OutputError) as caught:
        find.bind(text)
    assert caught.value.message == f"the arguments of the tool call 'find' do not fit: {problem}"
    assert (caught.value.text, caught.value.__context__) == (text, None)


def test_what_pydantic_finds_is_named_with_its_place() -> None:
    def greet(people: list[Person]) -> None: ...

    with pytest.raises(OutputError) as caught:
        tool(greet).bind('{"people": [{"name": "Ada", "age": -1, "friend": {}}]}')
    assert caught.value.message.endswith(
        "do not fit: Input should be greater than or equal to 0 - at `age`; "
        "Field required - at `friend.name`; Field required - at `friend.age` - at `$.people[0]`"
    )


def test_a_tool_with_a_schema_of_its_own() -> None:
    """As one that another program describes, of which there is no typed function."""

    def give(**given: object) -> dict[str, object]:
        return given

    made = Tool(name="any", parameters={"type": "object"}, function=give)
    assert made.call('{"a": [1]}') == {"a": [1]}
    with pytest.raises(OutputError, match="Expected `object`, got `array`"):
        made.call("[]")


# What cannot be a tool


def starred(*cities: str) -> None: ...
def double_starred(**options: str) -> None: ...
def positional(city: str, /) -> None: ...
def final(city: str) -> None: ...
def unresolved(city: Fraction) -> None: ...
def schemaless(file: Callable[[], None]) -> None: ...
def metadata(page: Annotated[int, object()]) -> None: ...
def senseless(page: Annotated[str, msgspec.Meta(ge=1)]) -> None: ...
def tuples(value: Literal[b"a"]) -> None: ...
def named_like_a_keyword(required: bool) -> None: ...


final.__annotations__["city"] = Final[str]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (starred, "starred() cannot be a tool: *cities: 'str' has no JSON Schema"),
        (double_starred, "double_starred() cannot be a tool: **options: 'str' has no JSON Schema"),
        (positional, "positional() cannot be a tool: 'city' cannot be given by name"),
        (textwrap.dedent, "dedent() cannot be a tool: the parameter 'text' has no type"),
        (final, "a type cannot be read: typing.Final"),
        (unresolved, "a type cannot be read: name 'Fraction' is not defined"),
        (
            schemaless,
            "no JSON Schema can be made: type collections.abc.Callable[[], None] is not",
        ),
        (metadata, "in Annotated is not understood; limits are given by msgspec.Meta"),
        (senseless, "'minimum' in Annotated does not apply to str"),
        (tuples, "the values of Literal must be texts, numbers, booleans or None, not bytes"),
        (named_like_a_keyword, "a property must not be named 'required'"),
        (ast.walk, "walk() cannot be a tool: a generator gives no result"),
        (kimi.ChatStream.text_deltas, "a generator gives no result"),
        (Store.count, "a method must be bound first, as in tool(store.find)"),
        (lambda: None, "'<lambda>' cannot be the name of a tool: "),
        (dict, "a tool is made of a function or a bound method, not of a class"),
        (Store(1), "not of Store"),
        (dict.get, "'self' cannot be given by name"),
        (getattr, "its parameters are not known"),
    ],
    ids=lambda case: (
        case if isinstance(case, str) else getattr(case, "__name__", type(case).__name__)
    ),
)
def test_what_cannot_be_a_tool(function: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tool(function)
    assert problem in caught.value.message


class Ring:
    """A bell."""

    async def __call__(self, times: int) -> str:
        """Ring it."""
        return "ring " * times


async def greet(word: str, name: str, mark: str) -> str:
    """Greet."""
    return f"{word} {name}{mark}"


async def test_a_partial_gives_what_the_model_must_not_choose() -> None:
    made = tool(functools.partial(functools.partial(greet, "Hi"), mark="!"))
    assert (made.name, made.description, made.is_async) == ("greet", "Greet.", True)
    assert list(made.parameters["properties"]) == ["name"]
    assert await made.call('{"name": "Ada"}') == "Hi Ada!"
    with pytest.raises(OutputError, match="unknown field `mark`"):
        made.bind('{"name": "Ada", "mark": "?"}')


async def test_an_object_that_can_be_called_is_a_tool() -> None:
    made = tool(Ring())
    assert (made.name, made.description, made.is_async) == ("Ring", "Ring it.", True)
    assert await made.call('{"times": 2}') == "ring ring "


class Private:
    def find(self, *, depth: int, __key: int) -> int:
        """Find.

        Args:
            depth: How deep.
            __key: Of what.
        """
        return __key * depth

    @classmethod
    def count(cls, *, depth: int, __key: int) -> int:
        return __key * depth


class Child(Private): ...


def test_a_private_name_is_that_in_the_code() -> None:
    for made in (tool(Child().find), tool(Private.count), tool(functools.partial(Private().find))):
        assert "__key" in made.parameters["properties"]
        assert made.call('{"depth": 2, "__key": 3}') == 6
        with pytest.raises(OutputError, match="unknown field `_Private__key`"):
            made.bind('{"depth": 2, "_Private__key": 3}')
    told = tool(Private().find).parameters["properties"]["__key"]
    assert told == {"description": "Of what.", "type": "integer"}


class Quiet:
    """Be quiet."""

    async def __call__(self, times: int) -> None: ...


@dataclass
class Made:
    size: int

    def __call__(self) -> None: ...


@pytest.mark.parametrize(("made", "said"), [(Quiet(), "Be quiet."), (Made(1), None)])
def test_an_object_without_a_docstring_of_its_call_is_described_by_its_class(
    made: Any, said: str | None
) -> None:
    assert tool(made).description == said


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with Python 3.12")
def test_functions_with_type_parameters() -> None:
    names: dict[str, Any] = {"__name__": "of_the_test"}
    exec(PARAMETERS, names)
    made = tool(names["first"])
    assert made.parameters["properties"]["values"] == {
        "type": "array",
        "items": {"type": "integer"},
    }
    assert made.call('{"values": [1, 2], "tree": {"a": {}}}') == (1, {"a": {}})
    with pytest.raises(OutputError, match=r"Expected `object`, got `int` - at `\$.tree\[\.\.\.\]`"):
        made.bind('{"values": [1], "tree": {"a": 1}}')
    with pytest.raises(OutputError, match="Expected `int` >= 0"):
        made.bind('{"values": [1], "tree": {}, "age": -1}')


PARAMETERS = """
from __future__ import annotations
from typing import Annotated
from annotated_types import Ge

type Tree = dict[str, Tree]
type Age = int
type Many[T] = list[T]

def first[T: int](values: Many[T], tree: Tree, age: Annotated[Age, Ge(0)] = 1) -> T:
    return values[0], tree
"""


@pytest.mark.parametrize("name", ["", "1a", "a b", "$a", "a" * 129, "a\n"])
def test_a_name_that_no_provider_takes(name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a tool"):
        tool(name_of, name=name)


# Sent


def test_tools_are_spelled_in_any_call() -> None:
    builtin = {"type": "builtin_function", "function": {"name": "$web_search"}}
    client = kimi.AsyncKimi(kimi.AceDataCloud("k"), model="m")
    body = client.preview("Hi", tools=[find, builtin]).body
    assert body["tools"] == [find.to_wire(), builtin]
    no_tool: Any = name_of
    with pytest.raises(ConfigurationError, match=r"decorate it with @kimi_async"):
        client.preview("Hi", tools=[find, no_tool])
