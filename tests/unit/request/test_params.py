from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._errors import ConfigurationError
from kimi_async._models import Message, Thinking, ToolCall, assistant, tool_result, user
from kimi_async._request._params import ChatParams, chat_request, check_headers
from kimi_async._wire import ChatRequest

#: What no error may repeat.
SECRET = "s3cret"
HI = ({"role": "user", "content": "Hi"},)
CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


def request(params: dict[str, Any], messages: Any = "Hi", model: str | None = None) -> ChatRequest:
    return chat_request(messages, params, model=model, stream=True)


def refused(call: Callable[[], object]) -> str:
    """The text of the ``ConfigurationError`` that *call* raises; nothing foreign is chained to it."""
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def thinking(**fields: Any) -> Thinking:
    """With fields of any type, as from a caller who has no type checker."""
    return Thinking(**fields)


NO_BOOL = [1, 0, "true", [True]]
NO_LIMIT = [0, -1, 1.5, True, "1", math.nan]
NO_PENALTY = [-2.1, 2.1, math.nan, math.inf, "1", True]
NO_TEXT = [1, b"x", ["x"], "\ud800"]
NO_OBJECT = ["x", [("a", 1)], {1: 2}, {"a": object()}, {"a": CIRCLE}, {"a": "\ud800"}]

# Under each name what is accepted, and what is refused.
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
    "logit_bias": ([{}, {"50256": -100, "1": 0.5}], [{1: 1}, {"1": SECRET}, [1], SECRET]),
    "response_format": ([{"type": "json_object"}, {}], NO_OBJECT),
    "tools": (
        [[], [{"type": "function", "function": {"name": "f"}}], ({"type": "function"},)],
        [{"type": SECRET}, [SECRET], [{"function": refused}], [{"description": "\ud800"}], SECRET],
    ),
    "tool_choice": (
        ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}],
        ["any", "", True, *NO_OBJECT],
    ),
    "parallel_tool_calls": ([True, False], NO_BOOL),
    "thinking": (
        [True, False, Thinking(), Thinking(enabled=False, keep="all", budget_tokens=1)],
        [
            1,
            "on",
            {"type": SECRET},
            {"enabled": True},
            thinking(enabled="yes"),
            thinking(keep="some"),
            thinking(budget_tokens="1"),
        ],
    ),
    "reasoning_effort": (["low", "max", "any"], NO_TEXT),
    "user": (["", "someone"], NO_TEXT),
    "metadata": ([{}, {"a": "b"}], [{"a": 1}, {1: "a"}, SECRET]),
    "seed": ([0, -1, 2**40], [1.5, "1", True]),
    "prompt_cache_key": (["", "key"], NO_TEXT),
}
#: These are no parameters of the body.
OTHERS: dict[str, tuple[list[Any], list[Any]]] = {
    "model": (["kimi-k2.5"], ["", 1, b"kimi", ["kimi"]]),
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
    """And handed on as it came: a parameter of the body under its name, nothing else beside it."""
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
def test_none_is_not_given(name: str) -> None:
    assert request({name: None}) == ChatRequest(model=None, messages=HI, stream=True)


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
        {"thinking": {"type": "enabled"}},
        "bad parameter: thinking must be True, False or Thinking(...), not dict",
    ),
    "field-of-thinking": (
        {"thinking": thinking(budget_tokens="1")},
        "bad parameter: Expected `int | null`, got `str` - at `$.thinking.budget_tokens`",
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
        {"safety_identifier": SECRET},
        "unknown parameter 'safety_identifier'; extra_body={...} sends what has no parameter here",
    ),
    "first-of-several": (
        {"temperature": 3, "b_b": 1, "a_a": 2, "c_c": 3},
        "unknown parameter 'b_b'; extra_body={...} sends what has no parameter here",
    ),
}


@pytest.mark.parametrize(("params", "text"), REFUSALS.values(), ids=REFUSALS)
def test_what_a_refusal_says(params: dict[str, Any], text: str) -> None:
    assert refused(lambda: request(params)) == text


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
    assert chat_request("Hi", params, model=None, stream=False) == ChatRequest(
        model="m", messages=HI, stream=False, params={"seed": 2}, extra_body={"b": 1}
    )


def test_the_dict_of_the_caller_is_not_kept() -> None:
    extra = {"a": 1}
    message = {"role": "user", "content": "Hi"}
    chat = request({"extra_body": extra}, [message])
    extra["a"], message["content"] = 2, "Bye"
    assert (chat.extra_body, chat.messages) == ({"a": 1}, HI)


# Messages

CALL = ToolCall(id="f:0", name="f", arguments="{}")
ODD = {"role": "critic", "content": None, "x": [1, {"y": "ä"}], "tool_calls": []}


@pytest.mark.parametrize(
    ("messages", "wire"),
    [
        pytest.param("Hi", HI, id="text"),
        pytest.param("", ({"role": "user", "content": ""},), id="empty-text"),
        pytest.param([user("Hi")], HI, id="Message"),
        pytest.param((user("Hi"),), HI, id="tuple"),
        pytest.param([ODD], (ODD,), id="dict-unchanged"),
        pytest.param([MappingProxyType(ODD)], (ODD,), id="mapping-unchanged"),
        pytest.param(
            [{"role": "user", "content": "Hi"}, assistant(tool_calls=[CALL]), tool_result(CALL, 1)],
            (*HI, assistant(tool_calls=[CALL]).to_wire(), tool_result(CALL, 1).to_wire()),
            id="mixed",
        ),
    ],
)
def test_messages(messages: Any, wire: tuple[object, ...]) -> None:
    assert request({}, messages).messages == wire
    assert all(type(message) is dict for message in request({}, messages).messages)


@pytest.mark.fact("1.3/messages")
@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param([], "messages must hold at least one message", id="empty"),
        pytest.param(
            user(SECRET), "messages must be a text or a list of messages, not Message", id="Message"
        ),
        pytest.param(
            {"role": "user", "content": SECRET},
            "messages must be a text or a list of messages, not dict",
            id="dict",
        ),
        pytest.param(
            iter([user(SECRET)]),
            "messages must be a text or a list of messages, not list_iterator",
            id="iterator",
        ),
        pytest.param(
            None, "messages must be a text or a list of messages, not NoneType", id="None"
        ),
        pytest.param(
            [user("Hi"), SECRET],
            "messages[1] must be a Message or a dict, not str",
            id="list-of-str",
        ),
        pytest.param(
            SECRET.encode(), "messages[0] must be a Message or a dict, not int", id="bytes"
        ),
        pytest.param(
            [{"content": SECRET}], "messages[0] must have a 'role' that is a text", id="no-role"
        ),
        pytest.param(
            [user("Hi"), {"role": 1, "content": SECRET}],
            "messages[1] must have a 'role' that is a text",
            id="role-of-another-type",
        ),
        pytest.param(
            [user("Hi"), {"role": "user", "content": {SECRET: object()}}],
            "bad parameter: messages[1] holds something that cannot be written as JSON",
            id="no-json",
        ),
        pytest.param(
            [Message(role="user", content=f"{SECRET}\ud800")],
            "bad parameter: messages[0] holds something that cannot be written as JSON",
            id="no-utf-8",
        ),
        pytest.param(
            [{"role": "user", "content": CIRCLE}],
            "bad parameter: messages[0] holds something that cannot be written as JSON",
            id="circle",
        ),
    ],
)
def test_bad_messages(messages: Any, text: str) -> None:
    assert refused(lambda: request({}, messages)) == text


# Headers

BAD_CHARACTERS = "headers: the header {!r} holds characters that cannot be sent"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-trace": "1"},
        {"X-Trace": ""},
        {"!#$%&'*+-.^_`|~09azAZ": "a b !~"},
        {"user-agent": "mine/1.0 (me; you)"},
        MappingProxyType({"x-trace": "1"}),
    ],
    ids=["none", "one", "empty-value", "all-characters", "user-agent", "mapping"],
)
def test_headers(headers: Any) -> None:
    check_headers(headers, "headers")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        *(
            pytest.param(headers, "headers must map header names to values", id=name)
            for name, headers in {"list": [("x", SECRET)], "text": SECRET, "none": None}.items()
        ),
        *(
            pytest.param(headers, "headers must map texts to texts", id=name)
            for name, headers in {
                "int": {"x": 1},
                "bytes": {"x": SECRET.encode()},
                "name-of-bytes": {b"x": SECRET},
            }.items()
        ),
        *(
            pytest.param(
                {"x-a": "1", name: f"Bearer {SECRET}"},
                "headers must not hold the authorization; give the provider its api_key",
                id=name,
            )
            for name in ("authorization", "Authorization", "AUTHORIZATION")
        ),
        *(
            pytest.param({name: SECRET}, BAD_CHARACTERS.format(name), id=f"name-{number}")
            for number, name in enumerate(["", " x", "x y", "x:", "x\n", "ä", "²", "x\x00", "(x)"])
        ),
        *(
            pytest.param({"x": value}, BAD_CHARACTERS.format("x"), id=f"value-{number}")
            for number, value in enumerate(
                [
                    f"{SECRET}\r\ny: z",
                    f"{SECRET}\x00",
                    f"{SECRET}\t{SECRET}",
                    f" {SECRET}",
                    f"{SECRET} ",
                    f"{SECRET}ä",
                    f"{SECRET}\x7f",
                ]
            )
        ),
    ],
)
def test_bad_headers(headers: Any, text: str) -> None:
    assert refused(lambda: check_headers(headers, "headers")) == text


def test_the_headers_of_a_call_are_checked_too() -> None:
    text = refused(lambda: request({"extra_headers": {"x": f"{SECRET}\n"}}))
    assert text == "extra_headers: the header 'x' holds characters that cannot be sent"


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
