"""What happened in a reply, in order: the closed union that ``async for`` over a stream gives.

Attrs classes, frozen, few fields, made positionally: 0.6 us each, where keyword-only ones take 1 us (CPython 3.11).
Several come for every chunk.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from kimi_async._models import ChatCompletion, ToolCall, Usage

__all__ = [
    "ContentDelta",
    "ContentDone",
    "Finish",
    "ReasoningDelta",
    "ReasoningDone",
    "RefusalDelta",
    "RefusalDone",
    "StreamEnd",
    "StreamEvent",
    "StreamStart",
    "ToolCallDelta",
    "ToolCallDone",
    "ToolCallStart",
    "UsageUpdate",
]


@frozen
class StreamStart:
    """The first output is about to follow.

    ``created`` is in Unix seconds by the provider's clock; ``id``, ``model`` and ``created`` are ``None`` when the
    provider did not say them.
    """

    id: str | None
    model: str | None
    created: int | None
    provider: str


@frozen
class ReasoningDelta:
    """A piece of the model's thinking; never empty."""

    text: str
    choice: int = 0


@frozen
class ReasoningDone:
    """A segment of thinking is over; ``text`` is the whole segment."""

    text: str
    choice: int = 0


@frozen
class ContentDelta:
    """A piece of the answer; never empty."""

    text: str
    choice: int = 0


@frozen
class ContentDone:
    """A segment of the answer is over; ``text`` is the whole segment."""

    text: str
    choice: int = 0


@frozen
class RefusalDelta:
    """A piece of a refusal; never empty."""

    text: str
    choice: int = 0


@frozen
class RefusalDone:
    """A segment of a refusal is over; ``text`` is the whole segment."""

    text: str
    choice: int = 0


@frozen
class ToolCallStart:
    """A tool call has begun and its name is known.

    ``index`` tells the calls of one choice apart and orders them; it is the provider's own where that is unambiguous.
    ``id`` is ``None`` when the provider has not given one.
    """

    index: int
    id: str | None
    name: str
    choice: int = 0


@frozen
class ToolCallDelta:
    """A piece of the arguments of call ``index``, as text; never empty."""

    index: int
    arguments: str
    choice: int = 0


@frozen
class ToolCallDone:
    """A call is whole and may be executed; comes with the finish reason, never earlier."""

    call: ToolCall
    choice: int = 0


@frozen
class Finish:
    """A choice has its finish reason, in the provider's word; once for each choice."""

    reason: str
    choice: int = 0


@frozen
class UsageUpdate:
    """Usage arrived; it replaces what came before."""

    usage: Usage


@frozen
class StreamEnd:
    """The reply is whole; always the last event."""

    completion: ChatCompletion


#: Every event that a stream can give. Closed: a ``match`` over all of these is exhaustive.
StreamEvent: TypeAlias = (
    StreamStart
    | ReasoningDelta
    | ReasoningDone
    | ContentDelta
    | ContentDone
    | RefusalDelta
    | RefusalDone
    | ToolCallStart
    | ToolCallDelta
    | ToolCallDone
    | Finish
    | UsageUpdate
    | StreamEnd
)
