"""An answer and its way to the client: a status, headers and a list of steps.

Every scripted reply becomes an :class:`Answer`, and everything that answers (the server, the transport, the respx
mocks) plays nothing else. The content and its delivery are thus separate: a fault is a value that changes the
steps, and works wherever steps are played. Pure: no I/O, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, pairwise
from typing import Final, Literal, TypeAlias

from attrs import field, frozen, validators

from kimi_async.testing._checks import Headers, all_of, as_headers, is_status, is_typed, is_wait

__all__ = [
    "ENDINGS",
    "Answer",
    "BasicStep",
    "Cuts",
    "Ending",
    "Finish",
    "Hangup",
    "Repeat",
    "Reset",
    "Send",
    "Step",
    "Wait",
    "deliver",
    "split_events",
    "unrolled",
]


@frozen
class Send:
    """Send *data*, bytes of the body: one HTTP chunk and one write, so usually one read for the client."""

    data: bytes = field(validator=is_typed(bytes))


@frozen
class Wait:
    """Send nothing for *seconds*; ``None`` waits until the client hangs up."""

    seconds: float | None = field(validator=is_wait)


def _as_repeated(steps: Iterable[Send | Wait]) -> tuple[Send | Wait, ...]:
    return all_of(steps, Send, Wait, name="steps")


@frozen
class Repeat:
    """Take *steps* again and again, until the client hangs up."""

    steps: tuple[Send | Wait, ...] = field(converter=_as_repeated, validator=validators.min_len(1))


@frozen
class Finish:
    """End the body as HTTP wants it; the connection may serve another request."""


@frozen
class Hangup:
    """Close the connection (FIN) with the body unfinished."""


@frozen
class Reset:
    """Reset the connection (RST) with the body unfinished."""


#: The steps without :class:`Repeat`, which stands for any number of them.
BasicStep: TypeAlias = Send | Wait | Finish | Hangup | Reset

Step: TypeAlias = BasicStep | Repeat

#: How a body ends: ``"finish"`` politely, ``"hangup"`` with FIN, ``"reset"`` with RST, ``"stall"`` never: silence until
#: the client hangs up.
Ending: TypeAlias = Literal["finish", "hangup", "reset", "stall"]

#: Where a body is cut into sends: ``None`` = one for each event, ``"whole"`` = one for all, ``"bytes"`` = one for each
#: byte, or the byte offsets to cut at (those outside of the body do nothing).
Cuts: TypeAlias = Literal["whole", "bytes"] | Sequence[int] | None

#: The steps of each ending.
ENDINGS: Final[Mapping[Ending, tuple[Step, ...]]] = {
    "finish": (Finish(),),
    "hangup": (Hangup(),),
    "reset": (Reset(),),
    "stall": (Wait(None), Hangup()),
}

# Two line ends, each of them LF, CRLF or CR.
_BLANK_LINE: Final = re.compile(rb"\r?\n(?:\r\n?|\n)|\r\r\n?")


def _as_steps(steps: Iterable[Step]) -> tuple[Step, ...]:
    return all_of(steps, Send, Wait, Finish, Hangup, Reset, Repeat, name="steps")


def _ended(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Make the first ending the last step; steps without one finish politely."""
    kept: list[Step] = []
    for step in _as_steps(steps):
        kept.append(step)
        if isinstance(step, (Finish, Hangup, Reset, Repeat)):
            return tuple(kept)
    return (*kept, Finish())


@frozen(kw_only=True)
class Answer:
    """One whole answer as it is played. It is a scripted reply too, for steps that are written by hand.

    Attributes:
        status: The HTTP status.
        headers: Header names and values. The server adds the framing (``Transfer-Encoding: chunked``) when there
            is not a ``Content-Length``; a length that the steps do not keep ends the connection.
        steps: The steps after the headers. Nothing follows the first ending (a :class:`Repeat` is one); without
            one it is :class:`Finish`.
        before_headers: The steps between the request and the headers. Bytes that are sent there are header lines,
            each with its CRLF, after the status line and before those of *headers*. Nothing follows a
            :class:`Hangup` or :class:`Reset`; a :class:`Finish` means nothing there.
    """

    status: int = field(default=200, validator=is_status)
    headers: Headers = field(default=(("content-type", "text/event-stream"),), converter=as_headers)
    steps: tuple[Step, ...] = field(default=(), converter=_ended)
    before_headers: tuple[Step, ...] = field(default=(), converter=_as_steps)

    def render(self, _asked: object, /) -> Answer:
        """Return itself, whatever was asked."""
        return self

    @property
    def body(self) -> bytes:
        """All bytes that the steps send, those of a :class:`Repeat` left out."""
        return b"".join(step.data for step in self.steps if isinstance(step, Send))


def unrolled(steps: Iterable[Step]) -> Iterator[BasicStep]:
    """Return the steps one by one, those of a :class:`Repeat` without end."""
    for step in steps:
        if isinstance(step, Repeat):
            yield from cycle(step.steps)
        else:
            yield step


def split_events(body: bytes) -> tuple[bytes, ...]:
    """Cut an event stream after each blank line; joined, the pieces are *body* again.

    Line ends may be LF, CRLF or CR. The bytes after the last blank line are a piece of their own.
    """
    edges = [0, *(match.end() for match in _BLANK_LINE.finditer(body)), len(body)]
    return tuple(body[start:stop] for start, stop in pairwise(edges) if start < stop)


def deliver(
    pieces: Sequence[bytes],
    *,
    pace: float = 0.0,
    cuts: Cuts = None,
    cut_at: int | None = None,
    cut_after: int | None = None,
    end: Ending = "finish",
) -> tuple[Step, ...]:
    """Turn a body into steps.

    Args:
        pieces: The body, one piece for each event.
        pace: Seconds between two sends; 0 = no wait.
        cuts: Where the body is cut into sends.
        cut_at: How many bytes of the body are sent, counted as in a slice: -1 leaves out the last one. ``None`` = all.
        cut_after: How many events are sent, counted as in a slice: -1 leaves out the last one
            (``[DONE]``). ``None`` = all.
        end: How the body ends, after the last byte that is sent.

    Returns:
        The sends with their waits, then the ending.
    """
    kept = b"".join(pieces[:cut_after])[:cut_at]
    edges = [0, *sorted(_marks(kept, pieces, cuts)), len(kept)]
    sends = [Send(kept[start:stop]) for start, stop in pairwise(edges) if start < stop]
    return (*_paced(sends, pace), *ENDINGS[end])


def _marks(body: bytes, pieces: Sequence[bytes], cuts: Cuts) -> set[int]:
    """Return the offsets inside of *body* at which one send ends and the next begins."""
    match cuts:
        case None:
            marks: Iterable[int] = _ends(pieces)
        case "whole":
            marks = ()
        case "bytes":
            marks = range(len(body))
        case _:
            marks = cuts
    return {mark for mark in marks if 0 < mark < len(body)}


def _ends(pieces: Sequence[bytes]) -> list[int]:
    """Return the offset after each piece."""
    offset = 0
    return [offset := offset + len(piece) for piece in pieces]


def _paced(sends: Sequence[Send], pace: float) -> Sequence[Step]:
    """Put a wait between every two sends."""
    if not pace:
        return sends
    return [step for send in sends for step in (Wait(pace), send)][1:]
