"""The messages and headers of a request: accepted, or refused without a quotation."""

import math
from types import MappingProxyType
from typing import Any

import pytest
from checked_requests import ANY, CIRCLE, HI, SECRET, refused, request
from hypothesis import assume, given
from hypothesis import strategies as st

from kimi_async import AceDataCloud
from kimi_async._messages import Message, MessageDict, ToolCall, assistant, tool_result, user
from kimi_async._request._params import check_headers
from kimi_async.tools import tool

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
            "messages[0]: content[0] must be a dict such as that of text_part(), not list",
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


@pytest.mark.parametrize(
    ("make", "fields", "text"),
    [
        (ToolCall, {"arguments": {"a": SECRET}}, "ToolCall.arguments must be the text of JSON"),
        (ToolCall, {"extra": [SECRET]}, "ToolCall.extra must be a dict"),
        (Message, {"extra": None}, "Message.extra must be a dict"),
        (Message, {"tool_calls": None}, "Message.tool_calls must be a tuple"),
        (
            Message,
            {"tool_calls": ({"id": SECRET},)},
            "each of Message.tool_calls must be a ToolCall",
        ),
    ],
)
def test_a_value_that_could_not_be_written_is_refused_where_it_is_made(
    make: type[Any], fields: dict[str, Any], text: str
) -> None:
    """Its ``to_wire()`` would raise, also where a batch or a conversation calls it."""
    given: dict[str, Any] = {"role": "user"}
    if make is ToolCall:
        given = {"id": "a", "name": "f", "arguments": "{}"}
    assert refused(lambda: make(**{**given, **fields})).startswith(f"{text}, not ")


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
