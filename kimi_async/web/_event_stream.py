"""The format ``events``: our events as JSON in server-sent events; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from kimi_async._codec import encode, plain
from kimi_async._events import AttemptFailed, ContentDelta, ReasoningDelta, StreamEnd
from kimi_async._models import ChatCompletion
from kimi_async.tools._executor import ToolResult
from kimi_async.tools._run import RunEvent, StepEnd, StepStart
from kimi_async.web._ending import Ending
from kimi_async.web._formats import KEEP_ALIVE, SSE, sse
from kimi_async.web._problems import shown

__all__ = ["EventsEncoder"]


class EventsEncoder:
    """Writes each event as its JSON, and the end as an event of the type ``end``.

    Records and the words of errors are for the service and not for a browser, so they are left out.
    """

    media_type: ClassVar[str] = SSE
    headers: ClassVar[Mapping[str, str]] = {}
    keep_alive: ClassVar[bytes] = KEEP_ALIVE
    shows_restarts: ClassVar[bool] = True

    def feed(self, event: RunEvent) -> bytes:
        """Return *event* as one server-sent event."""
        match event:
            # Most events of a reply are these, so they are looked for first.
            case ReasoningDelta() | ContentDelta():
                return sse(event)
            case StepStart() | StepEnd() | ToolResult():
                return sse(step_event(event))
            case StreamEnd(completion=completion):
                return sse({"event": "StreamEnd", "completion": _without_record(completion)})
            case AttemptFailed(error=error):
                return sse(msgspec.structs.replace(event, error=shown(error)))
            case _:
                return sse(event)

    def end(self, ending: Ending) -> bytes:
        """Return the event of the type ``end``."""
        return b"event: end\ndata: %b\n\n" % encode(ending.to_dict())


def _without_record(completion: ChatCompletion) -> dict[str, Any]:
    said = completion.to_dict()
    del said["record"]
    return said


def step_event(event: StepStart | StepEnd | ToolResult) -> dict[str, Any]:
    """Return an event of a run as plain data; the completion of a step is in the ``StreamEnd`` before it."""
    name = type(event).__name__
    if isinstance(event, ToolResult):
        call, status = plain(event.call), event.status
        return {"event": name, "call": call, "content": event.content, "status": status}
    return {"event": name, "step": event.step}
