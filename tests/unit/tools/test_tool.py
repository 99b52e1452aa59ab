from __future__ import annotations

import ast
import functools
import inspect
import json
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import jsonschema
import msgspec
import pytest
import tool_signatures
from tool_signatures import OTHERS, SIGNATURES, Signature

import kimi_async as kimi
from kimi_async import ConfigurationError, OutputError
from kimi_async.tools import Tool, tool

if TYPE_CHECKING:
    from fractions import Fraction

pytestmark = pytest.mark.anyio

EVERY = [*SIGNATURES, *OTHERS]


def name_of(row: Signature) -> str:
    return row.function.__name__


def arguments_of(row: Signature, value: Any) -> str:
    """What the model writes: the value of the one parameter, or all arguments."""
    if row.schema is None:
        return json.dumps(value)
    (parameter,) = inspect.signature(row.function).parameters
    return json.dumps({parameter: value})


def judged(made: Tool[..., object], text: str) -> bool:
    valid: bool = jsonschema.Draft202012Validator(made.parameters).is_valid(json.loads(text))
    return valid


def test_the_table_is_long_enough() -> None:
    assert len(SIGNATURES) >= 30
    assert len({name_of(row) for row in EVERY}) == len(EVERY)


@pytest.mark.parametrize("row", SIGNATURES, ids=name_of)
def test_the_schema_of_a_signature(row: Signature) -> None:
    (parameter,) = inspect.signature(row.function).parameters
    expected: dict[str, Any] = {
        "type": "object",
        "properties": {parameter: row.schema},
        "additionalProperties": False,
        "required": [] if row.optional else [parameter],
        "$defs": row.defs,
    }
    parameters = dict(tool(row.function).parameters)
    assert {"required": [], "$defs": {}, **parameters} == expected


@pytest.mark.parametrize("row", EVERY, ids=name_of)
async def test_schema_and_type_take_the_same(row: Signature) -> None:
    made = tool(row.function)
    jsonschema.Draft202012Validator.check_schema(made.parameters)
    for value, expected in row.fits:
        text = arguments_of(row, value)
        assert judged(made, text), text
        given: Any = made.call(text)
        assert (await given if made.is_async else given) == expected
    for value in [*row.misfits, *row.subtle]:
        text = arguments_of(row, value)
        assert judged(made, text) == (value in row.subtle), text
        with pytest.raises(OutputError) as caught:
            made.bind(text)
        assert caught.value.text == text
        assert caught.value.message.startswith(
            f"the arguments of the tool call {made.name!r} do not fit: "
        )


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


def test_the_type_of_the_result_need_not_be_known() -> None:
    def made(number: int) -> Fraction | None: ...

    assert tool(made).name == "made"


@pytest.mark.parametrize("text", ["", " \n", "{}", " { } "])
def test_blank_arguments_are_none(text: str) -> None:
    assert tool(tool_signatures.no_parameters).call(text) == ""


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
    with pytest.raises(OutputError) as caught:
        tool(tool_signatures.pydantic_models).bind(
            '{"people": [{"name": "Ada", "age": -1, "friend": {}}]}'
        )
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
def unresolved(city: Fraction) -> None: ...
def schemaless(file: object) -> None: ...
def two_of_a_kind(a: tool_signatures.Cat | tool_signatures.Point) -> None: ...
def named_like_a_keyword(required: bool) -> None: ...


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (starred, "starred() cannot be a tool: *cities: 'str' has no JSON Schema"),
        (double_starred, "double_starred() cannot be a tool: **options: 'str' has no JSON Schema"),
        (positional, "positional() cannot be a tool: 'city' cannot be given by name"),
        (textwrap.dedent, "dedent() cannot be a tool: the parameter 'text' has no type"),
        (unresolved, "a type cannot be read: name 'Fraction' is not defined"),
        (schemaless, "no JSON Schema can be made: type <class 'object'> is not supported"),
        (two_of_a_kind, "may not contain more than one dict-like type"),
        (named_like_a_keyword, "a property must not be named 'required'"),
        (ast.walk, "walk() cannot be a tool: a generator gives no result"),
        (kimi.ChatStream.text_deltas, "a generator gives no result"),
        (Store.count, "a method must be bound first, as in tool(store.find)"),
        (lambda: None, "'<lambda>' is no name of a tool: "),
        (dict, "a tool is made of a function or a bound method, not of type"),
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


@pytest.mark.parametrize("name", ["", "1a", "a b", "$a", "a" * 129, "a\n"])
def test_a_name_that_no_provider_takes(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name of a tool"):
        tool(tool_signatures.text, name=name)


# Sent


def test_tools_are_spelled_in_any_call() -> None:
    builtin = {"type": "builtin_function", "function": {"name": "$web_search"}}
    client = kimi.AsyncKimi(kimi.AceDataCloud("k"), model="m")
    body = client.preview("Hi", tools=[find, builtin]).body
    assert body is not None
    assert body["tools"] == [find.to_wire(), builtin]
    no_tool: Any = tool_signatures.text
    with pytest.raises(ConfigurationError, match=r"Expected `object`, got `function`"):
        client.preview("Hi", tools=[find, no_tool])
