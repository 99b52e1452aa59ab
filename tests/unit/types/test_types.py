"""What must hold for each type of the table, whatever asks for it."""

from __future__ import annotations

import inspect
import json
from typing import Any, TypedDict

import jsonschema
import pytest
from type_cases import TYPES, TypeCase

from kimi_async import ToolCall
from kimi_async._json_text import read_json_text
from kimi_async.tools import tool
from kimi_async.tools._schema import schema_of

EVERY = pytest.mark.parametrize("case", TYPES, ids=lambda case: case.name)


def holder_of(hint: Any) -> Any:
    make: Any = TypedDict
    return make("Holder", {"value": hint})


def judge_of(case: TypeCase) -> jsonschema.Draft202012Validator:
    schema = schema_of(holder_of(case.hint))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in TYPES}) == len(TYPES)


@EVERY
def test_the_schema_of_a_type(case: TypeCase) -> None:
    expected: dict[str, Any] = {
        "title": "Holder",
        "type": "object",
        "properties": {"value": case.schema},
        "required": ["value"],
        "additionalProperties": False,
        "$defs": case.defs,
    }
    assert {"$defs": {}, **schema_of(holder_of(case.hint))} == expected


@EVERY
def test_a_value_that_fits_is_read(case: TypeCase) -> None:
    judge = judge_of(case)
    for value, read in [*case.fits, *case.lenient]:
        text = json.dumps(value)
        assert read_json_text(text, case.hint) == read
        assert read_json_text(f'{{"value": {text}}}', holder_of(case.hint)) == {"value": read}
        assert judge.is_valid({"value": value}) is ((value, read) in case.fits)


@EVERY
def test_a_value_that_does_not_fit_is_refused_with_its_place(case: TypeCase) -> None:
    judge = judge_of(case)
    for value, place in [*case.misfits, *case.subtle]:
        with pytest.raises(ValueError, match=r"\S") as caught:
            read_json_text(json.dumps(value), case.hint)
        assert f" - at `{place}`" in f"{caught.value} - at ``", value
        assert place or " - at `" not in str(caught.value), caught.value
        assert caught.value.__context__ is None
        assert judge.is_valid({"value": value}) is ((value, place) in case.subtle), value


@EVERY
def test_the_words_of_the_docstring_reach_the_model(case: TypeCase) -> None:
    def function(value: Any) -> Any:
        """Do it.

        Args:
            value: As the docstring says.
        """
        return value

    function.__annotations__["value"] = case.hint
    made = tool(function)
    own = schema_of(holder_of(case.hint))["properties"]["value"].get("description", "")
    told = made.parameters["properties"]["value"]["description"]
    assert told == f"As the docstring says. {own}".strip() or (told == own and own[0] != "(")
    assert list(inspect.signature(function).parameters) == ["value"]
    for value, read in case.fits:
        assert made.call(json.dumps({"value": value})) == read


@EVERY
def test_a_call_is_parsed_into_the_type(case: TypeCase) -> None:
    for value, read in case.fits:
        call = ToolCall(id="1", name="f", arguments=json.dumps(value))
        assert call.parse(case.hint) == read
