from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import Message, ToolCall, assistant, tool_result, user
from kimi_async.tools._call_ids import sayable, with_ids, with_unique_ids


def call(id: str | None) -> ToolCall:
    return ToolCall(id=id, name="f", arguments="{}")


def turn(*ids: str | None) -> list[Message]:
    """Calls with these ids and their results."""
    calls = [call(each) for each in ids]
    return [assistant(tool_calls=calls), *(tool_result(each, "x") for each in calls)]


def ids_in(messages: list[Message]) -> list[object]:
    """The ids of calls and results, in order."""
    found: list[object] = []
    for message in messages:
        found += [each.id for each in message.tool_calls]
        found += [message.tool_call_id] if message.tool_call_id is not None else []
    return found


@pytest.mark.parametrize(
    ("turns", "ids"),
    [
        pytest.param([], [], id="none"),
        pytest.param([("a",), ("b",)], ["a", "a", "b", "b"], id="unique"),
        pytest.param([("a",), ("a",)], ["a", "a", "a-2", "a-2"], id="repeated"),
        pytest.param(
            [("a", "b"), ("b", "a")],
            ["a", "b", "a", "b", "b-2", "a-2", "b-2", "a-2"],
            id="other-order",
        ),
        pytest.param([("a", "a")], ["a", "a-2", "a", "a-2"], id="twice-in-one-turn"),
        pytest.param(
            [("a",), ("a-2",), ("a",)], ["a", "a", "a-2", "a-2", "a-3", "a-3"], id="taken-before"
        ),
        pytest.param(
            [("a",), ("a",), ("a-2",)], ["a", "a", "a-3", "a-3", "a-2", "a-2"], id="taken-later"
        ),
        pytest.param([(None, "a"), ("a",)], [None, "a", "a", "a-2", "a-2"], id="without-an-id"),
        pytest.param([("", ""), ("",)], ["", "-2", "", "-2", "-3", "-3"], id="empty"),
    ],
)
def test_ids_that_repeat(turns: list[tuple[str | None, ...]], ids: list[object]) -> None:
    messages: list[Message] = [user("Hi")]
    for each in turns:
        messages += [*turn(*each), user("And?")]
    written = with_unique_ids(messages)
    assert ids_in(written) == ids
    assert with_unique_ids(written) == written


def test_a_result_without_a_call_is_left_alone() -> None:
    messages = [*turn("a"), tool_result("unheard-of", "x"), *turn("b")]
    assert with_unique_ids(messages) == messages


IDS = st.sampled_from(["a", "b", "a-2", "c"])


@given(st.lists(st.lists(IDS, min_size=1, max_size=3)))
def test_each_result_stays_with_its_call(turns: list[list[str]]) -> None:
    written = with_unique_ids([message for ids in turns for message in turn(*ids)])
    place = 0
    seen: list[object] = []
    for ids in turns:
        said, *results = written[place : place + 1 + len(ids)]
        place += 1 + len(ids)
        new = [each.id for each in said.tool_calls]
        assert [each.tool_call_id for each in results] == new
        seen += new
    assert len(set(seen)) == len(seen)


def test_a_call_without_an_id_gets_one_that_nobody_has() -> None:
    history = turn("call_1", "call_3")
    message = with_ids(assistant(tool_calls=[call(None), call("call_4"), call(None)]), history)
    assert [each.id for each in message.tool_calls] == ["call_2", "call_4", "call_5"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (assistant("Hi", tool_calls=[call("a")]), [assistant("Hi")]),
        (Message(role="assistant", refusal="No."), []),
        (assistant("", reasoning_content="Hm", tool_calls=[call("a")]), []),
        (assistant(None), []),
    ],
    ids=["content", "refusal", "only-reasoning", "nothing"],
)
def test_what_can_be_sent_back_without_the_calls(message: Message, said: list[Message]) -> None:
    assert sayable(message) == said
