from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import os
import pickle
from pathlib import Path
from typing import Any, TypedDict

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from said_messages import CALL, PARTS, REPLY, AttrsTrip

from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._health import ProviderHealth
from kimi_async._hooks import CallInfo
from kimi_async._messages import (
    ContentPart,
    Message,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from kimi_async._models import ChatCompletion, Choice, Thinking
from kimi_async._prefix import Prefix
from kimi_async._record import Usage
from kimi_async._wire import Finding

CALL_WIRE = {"id": "f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
NO_TEXT: ContentPart = {"type": "text", "text": ""}


@dataclasses.dataclass
class DataTrip:
    city: str
    km: int


class DictTrip(TypedDict):
    city: str
    km: int


class StructTrip(msgspec.Struct):
    city: str
    km: int


@pytest.mark.fact(
    "1.3/messages-content",
    "1.3/messages-reasoning-content",
    "3.3/messages-1-partial",
    "3.3/messages-reasoning-content",
    "6.2/only-reasoning-newer-vllm-even",
    "6.3/id-missing-altogether",
    "6.4/empty-string-reasoning-dropped-next",
)
@pytest.mark.parametrize(
    ("value", "wire"),
    [
        pytest.param(CALL, CALL_WIRE, id="call"),
        pytest.param(
            ToolCall(id=None, name="f", arguments="{"),
            {"type": "function", "function": {"name": "f", "arguments": "{"}},
            id="call-whose-missing-id-stays-missing",
        ),
        pytest.param(
            ToolCall(id="", name="$web_search", arguments="", type="builtin_function"),
            {
                "id": "",
                "type": "builtin_function",
                "function": {"name": "$web_search", "arguments": ""},
            },
            id="call-with-empty-texts",
        ),
        pytest.param(Message(role="user"), {"role": "user"}, id="nothing-set"),
        pytest.param(user("Hi"), {"role": "user", "content": "Hi"}, id="user"),
        pytest.param(user(""), {"role": "user", "content": ""}, id="empty-content"),
        pytest.param(
            user("Hi", name="Ann"), {"role": "user", "content": "Hi", "name": "Ann"}, id="user-name"
        ),
        pytest.param(user(PARTS), {"role": "user", "content": PARTS}, id="parts"),
        pytest.param(user(iter(PARTS)), {"role": "user", "content": PARTS}, id="parts-once"),
        pytest.param(system("Be brief."), {"role": "system", "content": "Be brief."}, id="system"),
        pytest.param(
            system(PARTS, name="x"),
            {"role": "system", "content": PARTS, "name": "x"},
            id="system-parts",
        ),
        pytest.param(assistant("Hi"), {"role": "assistant", "content": "Hi"}, id="assistant"),
        pytest.param(assistant(), {"role": "assistant"}, id="assistant-without-anything"),
        pytest.param(
            assistant(PARTS), {"role": "assistant", "content": PARTS}, id="assistant-parts"
        ),
        pytest.param(
            assistant("Hi", reasoning_content=""),
            {"role": "assistant", "content": "Hi", "reasoning_content": ""},
            id="6.4-empty-reasoning-is-sent",
        ),
        pytest.param(
            Message(role="user", content="Hi", extra={"role": "tool", "content": 5, "weight": 1}),
            {"role": "user", "content": "Hi", "weight": 1},
            id="extra-keys-are-sent-after-the-fields",
        ),
        pytest.param(
            Message(role="assistant", reasoning_content="", reasoning_key="reasoning"),
            {"role": "assistant", "reasoning": ""},
            id="6.2-reasoning-goes-back-under-its-key",
        ),
        pytest.param(
            assistant("{", reasoning_content="ok", partial=True, name="Bot"),
            {
                "role": "assistant",
                "content": "{",
                "reasoning_content": "ok",
                "partial": True,
                "name": "Bot",
            },
            id="3.3-partial",
        ),
        pytest.param(
            assistant(reasoning_content="ok", tool_calls=iter([CALL])),
            {"role": "assistant", "reasoning_content": "ok", "tool_calls": [CALL_WIRE]},
            id="calls",
        ),
        pytest.param(
            assistant("", tool_calls=[CALL]),
            {"role": "assistant", "tool_calls": [CALL_WIRE]},
            id="3.3-empty-content-beside-calls-is-left-out",
        ),
        pytest.param(
            assistant([NO_TEXT], tool_calls=[CALL]),
            {"role": "assistant", "tool_calls": [CALL_WIRE]},
            id="9-empty-part-beside-calls-is-left-out",
        ),
        pytest.param(
            assistant([NO_TEXT, *PARTS], tool_calls=[CALL]),
            {"role": "assistant", "content": PARTS, "tool_calls": [CALL_WIRE]},
            id="9-empty-part-beside-another-is-left-out",
        ),
        pytest.param(
            user([*PARTS, NO_TEXT]), {"role": "user", "content": PARTS}, id="9-empty-part-of-a-user"
        ),
        pytest.param(user([NO_TEXT]), {"role": "user", "content": []}, id="empty-part-only"),
        pytest.param(
            assistant("a", tool_calls=[CALL]),
            {"role": "assistant", "content": "a", "tool_calls": [CALL_WIRE]},
            id="content-beside-calls",
        ),
        pytest.param(
            Message(role="assistant", refusal="no"),
            {"role": "assistant", "refusal": "no"},
            id="refusal",
        ),
        pytest.param(
            tool_result(CALL, "12 km"),
            {"role": "tool", "content": "12 km", "tool_call_id": "f:0", "name": "f"},
            id="result",
        ),
        pytest.param(
            tool_result(CALL, {"km": 12, "ä": None}, name="g"),
            {
                "role": "tool",
                "content": '{"km":12,"ä":null}',
                "tool_call_id": "f:0",
                "name": "g",
            },
            id="result-as-json-under-another-name",
        ),
        pytest.param(
            tool_result("f:0", ""),
            {"role": "tool", "content": "", "tool_call_id": "f:0"},
            id="empty-result-by-id",
        ),
        pytest.param(
            tool_result("f:0", None, name="f"),
            {"role": "tool", "content": "null", "tool_call_id": "f:0", "name": "f"},
            id="no-result-by-id",
        ),
        pytest.param(
            tool_result(attrs.evolve(CALL, id=None), 1),
            {"role": "tool", "content": "1", "name": "f"},
            id="result-of-a-call-without-id",
        ),
        pytest.param(
            tool_result(CALL, AttrsTrip("Bonn", 30)),
            {
                "role": "tool",
                "content": '{"city":"Bonn","km":30}',
                "tool_call_id": "f:0",
                "name": "f",
            },
            id="result-that-is-an-attrs-value",
        ),
    ],
)
def test_what_is_sent(value: Message | ToolCall, wire: dict[str, Any]) -> None:
    assert value.to_wire() == wire
    json.dumps(value.to_wire())


def test_a_reply_is_sent_back_whole() -> None:
    """The reasoning and the ids of the calls are unchanged; ``complete`` is not sent."""
    message = assistant(
        "a",
        reasoning_content="",
        tool_calls=[attrs.evolve(CALL, complete=False, id="functions.f:0")],
    )
    assert message.to_wire() == {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "",
        "tool_calls": [CALL_WIRE | {"id": "functions.f:0"}],
    }


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)
with os.scandir(bytes(Path(__file__).parent)) as entries:
    ENTRY = next(entries)


@pytest.mark.parametrize(
    "result",
    [object(), CIRCLE, {(1, 2): 3}, ENTRY],
    ids=["object", "circle", "key", "path-of-bytes"],
)
def test_a_result_that_is_no_json_is_refused(result: object) -> None:
    with pytest.raises(ConfigurationError, match="a tool result must be a text or a JSON value: "):
        tool_result("a", result)


# Comparison


@pytest.mark.parametrize(
    ("field", "value", "counts"),
    [
        ("id", "chatcmpl-2", False),
        ("created", 2, False),
        ("request_id", "req-2", False),
        ("record", None, False),
        ("raw", None, False),
        ("prefix", Prefix(text="a", honoured=None), False),
        ("model", "n", True),
        ("provider", "other", True),
        ("choices", (), True),
        ("usage", None, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_completions_are_equal_when_the_model_said_the_same(
    field: str, value: Any, counts: bool
) -> None:
    other = attrs.evolve(REPLY, **{field: value})
    assert getattr(other, field) == value
    assert (other != REPLY) is counts
    assert (hash(other) != hash(REPLY)) is counts


def test_the_comparison_knows_every_field() -> None:
    fields = attrs.fields(ChatCompletion)
    assert [field.name for field in fields if not field.eq] == [
        "id",
        "created",
        "request_id",
        "record",
        "raw",
        "prefix",
    ]


def test_empty_and_absent_content_are_equal_and_can_be_told_apart() -> None:
    """A stream opens with empty content where a body has null; reasoning has no such excuse."""
    empty, absent = assistant(""), assistant(None)
    assert empty == absent
    assert hash(empty) == hash(absent)
    assert (empty.content, absent.content) == ("", None)
    assert assistant("a") != absent
    assert assistant([]) != absent
    assert assistant(reasoning_content="") != absent
    assert attrs.evolve(absent, refusal="") != absent


VALUES: dict[str, Any] = {
    "message": assistant("a", tool_calls=[CALL]),
    "call": CALL,
    "choice": Choice(index=0, message=assistant("a"), finish_reason="stop"),
    "usage": Usage(total_tokens=5),
    "completion": REPLY,
    "thinking": Thinking(keep="all"),
    "prefix": Prefix(text="Ha", honoured=True),
    "finding": Finding(code="c", level="error", where="model", message="m"),
    "call-info": CallInfo(providers=("a",), model=None, started_at=1.0, params={"seed": 1}),
    "health": ProviderHealth(isolated=False, models={}),
}
each_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of an attrs class or a Struct with their values."""
    kind = type(value)
    names = (
        [field.name for field in attrs.fields(kind)] if attrs.has(kind) else structs.asdict(value)
    )
    return {name: getattr(value, name) for name in names}


@each_value
def test_values_are_frozen_and_hashable(value: Any) -> None:
    assert hash(value) == hash(type(value)(**fields_of(value)))
    assert not hasattr(value, "__dict__")
    for name in fields_of(value):
        with pytest.raises(AttributeError):
            setattr(value, name, None)


@each_value
def test_values_are_made_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match="positional"):
        type(value)(*fields_of(value).values())


@each_value
def test_values_can_be_copied(value: Any) -> None:
    for twin in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert fields_of(twin) == fields_of(value)


def test_what_nobody_said_is_none() -> None:
    assert set(attrs.asdict(Usage()).values()) == {None}
    nothing = {"keep": None, "budget_tokens": None, "effort": None}
    assert fields_of(Thinking()) == {"enabled": True} | nothing


@pytest.mark.parametrize("calls", [None, 5, "f", [None], [CALL, {"id": "f:0"}]])
def test_the_calls_of_a_message_are_values(calls: Any) -> None:
    with pytest.raises(ConfigurationError, match="tool_calls must be a list of ToolCall values"):
        assistant("Hi", tool_calls=calls)


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        *(("enabled", value, "True or False") for value in (1, "yes", None)),
        *(("keep", value, "'all' or None") for value in ("some", True, ["all"])),
        *(
            ("budget_tokens", value, "a whole number above 0, or None")
            for value in (0, -1, 1.5, True, "1")
        ),
        *(("effort", value, "a text such as 'low', or None") for value in ("", 1, True)),
    ],
)
def test_a_field_of_thinking_has_its_type(field: str, value: Any, wanted: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Thinking(**{field: value})
    assert str(caught.value) == f"Thinking: {field} must be {wanted}"


# Tool calls


def arguments(text: str) -> ToolCall:
    return ToolCall(id="a", name="f", arguments=text)


TRIPS = pytest.mark.parametrize(
    ("into", "value"),
    [
        (AttrsTrip, AttrsTrip("Bonn", 30)),
        (DataTrip, DataTrip("Bonn", 30)),
        (DictTrip, {"city": "Bonn", "km": 30}),
        (StructTrip, StructTrip("Bonn", 30)),
        (dict[str, str | int], {"city": "Bonn", "km": 30}),
    ],
    ids=["attrs", "dataclass", "TypedDict", "Struct", "dict"],
)


@TRIPS
def test_arguments_are_read_into_a_type(into: Any, value: object) -> None:
    assert arguments('{"city": "Bonn", "km": 30}').parse(into) == value


@pytest.mark.fact("6.3/schema-errors-differ-by-vendor")
@TRIPS
@pytest.mark.parametrize(
    "text", ['{"city": "Bonn", "km": null}', '{"city": [], "km": 30}', "[]", "null", "{", ""]
)
def test_arguments_that_do_not_fit_a_type(into: Any, value: object, text: str) -> None:
    with pytest.raises(OutputError) as caught:
        arguments(text).parse(into)
    assert caught.value.text == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("{}", {}, id="empty-object"),
        pytest.param(
            ' {"a": [1, 2.5, true, null, "ä"]}\n', {"a": [1, 2.5, True, None, "ä"]}, id="json"
        ),
        pytest.param('{"a": "x\ny\t\x00"}', {"a": "x\ny\t\x00"}, id="raw-control-characters"),
        pytest.param('"text"', "text", id="text"),
        pytest.param('{"a": "[1]"}', {"a": "[1]"}, id="6.3-double-encoded-stays"),
    ],
)
def test_arguments_are_json(text: str, value: object) -> None:
    assert arguments(text).parse() == value
    assert arguments(text).parse(object) == value


@pytest.mark.fact("6.3/invalid-or-cut-json-arguments")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("", "Expecting value", id="empty"),
        pytest.param('{"a": ', "Expecting value", id="6.3-cut"),
        pytest.param("{} {}", "Extra data", id="two-values"),
        pytest.param("{'a': 1}", "Expecting property name", id="single-quotes"),
        pytest.param("NaN", "NaN is not JSON", id="NaN"),
        pytest.param('{"a": [Infinity]}', "Infinity is not JSON", id="Infinity"),
        pytest.param('{"a": -Infinity}', "-Infinity is not JSON", id="minus-Infinity"),
        pytest.param("[" * 100_000, "", id="deep"),
        pytest.param("1" * 5_000, "", id="a-number-too-long-for-Python"),
    ],
)
def test_arguments_that_are_no_json(text: str, problem: str) -> None:
    """No foreign exception is chained, because the frames of a decoder hold the text of the model."""
    with pytest.raises(OutputError) as caught:
        arguments(text).parse()
    error = caught.value
    assert error.message.startswith(f"the arguments of the tool call 'f' do not fit: {problem}")
    assert error.text == text
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_problem_names_the_place() -> None:
    with pytest.raises(OutputError) as caught:
        arguments('{"city": "Bonn", "km": "far"}').parse(AttrsTrip)
    assert caught.value.message == (
        "the arguments of the tool call 'f' do not fit: Expected `int`, got `str` - at `$.km`"
    )
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_can_be_written_as_json_is_read(value: object) -> None:
    assert arguments(json.dumps(value)).parse() == value


@given(st.text() | st.text('{}[]":,0 \n'))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(OutputError):
        assert arguments(text).parse() == json.loads(text, strict=False)


def test_the_repr_of_a_reply_leaves_out_its_record() -> None:
    assert "record" not in repr(ChatCompletion(provider="acedata"))
