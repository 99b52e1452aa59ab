from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import annotated_types as at
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import ConfigurationError
from kimi_async._json_text import objects_in, read_json_text

if TYPE_CHECKING:
    from kimi_async import ChatCompletion as Missing


class Model(pydantic.BaseModel):
    point: int


class Plain:
    """A class that says nothing of its fields."""


class Odd(pydantic.BaseModel):
    name: str

    @pydantic.field_validator("name")
    @classmethod
    def refuse(cls, value: str) -> str:
        raise TypeError(f"I want no {type(value).__name__}" if value else "")


class Later(pydantic.BaseModel):
    """A model that refers to a class which is never there."""

    other: Missing


@pytest.mark.parametrize(
    ("text", "into", "value"),
    [
        ('{"point": 1}', Model, Model(point=1)),
        ('[{"point": 1}]', list[Model], [Model(point=1)]),
        ("null", Model | None, None),
        ('{"1": [true]}', dict[int, list[bool]], {1: [True]}),
        ('[1, "a"]', list[object], [1, "a"]),
        ("1", object, 1),
        ("\ufeff[1]", list[int], [1]),
    ],
    ids=[
        "model",
        "models",
        "no-model",
        "whole-number-keys",
        "objects",
        "object",
        "byte-order-mark",
    ],
)
def test_text_is_read_into_a_type(text: str, into: Any, value: object) -> None:
    assert read_json_text(text, into) == value


@pytest.mark.parametrize(
    ("text", "into", "problem"),
    [
        (
            '{"point": "x"}',
            Model,
            "Input should be a valid integer, unable to parse string as an integer - at `point`",
        ),
        ('{"name": "a"}', Odd, "I want no str"),
        ('{"name": ""}', Odd, "TypeError"),
        ("[{}]", list[Model], "Field required - at `point` - at `$[0]`"),
        ('{"a": 1.5}', dict[str, int], "Expected `int`, got `float` - at `$[...]`"),
    ],
    ids=["model", "validator", "silent-validator", "models", "msgspec"],
)
def test_text_that_does_not_fit(text: str, into: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_json_text(text, into)
    assert str(caught.value) == problem
    assert caught.value.__context__ is None


@pytest.mark.parametrize("into", [Plain, list[Plain], int | Plain], ids=str)
def test_a_type_that_nothing_can_be_read_into(into: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing can be read into this type: .*Plain"):
        read_json_text("[1]", into)


def test_a_model_that_is_not_complete() -> None:
    with pytest.raises(ConfigurationError, match=r"pydantic cannot read Later: "):
        read_json_text('{"other": 1}', Later)


@dataclass
class Forward:
    other: Missing


@dataclass(init=False)
class Anything:
    a: int

    def __init__(self, *values: int) -> None: ...


@dataclass
class Odder:
    """Refuses by an error without words."""

    a: int

    def __post_init__(self) -> None:
        raise ValueError


@pytest.mark.parametrize(
    ("into", "problem"),
    [
        (Literal[[1]], "the values of Literal must be texts, numbers, booleans or None, not list"),
        (Forward, "a type cannot be read: name 'Missing' is not defined"),
        (Anything, r"\*values: 'int' of Anything cannot be given by name"),
        (set[list[int]], "unhashable type: 'list'|cannot use 'list' as a set element"),
        (Annotated[Plain, pydantic.AfterValidator(id)], "pydantic cannot read .*Plain"),
        (Annotated[int, at.Timezone("Europe/Oslo")], r"Timezone.* in Annotated is not understood"),
        (Annotated[int, msgspec.Meta(pattern="a")], "'pattern' in Annotated does not apply to int"),
        (Annotated[int, msgspec.Meta(min_length=1)], "'min_length' in Annotated does not apply"),
        (Annotated[bool, at.Ge(0)], "'minimum' in Annotated does not apply to bool"),
    ],
    ids=str,
)
def test_a_type_that_says_what_cannot_be(into: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_json_text("[[1]]", into)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "into", "problem"),
    [
        ('{"a": 1}', Odder, "ValueError"),
        ("1", tuple[int, int], "Expected `array`, got `int`"),
        ('{"a": 1, "b": 2, "c": 3}', Odder, "Object contains unknown field `b`"),
    ],
    ids=["silent-error", "tuple", "first-unknown"],
)
def test_more_that_does_not_fit(text: str, into: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_json_text(text, into)
    assert str(caught.value) == problem


@given(st.text() | st.text('{}[]":,0 \n'))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert read_json_text(text, list[int]) == json.loads(text)


@pytest.mark.parametrize(
    ("data", "objects", "rest"),
    [
        (b' {"a":1}\n{} [1] ', [b'{"a":1}', b"{}"], b"[1]"),
        (b"{}", [b"{}"], b""),
        (b'{"a":"\xff"}{', [b'{"a":"\xff"}'], b"{"),
        (b"x{}", [], b"x{}"),
        (b"{}" * 4_000, [b"{}"] * 4_000, b""),
        (b"{}" * 4_001, [], b"{}" * 4_001),
        (b'{"a":' * 100_000, [], b'{"a":' * 100_000),
    ],
    ids=["two", "one", "not-utf-8", "none", "many", "too-many", "deep"],
)
def test_the_objects_with_which_data_begins(data: bytes, objects: list[bytes], rest: bytes) -> None:
    assert objects_in(data) == (objects, rest)
