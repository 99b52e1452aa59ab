from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kimi_async import AceDataCloud
from kimi_async._errors import ConfigurationError
from kimi_async._messages import Message, MessageDict, ToolCall, assistant, tool_result, user
from kimi_async._models import Thinking
from kimi_async._request._params import ChatParams, chat_request, check_headers
from kimi_async._wire import ChatRequest
from kimi_async.tools import tool

#: A text that no error may repeat.
#: A value of a type that a message does not take.
ANY: Any = 5
SECRET = "s3cret"
HI = ({"role": "user", "content": "Hi"},)
CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


def request(params: dict[str, Any], messages: Any = "Hi", model: str | None = None) -> ChatRequest:
    return chat_request(messages, params, model=model, wire="stream")


def refused(call: Callable[[], object]) -> str:
    """The text of the ``ConfigurationError`` that *call* raises; nothing foreign is chained to it."""
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert SECRET not in str(caught.value)
    return str(caught.value)


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


# Messages

CALL = ToolCall(id="f:0", name="f", arguments="{}")
ODD = {"role": "critic", "content": None, "x": [1, {"y": "ä"}], "tool_calls": []}


@pytest.mark.parametrize(
    ("messages", "wire"),
    [
        pytest.param("Hi", HI, id="text"),
        pytest.param("", ({"role": "user", "content": ""},), id="empty-text"),
        pytest.param(user("Hi"), HI, id="one-Message"),
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
            {"role": "user", "content": SECRET},
            "messages must be a text, a Message or a list of messages, not dict",
            id="dict",
        ),
        pytest.param(
            iter([user(SECRET)]),
            "messages must be a text, a Message or a list of messages, not list_iterator",
            id="iterator",
        ),
        pytest.param(
            None,
            "messages must be a text, a Message or a list of messages, not NoneType",
            id="None",
        ),
        pytest.param(
            [user("Hi"), SECRET],
            "messages[1] must be a Message or a dict, not str",
            id="list-of-str",
        ),
        pytest.param(
            SECRET.encode(),
            "messages must be a text, a Message or a list of messages, not bytes",
            id="bytes",
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
            [user("Hi"), {"role": "user", "content": [{SECRET: object()}]}],
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
        pytest.param(
            [user("Hi"), {"role": "user", "content": SECRET.encode()}],
            "messages[1]: content must be a text or a list of parts, not bytes",
            id="bytes-content",
        ),
        pytest.param(
            [user([{"type": "text", "text": SECRET, "x": math.nan}])],
            "bad parameter: messages[0] holds the number nan, which JSON does not have; give a finite"
            " number, a text or a list",
            id="nan-in-a-part",
        ),
        pytest.param(
            [user("Hi"), {"role": "user", "conent": SECRET}],
            "messages[1] has the key 'conent'; did you mean 'content'?",
            id="key",
        ),
        pytest.param(
            [{"rol": "user", "content": SECRET}],
            "messages[0] has the key 'rol'; did you mean 'role'?",
            id="key-of-the-role",
        ),
        pytest.param(
            [{"role": "system", "tools": {"name": SECRET}}],
            "messages[0]: tools must be a list, not dict",
            id="tools",
        ),
        pytest.param(
            [{"role": "user", "content": 5}],
            "messages[0]: content must be a text or a list of parts, not int",
            id="content-number",
        ),
        pytest.param(
            [{"role": "user", "content": {"type": "text", "text": SECRET}}],
            "messages[0]: content must be a text or a list of parts, not dict",
            id="content-one-part",
        ),
        pytest.param(
            [{"role": "assistant", "tool_calls": {"id": SECRET}}],
            "messages[0]: tool_calls must be a list, not dict",
            id="tool_calls",
        ),
        pytest.param(
            [{"role": "tool", "content": SECRET, "tool_call_id": 5}],
            "messages[0]: tool_call_id must be a text, not int",
            id="tool_call_id",
        ),
        pytest.param(
            [{"role": "user", "content": SECRET, "name": True}],
            "messages[0]: name must be a text, not bool",
            id="name",
        ),
        *(
            pytest.param([message], f"messages[0]{text}", id=f"message-{name}")
            for name, message, text in (
                ("role", Message(role=ANY), " must have a 'role' that is a text"),
                (
                    "content",
                    Message(role="user", content=ANY),
                    ": content must be a text or a list of parts, not int",
                ),
                (
                    "name",
                    Message(role="user", content="a", name=ANY),
                    ": name must be a text, not int",
                ),
                (
                    "arguments",
                    assistant(tool_calls=[ToolCall(id="a", name="f", arguments=ANY)]),
                    ": the arguments of a ToolCall must be the text of JSON, not int",
                ),
            )
        ),
        pytest.param(
            [user([{"type": "text", "text": SECRET, "x": {1}}])],
            "bad parameter: messages[0] holds a value of type set, which JSON does not have; give a finite"
            " number, a text or a list",
            id="set-in-a-part",
        ),
        pytest.param(
            [{"role": "asistant", "content": SECRET}],
            "messages[0] has the role 'asistant'; did you mean 'assistant'?",
            id="role",
        ),
    ],
)
def test_bad_messages(messages: Any, text: str) -> None:
    """A message that JSON cannot express is found when the body is encoded, which is done once."""
    assert refused(lambda: AceDataCloud("k").build_request(request({}, messages))) == text


KEYS = sorted(MessageDict.__annotations__)
LETTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyz_")


@st.composite
def slips(draw: st.DrawFn, words: list[str]) -> tuple[str, str]:
    """A word with one slip of the keyboard in it, and the word that was meant."""
    meant = draw(st.sampled_from(words))
    at = draw(st.integers(0, len(meant) - 1))
    before, letter, after = meant[:at], meant[at], meant[at + 1 :]
    written = draw(
        st.sampled_from(
            [
                before + after,
                before + draw(LETTERS) + letter + after,
                before + draw(LETTERS) + after,
                meant + draw(LETTERS),
                before + after[:1] + letter + after[1:],
                before + letter.upper() + after,
            ]
        )
    )
    assume(written not in words)
    return written, meant


@given(slips(KEYS))
def test_a_key_with_one_slip_is_refused_while_the_right_one_is_missing(
    slip: tuple[str, str],
) -> None:
    written, meant = slip
    message = {"role": "user", "content": "Hi"}
    message.pop(meant, None)
    text = refused(lambda: request({}, [message | {written: SECRET}]))
    assert f"the key {written!r}; did you mean " in text
    complete = {**dict.fromkeys(KEYS, "x"), "tools": [], "tool_calls": [], written: SECRET}
    assert request({}, [complete]).messages == (complete,)


@given(slips(["system", "developer", "user", "assistant", "tool"]))
def test_a_role_with_one_slip_is_refused(slip: tuple[str, str]) -> None:
    written, meant = slip
    text = refused(lambda: request({}, [{"role": written, "content": SECRET}]))
    assert text == f"messages[0] has the role {written!r}; did you mean {meant!r}?"


@pytest.mark.parametrize("key", ["annotations", "cnt", "contents!", "audio", "function_call", "id"])
def test_any_other_key_is_sent(key: str) -> None:
    message = {"role": "assistant", "content": "Hi", key: None}
    assert request({}, [message]).messages == (message,)


@tool
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def test_the_tools_of_a_message_are_written_in_the_openai_form() -> None:
    wire = double.to_wire()
    (sent, _) = request(
        {}, [{"role": "system", "content": "", "tools": [double, wire]}, *HI]
    ).messages
    assert sent == {"role": "system", "content": "", "tools": [wire, wire]}
    assert double(2) == 4


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
            pytest.param(
                {name: SECRET},
                f"headers must not hold {name}; the HTTP client writes it to fit the request",
                id=name,
            )
            for name in (
                *("Content-Length", "transfer-encoding", "Host", "EXPECT", "Connection", "Upgrade"),
                *(
                    "HTTP2-Settings",
                    "Keep-Alive",
                    "TE",
                    "Trailer",
                    "Content-Encoding",
                    "Proxy-Connection",
                ),
            )
        ),
        pytest.param(
            {"Proxy-Authorization": SECRET},
            "headers must not hold Proxy-Authorization, which would reach the provider; give the HTTP client the"
            " proxy's user and password",
            id="Proxy-Authorization",
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
