from __future__ import annotations

import copy
import pickle
from typing import Any, get_args

import pytest
from msgspec import NODEFAULT
from msgspec.structs import asdict, fields, replace
from typing_api import describe

from kimi_async import _events
from kimi_async._errors import ErrorInfo
from kimi_async._events import (
    AttemptFailed,
    ContentDelta,
    ContentDone,
    Finish,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    StreamContinued,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
    StreamStart,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
    UsageUpdate,
    tool_call_delta,
)
from kimi_async._messages import Message, ToolCall
from kimi_async._models import ChatCompletion, Choice
from kimi_async._protocol._partial_json import GrowingText
from kimi_async._record import Usage

COMPLETION = ChatCompletion(
    provider="test", choices=(Choice(index=0, message=Message(role="assistant", content="Hi")),)
)

# event: (its fields in order, the result of a user's `match`)
EVENTS: dict[StreamEvent, tuple[list[str], str]] = {
    StreamStart("x", "m", 1, "test"): (["id", "model", "created", "provider"], "start x m 1 test"),
    ReasoningDelta("r", 1): (["text", "choice"], "reasoning 1 r"),
    ReasoningDone("r", 1): (["text", "choice"], "reasoning done 1 r"),
    ContentDelta("c", 1): (["text", "choice"], "content 1 c"),
    ContentDone("c", 1): (["text", "choice"], "content done 1 c"),
    RefusalDelta("no", 1): (["text", "choice"], "refusal 1 no"),
    RefusalDone("no", 1): (["text", "choice"], "refusal done 1 no"),
    ToolCallStart(2, "a", "f", 1): (["index", "id", "name", "choice"], "call 1 2 a f"),
    ToolCallDelta(2, "{", 1): (["index", "arguments", "choice"], "arguments 1 2 {"),
    ToolCallDone(ToolCall(id="a", name="f", arguments="{}"), 1): (
        ["call", "choice"],
        "call done 1 f {}",
    ),
    Finish("stop", 1): (["reason", "choice"], "finish 1 stop"),
    UsageUpdate(Usage(total_tokens=5)): (["usage"], "usage 5"),
    AttemptFailed(ErrorInfo(name="ServerError", message="no", status=500), 0.5, "test", 1): (
        ["error", "delay", "provider", "attempt"],
        "failed test 1 0.5 ServerError 500",
    ),
    StreamContinued("test", 3): (["provider", "kept"], "continued test 3"),
    StreamRestarted("test", 0): (["provider", "kept"], "restarted test 0"),
    StreamEnd(COMPLETION): (["completion"], "end Hi"),
}

each_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)


def test_the_union_holds_every_event_and_nothing_else() -> None:
    classes = get_args(StreamEvent)
    names = [cls.__name__ for cls in classes]
    assert [*sorted([*names, "StreamEvent"]), "decode_event"] == _events.__all__
    assert {type(event) for event in EVENTS} == set(classes)


@each_event
def test_fields(event: StreamEvent) -> None:
    names, line = EVENTS[event]
    assert [field.name for field in fields(type(event))] == names
    assert describe(event) == line


@each_event
def test_the_choice_is_0_where_nothing_is_said(event: StreamEvent) -> None:
    defaults = {
        field.name: field.default for field in fields(type(event)) if field.default is not NODEFAULT
    }
    assert defaults == ({"choice": 0} if hasattr(event, "choice") else {})


@each_event
def test_an_event_is_a_value(event: Any) -> None:
    assert event == replace(event)
    assert hash(event) == hash(replace(event))
    assert not hasattr(event, "__dict__")
    for field in fields(type(event)):
        assert replace(event, **{field.name: None}) != event
        with pytest.raises(AttributeError):
            setattr(event, field.name, None)


@each_event
def test_an_event_can_be_copied(event: StreamEvent) -> None:
    assert pickle.loads(pickle.dumps(event)) == event
    assert copy.deepcopy(event) == event


def test_a_delta_knows_what_came_before_it() -> None:
    pieces = ['{"a": ', "1"]
    growing = GrowingText(pieces)
    delta = tool_call_delta(0, "1", 2, growing)
    pieces.append("2}")
    last = tool_call_delta(0, "2}", 2, growing)
    assert (delta, repr(delta)) == (ToolCallDelta(0, "1", 2), repr(ToolCallDelta(0, "1", 2)))
    assert hash(delta) == hash(ToolCallDelta(0, "1", 2))
    assert asdict(delta) == {"index": 0, "arguments": "1", "choice": 2}
    shown = [dict(event.partial()) for event in (delta, last, delta)]
    assert shown == [{}, {"a": 12}, {"a": 12}]


DELTA = tool_call_delta(0, "[", 0, GrowingText(["["]))


@pytest.mark.parametrize(
    "delta",
    [
        pytest.param(ToolCallDelta(0, "["), id="made-by-hand"),
        pytest.param(copy.copy(DELTA), id="copied"),
        pytest.param(copy.deepcopy(DELTA), id="copied-deeply"),
        pytest.param(replace(DELTA), id="replaced"),
        pytest.param(pickle.loads(pickle.dumps(DELTA)), id="pickled"),
    ],
)
def test_a_delta_that_is_not_of_a_stream_says_so(delta: ToolCallDelta) -> None:
    assert delta == DELTA
    with pytest.raises(RuntimeError, match="as it came from the stream"):
        delta.partial()


def test_events_of_two_classes_are_not_equal() -> None:
    same_fields: list[StreamEvent] = [ContentDelta("a"), ContentDone("a"), ReasoningDelta("a")]
    assert len(set(same_fields)) == 3
