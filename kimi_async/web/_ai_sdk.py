"""The format ``ai-sdk``: version 1 of the UI message stream of the AI SDK; pure.

Read from the package ``ai`` 7.0 of npm: ``uiMessageChunkSchema`` and ``processUIMessageStream``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias

from kimi_async._codec import plain
from kimi_async._errors import OutputError
from kimi_async._events import (
    AttemptFailed,
    ContentDelta,
    ContentDone,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    StreamContinued,
    StreamRestarted,
    StreamStart,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
)
from kimi_async._messages import ToolCall
from kimi_async._record import Outcome
from kimi_async.tools._executor import ToolResult
from kimi_async.tools._run import RunEvent, StepEnd, StepStart
from kimi_async.web._ending import Ending
from kimi_async.web._formats import KEEP_ALIVE, SSE, TextPattern, sse
from kimi_async.web._problems import shown

__all__ = ["AISDKEncoder"]

_Kind: TypeAlias = Literal["text", "reasoning"]

_REASONS: Final[Mapping[Outcome, str]] = {
    "complete": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "error": "error",
    "interrupted": "interrupted",
    "timeout": "interrupted",
    "cancelled": "interrupted",
    "other": "other",
}


class AISDKEncoder:
    """Writes the parts of one message of the assistant: choice 0 of a reply, or all steps of a run."""

    media_type: ClassVar[str] = SSE
    headers: ClassVar[Mapping[str, str]] = {"x-vercel-ai-ui-message-stream": "v1"}
    keep_alive: ClassVar[bytes] = KEEP_ALIVE
    shows_restarts: ClassVar[bool] = True

    def __init__(self) -> None:
        self._has_started = False
        self._in_step = False
        #: The kind and the number of the part that grows; the kind is ``None`` between two parts.
        self._open: _Kind | None = None
        self._part = 0
        #: A piece of that part.
        self._delta = TextPattern("")
        self._calls = _CallIds()

    def feed(self, event: RunEvent) -> bytes:
        """Return the chunks for *event*."""
        # A message has one answer, so other choices have no place in it.
        if getattr(event, "choice", 0) != 0:
            return b""
        match event:
            case ReasoningDelta(text=text):
                return self._piece("reasoning", text)
            case ContentDelta(text=text) | RefusalDelta(text=text):
                return self._piece("text", text)
            case ReasoningDone() | ContentDone() | RefusalDone():
                return self._close()
            case ToolCallStart() | ToolCallDelta() | ToolCallDone() | ToolResult():
                return self._close() + self._tool(event)
            case _:
                return self._around(event)

    def _around(self, event: RunEvent) -> bytes:
        """Return the chunks for an event outside of the parts of the message."""
        match event:
            case StreamStart(provider=provider, model=model):
                return self._begin() + _metadata(provider=provider, model=model)
            case StepStart():
                return self._begin()
            case StepEnd():
                return self._end_step()
            case StreamRestarted():
                self._open = None
                self._calls.restart()
                return self._begin() + sse({"type": "reset-step"}) + _notice(event)
            case StreamContinued():
                return self._begin() + _notice(event)
            case AttemptFailed(error=error, delay=delay, provider=provider, attempt=attempt):
                failed = AttemptFailed(shown(error), delay, provider, attempt)
                return self._begin() + _notice(failed)
            case _:
                return b""

    def _begin(self) -> bytes:
        """Begin the message and a step of it, unless they have begun."""
        begun = b""
        if not self._has_started:
            self._has_started = True
            begun = sse({"type": "start"})
        if not self._in_step:
            self._in_step = True
            self._calls.next_step()
            begun += sse({"type": "start-step"})
        return begun

    def _piece(self, kind: _Kind, text: str) -> bytes:
        if self._open == kind:
            return self._delta.filled(text)
        ended = self._close()
        self._open, self._part = kind, self._part + 1
        number = str(self._part)
        self._delta = TextPattern({"type": f"{kind}-delta", "id": number, "delta": ""})
        return ended + sse({"type": f"{kind}-start", "id": number}) + self._delta.filled(text)

    def _close(self) -> bytes:
        """End the part that grows, if there is one."""
        if self._open is None:
            return b""
        kind, self._open = self._open, None
        return sse({"type": f"{kind}-end", "id": str(self._part)})

    def _tool(self, event: ToolCallStart | ToolCallDelta | ToolCallDone | ToolResult) -> bytes:
        calls = self._calls
        match event:
            case ToolCallStart(index=index, id=id, name=name):
                begun = {"toolCallId": calls.begin(index, id), "toolName": name}
                return sse({"type": "tool-input-start", **begun})
            case ToolCallDelta(index=index, arguments=arguments):
                piece = {"toolCallId": calls.of_index(index), "inputTextDelta": arguments}
                return sse({"type": "tool-input-delta", **piece})
            case ToolCallDone(call=call):
                return _input(calls.done(call), call)
            case _:
                return _output(calls.of_result(event.call), event)

    def _end_step(self) -> bytes:
        ended = self._close()
        if self._in_step:
            self._in_step = False
            ended += sse({"type": "finish-step"})
        return ended

    def end(self, ending: Ending) -> bytes:
        """Return the end of the message, whose metadata is our account of it, and ``[DONE]``."""
        ended = self._end_step()
        if ending.values:
            ended += sse({"type": "data-value", "id": "value", "data": ending.values[0]})
        told = ending.to_dict()
        told.pop("value", None)
        reason = _REASONS[ending.outcome]
        ended += sse({"type": "finish", "finishReason": reason, "messageMetadata": told})
        # Last, because a chat of the AI SDK reads nothing after an error.
        if reason == "error":
            ended += sse({"type": "error", "errorText": ending.sentence})
        return ended + b"data: [DONE]\n\n"


class _CallIds:
    """The ids of the tool calls of one message: providers repeat an id in each step, or leave it out."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        #: Of this step: the id of each index, in the order in which the calls began.
        self._begun: dict[int, str] = {}
        #: Of this step: the indices of the calls that are complete, and the ids of those without a result yet.
        self._complete: set[int] = set()
        self._waiting: list[tuple[ToolCall, str]] = []

    def next_step(self) -> None:
        self._begun, self._complete, self._waiting = {}, set(), []

    def restart(self) -> None:
        """Forget the calls of this step, whose parts the browser drops."""
        self._used -= set(self._begun.values())
        self.next_step()

    def begin(self, index: int, id: str | None) -> str:
        unique = given = id or f"call-{len(self._used)}"
        number = 1
        while unique in self._used:
            number += 1
            unique = f"{given}-{number}"
        self._used.add(unique)
        self._begun[index] = unique
        return unique

    def of_index(self, index: int) -> str:
        return self._begun[index]

    def done(self, call: ToolCall) -> str:
        """Return the id of the first call that is not complete; calls are completed in the order of their indices."""
        index = min(self._begun.keys() - self._complete)
        self._complete.add(index)
        self._waiting.append((call, self._begun[index]))
        return self._begun[index]

    def of_result(self, call: ToolCall) -> str:
        place = next(at for at, (each, _) in enumerate(self._waiting) if each == call)
        return self._waiting.pop(place)[1]


def _input(id: str, call: ToolCall) -> bytes:
    """Return the chunk for the whole arguments of *call*."""
    head = {"toolCallId": id, "toolName": call.name}
    try:
        return sse({"type": "tool-input-available", **head, "input": call.parse()})
    except OutputError:
        text = "The arguments are not JSON."
        return sse({"type": "tool-input-error", **head, "input": call.arguments, "errorText": text})


def _output(id: str, result: ToolResult) -> bytes:
    """Return the chunk for the answer to a call; its text is the text that the model is told."""
    match result.status:
        case "ok":
            return sse(
                {"type": "tool-output-available", "toolCallId": id, "output": result.content}
            )
        case "denied":
            return sse({"type": "tool-output-denied", "toolCallId": id})
        case _:
            return sse({"type": "tool-output-error", "toolCallId": id, "errorText": result.content})


def _metadata(**facts: Any) -> bytes:
    return sse({"type": "message-metadata", "messageMetadata": facts})


def _notice(event: AttemptFailed | StreamContinued | StreamRestarted) -> bytes:
    """Return the event as a data part that is handed to ``onData`` and does not enter the message."""
    return sse({"type": "data-kimi", "data": plain(event), "transient": True})
