"""From chunks to events and a message: one row for each rule, then the rules for every stream.

The rows are in ``assembler_cases.py`` and ``assembler_call_cases.py``.
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from assembler_call_cases import CALLS, PARTIAL
from assembler_cases import CASES, END, Case, used
from attrs import asdict, evolve, frozen
from chunk_notation import Json, called, counted, counts, piece, read, said
from hypothesis import example, given
from hypothesis import strategies as st

from kimi_async._errors import OutputError, StreamInterrupted
from kimi_async._events import (
    ContentDelta,
    ContentDone,
    Finish,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    StreamEvent,
    StreamStart,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
    UsageUpdate,
)
from kimi_async._messages import ToolCall
from kimi_async._models import ChatCompletion
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._providers._parsing import parse_completion
from kimi_async._record import Usage

DELTA_OF = {
    ReasoningDone: ReasoningDelta,
    ContentDone: ContentDelta,
    RefusalDone: RefusalDelta,
}


def assemble(chunks: Iterable[Json]) -> tuple[list[StreamEvent], ChatCompletion]:
    """Return all events of a stream and its message; a broken stream is not closed."""
    assembler = MessageAssembler("test")
    events = [event for chunk in chunks for event in assembler.feed(read(chunk))]
    if assembler.complete:
        events += assembler.close()
    return events, assembler.snapshot()


class Told:
    """Rebuild the message from the events, as a user would; check that their order is valid."""

    def __init__(self) -> None:
        self.started = False
        self.texts: defaultdict[tuple[type, int], str] = defaultdict(str)
        self.open: dict[int, tuple[type, str]] = {}
        self.calls: defaultdict[int, dict[int, tuple[str, str]]] = defaultdict(dict)
        self.done: defaultdict[int, list[ToolCall]] = defaultdict(list)
        self.reasons: dict[int, str] = {}

    def take(self, events: list[StreamEvent]) -> None:
        for event in events:
            assert self.started is not isinstance(event, StreamStart)
            self.started = True
            self._take(event)

    def _take(self, event: StreamEvent) -> None:
        match event:
            case (
                ReasoningDelta(text, choice)
                | ContentDelta(text, choice)
                | RefusalDelta(text, choice)
            ):
                kind, segment = self.open.get(choice, (type(event), ""))
                assert text
                assert kind is type(event)
                self.open[choice] = (kind, segment + text)
                self.texts[kind, choice] += text
            case (
                ReasoningDone(text, choice) | ContentDone(text, choice) | RefusalDone(text, choice)
            ):
                assert self.open.pop(choice) == (DELTA_OF[type(event)], text)
            case ToolCallStart(index, _, name, choice):
                assert choice not in self.open
                assert index not in self.calls[choice]
                self.calls[choice][index] = (name, "")
            case ToolCallDelta(index, arguments, choice):
                assert arguments
                name, so_far = self.calls[choice][index]
                self.calls[choice][index] = (name, so_far + arguments)
            case ToolCallDone(call, choice):
                assert (call.name, call.arguments) in self.calls[choice].values()
                self.done[choice].append(call)
            case Finish(reason, choice):
                assert choice not in self.open
                assert choice not in self.reasons
                self.reasons[choice] = reason
            case other:
                assert isinstance(other, (StreamStart, UsageUpdate))

    def compare(self, completion: ChatCompletion) -> None:
        """Assert that *completion* says the same: nothing is there that was not told, nothing was told that is not."""
        for choice in completion.choices:
            index, message = choice.index, choice.message
            assert (message.content or "") == self.texts[ContentDelta, index]
            assert (message.reasoning_content or "") == self.texts[ReasoningDelta, index]
            assert (message.refusal or "") == self.texts[RefusalDelta, index]
            # Arguments are held back until the name is known, and a name until the arguments begin.
            assert [call for _, call in sorted(self.calls[index].items()) if call[1]] == [
                (call.name, call.arguments)
                for call in message.tool_calls
                if call.name and call.arguments
            ]
            whole_calls = [call for call in message.tool_calls if call.complete]
            assert sorted(map(repr, self.done[index])) == sorted(map(repr, whole_calls))
            assert choice.finish_reason == self.reasons.get(index)


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


TOKENS = [{"token": token, "logprob": -1.5} for token in "ab"]


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


NAMELESS = called(piece(index=0, id="a", arguments='{"secret": 1}'))
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


# Rules for every stream


def choices() -> st.SearchStrategy[Json]:
    texts = st.none() | st.sampled_from(["", "a", " b"])
    pieces = st.fixed_dictionaries(
        {
            "function": st.fixed_dictionaries(
                {
                    "name": st.sampled_from([None, "", "f", "g"]),
                    "arguments": st.sampled_from([None, "", "{", "}", "{}", {"a": 1}]),
                }
            )
        },
        optional={
            "index": st.sampled_from([None, 0, 1, 2]),
            "id": st.sampled_from([None, "", "a", "b"]),
            "type": st.sampled_from([None, "function", "builtin_function"]),
        },
    )
    delta = st.fixed_dictionaries(
        {},
        optional={
            "content": texts,
            "reasoning_content": texts,
            "refusal": texts,
            "tool_calls": st.lists(pieces, max_size=3),
        },
    )
    return st.fixed_dictionaries(
        {"index": st.integers(0, 1), "delta": delta},
        optional={
            "finish_reason": st.sampled_from(
                [None, None, None, "", "stop", "length", "odd", "error"]
            ),
            "logprobs": st.just({"content": [1]}),
        },
    )


CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(choices(), max_size=2)},
    optional={"usage": st.just(counts(1, 2)), "id": st.sampled_from(["x", "y"])},
)


@given(st.lists(CHUNKS, max_size=8))
@example([said(content="a", finish="stop"), said(content="b")])
@example([said(content="a")])
@example([NAMELESS, END])
def test_the_events_tell_the_snapshot_at_every_step(chunks: list[Json]) -> None:
    """Also when a chunk breaks the contract, which ends the reply; and a snapshot never changes."""
    assembler, told = MessageAssembler("test"), Told()
    snapshots: list[tuple[ChatCompletion, Json]] = []
    for chunk in chunks:
        told.take(assembler.feed(read(chunk)))
        completion = assembler.snapshot()
        told.compare(completion)
        reasons = [choice.finish_reason for choice in completion.choices]
        assert assembler.complete is (bool(reasons) and None not in reasons)
        assert assembler.started is told.started
        snapshots.append((completion, asdict(completion)))
        if assembler.failure is not None:
            break
    if assembler.complete:
        told.take(assembler.close())
        told.compare(assembler.snapshot())
        assert not told.open
        assert assembler.close() == []
    assert all(asdict(completion) == before for completion, before in snapshots)


@frozen
class FakeCall:
    """One call: its id, its name, its arguments in pieces, and the piece that has the name."""

    id: str
    name: str
    arguments: list[str]
    named_at: int

    def pieces(self, **place: int) -> list[Json]:
        return [
            piece(
                id=self.id, name=self.name if at == self.named_at else None, arguments=text, **place
            )
            for at, text in enumerate(self.arguments)
        ]


@st.composite
def fake_calls(draw: st.DrawFn) -> list[FakeCall]:
    ids = draw(st.lists(st.text("abc:", min_size=1, max_size=3), unique=True, max_size=4))
    calls: list[FakeCall] = []
    for call_id in ids:
        arguments = draw(st.lists(st.text('{}":1', max_size=3), min_size=1, max_size=4))
        calls.append(
            FakeCall(
                call_id,
                draw(st.sampled_from("fg")),
                arguments,
                draw(st.integers(0, len(arguments) - 1)),
            )
        )
    return calls


def addressed(call: FakeCall, at: int, by: str) -> list[Json]:
    """The pieces of *call*, the *at*-th one, addressed in one of the ways that hosts have."""
    match by:
        case "id":
            return call.pieces()
        case "id beside an index that is always 0":
            # There a new id begins a call only beside a name: some hosts make one for each piece.
            return evolve(call, named_at=0).pieces(index=0)
        case _:
            first, *others = call.pieces(index=at)
            return [first, *({**other, "id": None} for other in others)]


@pytest.mark.parametrize("by", ["index", "id", "id beside an index that is always 0"])
@given(calls=fake_calls(), data=st.data())
def test_calls_may_be_interleaved_in_any_way(
    by: str, calls: list[FakeCall], data: st.DataObject
) -> None:
    """Each in its own order."""
    queues = [addressed(call, at, by) for at, call in enumerate(calls)]
    turns = [at for at, queue in enumerate(queues) for _ in queue]
    order = data.draw(st.permutations(turns))
    chunks = [called(queues[at].pop(0)) for at in order]
    _, completion = assemble([*chunks, END])
    expected = [
        ToolCall(id=call.id, name=call.name, arguments="".join(call.arguments)) for call in calls
    ]
    assert {call.id: call for call in completion.tool_calls} == {call.id: call for call in expected}
    assert len(completion.tool_calls) == len(expected)
    assert by != "index" or list(completion.tool_calls) == expected


# The value of arguments that still come


def deltas(*chunks: Json) -> list[ToolCallDelta]:
    return [event for event in assemble(chunks)[0] if isinstance(event, ToolCallDelta)]


@pytest.mark.parametrize(("chunks", "shown"), PARTIAL.values(), ids=PARTIAL)
def test_a_delta_shows_the_arguments_up_to_itself(chunks: list[Json], shown: list[Any]) -> None:
    """Whatever of the reply has been read by then: how the network cuts the bytes must not show."""
    assert [copy.deepcopy(delta.partial()) for delta in deltas(*chunks)] == shown


def test_arguments_that_are_no_json_end_no_stream() -> None:
    good, bad, later = deltas(
        called(piece(index=0, name="f", arguments="[")),
        called(piece(index=0, arguments="oops")),
        called(piece(index=0, arguments="]"), finish="stop"),
    )
    assert good.partial() == []
    for delta in (bad, later, good):
        with pytest.raises(OutputError, match="at character 1") as caught:
            delta.partial()
        assert caught.value.text == "[oops"


@st.composite
def spoken(draw: st.DrawFn) -> tuple[list[Json], Json]:
    """One reply twice: as the chunks of a stream, and as one JSON body."""
    message: Json = {}
    chunks: list[Json] = [said(role="assistant")]
    for key in draw(st.permutations(["reasoning_content", "content", "refusal"])):
        pieces = draw(st.none() | st.lists(st.text(max_size=3), min_size=1, max_size=3))
        message[key] = None if pieces is None else "".join(pieces)
        deltas: list[Json] = [{key: text} for text in pieces or []]
        chunks += [said(**delta) for delta in deltas]
    calls = draw(fake_calls())
    message["tool_calls"] = [
        {"id": call.id, "function": {"name": call.name, "arguments": "".join(call.arguments)}}
        for call in calls
    ]
    chunks += [called(one) for at, call in enumerate(calls) for one in call.pieces(index=at)]
    tokens = draw(st.none() | st.lists(st.sampled_from(TOKENS), min_size=1, max_size=3))
    logprobs = tokens and {"content": tokens}
    chunks += [{"choices": [{"logprobs": {"content": [token]}}]} for token in tokens or []]
    finish = draw(st.sampled_from(["stop", "tool_calls", "length", "odd"]))
    chunks += [said(finish=finish), counted(1, 2)]
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return chunks, {"choices": [choice], "usage": counts(1, 2)}


@given(spoken())
def test_a_streamed_reply_equals_the_same_reply_as_one_body(reply: tuple[list[Json], Json]) -> None:
    chunks, body = reply
    _, streamed = assemble(chunks)
    completion = parse_completion(json.dumps(body).encode())
    assert completion is not None
    assembler = MessageAssembler("test")
    told = Told()
    told.take(assembler.feed(completion) + assembler.close())
    told.compare(assembler.snapshot())
    assert asdict(streamed) == asdict(assembler.snapshot())
