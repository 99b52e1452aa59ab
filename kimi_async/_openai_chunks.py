"""Turn events into the chunks that OpenAI's clients read from a stream; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kimi_async._errors import StreamInterrupted
from kimi_async._events import (
    ContentDelta,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
    StreamStart,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
)
from kimi_async._messages import Message, ToolCall
from kimi_async._models import Choice
from kimi_async._openai import finish_word, openai_head, openai_usage

__all__ = ["ChunkWriter", "to_openai_chunks"]


class ChunkWriter:
    """Turns the events of one reply into chunks, one event at a time; for a stream that is still running."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._head = openai_head("chat.completion.chunk", id=None, model=None, created=None)
        #: The choices that have had a chunk, and so their role.
        self._begun: set[int] = set()
        #: The last complete tool call of each choice: the meaning of its finish reason depends on it.
        self._called: dict[int, ToolCall] = {}
        #: For each choice, the indices of its calls and those in the chunks, which have no gaps.
        self._indices: dict[int, dict[int, int]] = {}

    def feed(self, event: StreamEvent) -> dict[str, Any] | None:
        """Return the chunk for *event*, or ``None`` for an event that OpenAI's streams do not have.

        Raises:
            StreamInterrupted: The reply was begun anew after chunks had been made; they cannot be taken back.
        """
        match event:
            case StreamStart(id=id, model=model, created=created) if not self._begun:
                self._head = openai_head(
                    "chat.completion.chunk", id=id, model=model, created=created
                )
            case ReasoningDelta(text=text, choice=choice):
                return self._chunk(choice, {"reasoning_content": text})
            case ContentDelta(text=text, choice=choice):
                return self._chunk(choice, {"content": text})
            case RefusalDelta(text=text, choice=choice):
                return self._chunk(choice, {"refusal": text})
            case ToolCallStart(id=id, name=name, choice=choice):
                function = {"name": name, "arguments": ""}
                piece = {"id": id or "", "type": "function", "function": function}
                return self._call_chunk(choice, event.index, piece)
            case ToolCallDelta(index=index, arguments=arguments, choice=choice):
                return self._call_chunk(choice, index, {"function": {"arguments": arguments}})
            case ToolCallDone(call=call, choice=choice):
                self._called[choice] = call
            case Finish(reason=reason, choice=choice):
                return self._chunk(choice, {}, self._finish_word(choice, reason))
            case StreamRestarted():
                self._restart()
            case StreamEnd(completion=completion) if completion.usage is not None:
                return {**self._head, "choices": [], "usage": openai_usage(completion.usage)}
            case _:
                pass
        return None

    def _chunk(
        self, choice: int, delta: dict[str, Any], finish_reason: str | None = None
    ) -> dict[str, Any]:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", **delta}
        spelled = {"index": choice, "delta": delta, "finish_reason": finish_reason}
        return {**self._head, "choices": [spelled]}

    def _call_chunk(self, choice: int, index: int, piece: dict[str, Any]) -> dict[str, Any]:
        indices = self._indices.setdefault(choice, {})
        dense = indices.setdefault(index, len(indices))
        return self._chunk(choice, {"tool_calls": [{"index": dense, **piece}]})

    def _finish_word(self, choice: int, reason: str) -> str | None:
        calls = (self._called[choice],) if choice in self._called else ()
        message = Message(role="assistant", tool_calls=calls)
        return finish_word(Choice(index=choice, message=message, finish_reason=reason).outcome)

    def _restart(self) -> None:
        if self._begun:
            raise StreamInterrupted(
                "the reply was begun anew, and the chunks of its first part cannot be taken back"
            )
        self._begin()


def to_openai_chunks(events: Iterable[StreamEvent]) -> Iterator[dict[str, Any]]:
    """Turn the events of one reply into chunks of OpenAI's type ``chat.completion.chunk``, as plain data.

    Each chunk is made when its event is read. Reasoning is ``reasoning_content``, the first chunk of a choice names the
    role, and a finish reason is OpenAI's word for its meaning. The last chunk has the usage and no choices; it needs a
    :class:`StreamEnd`, and a provider that reported usage. An id or a model that the provider did not name is ``""``,
    an unknown time is 0. Tool calls are numbered from 0 in the order in which they begin.

    Args:
        events: All events of one reply, or as many as there are.

    Raises:
        StreamInterrupted: The reply was begun anew after chunks had been made; they cannot be taken back.
    """
    writer = ChunkWriter()
    for event in events:
        chunk = writer.feed(event)
        if chunk is not None:
            yield chunk
