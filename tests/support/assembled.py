"""Chunks that an assembler has read, and the events that they became."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from chunk_notation import Json, called, piece, read

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

__all__ = ["DELTA_OF", "NAMELESS", "TOKENS", "Told", "assemble"]


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


TOKENS = [{"token": token, "logprob": -1.5} for token in "ab"]
NAMELESS = called(piece(index=0, id="a", arguments='{"secret": 1}'))
