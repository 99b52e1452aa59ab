"""The format ``openai``: chunks as OpenAI's clients read them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from kimi_async._events import (
    ContentDelta,
    Finish,
    StreamEnd,
    StreamEvent,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
)
from kimi_async._openai import openai_head, openai_usage
from kimi_async._openai_chunks import ChunkWriter
from kimi_async.tools._executor import ToolResult
from kimi_async.tools._run import RunEvent, StepEnd, StepStart
from kimi_async.web._ending import Ending
from kimi_async.web._formats import KEEP_ALIVE, SSE, Paragraphs, sse

__all__ = ["OpenAIEncoder"]

_DONE: Final = b"data: [DONE]\n\n"

#: A run is one answer to the browser: the calls that the service answers and the ends of its steps are not shown.
_OF_A_STEP: Final = (ToolCallStart, ToolCallDelta, ToolCallDone, Finish)


class OpenAIEncoder:
    """Writes chunks; the last one has no choices, the usage, and our account of the end as ``kimi``."""

    media_type: ClassVar[str] = SSE
    headers: ClassVar[Mapping[str, str]] = {}
    keep_alive: ClassVar[bytes] = KEEP_ALIVE

    def __init__(self) -> None:
        self._chunks = ChunkWriter()
        #: The last chunk; its head is that of the chunk without choices.
        self._last = openai_head("chat.completion.chunk", id=None, model=None, created=None)
        self._paragraphs = Paragraphs()
        self._is_run = False

    def feed(self, event: RunEvent) -> bytes:
        """Return the chunk for *event*, or nothing.

        Raises:
            StreamInterrupted: The reply was begun anew after the first chunk.
        """
        match event:
            case StepStart():
                self._is_run = True
                self._paragraphs.step()
                return b""
            case ToolResult() | StepEnd() | StreamEnd():
                return b""
            case ContentDelta(text=text, choice=0) if self._is_run:
                event = ContentDelta(self._paragraphs.joined(text))
            case _:
                pass
        if self._is_run and isinstance(event, _OF_A_STEP):
            return b""
        return self._chunk(event)

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
