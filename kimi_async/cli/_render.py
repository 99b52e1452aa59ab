"""Write events as text: for people at a terminal, and for files and pipes."""

from __future__ import annotations

import json
from typing import Protocol

from kimi_async import (
    ChatCompletion,
    ContentDelta,
    KimiError,
    OutputError,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
    ToolCall,
    ToolCallDone,
    Usage,
)
from kimi_async.cli._output import DIM, Output, in_lines, report

__all__ = ["PlainRenderer", "Renderer", "TerminalRenderer", "call_line", "summary"]


class Renderer(Protocol):
    """An object that shows the events of a reply."""

    def show(self, event: StreamEvent, /) -> None:
        """Show one event."""
        ...

    def fail(self, error: KimiError, /) -> None:
        """End the output so far after *error*. The line on stderr is written by the caller."""
        ...


class TerminalRenderer:
    """Shows a reply to a person: thinking dimmed, answer, tool calls, and a line about it at the end."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._section = ""

    def show(self, event: StreamEvent, /) -> None:
        """Show one event; those that say nothing new to a person are passed over."""
        match event:
            case ReasoningDelta(text=text):
                self._begin("thinking")
                self._output.write(text, DIM)
            case ReasoningDone():
                self._output.end_line()
                self._output.write("...done thinking.\n", DIM)
                self._section = ""
            case ContentDelta(text=text) | RefusalDelta(text=text):
                self._begin("answer")
                self._output.write(text)
            case ToolCallDone(call=call):
                self._begin("calls")
                self._output.write(f"Tool call: {call_line(call)}\n")
            case StreamRestarted():
                self._begin("restart")
                self._output.write("The reply broke. It begins anew:\n", DIM)
            case StreamEnd(completion=completion):
                self._begin("summary")
                self._output.write(f"{in_lines(summary(completion))}\n", DIM)
            case _:
                pass

    def fail(self, _error: KimiError, /) -> None:
        """Leave the text that arrived, on a line of its own."""
        self._output.end_line()

    def _begin(self, section: str) -> None:
        if section == self._section:
            return
        self._section = section
        self._output.end_paragraph()
        if section == "thinking":
            # In words too, for terminals without styles and for text that is copied out of one.
            self._output.write("Thinking...\n", DIM)


class PlainRenderer:
    """Writes only the answer to the file; notes go to stderr."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, event: StreamEvent, /) -> None:
        """Write the text of the answer; its last line is ended. A reply does not restart after its first event."""
        match event:
            case ContentDelta(text=text):
                self._output.write(text)
            case StreamEnd(completion=completion):
                self._output.end_line()
                for note in _notes(completion):
                    report(note)
            case _:
                pass

    def fail(self, _error: KimiError, /) -> None:
        """Leave the text that arrived, and end its last line."""
        self._output.end_line()


def call_line(call: ToolCall) -> str:
    """Return the call as one line, ``get_distance(from="here")``; other arguments than a JSON object stay unchanged."""
    try:
        arguments = call.parse()
    except OutputError:
        return f"{call.name}({call.arguments})"
    if not isinstance(arguments, dict):
        return f"{call.name}({_as_json(arguments)})"
    return f"{call.name}({', '.join(f'{key}={_as_json(arguments[key])}' for key in arguments)})"


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def summary(completion: ChatCompletion) -> str:
    """Return tokens, seconds, and the ending of a reply that is not complete; unknown values are left out."""
    record = completion.record
    parts = [_tokens(completion.usage)]
    if record.first_output_after is not None:
        parts += [
            f"first output {record.first_output_after:.2f} s",
            f"total {record.ended_after:.2f} s",
        ]
    ending = _ending(completion)
    return " | ".join(parts if ending is None else [*parts, ending])


def _ending(completion: ChatCompletion) -> str | None:
    """Return words about an answer that is missing or not whole; ``None`` for a whole one, a call or a refusal."""
    match completion.no_answer or completion.outcome:
        case "budget":
            return "no answer: thinking used up the token limit; raise --max-tokens"
        case "model":
            return "no answer: the model thought and said nothing; ask again"
        case "length":
            return "the answer is cut off: it reached the token limit; raise --max-tokens"
        case "content_filter":
            return "the answer is cut off: a content filter stopped it"
        case "complete" | "tool_calls":
            message = completion.message
            said = completion.text or message.tool_calls or message.refusal
            return None if said else "the reply has no text; ask again"
        case _:
            return f"the answer may not be whole: it ended with {completion.finish_reason}"


def _tokens(usage: Usage | None) -> str:
    counts = (
        [] if usage is None else [(usage.prompt_tokens, "in"), (usage.completion_tokens, "out")]
    )
    known = [f"{count} {way}" for count, way in counts if count is not None]
    return f"tokens {', '.join(known) or 'not reported'}"


def _notes(completion: ChatCompletion) -> list[str]:
    """Return notes for a reader who sees only the answer."""
    notes = [f"the model asks for {call_line(call)}" for call in completion.tool_calls]
    if completion.message.refusal:
        notes.append(f"the model refused: {completion.message.refusal}")
    ending = _ending(completion)
    return notes if ending is None else [*notes, ending]
