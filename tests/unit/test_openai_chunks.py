"""Replies and events in the shapes of OpenAI, judged by openai-python where it is installed."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from decoded_streams import STREAMS, body_of, events_of
from hypothesis import given
from hypothesis import strategies as st
from json_strategies import chunks

import kimi_async as kimi
from kimi_async import to_openai_chunks
from kimi_async.testing import recording

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
CALL = kimi.ToolCall(id=None, name="f", arguments="{}", type="builtin_function")
SAID = kimi.Message(
    role="assistant", content=None, reasoning_content="Hm.", tool_calls=(CALL,), refusal="no"
)
REPLY = kimi.ChatCompletion(
    provider="x",
    choices=(kimi.Choice(index=0, message=SAID, finish_reason="stop"),),
    usage=kimi.Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1, reasoning_tokens=0),
)
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
START = kimi.StreamStart("c1", "m", 7, "x")


def chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0) -> Any:
    return {
        **HEAD,
        "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}],
    }


def call_piece(index: int, **piece: object) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **piece}]}


def test_each_kind_of_event() -> None:
    events: list[kimi.StreamEvent] = [
        START,
        kimi.ReasoningDelta("Hm."),
        kimi.ReasoningDone("Hm."),
        kimi.ContentDelta("Hi"),
        kimi.ContentDelta("Ho", 1),
        kimi.RefusalDelta("no"),
        kimi.ToolCallStart(4, None, "f"),
        kimi.ToolCallStart(2, "b", "g"),
        kimi.ToolCallDelta(4, "{}"),
        kimi.StreamContinued("y", 3),
        kimi.StreamStart("c2", "m", 8, "y"),
        kimi.ToolCallDone(CALL),
        kimi.Finish("stop"),
        kimi.Finish("stop", 1),
        kimi.StreamEnd(REPLY),
    ]
    f = {"id": "", "type": "function", "function": {"name": "f", "arguments": ""}}
    g = {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
    assert list(to_openai_chunks(events)) == [
        chunk({"role": "assistant", "reasoning_content": "Hm."}),
        chunk({"content": "Hi"}),
        chunk({"role": "assistant", "content": "Ho"}, index=1),
        chunk({"refusal": "no"}),
        chunk(call_piece(0, **f)),
        chunk(call_piece(1, **g)),
        chunk(call_piece(0, function={"arguments": "{}"})),
        chunk({}, "tool_calls"),
        chunk({}, "stop", index=1),
        {**HEAD, "choices": [], "usage": USAGE},
    ]


def test_chunks_are_made_while_events_are_read() -> None:
    events: list[kimi.StreamEvent] = [START, kimi.ContentDelta("a")]
    written = to_openai_chunks(events)
    assert next(written)["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
    events.append(kimi.ContentDelta("b"))
    assert next(written)["choices"][0]["delta"] == {"content": "b"}
    assert list(written) == []


def test_a_restart_is_hidden_before_the_first_chunk_and_an_interruption_after_it() -> None:
    failed: list[kimi.StreamEvent] = [START, kimi.StreamRestarted("y", 0)]
    anew: list[kimi.StreamEvent] = [kimi.StreamStart("c2", None, None, "y"), kimi.ContentDelta("a")]
    (only,) = to_openai_chunks([*failed, *anew])
    assert (only["id"], only["model"], only["created"]) == ("c2", "", 0)
    with pytest.raises(kimi.StreamInterrupted, match="begun anew"):
        list(to_openai_chunks([*anew, *failed]))


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "stop"),
        ("tool_calls", "stop"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("a word that is new", "length"),
    ],
)
def test_a_finish_reason_is_the_word_of_openai_for_its_meaning(reason: str, word: str) -> None:
    (written,) = to_openai_chunks([kimi.Finish(reason)])
    assert written["choices"][0]["finish_reason"] == word
    choice = kimi.Choice(index=0, message=kimi.assistant("a"), finish_reason=reason)
    assert choice.to_openai()["finish_reason"] == word


def test_a_reply() -> None:
    assert REPLY.to_openai() == {
        "id": "",
        "object": "chat.completion",
        "created": 0,
        "model": "",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "refusal": "no",
                    "reasoning_content": "Hm.",
                    "tool_calls": [
                        {
                            "id": "",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
                "finish_reason": "tool_calls",
                "logprobs": None,
            }
        ],
        "usage": USAGE,
    }


def test_what_a_cut_reply_does_not_have_is_not_invented() -> None:
    cut = kimi.Choice(index=0, message=kimi.assistant("Hi"))
    spelled = attrs.evolve(REPLY, choices=(cut,), usage=None).to_openai()
    assert "usage" not in spelled
    assert spelled["choices"][0]["finish_reason"] is None
    assert set(spelled["choices"][0]["message"]) == {"role", "content", "refusal"}


def judged(written: dict[str, Any]) -> Any:
    """The same object by the model of openai-python, which keeps the keys that it does not know."""
    openai = pytest.importorskip("openai.types.chat")
    kinds = {
        "chat.completion": openai.ChatCompletion,
        "chat.completion.chunk": openai.ChatCompletionChunk,
    }
    return kinds[written["object"]].model_validate(written, strict=True)


@pytest.mark.parametrize("name", STREAMS)
def test_openai_python_accepts_a_recorded_stream_and_its_reply(name: str) -> None:
    *events, end = events_of(recording(name))
    read = [judged(written) for written in to_openai_chunks([*events, end])]
    assert isinstance(end, kimi.StreamEnd)
    reply = end.completion
    deltas = [choice.delta for each in read for choice in each.choices]
    assert "".join(delta.content or "" for delta in deltas) == reply.text
    assert read[-1].usage.total_tokens == judged(reply.to_openai()).usage.total_tokens
    assert judged(reply.to_openai()).choices[0].message.content == reply.text


@given(st.lists(chunks, max_size=5))
def test_openai_python_accepts_the_chunks_of_any_stream(objects: list[object]) -> None:
    for written in to_openai_chunks(events_of(body_of(objects))):
        judged(written)
