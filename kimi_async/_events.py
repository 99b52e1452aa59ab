"""The events of a reply: the closed union that ``async for`` over a stream gives.

Events are frozen, tagged ``msgspec.Struct`` classes with few fields. Several are made for each chunk, and they leave
the process (relays, batches, the command line): a Struct is made in 0.12 us, and its tag, the name of the class, is
the key ``event`` of its JSON. The page Events as JSON describes that format.

No event class inherits from another one, so that ``case ContentDelta()`` matches that class only.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

import msgspec

from kimi_async._codec import decode, encode, plain
from kimi_async._errors import ErrorInfo
from kimi_async._messages import ToolCall
from kimi_async._models import ChatCompletion
from kimi_async._record import Usage

__all__ = [
    "AttemptFailed",
    "ContentDelta",
    "ContentDone",
    "Finish",
    "ReasoningDelta",
    "ReasoningDone",
    "RefusalDelta",
    "RefusalDone",
    "StreamContinued",
    "StreamEnd",
    "StreamEvent",
    "StreamRestarted",
    "StreamStart",
    "ToolCallDelta",
    "ToolCallDone",
    "ToolCallStart",
    "UsageUpdate",
    "decode_event",
]


class _Event(msgspec.Struct, frozen=True, tag=True, tag_field="event"):
    """The settings and methods that all events share."""

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain data: the key ``event`` with the name of its class, then its fields."""
        return plain(self)

    def to_json(self) -> bytes:
        """Return :meth:`to_dict` as compact JSON in UTF-8; :func:`decode_event` reads it."""
        return encode(self)


class StreamStart(_Event, frozen=True):
    """The reply has begun; its first output comes next.

    Attributes:
        id: The provider's id of the reply, or ``None``.
        model: The model that the provider named, or ``None``.
        created: Unix seconds by the provider's clock, or ``None``.
        provider: Name of the provider.
    """

    id: str | None
    model: str | None
    created: int | None
    provider: str


class ReasoningDelta(_Event, frozen=True):
    """A piece of the model's reasoning.

    Attributes:
        text: The piece; never empty.
        choice: Index of the choice.
    """

    text: str
    choice: int = 0


class ReasoningDone(_Event, frozen=True):
    """A segment of reasoning has ended.

    Attributes:
        text: The whole segment.
        choice: Index of the choice.
    """

    text: str
    choice: int = 0


class ContentDelta(_Event, frozen=True):
    """A piece of the answer.

    Attributes:
        text: The piece; never empty.
        choice: Index of the choice.
    """

    text: str
    choice: int = 0


class ContentDone(_Event, frozen=True):
    """A segment of the answer has ended.

    Attributes:
        text: The whole segment.
        choice: Index of the choice.
    """

    text: str
    choice: int = 0


class RefusalDelta(_Event, frozen=True):
    """A piece of a refusal.

    Attributes:
        text: The piece; never empty.
        choice: Index of the choice.
    """

    text: str
    choice: int = 0


class RefusalDone(_Event, frozen=True):
    """A segment of a refusal has ended.

    Attributes:
        text: The whole segment.
        choice: Index of the choice.
    """

    text: str
    choice: int = 0


class ToolCallStart(_Event, frozen=True):
    """A tool call has begun and its name is known.

    Attributes:
        index: Tells the calls of one choice apart and orders them; the provider's own number where that is unambiguous.
        id: The provider's id of the call, or ``None``.
        name: Name of the tool.
        choice: Index of the choice.
    """

    index: int
    id: str | None
    name: str
    choice: int = 0


class GrowingJSON(Protocol):
    """A JSON text that arrives in pieces, and the value of the pieces that have arrived."""

    pieces: list[str]

    def value(self, count: int) -> Any:
        """Return the value of the first *count* pieces."""
        ...


class _HasPieces:
    """Give an event the growing text that it belongs to, and the number of pieces that text had by then.

    A slot and not a field, so that it takes no part in comparison, repr, patterns, JSON, pickling and copying.
    """

    __slots__ = ("_so_far",)

    _so_far: tuple[GrowingJSON, int]


class ToolCallDelta(_HasPieces, _Event, frozen=True):
    """A piece of the arguments of a tool call.

    Attributes:
        index: The call, as in its :class:`ToolCallStart`.
        arguments: The piece, as text; never empty.
        choice: Index of the choice.
    """

    index: int
    arguments: str
    choice: int = 0

    def partial(self) -> Any:
        """Return the value of the call's arguments up to this piece, to show them while they arrive.

        The value holds only certain parts: of a string, the text that arrived, without an incomplete escape; a
        number, ``true``, ``false`` or ``null`` once it has ended; a key once its value has begun. It is ``None`` while
        nothing is certain. Whether the arguments are complete, :class:`ToolCallDone`
        tells; whether they fit, :meth:`ToolCall.parse`.

        Each call has one value, and it grows: its objects and lists are the same ones at each delta. Do not change
        them, and copy the parts that you want to keep. An earlier delta that is asked after a later one
        returns the later value.

        Each character is read once, when a delta that needs it is asked: to ask at every delta takes time linear in
        the length of the arguments, to ask at none takes none. A string that grows is extended in place only while
        nothing else refers to it, and is copied otherwise; so keep a reference to the object that holds it, not to
        the string.

        Raises:
            OutputError: No JSON text begins like these arguments; ``.text`` holds the arguments up to there. Every
                later delta of the call raises it too.
            RuntimeError: The event was copied, pickled, decoded or made by hand, so it does not know the pieces
                before it. Use the event that the stream gave.
        """
        so_far = getattr(self, "_so_far", None)
        if so_far is None:
            raise RuntimeError("partial() needs the event as it came from the stream, not a copy")
        growing, count = so_far
        return growing.value(count)


#: Sets the slot of a frozen event; half the cost of ``object.__setattr__``.
_set_so_far: Final = vars(_HasPieces)["_so_far"].__set__


def tool_call_delta(index: int, arguments: str, choice: int, growing: GrowingJSON) -> ToolCallDelta:
    """Make the event of the last piece of *growing*."""
    event = ToolCallDelta(index, arguments, choice)
    _set_so_far(event, (growing, len(growing.pieces)))
    return event


class ToolCallDone(_Event, frozen=True):
    """A tool call is complete and may be executed; comes with the finish reason, never earlier.

    Attributes:
        call: The call.
        choice: Index of the choice.
    """

    call: ToolCall
    choice: int = 0


class Finish(_Event, frozen=True):
    """A choice has its finish reason; once for each choice.

    Attributes:
        reason: The reason, in the provider's word.
        choice: Index of the choice.
    """

    reason: str
    choice: int = 0


class UsageUpdate(_Event, frozen=True):
    """The provider reported usage.

    Attributes:
        usage: The tokens so far; they replace those of any earlier report.
    """

    usage: Usage


class AttemptFailed(_Event, frozen=True):
    """An attempt at the reply failed, and another one follows.

    Attributes:
        error: The error of the attempt.
        delay: Seconds until the next request is sent.
        provider: Name of the provider that failed.
        attempt: Number of the attempt, from 1, as in ``stream.attempts``.
    """

    error: ErrorInfo
    delay: float
    provider: str
    attempt: int


class StreamContinued(_Event, frozen=True):
    """A new attempt continues the reply where it was cut; the text before the cut stays valid.

    Comes after an :class:`AttemptFailed`.

    Attributes:
        provider: Name of the provider that continues.
        kept: Number of characters of the answer that were kept.
    """

    provider: str
    kept: int


class StreamRestarted(_Event, frozen=True):
    """A new attempt begins the reply anew; discard the text of the earlier events, but for ``kept`` characters.

    Comes after an :class:`AttemptFailed`.

    Attributes:
        provider: Name of the provider that begins anew.
        kept: Number of characters of the answer that were kept.
    """

    provider: str
    kept: int


class StreamEnd(_Event, frozen=True):
    """The reply is complete; always the last event.

    Attributes:
        completion: The reply.
    """

    completion: ChatCompletion

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain data; ``completion`` is as :meth:`ChatCompletion.to_dict` gives it."""
        return {"event": "StreamEnd", "completion": self.completion.to_dict()}

    def to_json(self) -> bytes:
        """Return :meth:`to_dict` as compact JSON in UTF-8; :func:`decode_event` reads it."""
        return encode(self.to_dict())


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
    | AttemptFailed
    | StreamContinued
    | StreamRestarted
    | StreamEnd
)


def decode_event(data: bytes) -> StreamEvent:
    """Read one event from the JSON that :meth:`StreamStart.to_json` and its siblings give.

    The event is equal to the one that was written. Keys that this version does not know are ignored.

    Args:
        data: One JSON object.

    Raises:
        ProtocolError: *data* is not JSON, names no event of this version, or does not fit that event.
        ConfigurationError: *data* is neither bytes nor a text.
    """
    event: StreamEvent = decode(data, StreamEvent, "event")
    return event
