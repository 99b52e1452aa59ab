"""Events as text, for a terminal and for a file."""

from __future__ import annotations

import io

import pytest
from reply_records import a_record

from kimi_async import (
    ChatCompletion,
    Choice,
    ContentDelta,
    ContentDone,
    Finish,
    KimiError,
    Message,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    ReplyRecord,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
    StreamStart,
    ToolCall,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
    Usage,
    UsageUpdate,
)
from kimi_async._record import unsent_record
from kimi_async.cli._output import Output
from kimi_async.cli._render import PlainRenderer, Renderer, TerminalRenderer, call_line, summary

START = StreamStart("id", "kimi-k2.5", 1770992031, "acedata")
CALL = ToolCall(id="a:0", name="get_distance", arguments='{"from": "北京", "to": "上海"}')
SAID_CALL = 'get_distance(from="北京", to="上海")'
CALLING: list[StreamEvent] = [
    ToolCallStart(0, "a:0", "get_distance"),
    ToolCallDelta(0, CALL.arguments),
    ToolCallDone(CALL),
]


def record(first_output_after: float | None = 0.314) -> ReplyRecord:
    return a_record(
        started_at=1770992031.0,
        headers_after=0.1,
        first_output_after=first_output_after,
        ended_after=2.718,
    )


UNSENT = unsent_record("cancelled", "acedata")


def completion(
    reason: str = "stop",
    *,
    text: str | None = "Hi",
    refusal: str | None = None,
    reasoning: str | None = None,
    calls: tuple[ToolCall, ...] = (),
    usage: Usage | None = None,
    record: ReplyRecord = UNSENT,
) -> ChatCompletion:
    message = Message(
        role="assistant",
        content=text,
        reasoning_content=reasoning,
        refusal=refusal,
        tool_calls=calls,
    )
    choice = Choice(index=0, message=message, finish_reason=reason)
    return ChatCompletion(provider="acedata", choices=(choice,), usage=usage, record=record)


END = StreamEnd(completion())
SUMMARY = "tokens not reported\n"
CUT_OFF = "the answer is cut off: it reached the token limit; raise --max-tokens"


def play(renderer: Renderer, events: list[StreamEvent]) -> None:
    for event in events:
        renderer.show(event)


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        pytest.param(
            [START, ContentDelta("H"), ContentDelta("i\n"), ContentDone("Hi\n"), END],
            f"Hi\n\n{SUMMARY}",
            id="answer",
        ),
        pytest.param(
            [ReasoningDelta(" So"), ReasoningDelta("."), ReasoningDone(" So."), ContentDelta("Hi")],
            "Thinking...\n So.\n...done thinking.\n\nHi",
            id="reasoning-then-answer",
        ),
        pytest.param(
            [ReasoningDelta("So.\n\n"), ReasoningDone("So.\n\n"), ContentDelta("Hi")],
            "Thinking...\nSo.\n\n...done thinking.\n\nHi",
            id="reasoning-that-ends-its-line",
        ),
        pytest.param(
            [ReasoningDelta("a"), ReasoningDone("a"), ReasoningDelta("b"), ReasoningDone("b")],
            "Thinking...\na\n...done thinking.\n\nThinking...\nb\n...done thinking.\n",
            id="reasoning-resumes",
        ),
        pytest.param(
            [ContentDelta("a"), ReasoningDelta("b"), ReasoningDone("b"), ContentDelta("c")],
            "a\n\nThinking...\nb\n...done thinking.\n\nc",
            id="answer-on-both-sides",
        ),
        pytest.param(
            [ContentDelta("I look."), *CALLING, *CALLING, Finish("tool_calls")],
            f"I look.\n\nTool call: {SAID_CALL}\nTool call: {SAID_CALL}\n",
            id="tool-calls",
        ),
        pytest.param(
            [RefusalDelta("I can"), RefusalDelta("not."), RefusalDone("I cannot.")],
            "I cannot.",
            id="refusal",
        ),
        pytest.param([UsageUpdate(Usage()), END], SUMMARY, id="nothing-said"),
        pytest.param(
            [
                ReasoningDelta("So."),
                ReasoningDone("So."),
                StreamEnd(completion("length", text=None, reasoning="So.")),
            ],
            "Thinking...\nSo.\n...done thinking.\n\ntokens not reported | no answer: thinking used up"
            " the token limit; raise\n--max-tokens\n",
            id="thinking-only",
        ),
        pytest.param(
            [ContentDelta("한국어\t[bold]x[/bold] :smile: http://x/1"), ContentDelta("\x1b[2J")],
            "한국어\t[bold]x[/bold] :smile: http://x/1\\x1b[2J",
            id="text-is-no-markup",
        ),
        pytest.param([ContentDelta("x" * 500)], "x" * 500, id="nothing-is-wrapped"),
    ],
)
def test_terminal(events: list[StreamEvent], shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = io.StringIO()
    play(TerminalRenderer(Output(file, styled=False)), events)
    assert file.getvalue() == shown


def test_only_the_answer_is_not_dimmed() -> None:
    file = io.StringIO()
    events = [ReasoningDelta("So."), ReasoningDone("So."), ContentDelta("Hi"), *CALLING, END]
    play(TerminalRenderer(Output(file, styled=True)), events)
    assert file.getvalue() == (
        "\x1b[2mThinking...\n\x1b[0m\x1b[2mSo.\x1b[0m\n\x1b[2m...done thinking.\n\x1b[0m\n"
        f"Hi\n\nTool call: {SAID_CALL}\n\n\x1b[2m{SUMMARY}\x1b[0m"
    )


@pytest.mark.parametrize(
    ("events", "written", "notes"),
    [
        pytest.param([START, ContentDelta("H"), ContentDelta("i"), END], "Hi\n", [], id="answer"),
        pytest.param([ContentDelta("Hi\n"), END], "Hi\n", [], id="line-already-ended"),
        pytest.param(
            [ReasoningDelta("So."), ReasoningDone("So."), ContentDelta("Hi"), END],
            "Hi\n",
            [],
            id="reasoning-is-left-out",
        ),
        pytest.param([ContentDelta("\x1b[2J\t"), END], "\\x1b[2J\t\n", [], id="control-characters"),
        pytest.param(
            [ContentDelta("Hi"), StreamEnd(completion("length"))],
            "Hi\n",
            [CUT_OFF],
            id="cut-off",
        ),
        pytest.param(
            [ContentDelta("Hi"), StreamEnd(completion("content_filter"))],
            "Hi\n",
            ["the answer is cut off: a content filter stopped it"],
            id="filtered",
        ),
        pytest.param(
            [ContentDelta("Hi"), StreamEnd(completion("tired"))],
            "Hi\n",
            ["the answer may not be whole: it ended with tired"],
            id="unknown-reason",
        ),
        pytest.param(
            [*CALLING, StreamEnd(completion("tool_calls", text=None, calls=(CALL,)))],
            "",
            [f"the model asks for {SAID_CALL}"],
            id="tool-call",
        ),
        pytest.param(
            [RefusalDelta("No."), StreamEnd(completion(text=None, refusal="No."))],
            "",
            ["the model refused: No."],
            id="refusal",
        ),
        pytest.param(
            [ReasoningDelta("So."), StreamEnd(completion(text=""))],
            "",
            ["the reply has no text; ask again"],
            id="nothing-at-all",
        ),
        pytest.param(
            [ReasoningDelta("So."), StreamEnd(completion("length", text=None, reasoning="So."))],
            "",
            ["no answer: thinking used up the token limit; raise --max-tokens"],
            id="thinking-only-by-length",
        ),
        pytest.param(
            [ReasoningDelta("So."), StreamEnd(completion(text=None, reasoning="So."))],
            "",
            ["no answer: the model thought and said nothing; ask again"],
            id="thinking-only",
        ),
    ],
)
def test_file(
    events: list[StreamEvent], written: str, notes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.StringIO()
    play(PlainRenderer(Output(file, styled=False)), events)
    assert file.getvalue() == written
    assert capsys.readouterr().err == "".join(f"kimi-async: {note}\n" for note in notes)


@pytest.mark.parametrize("kind", [TerminalRenderer, PlainRenderer])
@pytest.mark.parametrize(
    ("events", "shown"),
    [
        pytest.param([ContentDelta("Hi")], "Hi\n", id="in-a-line"),
        pytest.param([ContentDelta("Hi\n")], "Hi\n", id="behind-a-line"),
        pytest.param([START], "", id="before-any-output"),
    ],
)
def test_an_error_leaves_what_came(
    kind: type[TerminalRenderer | PlainRenderer],
    events: list[StreamEvent],
    shown: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = io.StringIO()
    renderer = kind(Output(file, styled=False))
    play(renderer, events)
    renderer.fail(KimiError("said by the caller"))
    assert file.getvalue() == shown
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        pytest.param('{"a": "é\\n", "b": [1, null]}', 'f(a="é\\n", b=[1, null])', id="object"),
        pytest.param("{}", "f()", id="empty-object"),
        pytest.param("[1]", "f([1])", id="no-object"),
        pytest.param('{"a": ', 'f({"a": )', id="no-json"),
        pytest.param("", "f()", id="nothing"),
    ],
)
def test_call_line(arguments: str, line: str) -> None:
    assert call_line(ToolCall(id=None, name="f", arguments=arguments)) == line


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        pytest.param(completion(), "tokens not reported", id="nothing-known"),
        pytest.param(
            completion(usage=Usage(prompt_tokens=9, completion_tokens=0), record=record()),
            "tokens 9 in, 0 out | first output 0.31 s | total 2.72 s",
            id="all-known",
        ),
        pytest.param(
            completion(usage=Usage(completion_tokens=5, total_tokens=9)), "tokens 5 out", id="one"
        ),
        pytest.param(completion(usage=Usage()), "tokens not reported", id="empty-usage"),
        pytest.param(completion(record=record(None)), "tokens not reported", id="no-output"),
        pytest.param(completion("length"), f"tokens not reported | {CUT_OFF}", id="cut-off"),
        pytest.param(
            completion(text=""),
            "tokens not reported | the reply has no text; ask again",
            id="empty",
        ),
        pytest.param(
            completion("stop", text=None, calls=(CALL,)), "tokens not reported", id="only-a-call"
        ),
    ],
)
def test_summary(reply: ChatCompletion, line: str) -> None:
    assert summary(reply) == line


RESTARTED: list[StreamEvent] = [
    ContentDelta("Once"),
    StreamRestarted("acedata", 0),
    ContentDelta("Again"),
]


def test_a_terminal_announces_a_restart() -> None:
    file = io.StringIO()
    renderer = TerminalRenderer(Output(file, styled=False))
    for event in RESTARTED:
        renderer.show(event)
    assert file.getvalue() == "Once\n\nThe reply broke. It begins anew:\n\nAgain"
