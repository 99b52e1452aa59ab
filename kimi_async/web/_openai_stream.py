"""The format ``openai``: chunks as OpenAI's clients read them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from kimi_async._events import (
    ContentDelta,
    Finish,
    ReasoningDelta,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
)
from kimi_async._openai import openai_head, openai_usage
from kimi_async._openai_chunks import ChunkWriter
from kimi_async.tools._executor import ToolResult
from kimi_async.tools._run import RunEvent, StepEnd, StepStart
from kimi_async.web._ending import Ending
from kimi_async.web._formats import KEEP_ALIVE, SSE, Paragraphs, TextPattern, sse

__all__ = ["OpenAIEncoder"]

_DONE: Final = b"data: [DONE]\n\n"

#: A run is one answer to the browser: the calls that the service answers and the ends of its steps are not shown.
_OF_A_STEP: Final = (ToolCallStart, ToolCallDelta, ToolCallDone, Finish)


class OpenAIEncoder:
    """Writes chunks; the last one has no choices, the usage, and our account of the end as ``kimi``."""

    media_type: ClassVar[str] = SSE
    headers: ClassVar[Mapping[str, str]] = {}
    keep_alive: ClassVar[bytes] = KEEP_ALIVE
    shows_restarts: ClassVar[bool] = False

    def __init__(self) -> None:
        self._chunks = ChunkWriter()
        #: The last chunk; its head is that of the chunk without choices.
        self._last = openai_head("chat.completion.chunk", id=None, model=None, created=None)
        self._paragraphs = Paragraphs()
        self._is_run = False
        #: The chunks of the pieces of choice 0, after the first one of each kind.
        self._patterns: dict[type[StreamEvent], TextPattern] = {}

    def feed(self, event: RunEvent) -> bytes:
        """Return the chunk for *event*, or nothing."""
        match event:
            case ReasoningDelta(choice=0):
                return self._piece(event)
            case ContentDelta(text=text, choice=0):
                return self._piece(ContentDelta(self._paragraphs.joined(text)))
            case StepStart():
                self._is_run = True
                self._paragraphs.step()
                return b""
            # A restart comes before the first chunk of its step.
            case ToolResult() | StepEnd() | StreamEnd() | StreamRestarted():
                return b""
            case _:
                pass
        if self._is_run and isinstance(event, _OF_A_STEP):
            return b""
        return self._chunk(event)

    def _piece(self, event: ReasoningDelta | ContentDelta) -> bytes:
        kind = type(event)
        pattern = self._patterns.get(kind)
        if pattern is not None:
            return pattern.filled(event.text)
        first = self._chunk(event)
        # Not of the first chunk, because that one may name the role.
        self._patterns[kind] = TextPattern(self._chunks.feed(kind("")))
        return first

    def _chunk(self, event: StreamEvent) -> bytes:
        chunk = self._chunks.feed(event)
        if chunk is None:
            return b""
        self._last = chunk
        return sse(chunk)

    def end(self, ending: Ending) -> bytes:
        """Return the last chunks and ``[DONE]``; or OpenAI's error object, after which its clients raise."""
        if ending.problem is not None:
            return sse({"error": ending.problem.to_dict()})
        finish = b"".join(map(self._chunk, _end_of_run(ending))) if self._is_run else b""
        told = ending.to_dict()
        del told["usage"], told["error"]
        last: dict[str, Any] = {**self._last, "choices": [], "kimi": told}
        if ending.usage is not None:
            last["usage"] = openai_usage(ending.usage)
        return finish + sse(last) + _DONE


def _end_of_run(ending: Ending) -> Iterator[StreamEvent]:
    """Return the events that end a run as they would end one reply."""
    for index, call in enumerate(ending.pending):
        yield ToolCallStart(index, call.id, call.name)
        yield ToolCallDelta(index, call.arguments)
        yield ToolCallDone(call)
    # "length" tells a client that the answer is not complete.
    reason = None if ending.completion is None else ending.completion.finish_reason
    yield Finish("length" if reason is None or ending.word in ("max_steps", "denied") else reason)
