"""Faults of servers and networks as values: each one changes an :class:`Answer`. Pure.

``Faulty(Reply("Hello"), Stall(after_event=2, seconds=60))`` is a reply with a fault. Faults are applied in their order,
each to the result of the one before it. Where a fault lies is counted in the body of that answer, in bytes or events;
a fault without a place comes after the last byte, before the body ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, Literal, Protocol, runtime_checkable

from attrs import evolve, field, frozen, validators

from kimi_async.testing._checks import (
    is_one_of,
    is_seconds,
    is_status,
    is_typed,
    is_wait,
    named,
)
from kimi_async.testing._script import RenderContext, ScriptedReply, is_reply
from kimi_async.testing._steps import (
    ENDINGS,
    Answer,
    Ending,
    Finish,
    Repeat,
    Send,
    Step,
    Wait,
    split_events,
)

__all__ = [
    "BodyFault",
    "Break",
    "ContentType",
    "Drip",
    "DrippingHeaders",
    "Fault",
    "Faulty",
    "HtmlPage",
    "Insert",
    "MissingDone",
    "NoHeaders",
    "OversizedEvent",
    "SlowHeaders",
    "Stall",
]

#: How often something is sent; ``None`` = without end.
_TIMES: Final = validators.optional([is_typed(int), validators.ge(0)])


@runtime_checkable
class Fault(Protocol):
    """Anything that can go wrong with an answer."""

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        ...


@frozen(init=False)
class Faulty:
    """A scripted reply with faults.

    Args:
        reply: Any scripted reply.
        faults: The faults, applied in this order.
    """

    reply: ScriptedReply
    faults: tuple[Fault, ...]

    def __init__(self, reply: ScriptedReply, *faults: Fault) -> None:
        if not is_reply(reply):
            raise TypeError(f"Faulty takes a reply such as Reply first, not {named(reply)}")
        for fault in faults:
            if isinstance(fault, type) or not isinstance(fault, Fault):
                raise TypeError(f"Faulty takes faults such as Stall(), not {named(fault)}")
        # attrs has no field for `*args`, and a frozen value can be set in no other way.
        object.__setattr__(self, "reply", reply)
        object.__setattr__(self, "faults", faults)

    def render(self, asked: RenderContext, /) -> Answer:
        """Return the answer to the request *asked*, ready to be played."""
        answer = self.reply.render(asked)
        for fault in self.faults:
            answer = fault.apply(answer)
        return answer


@frozen(kw_only=True)
class BodyFault(ABC):
    """A fault at one place of the body: without either option, after its last byte and before its end.

    Attributes:
        after_event: Behind so many events, counted as in a slice: -1 is in front of the last one (``[DONE]``).
        at_byte: Behind so many bytes, counted as in a slice: -1 is in front of the last one.

    Raises:
        ValueError: Both were given.
    """

    after_event: int | None = field(default=None, validator=is_typed(int, None))
    at_byte: int | None = field(default=None, validator=is_typed(int, None))

    def __attrs_post_init__(self) -> None:
        if self.after_event is not None and self.at_byte is not None:
            raise ValueError("give either after_event= or at_byte=, not both")

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        steps = answer.steps
        if self.after_event is None and self.at_byte is None:
            before, after = steps[:-1], steps[-1:]
        else:
            before, after = _part(steps, self._offset(answer.body))
        return evolve(answer, steps=(*before, *self._put(after)))

    def _offset(self, body: bytes) -> int:
        return len(b"".join(split_events(body)[: self.after_event])[: self.at_byte])

    @abstractmethod
    def _put(self, after: Sequence[Step], /) -> Sequence[Step]:
        """Return the steps from there on; *after* are those without the fault."""


def _part(steps: tuple[Step, ...], offset: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Part steps at the moment when *offset* bytes are sent, inside of a send if need be."""
    at = sent = 0
    while sent < offset:
        step = steps[at]
        at += 1
        if isinstance(step, Send):
            sent += len(step.data)
            if sent > offset:
                left = len(step.data) - (sent - offset)
                head, tail = Send(step.data[:left]), Send(step.data[left:])
                return (*steps[: at - 1], head), (tail, *steps[at:])
    return steps[:at], steps[at:]


@frozen
class Break(BodyFault):
    """The body ends too early.

    Attributes:
        end: ``"reset"`` the connection (RST), ``"hangup"`` (FIN), ``"finish"`` politely, or ``"stall"``: silence until
            the client hangs up.
    """

    end: Ending = field(default="reset", validator=is_one_of(*ENDINGS))

    def _put(self, _behind: Sequence[Step], /) -> Sequence[Step]:
        return ENDINGS[self.end]


@frozen
class Stall(BodyFault):
    """Nothing comes for a while.

    Attributes:
        seconds: How long; ``None`` until the client hangs up.
    """

    seconds: float | None = field(default=None, validator=is_wait)

    def _put(self, after: Sequence[Step], /) -> Sequence[Step]:
        return (Wait(self.seconds), *after)


@frozen
class Drip(BodyFault):
    """Something comes again and again, and no output of the model.

    Attributes:
        data: The bytes of each time, a comment by default. ``Drip.EMPTY_EVENT`` is an event without output.
        every: Seconds before each.
        times: How often; ``None`` until the client hangs up.
    """

    #: An event with an empty delta.
    EMPTY_EVENT: ClassVar[bytes] = b'data: {"choices":[{"index":0,"delta":{}}]}\n\n'

    data: bytes = field(default=b": keep-alive\n\n", validator=is_typed(bytes))
    every: float = field(default=15.0, kw_only=True, validator=is_seconds)
    times: int | None = field(default=None, kw_only=True, validator=_TIMES)

    def _put(self, after: Sequence[Step], /) -> Sequence[Step]:
        return (*_again(self.data, self.every, self.times), *after)


def _again(data: bytes, every: float, times: int | None) -> tuple[Step, ...]:
    once = (Wait(every), Send(data))
    return (Repeat(once),) if times is None else once * times


@frozen
class Insert(BodyFault):
    """Bytes that do not belong there: garbage, or late data after ``[DONE]``.

    Attributes:
        data: The bytes. Ready made: ``Insert.GARBAGE`` is an event whose data are not JSON, ``Insert.HALF_CHARACTER``
            one whose text ends in the middle of a UTF-8 character, ``Insert.DONE`` is ``[DONE]``.
    """

    GARBAGE: ClassVar[bytes] = b"data: {\x00\xfe\xff no JSON\n\n"
    HALF_CHARACTER: ClassVar[bytes] = (
        b'data: {"choices":[{"index":0,"delta":{"content":"\xe4\xbd"}}]}\n\n'
    )
    DONE: ClassVar[bytes] = b"data: [DONE]\n\n"

    data: bytes = field(default=GARBAGE, validator=is_typed(bytes))

    def _put(self, after: Sequence[Step], /) -> Sequence[Step]:
        return (Send(self.data), *after)


@frozen
class OversizedEvent(BodyFault):
    """An event that is larger than anybody should keep in memory.

    Attributes:
        size_bytes: Its size; the default is above the client's own limit of 8 MiB.
    """

    size_bytes: int = field(default=9 * 1024 * 1024, validator=[is_typed(int), validators.ge(8)])

    def _put(self, after: Sequence[Step], /) -> Sequence[Step]:
        return (Send(b"data: " + b"x" * (self.size_bytes - 8) + b"\n\n"), *after)


@frozen
class MissingDone:
    """``[DONE]`` never comes, and the body ends as it would. A body without it stays as it is."""

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        before, after = _part(answer.steps, len(answer.body.removesuffix(Insert.DONE)))
        kept = [step for step in after if not isinstance(step, Send)]
        return evolve(answer, steps=(*before, *kept))


@frozen
class SlowHeaders:
    """The server takes the request and says nothing for a while.

    Attributes:
        seconds: How long; ``None`` until the client hangs up: the headers never come.
    """

    seconds: float | None = field(default=None, validator=is_wait)

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        return _before_headers(answer, Wait(self.seconds))


@frozen
class DrippingHeaders:
    """The headers come line by line.

    Attributes:
        every: Seconds before each line.
        times: How many lines more than there would be; ``None`` until the client hangs up: the headers never end.
    """

    every: float = field(default=15.0, validator=is_seconds)
    times: int | None = field(default=None, validator=_TIMES)

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        return _before_headers(answer, *_again(b"x-filler: 1\r\n", self.every, self.times))


@frozen
class NoHeaders:
    """The connection ends before the headers.

    Attributes:
        end: ``"hangup"`` (FIN) or ``"reset"`` (RST).
    """

    end: Literal["hangup", "reset"] = field(
        default="hangup", validator=is_one_of("hangup", "reset")
    )

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        return _before_headers(answer, *ENDINGS[self.end])


def _before_headers(answer: Answer, *steps: Step) -> Answer:
    return evolve(answer, before_headers=(*answer.before_headers, *steps))


@frozen
class ContentType:
    """The headers say that the body is something else.

    Attributes:
        content_type: The type that the headers declare.
    """

    content_type: str = field(default="text/plain", validator=is_typed(str))

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        headers = dict(answer.headers) | {"content-type": self.content_type}
        return evolve(answer, headers=tuple(headers.items()))


@frozen
class HtmlPage:
    """A gateway answers in place of the provider, with a page for people.

    Attributes:
        status: The HTTP status.
        text: The text of the page.
    """

    status: int = field(default=502, validator=is_status)
    text: str = field(default="Bad Gateway", validator=is_typed(str))

    def apply(self, answer: Answer, /) -> Answer:
        """Return *answer* with the fault in it."""
        page = f"<html><head><title>{self.text}</title></head><body>{self.text}</body></html>"
        headers = (("content-type", "text/html"),)
        return evolve(
            answer, status=self.status, headers=headers, steps=(Send(page.encode()), Finish())
        )
