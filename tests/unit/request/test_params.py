from __future__ import annotations

import contextlib
import math
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from checked_requests import CIRCLE, HI, SECRET, refused, request
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._errors import ConfigurationError
from kimi_async._messages import user
from kimi_async._models import Thinking
from kimi_async._request._params import ChatParams, chat_request, check_headers
from kimi_async._wire import ChatRequest

NO_BOOL = [1, 0, "true", [True]]
NO_LIMIT = [0, -1, 1.5, True, "1", math.nan]
NO_PENALTY = [-2.1, 2.1, math.nan, math.inf, "1", True]
NO_TEXT = [1, b"x", ["x"], "\ud800"]
#: Values that msgspec writes as another type: as ``null`` or as a text.
CHANGED = [math.nan, math.inf, -math.inf, Decimal("0.1"), b"x", bytearray(b"x"), memoryview(b"x")]
NO_OBJECT = [
    *("x", [("a", 1)], {1: 2}, {"a": object()}, {"a": CIRCLE}, {"a": "\ud800"}),
    *({"a": [{"b": (1, value)}]} for value in CHANGED),
]

# For each name the values that are accepted, and those that are refused.
PARAMS: dict[str, tuple[list[Any], list[Any]]] = {
    "temperature": (
        [0, 0.0, 0.7, 1, 2, 2.0],
        [-0.1, 2.1, math.nan, math.inf, "1", True, [1]],
    ),
    "max_tokens": ([1, 32768, 2**70], NO_LIMIT),
    "max_completion_tokens": ([1, 1048576], NO_LIMIT),
    "top_p": ([0, 0.95, 1], [-0.1, 1.1, math.nan, "1", True]),
    "n": ([1, 128], NO_LIMIT),
    "stop": (["", "END", ["a", "b"], ("a",), []], [1, [SECRET, 1], "\ud800", ["\ud800"]]),
    "frequency_penalty": ([-2, 0, 0.5, 2], NO_PENALTY),
    "presence_penalty": ([-2, 0, 0.5, 2], NO_PENALTY),
    "logprobs": ([True, False], NO_BOOL),
    "top_logprobs": ([0, 20], [-1, 21, 1.5, True, "1"]),
    "logit_bias": (
        [{}, {"50256": -100, "1": 0.5}],
        [{1: 1}, {"1": SECRET}, [1], SECRET, {"1": math.nan}, {"1": math.inf}, {"1": Decimal(1)}],
    ),
    "response_format": ([{"type": "json_object"}, {}], NO_OBJECT),
    "tools": (
        [[], [{"type": "function", "function": {"name": "f"}}], ({"type": "function"},)],
        [
            *(
                {"type": SECRET},
                [SECRET],
                [{"function": refused}],
                [{"description": "\ud800"}],
                SECRET,
            ),
            *([{"function": {"maximum": value}}] for value in CHANGED),
        ],
    ),
    "tool_choice": (
        ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}],
        ["any", "", True, *NO_OBJECT],
    ),
    "parallel_tool_calls": ([True, False], NO_BOOL),
    "thinking": (
        [True, False, Thinking(), Thinking(enabled=False, keep="all", budget_tokens=1)],
        [
            *(1, "on", [("type", "enabled")], {}, {"type": SECRET}, {"enabled": True}),
            *({"type": ["enabled"]}, {"type": "enabled", "budget": 1}, {"type": "enabled", 1: 2}),
        ],
    ),
    "reasoning_effort": (["low", "max", "any"], NO_TEXT),
    "prediction": ([{"type": "content", "content": "x"}, {}], NO_OBJECT),
    "user": (["", "someone"], NO_TEXT),
    "safety_identifier": (["", "someone"], NO_TEXT),
    "metadata": ([{}, {"a": "b"}], [{"a": 1}, {1: "a"}, SECRET]),
    "seed": ([0, -1, 2**40], [1.5, "1", True]),
    "prompt_cache_key": (["", "key"], NO_TEXT),
}
#: Parameters that are not part of the body.
OTHERS: dict[str, tuple[list[Any], list[Any]]] = {
    "model": (["kimi-k3"], ["", 1, b"kimi", ["kimi"]]),
    "extra_body": ([{}, {"a": [1, None]}], [*NO_OBJECT, MappingProxyType({"a": SECRET})]),
    "extra_headers": (
        [{}, {"x-trace": "1"}],
        [{"x-trace": 1}, {1: "x"}, [("x-trace", SECRET)], SECRET],
    ),
}


def rows(which: int) -> list[object]:
    """One row for each value that is accepted (0) or refused (1)."""
    return [
        pytest.param(name, value, id=f"{name}-{number}")
        for name, lists in (PARAMS | OTHERS).items()
        for number, value in enumerate(lists[which])
    ]


def test_the_tables_hold_every_parameter() -> None:
    assert set(PARAMS | OTHERS) == set(ChatParams.__annotations__)


@pytest.mark.parametrize(("name", "value"), rows(0))
def test_accepted(name: str, value: object) -> None:
    """A parameter of the body is handed on unchanged, and nothing else with it."""
    chat = request({name: value})
    assert chat.params == ({name: value} if name in PARAMS else {})
    assert chat.messages == HI


@pytest.mark.fact("1.3/temperature")
@pytest.mark.parametrize(("name", "value"), rows(1))
def test_refused(name: str, value: object) -> None:
    text = refused(lambda: request({name: value}))
    assert text.startswith("bad parameter: ")
    assert name in text


@pytest.mark.parametrize("name", PARAMS | OTHERS)
@pytest.mark.parametrize("value", ["\ud800", ["\ud800"], {"a": "\ud800"}])
def test_a_text_that_is_no_utf_8_is_refused(name: str, value: object) -> None:
    text = refused(lambda: request({name: value}))
    assert name in text


@pytest.mark.parametrize("name", PARAMS | OTHERS)
def test_none_is_not_given(name: str) -> None:
    assert request({name: None}) == ChatRequest(model=None, messages=HI, wire="stream")


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "range": (
        {"temperature": 3},
        "bad parameter: Expected `float` <= 2.0 - at `$.temperature`",
    ),
    "place": (
        {"stop": [SECRET, 1]},
        "bad parameter: Expected `str`, got `int` - at `$.stop[1]`",
    ),
    "thinking": (
        {"thinking": "on"},
        "bad parameter: thinking must be True, False, Thinking(...) or a dict, not str",
    ),
    "class-of-thinking": (
        {"thinking": Thinking},
        "bad parameter: thinking must be True, False, Thinking(...) or a dict, not a class",
    ),
    "word-of-thinking": (
        {"thinking": {"type": SECRET}},
        (
            "bad parameter: a thinking dict has a type of 'enabled' or 'disabled' and may have keep, effort and"
            " budget_tokens; extra_body={'thinking': ...} sends any other form"
        ),
    ),
    "field-of-thinking": (
        {"thinking": {"type": "enabled", "budget_tokens": SECRET}},
        "Thinking: budget_tokens must be a whole number above 0, or None",
    ),
    "two-efforts": (
        {"thinking": Thinking(effort="low"), "reasoning_effort": "low"},
        "bad parameter: give reasoning_effort or Thinking(effort=...), not both",
    ),
    "no-number": (
        {"extra_body": {"a": [1.0, math.nan]}},
        (
            "bad parameter: extra_body holds the number nan, which JSON does not have; give a finite"
            " number, a text or a list"
        ),
    ),
    "decimal": (
        {"extra_body": {"temperature": Decimal("0.1")}},
        (
            "bad parameter: extra_body holds a value of type Decimal, which JSON does not have; give a"
            " finite number, a text or a list"
        ),
    ),
    "set": (
        {"extra_body": {"stop": [{SECRET}]}},
        (
            "bad parameter: extra_body holds a value of type set, which JSON does not have; give a"
            " finite number, a text or a list"
        ),
    ),
    "no-json": (
        {"seed": 1, "tools": [{"function": refused}]},
        "bad parameter: tools holds something that cannot be written as JSON",
    ),
    "misspelled": (
        {"temprature": 1},
        "unknown parameter 'temprature'; did you mean 'temperature'?",
    ),
    "unknown": (
        {"web_search_options": SECRET},
        "unknown parameter 'web_search_options'; extra_body={...} sends a key that has no parameter here",
    ),
    "first-of-several": (
        {"temperature": 3, "b_b": 1, "a_a": 2, "c_c": 3},
        "unknown parameter 'b_b'; extra_body={...} sends a key that has no parameter here",
    ),
}


@pytest.mark.parametrize(("params", "text"), REFUSALS.values(), ids=REFUSALS)
def test_what_a_refusal_says(params: dict[str, Any], text: str) -> None:
    assert refused(lambda: request(params)) == text


#: A dict for ``thinking``, and the value that it is.
DICTS: dict[str, tuple[Any, Thinking]] = {
    "on": ({"type": "enabled"}, Thinking()),
    "off": ({"type": "disabled"}, Thinking(enabled=False)),
    "everything": (
        MappingProxyType({"type": "enabled", "keep": "all", "effort": "low", "budget_tokens": 5}),
        Thinking(keep="all", effort="low", budget_tokens=5),
    ),
    "nothing-given": ({"type": "enabled", "keep": None, "effort": None}, Thinking()),
}


@pytest.mark.parametrize(("given", "expected"), DICTS.values(), ids=DICTS)
def test_thinking_as_a_dict(given: Any, expected: Thinking) -> None:
    assert request({"thinking": given}).params == {"thinking": expected}


@pytest.mark.parametrize(
    ("params", "model", "expected"),
    [
        ({}, None, None),
        ({}, "of-the-client", "of-the-client"),
        ({"model": None}, "of-the-client", "of-the-client"),
        ({"model": "of-the-call"}, "of-the-client", "of-the-call"),
        ({"model": "of-the-call"}, None, "of-the-call"),
    ],
    ids=["none", "client", "none-given", "both", "call"],
)
def test_the_model(params: dict[str, Any], model: str | None, expected: str | None) -> None:
    assert request(params, model=model).model == expected


def test_what_is_not_in_the_body() -> None:
    params = {"model": "m", "extra_headers": {"x-a": "1"}, "extra_body": {"b": 1}, "seed": 2}
    assert chat_request("Hi", params, model=None, wire="json") == ChatRequest(
        model="m", messages=HI, wire="json", params={"seed": 2}, extra_body={"b": 1}
    )


def test_the_dict_of_the_caller_is_not_kept() -> None:
    extra = {"a": 1}
    message = {"role": "user", "content": "Hi"}
    chat = request({"extra_body": extra}, [message])
    extra["a"], message["content"] = 2, "Bye"
    assert (chat.extra_body, chat.messages) == ({"a": 1}, HI)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.builds(object)
    | st.just(user("Hi")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(PARAMS | OTHERS)), ANYTHING)
def test_any_value_is_handed_on_or_refused(name: str, value: object) -> None:
    with contextlib.suppress(ConfigurationError):
        assert request({name: value}).params.get(name, value) is value


@given(ANYTHING)
def test_any_messages_are_messages_or_refused(messages: object) -> None:
    with contextlib.suppress(ConfigurationError):
        assert all(isinstance(one["role"], str) for one in request({}, messages).messages)


@given(ANYTHING)
def test_any_headers_are_headers_or_refused(headers: object) -> None:
    with contextlib.suppress(ConfigurationError):
        check_headers(headers, "headers")
        assert isinstance(headers, dict)
