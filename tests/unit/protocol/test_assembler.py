"""From chunks to events and a message: one row for each rule, then the rules for every stream.

The rows are in ``assembler_cases.py`` and ``assembler_call_cases.py``.
"""

from __future__ import annotations

import json

import pytest
from assembled import NAMELESS, TOKENS, Told, assemble
from assembler_call_cases import CALLS
from assembler_cases import CASES, END, Case, used
from chunk_notation import Json, called, counted, piece, read, said

from kimi_async._errors import StreamInterrupted
from kimi_async._events import (
    ContentDelta,
    ContentDone,
    StreamStart,
    ToolCallDelta,
    ToolCallStart,
)
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._record import Usage


@pytest.mark.fact(
    "1.4/choices",
    "1.4/message-content-message-refusal",
    "1.4/delta-role",
    "1.4/delta-content",
    "1.4/finish-placement",
    "3.3/builtin-tool",
    "3.4/message-content-delta-content",
    "3.4/reasoning-content",
    "3.4/tool-calls",
    "3.4/usage",
    "6.2/reasoning-and-reasoning-content-equal",
    "6.2/only-reasoning-newer-vllm-even",
    "6.2/reasoning-details-array-beside-the",
    "6.2/reasoning-content-null-in-late",
    "6.2/role-in-the-first-chunk",
    "6.2/content-null-or-absent",
    "6.2/chunk-id-and-created-change",
    "6.2/same-finish-reason-in-two",
    "6.2/usage-at-finish-chunk-and",
    "6.2/usage-only-in-choices-0",
    "6.2/missing-or-odd-finish-reason",
    "6.2/finish-stop-although-calls-came",
    "6.2/only-reasoning-then-stop",
    "6.2/more-than-one-choice",
    "6.2/choices-missing-null-or",
    "6.3/marker-tokens-tool-calls-section",
    "6.3/all-arguments-in-one-delta",
    "6.3/arguments-before-the-name",
    "6.3/index-missing",
    "6.3/index-always-0-for-parallel",
    "6.3/id-repeated-or-on-later",
    "6.3/name-repeated-on-later-pieces",
    "6.3/id-missing-altogether",
    "6.3/ids-functions-name-idx-must",
    "6.3/invalid-or-cut-json-arguments",
    "6.3/arguments-as-object-not-string",
    "6.3/call-with-empty-name",
    "6.4/empty-string-reasoning-dropped-next",
)
@pytest.mark.parametrize("case", (CASES | CALLS).values(), ids=CASES | CALLS)
def test_chunks_become_events_and_a_message(case: Case) -> None:
    events, completion = assemble(case.chunks)
    assert events == ([case.start, *case.events] if events else case.events)
    for name, value in case.message.items():
        assert getattr(completion.message, name) == value
    told = Told()
    told.take(events)
    told.compare(completion)


@pytest.mark.fact("1.4/object-created-model")
@pytest.mark.parametrize(
    ("chunks", "usage", "ids"),
    [
        pytest.param([said()], None, (None, None, None), id="nothing-said"),
        pytest.param([counted(1, 2)], used(1, 2).usage, (None, None, None), id="usage-alone"),
        pytest.param(
            [counted(1, 2), said(content="a"), counted(1, 3), {"usage": None}, {"usage": {}}],
            used(1, 3).usage,
            (None, None, None),
            id="3-usage-is-replaced",
        ),
        pytest.param(
            [{"id": "a", "model": "m", "created": 1}, {"id": "b", "model": "n", "created": 2}],
            None,
            ("a", "m", 1),
            id="3-the-first-ids-stay",
        ),
        pytest.param(
            [{"id": ""}, {"id": "b", "model": "n", "created": 0}, {"created": 1}],
            None,
            ("b", "n", 0),
            id="ids-come-late",
        ),
    ],
)
def test_usage_and_ids_of_the_reply(
    chunks: list[Json], usage: Usage | None, ids: tuple[object, ...]
) -> None:
    _, completion = assemble(chunks)
    assert completion.usage == usage
    assert (completion.id, completion.model, completion.created) == ids
    assert completion.provider == "test"


def test_choices_are_in_the_order_of_their_indexes() -> None:
    _, completion = assemble([said(2, content="c"), said(0, content="a"), said(1, content="b")])
    assert [(choice.index, choice.message.content) for choice in completion.choices] == [
        (0, "a"),
        (1, "b"),
        (2, "c"),
    ]


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        pytest.param([None, None], None, id="absent"),
        pytest.param([{}], {}, id="empty"),
        pytest.param(
            [{"content": TOKENS[:1]}, None, {"content": TOKENS[1:]}],
            {"content": TOKENS},
            id="lists",
        ),
        pytest.param(
            [{"content": TOKENS[:1], "refusal": None}, {"content": None, "refusal": TOKENS[1:]}],
            {"content": TOKENS[:1], "refusal": TOKENS[1:]},
            id="null-erases-nothing",
        ),
        pytest.param([{"refusal": None}, {"refusal": None}], {"refusal": None}, id="null"),
        pytest.param(
            [{"model": "x"}, {"model": "y"}, {"model": None}], {"model": "y"}, id="no-list"
        ),
    ],
)
def test_logprobs_are_joined(parts: list[Json | None], joined: Json | None) -> None:
    chunks = [read({"choices": [{"logprobs": part}]}) for part in parts]
    before = json.dumps([chunk.choices[0].logprobs for chunk in chunks])
    assembler = MessageAssembler("test")
    snapshots: list[tuple[object, str]] = []
    for chunk in chunks:
        assert assembler.feed(chunk) == []
        logprobs = assembler.snapshot().choices[0].logprobs
        snapshots.append((logprobs, json.dumps(logprobs)))
    assert snapshots[-1][0] == joined
    assert all(json.dumps(logprobs) == text for logprobs, text in snapshots)
    assert json.dumps([chunk.choices[0].logprobs for chunk in chunks]) == before


NEVER_NAMED = "a tool call was finished without ever getting a name"
WENT_ON = "a tool call continued after the finish reason that declared it complete"


@pytest.mark.fact("6.3/call-with-empty-name")
@pytest.mark.parametrize(
    ("chunks", "message", "complete"),
    [
        pytest.param([NAMELESS, END], NEVER_NAMED, False, id="6.3-a-call-without-a-name"),
        pytest.param(
            [said(content="a"), said(finish="error")],
            "the host gave the reply up: it sent the finish reason 'error'",
            False,
            id="the-host-gives-up",
        ),
        pytest.param(
            [said(content="a", finish="stop"), said(finish="Network-Error")],
            "the host gave the reply up: it sent the finish reason 'Network-Error'",
            True,
            id="the-host-gives-up-after-the-reply-was-complete",
        ),
        pytest.param(
            [called(NAMELESS["choices"][0]["delta"]["tool_calls"][0], finish="stop")],
            NEVER_NAMED,
            False,
            id="6.3-a-whole-call-without-a-name",
        ),
        pytest.param([END, NAMELESS, END], NEVER_NAMED, True, id="late-call-without-a-name"),
        pytest.param(
            [
                called(piece(index=0, name="f", arguments="{}"), finish="stop"),
                called(piece(index=0, arguments='"secret"')),
            ],
            WENT_ON,
            True,
            id="arguments-behind-the-finish-reason",
        ),
    ],
)
def test_what_breaks_the_contract(chunks: list[Json], message: str, complete: bool) -> None:
    """A reply that was whole before stays so; one whose finishing chunk is broken never gets whole."""
    assembler = MessageAssembler("test")
    for chunk in chunks[:-1]:
        assembler.feed(read(chunk))
    assert assembler.failure is None
    assembler.feed(read(chunks[-1]))
    assert assembler.failure is not None
    assert assembler.failure.message == message
    assert assembler.complete is complete


@pytest.mark.parametrize("word", ["error", "ABORT", "cancelled", "insufficient_system_resource"])
def test_a_reply_that_the_host_gives_up_is_a_broken_stream(word: str) -> None:
    """The text of that chunk is kept, half a call is not complete, and no event says that the reply ended."""
    assembler = MessageAssembler("test")
    half = piece(index=0, id="a", name="f", arguments='{"a":')
    events = assembler.feed(read(said(content="Hel", tool_calls=[half], finish=word)))
    assert isinstance(assembler.failure, StreamInterrupted)
    assert assembler.failure.retryable
    assert not assembler.complete
    assert [type(event) for event in events] == [
        *(StreamStart, ContentDelta, ContentDone, ToolCallStart, ToolCallDelta),
    ]
    reply = assembler.snapshot()
    assert (reply.text, reply.outcome, reply.tool_calls[0].complete) == ("Hel", None, False)


def test_what_was_good_in_a_chunk_that_breaks_the_contract_is_told() -> None:
    assembler = MessageAssembler("test")
    chunk = said(content="Hello", tool_calls=[piece(index=0, id="x")], finish="stop")
    events = assembler.feed(read(chunk))
    assert assembler.failure is not None
    assert [type(event) for event in events] == [StreamStart, ContentDelta, ContentDone]
    assert assembler.snapshot().text == "Hello"


def test_a_call_that_only_ends_like_a_whole_one_goes_on() -> None:
    """Neither index nor id, and the name again: a brace at the end of a piece need not be the last one."""
    assembler = MessageAssembler("test")
    for arguments in ('{"a": {}', ', "b": 1}', "{}"):
        assembler.feed(read(called(piece(name="f", arguments=arguments))))
    calls = assembler.snapshot().tool_calls
    assert [call.arguments for call in calls] == ['{"a": {}, "b": 1}', "{}"]


def test_a_late_call_that_never_gets_a_name_breaks_the_close() -> None:
    assembler = MessageAssembler("test")
    assembler.feed(read(END))
    assembler.feed(read(NAMELESS))
    assert assembler.complete
    assembler.close()
    assert assembler.failure is not None
    assert assembler.failure.message == NEVER_NAMED


@pytest.mark.parametrize(
    ("chunk", "started", "complete"),
    [
        pytest.param({}, False, False, id="nothing"),
        pytest.param(said(role="assistant", content=""), False, False, id="role"),
        pytest.param(said(reasoning_content="", tool_calls=[]), False, False, id="empty"),
        pytest.param(counted(1, 2), False, False, id="usage"),
        pytest.param(said(finish=""), False, False, id="empty-finish-reason"),
        pytest.param(said(content="a"), True, False, id="content"),
        pytest.param(said(reasoning_content="a"), True, False, id="reasoning"),
        pytest.param(said(refusal="a"), True, False, id="refusal"),
        pytest.param(NAMELESS, True, False, id="call-without-a-name"),
        pytest.param(said(finish="stop"), True, True, id="finish-reason"),
        pytest.param(
            {"choices": [{"index": 0, "finish_reason": "stop"}, {"index": 1}]},
            True,
            False,
            id="another-choice",
        ),
    ],
)
def test_when_a_reply_has_begun_and_when_it_is_whole(
    chunk: Json, started: bool, complete: bool
) -> None:
    assembler = MessageAssembler("test")
    assembler.feed(read(chunk))
    assert (assembler.started, assembler.complete) == (started, complete)


def test_a_choice_that_begins_late_opens_the_reply_again() -> None:
    """With ``n > 1`` every choice seen must have finished (3)."""
    assembler = MessageAssembler("test")
    whole_after = []
    for chunk in [said(0, finish="stop"), said(1), said(1, finish="stop"), said(1, finish="stop")]:
        assembler.feed(read(chunk))
        whole_after.append(assembler.complete)
    assert whole_after == [True, False, True, True]
