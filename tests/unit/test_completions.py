"""Choices and completions: outcomes, shortcuts and JSON."""

import re
from typing import Any

import attrs
import pytest
from said_messages import CALL, PARTS, RECORD, REPLY, AttrsTrip

from kimi_async._errors import OutputError
from kimi_async._messages import (
    Message,
    ToolCall,
    assistant,
)
from kimi_async._models import ChatCompletion, Choice
from kimi_async._prefix import Prefix


@pytest.mark.fact("1.4/choices-finish-reason")
@pytest.mark.parametrize(
    ("reason", "calls", "outcome"),
    [
        (None, (), None),
        (None, (CALL,), None),
        ("stop", (), "complete"),
        ("tool_calls", (), "complete"),
        ("function_call", (), "complete"),
        ("stop", (CALL,), "tool_calls"),
        ("tool_calls", (CALL,), "tool_calls"),
        ("function_call", (CALL,), "tool_calls"),
        ("length", (), "length"),
        ("length", (CALL,), "length"),
        ("content_filter", (), "content_filter"),
        ("content_filter", (CALL,), "content_filter"),
        ("MAX_TOKENS", (CALL,), "length"),
        ("end_turn", (CALL,), "tool_calls"),
        ("SAFETY", (), "content_filter"),
        ("error", (), "other"),
        ("unexpected_state", (), "other"),
        ("unexpected_state", (CALL,), "other"),
    ],
    ids=lambda value: (
        str(value) if value is None or isinstance(value, str) else f"{len(value)}-calls"
    ),
)
def test_outcomes(reason: str | None, calls: tuple[ToolCall, ...], outcome: str | None) -> None:
    choice = Choice(index=0, message=assistant(tool_calls=calls), finish_reason=reason)
    assert choice.outcome == outcome
    other = Choice(index=1, message=assistant("b"), finish_reason="odd")
    assert ChatCompletion(provider="test", choices=(choice, other)).outcome == outcome


@pytest.mark.parametrize(
    ("choices", "text", "reasoning", "calls", "reason"),
    [
        pytest.param((), "", "", (), None, id="nothing"),
        pytest.param((Choice(index=0, message=assistant()),), "", "", (), None, id="absent"),
        pytest.param(
            (
                Choice(
                    index=0,
                    message=assistant("a", reasoning_content="r", tool_calls=[CALL]),
                    finish_reason="stop",
                ),
                Choice(index=1, message=assistant("b"), finish_reason="length"),
            ),
            "a",
            "r",
            (CALL,),
            "stop",
            id="choice-0",
        ),
        pytest.param((Choice(index=0, message=assistant(PARTS)),), "", "", (), None, id="parts"),
    ],
)
def test_shortcuts(
    choices: tuple[Choice, ...],
    text: str,
    reasoning: str,
    calls: tuple[ToolCall, ...],
    reason: str | None,
) -> None:
    reply = ChatCompletion(provider="test", choices=choices)
    assert (reply.text, reply.reasoning) == (text, reasoning)
    assert (reply.tool_calls, reply.finish_reason) == (calls, reason)
    assert reply.message.role == "assistant"


def said(content: str | None, reason: str | None = "stop", **fields: Any) -> ChatCompletion:
    """A reply with one choice; *fields* are of its message."""
    message = attrs.evolve(assistant(content), **fields)
    return ChatCompletion(
        provider="test", choices=(Choice(index=0, message=message, finish_reason=reason),)
    )


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        pytest.param(said(None, "length", reasoning_content="Hm."), "budget", id="budget"),
        pytest.param(said(" ", "length", reasoning_content="Hm."), "budget", id="blanks"),
        pytest.param(said(None, None, reasoning_content="Hm."), "cut", id="cut"),
        pytest.param(said("", "stop", reasoning_content="Hm."), "model", id="6.2-model"),
        pytest.param(said("", "odd", reasoning_content="Hm."), "model", id="odd-reason"),
        pytest.param(said("Hi", "length", reasoning_content="Hm."), None, id="answer"),
        pytest.param(said("", "length"), None, id="no-thinking"),
        pytest.param(
            said(None, "tool_calls", reasoning_content="Hm.", tool_calls=(CALL,)), None, id="call"
        ),
        pytest.param(said(None, reasoning_content="Hm.", refusal="No."), None, id="refusal"),
        pytest.param(ChatCompletion(provider="test"), None, id="nothing"),
    ],
)
def test_thinking_without_an_answer_has_a_cause(reply: ChatCompletion, cause: str | None) -> None:
    assert reply.no_answer == cause


def test_a_reply_in_json() -> None:
    assert said('{"city":"Bo\nnn","km":30}').json() == {"city": "Bo\nnn", "km": 30}
    assert said('{"city":"Bonn","km":30}').json(AttrsTrip) == AttrsTrip("Bonn", 30)
    begun = attrs.evolve(said('"km":30}'), prefix=Prefix(text='{"city":"Bonn",', honoured=True))
    assert begun.json(AttrsTrip) == AttrsTrip("Bonn", 30)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(
            said("Sure! {}"), "Expecting value: line 1 column 1 \\(char 0\\)$", id="prose"
        ),
        pytest.param(said('{"city":NaN}'), "NaN is not JSON$", id="nan"),
        pytest.param(said('{"city":1}'), r"Expected `str`, got `int` - at `\$.city`$", id="type"),
        pytest.param(said("```json\n{}\n```"), "stands in a Markdown fence", id="fence"),
        pytest.param(said('{"city":"B', "length"), "the output limit cut it", id="cut"),
        pytest.param(
            said(None, "length", reasoning_content="Hm."),
            "the output limit was used up by thinking",
            id="budget",
        ),
        pytest.param(said("", reasoning_content="Hm."), "only thinking$", id="no-answer"),
        pytest.param(said("[" * 100_000), "nested too deeply$", id="depth"),
    ],
)
def test_a_reply_that_is_not_the_json_that_was_asked_for(
    reply: ChatCompletion, problem: str
) -> None:
    with pytest.raises(OutputError) as caught:
        reply.json(AttrsTrip)
    assert re.match(f"the reply is not the JSON .*: .*{problem}", caught.value.message)
    assert caught.value.text == reply.text


def test_without_a_choice_there_is_no_outcome() -> None:
    assert ChatCompletion(provider="test").outcome is None
    assert ChatCompletion(provider="test").message == Message(role="assistant")


def test_a_completion_takes_the_request_id_of_its_record() -> None:
    bare = attrs.evolve(REPLY, record=ChatCompletion(provider="acedata").record, request_id=None)
    reply = bare.with_record(RECORD)
    assert (reply.record, reply.request_id) == (RECORD, "req-1")
    assert (bare.attempts, reply.attempts) == ((), RECORD.attempts)
    assert attrs.asdict(reply) == attrs.asdict(REPLY)


def test_a_completion_does_not_print_its_raw_body() -> None:
    assert "raw" not in repr(REPLY)
    assert "Hallo" not in repr(attrs.evolve(REPLY, raw={"x": "Hallo"}))
