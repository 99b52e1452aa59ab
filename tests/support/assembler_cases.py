"""The table of ``test_assembler.py``: streams of chunks, and the events and message that follow from each.

A name that begins with a number is about that section of ``docs/providers.md``.
Chunks are in the notation of ``chunk_notation.py``; events have the short names below. The rows of tool calls are in
``assembler_call_cases.py``.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen
from chunk_notation import Json, call, counted, counts, said, thought

from kimi_async._events import ContentDelta as C
from kimi_async._events import ContentDone as CDone
from kimi_async._events import Finish, StreamEvent, StreamStart, ToolCallDone, UsageUpdate
from kimi_async._events import ReasoningDelta as R
from kimi_async._events import ReasoningDone as RDone
from kimi_async._events import RefusalDelta as X
from kimi_async._events import RefusalDone as XDone
from kimi_async._events import ToolCallDelta as Args
from kimi_async._events import ToolCallStart as Call
from kimi_async._messages import ToolCall
from kimi_async._record import Usage

START: Final = StreamStart(None, None, None, "test")


@frozen
class Case:
    """Chunks, the events after ``StreamStart``, and fields of the message at the end."""

    chunks: list[Json]
    events: list[StreamEvent]
    message: Json = field(factory=dict, kw_only=True)
    start: StreamStart = field(default=START, kw_only=True)


def used(prompt: int, completion: int) -> UsageUpdate:
    total = prompt + completion
    return UsageUpdate(
        Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=total)
    )


def whole(id: str | None, name: str, arguments: str, choice: int = 0) -> ToolCallDone:
    return ToolCallDone(ToolCall(id=id, name=name, arguments=arguments), choice)


def cut(id: str | None, name: str, arguments: str, type: str = "function") -> ToolCall:
    return ToolCall(id=id, name=name, arguments=arguments, complete=False, type=type)


STOP, STOPPED = said(finish="stop"), Finish("stop")
END, ENDED = said(finish="tool_calls"), Finish("tool_calls")

# Two calls: where their pieces go, and the events of each.
FIRST: Json = {"index": 0, "id": "a", "name": "f"}
SECOND: Json = {"index": 1, "id": "b", "name": "g"}
F_START, F_DELTA, F = Call(0, "a", "f"), Args(0, "{}"), whole("a", "f", "{}")
G_START, G_DELTA, G = Call(1, "b", "g"), Args(1, "[]"), whole("b", "g", "[]")
F_BARE_START, F_BARE = Call(0, None, "f"), whole(None, "f", "{}")

TEXT: dict[str, Case] = {
    "no-chunk": Case([], []),
    "a-role-is-no-output": Case(
        [said(role="assistant", content="")], [], message={"role": "assistant", "content": ""}
    ),
    "content": Case(
        [said(content="Hel"), said(content="lo"), STOP],
        [C("Hel"), C("lo"), CDone("Hello"), STOPPED],
        message={"content": "Hello", "reasoning_content": None, "refusal": None},
    ),
    "1.4-a-leading-blank-stays": Case(
        [said(content=" Hi"), STOP], [C(" Hi"), CDone(" Hi"), STOPPED], message={"content": " Hi"}
    ),
    "1.4-finish-beside-the-last-content": Case(
        [said(content="Hi"), said(content="!", finish="stop")],
        [C("Hi"), C("!"), CDone("Hi!"), STOPPED],
    ),
    "3-cut-before-the-finish-reason": Case(
        [said(content="Hel")], [C("Hel")], message={"content": "Hel"}
    ),
    "6.2-role-in-every-chunk": Case(
        [said(role="assistant", content=text) for text in "ab"],
        [C("a"), C("b")],
        message={"role": "assistant", "content": "ab"},
    ),
    "6.2-content-null-empty-and-absent-say-nothing": Case(
        [said(content=None), said(content=""), said(), said(content="a"), said(content=None)],
        [C("a")],
        message={"content": "a"},
    ),
    "3-content-absent": Case(
        [said(), said(content=None), STOP], [STOPPED], message={"content": None}
    ),
    "3-content-empty": Case(
        [said(content=""), said(content=None), STOP], [STOPPED], message={"content": ""}
    ),
    "6.4-reasoning-empty-is-kept": Case(
        [thought(""), STOP], [STOPPED], message={"reasoning_content": "", "content": None}
    ),
    "6.2-reasoning-null-is-nothing": Case(
        [said(reasoning_content=None, content="a"), said(reasoning_content=None, finish="stop")],
        [C("a"), CDone("a"), STOPPED],
        message={"reasoning_content": None},
    ),
    "6.2-late-null-reasoning-erases-nothing": Case(
        [thought("r"), said(reasoning_content=None, content="a")],
        [R("r"), RDone("r"), C("a")],
        message={"reasoning_content": "r"},
    ),
    "6.2-reasoning-under-both-keys-comes-once": Case(
        [said(reasoning_content="r", reasoning="r"), said(reasoning_content="s", reasoning="s")],
        [R("r"), R("s")],
        message={"reasoning_content": "rs", "reasoning_key": "reasoning_content"},
    ),
    "6.2-reasoning-under-the-other-key": Case(
        [said(reasoning="r"), said(reasoning="s")],
        [R("r"), R("s")],
        message={"reasoning_content": "rs", "reasoning_key": "reasoning"},
    ),
    "6.2-reasoning-details-alone": Case(
        [said(reasoning_details=[{"text": "r"}]), said(reasoning_details=[{"text": "s"}])],
        [R("r"), R("s")],
        message={"reasoning_content": "rs"},
    ),
    "6.2-only-reasoning-then-stop": Case(
        [thought("r"), STOP],
        [R("r"), RDone("r"), STOPPED],
        message={"reasoning_content": "r", "content": None},
    ),
    "1.4-last-reasoning-beside-the-first-content": Case(
        [thought("r"), said(content="a", reasoning_content="s")],
        [R("r"), R("s"), RDone("rs"), C("a")],
    ),
    "3-reasoning-is-done-at-a-refusal": Case(
        [thought("r"), said(refusal="no"), STOP],
        [R("r"), RDone("r"), X("no"), XDone("no"), STOPPED],
        message={"refusal": "no", "content": None},
    ),
    "3-reasoning-is-done-at-a-tool-call": Case(
        [thought("r"), call("", index=0, name="f")], [R("r"), RDone("r"), F_BARE_START]
    ),
    "3-reasoning-is-done-at-a-tool-call-without-a-name": Case(
        [thought("r"), call("{", index=0)], [R("r"), RDone("r")]
    ),
    "3-reasoning-is-not-done-at-an-empty-delta": Case(
        [
            said(reasoning_content="r", content=""),
            said(content="", refusal="", tool_calls=[]),
            thought(""),
            thought("s"),
        ],
        [R("r"), R("s")],
        message={"content": "", "refusal": ""},
    ),
    "3-reasoning-that-resumes-is-a-new-segment": Case(
        [thought("r"), said(content="a"), thought("s"), said(content="b", finish="stop")],
        [R("r"), RDone("r"), C("a"), CDone("a"), R("s"), RDone("s"), C("b"), CDone("b"), STOPPED],
        message={"reasoning_content": "rs", "content": "ab"},
    ),
    "content-resumes-behind-a-tool-call": Case(
        [said(content="a"), call("{}", index=0, name="f"), said(content="b", finish="stop")],
        [C("a"), CDone("a"), F_BARE_START, Args(0, "{}"), C("b"), CDone("b"), F_BARE, STOPPED],
        message={"content": "ab"},
    ),
    "refusal-in-pieces": Case(
        [said(refusal="I "), said(refusal="can't"), STOP],
        [X("I "), X("can't"), XDone("I can't"), STOPPED],
        message={"refusal": "I can't", "content": None},
    ),
    "6.3-marker-tokens-go-through": Case(
        [said(content="<|tool_calls_"), said(content="section_begin|>")],
        [C("<|tool_calls_"), C("section_begin|>")],
    ),
}

ENDS: dict[str, Case] = {
    "3-an-empty-finish-reason-is-none": Case(
        [said(content="a", finish=""), said(content="b"), said(finish="")], [C("a"), C("b")]
    ),
    "6.2-finish-twice-with-usage-on-the-second": Case(
        [said(content="a"), STOP, {**STOP, "usage": counts(1, 2)}],
        [C("a"), CDone("a"), STOPPED, used(1, 2)],
    ),
    "the-first-finish-reason-stays": Case(
        [said(content="a", finish="length"), STOP], [C("a"), CDone("a"), Finish("length")]
    ),
    "6.2-an-odd-finish-reason-goes-through": Case(
        [said(finish="unexpected_state")], [Finish("unexpected_state")]
    ),
    "6.2-a-call-before-an-odd-finish-reason-is-not-complete": Case(
        [call("{}", index=0, name="f"), said(finish="unexpected_state")],
        [F_BARE_START, Args(0, "{}"), Finish("unexpected_state")],
        message={"tool_calls": (cut(None, "f", "{}"),)},
    ),
    "6.2-a-call-before-another-spelling-of-length-is-not-complete": Case(
        [call("{}", index=0, name="f"), said(finish="MAX_TOKENS")],
        [F_BARE_START, Args(0, "{}"), Finish("MAX_TOKENS")],
        message={"tool_calls": (cut(None, "f", "{}"),)},
    ),
    "6.2-a-call-before-another-spelling-of-stop": Case(
        [call("{}", index=0, name="f"), said(finish="end_turn")],
        [F_BARE_START, Args(0, "{}"), F_BARE, Finish("end_turn")],
    ),
    "6.2-a-call-without-a-name-before-an-odd-finish-reason": Case(
        [call("{}", index=0), said(finish="unexpected_state")],
        [Finish("unexpected_state")],
        message={"tool_calls": (cut(None, "", "{}"),)},
    ),
    "6.2-tool_calls-without-a-call": Case([END], [ENDED], message={"tool_calls": ()}),
    "6.2-stop-although-a-call-came": Case(
        [call("{}", index=0, name="f", finish="stop")],
        [F_BARE_START, Args(0, "{}"), F_BARE, STOPPED],
    ),
    "content-behind-the-finish-reason": Case(
        [said(content="a", finish="stop"), said(content="b"), said(content="c")],
        [C("a"), CDone("a"), STOPPED, C("b"), C("c"), CDone("bc")],
        message={"content": "abc"},
    ),
    "content-between-two-finish-reasons": Case(
        [said(content="a", finish="stop"), said(content="b"), STOP],
        [C("a"), CDone("a"), STOPPED, C("b"), CDone("b")],
    ),
    "an-empty-delta-behind-the-finish-reason": Case(
        [said(content="a", finish="stop"), said(role="assistant", content="")],
        [C("a"), CDone("a"), STOPPED],
    ),
    "a-call-behind-the-finish-reason": Case(
        [STOP, call("{}", index=0, name="f")], [STOPPED, F_BARE_START, Args(0, "{}"), F_BARE]
    ),
    "a-call-between-two-finish-reasons": Case(
        [END, call("{}", index=0, name="f"), END], [ENDED, F_BARE_START, Args(0, "{}"), F_BARE]
    ),
    "a-call-behind-the-finish-reason-length": Case(
        [said(finish="length"), call("{}", index=0, name="f")],
        [Finish("length"), F_BARE_START, Args(0, "{}")],
        message={"tool_calls": (cut(None, "f", "{}"),)},
    ),
    "6.2-several-choices": Case(
        [
            said(1, content="x"),
            said(0, reasoning_content="r"),
            said(1, content="y", finish="length"),
            said(0, content="a"),
            said(0, finish="stop"),
        ],
        [
            C("x", 1),
            R("r", 0),
            C("y", 1),
            CDone("xy", 1),
            Finish("length", 1),
            RDone("r", 0),
            C("a", 0),
            CDone("a", 0),
            Finish("stop", 0),
        ],
        message={"content": "a", "reasoning_content": "r"},
    ),
    "calls-of-several-choices": Case(
        [
            call("{", **FIRST, choice=1),
            call("[", index=0, id="a", name="g", choice=0),
            call("}", index=0, choice=1, finish="tool_calls"),
            call("]", index=0, choice=0, finish="tool_calls"),
        ],
        [
            Call(0, "a", "f", 1),
            Args(0, "{", 1),
            Call(0, "a", "g", 0),
            Args(0, "[", 0),
            Args(0, "}", 1),
            whole("a", "f", "{}", 1),
            Finish("tool_calls", 1),
            Args(0, "]", 0),
            whole("a", "g", "[]", 0),
            Finish("tool_calls", 0),
        ],
        message={"tool_calls": (ToolCall(id="a", name="g", arguments="[]"),)},
    ),
    "one-choice-twice-in-a-chunk": Case(
        [{"choices": said(content="a")["choices"] + said(content="b", finish="stop")["choices"]}],
        [C("a"), C("b"), CDone("ab"), STOPPED],
    ),
}

USAGE: dict[str, Case] = {
    "1.4-usage-in-a-chunk-without-choices": Case(
        [said(content="a", finish="stop"), counted(1, 2)], [C("a"), CDone("a"), STOPPED, used(1, 2)]
    ),
    "3.4-usage-in-the-choice": Case(
        [{"choices": [{"delta": {}, "finish_reason": "stop", "usage": counts(1, 2)}]}],
        [STOPPED, used(1, 2)],
    ),
    "6.2-usage-twice-is-replaced": Case(
        [{**STOP, "usage": counts(1, 2)}, counted(1, 3)], [STOPPED, used(1, 2), used(1, 3)]
    ),
    "3-null-usage-erases-nothing": Case(
        [{**said(content="a"), "usage": counts(1, 2)}, {**said(content="b"), "usage": None}],
        [C("a"), used(1, 2), C("b")],
    ),
    "usage-without-a-figure-erases-nothing": Case(
        [{**said(content="a"), "usage": counts(1, 2)}, {**said(content="b"), "usage": {}}],
        [C("a"), used(1, 2), C("b")],
    ),
    "usage-before-the-first-output-waits-for-it": Case(
        [{**said(role="assistant"), "usage": counts(1, 0)}, said(content="a")], [used(1, 0), C("a")]
    ),
    "usage-before-and-with-the-first-output": Case(
        [counted(1, 0), {**said(content="a"), "usage": counts(1, 1)}], [C("a"), used(1, 1)]
    ),
    "usage-beside-a-call-without-a-name": Case(
        [{**call("{", index=0), "usage": counts(1, 1)}], [used(1, 1)]
    ),
    "usage-alone": Case([counted(1, 0)], []),
    "6.2-choices-missing-null-and-empty": Case(
        [said(content="a"), {"x": 1}, {"choices": None}, {"choices": []}, said(content="b")],
        [C("a"), C("b")],
    ),
}

IDS: dict[str, Case] = {
    "6.2-the-first-id-stays": Case(
        [
            {"id": "chatcmpl-1", "model": "m", "created": 1} | said(role="assistant"),
            {"id": "gen-2", "model": "n", "created": 2} | said(content="a"),
        ],
        [C("a")],
        start=StreamStart("chatcmpl-1", "m", 1, "test"),
    ),
    "ids-that-come-late": Case(
        [
            {"id": "", "model": None} | said(),
            {"id": "x", "model": "m", "created": 0} | said(content="a"),
        ],
        [C("a")],
        start=StreamStart("x", "m", 0, "test"),
    ),
}

CASES = TEXT | ENDS | USAGE | IDS
