"""Any chunks: the events tell the same as the snapshot, and a stream the same as one body."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from assembled import NAMELESS, TOKENS, Told, assemble
from assembler_call_cases import PARTIAL
from assembler_cases import END
from attrs import asdict, evolve, frozen
from chunk_notation import Json, called, counted, counts, piece, read, said
from hypothesis import example, given
from hypothesis import strategies as st

from kimi_async._errors import OutputError
from kimi_async._events import (
    ToolCallDelta,
)
from kimi_async._messages import ToolCall
from kimi_async._models import ChatCompletion
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._providers._parsing import parse_completion

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
