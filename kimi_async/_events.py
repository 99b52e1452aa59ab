"""What happened in a reply, in order: the closed union that ``async for`` over a stream gives.

Attrs classes, frozen, few fields, made positionally: 0.6 us each, where keyword-only ones take 1 us (CPython 3.11).
Several come for every chunk.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from attrs import frozen

from kimi_async._models import ChatCompletion, ToolCall
from kimi_async._record import Usage

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
class _Said:
    """The fields of what is said; attrs makes one class of them, and those below cost nothing (0.3 ms each else)."""

    text: str
    choice: int = 0


class ReasoningDelta(_Said):
    """A piece of the model's thinking; never empty."""

    __slots__ = ()


class ReasoningDone(_Said):
    """A segment of thinking is over; ``text`` is the whole segment."""

    __slots__ = ()


class ContentDelta(_Said):
    """A piece of the answer; never empty."""

    __slots__ = ()


class ContentDone(_Said):
    """A segment of the answer is over; ``text`` is the whole segment."""

    __slots__ = ()


class RefusalDelta(_Said):
    """A piece of a refusal; never empty."""

    __slots__ = ()


class RefusalDone(_Said):
    """A segment of a refusal is over; ``text`` is the whole segment."""

    __slots__ = ()


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


class GrowingJSON(Protocol):
    """A JSON text that arrives in pieces, and its value as far as they go."""

    pieces: list[str]

    def value(self, count: int) -> Any:
        """Return the value of the first *count* pieces."""
        ...


class _Following:
    """What comes behind something: the text that it goes on with, and how many pieces that had by then.

    A permit and no field, so that it takes no part in comparing, printing, matching, ``attrs.asdict``, pickling and
    copying.
    """

    __slots__ = ("_so_far",)

    _so_far: tuple[GrowingJSON, int]


@frozen
class ToolCallDelta(_Following):
    """A piece of the arguments of call ``index``, as text; never empty."""

    index: int
    arguments: str
    choice: int = 0

    def partial(self) -> Any:
        """The value of the call's arguments as far as they came with this piece, for showing them as they grow.

        Only what is certain is there: strings as far as they came, but no half escape; numbers, ``true``, ``false`` and
        ``null`` once they have ended; a key once its value has begun. ``None`` while that is nothing. Whether the
        arguments are whole, and fit, is for :class:`ToolCallDone` and :meth:`ToolCall.parse` to say.

        There is one value for each call, and it grows: objects and lists are the same ones at each delta. Do not change
        them, and copy what is to stay. A delta that is asked after a later one gives the later value, too.

        Each character is read once, when a delta is asked that needs it: asking at every delta takes time linear in the
        arguments, asking at none takes none. A string that grows is extended in place only while nobody else holds it,
        and copied otherwise; so hold on to the object that it is in.

        Raises:
            OutputError: No JSON text begins like these arguments; ``.text`` is what had come. From then on it is raised
                at every delta of the call.
            RuntimeError: The event does not come straight from a stream: it was copied, pickled or made by hand, and
                does not know the pieces before it.
        """
        so_far = getattr(self, "_so_far", None)
        if so_far is None:
            raise RuntimeError("partial() needs the event as it came from the stream, not a copy")
        growing, count = so_far
        return growing.value(count)


def tool_call_delta(index: int, arguments: str, choice: int, growing: GrowingJSON) -> ToolCallDelta:
    """Make the event of the last piece of *growing*."""
    event = ToolCallDelta(index, arguments, choice)
    object.__setattr__(event, "_so_far", (growing, len(growing.pieces)))
    return event


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
