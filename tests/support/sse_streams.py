"""Event streams that a decoder reads in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kimi_async._errors import ProtocolError
from kimi_async._protocol._sse import SSEDecoder, SSEEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BOM", "KIB", "NO_LIMIT", "Outcome", "decode", "one_by_one"]


BOM = b"\xef\xbb\xbf"
NO_LIMIT = 1 << 30
KIB = 1024


class Outcome(NamedTuple):
    """All that a stream gives: its events, the event that its end cut short, its error."""

    events: list[SSEEvent]
    tail: SSEEvent | None = None
    error: str | None = None


def decode(pieces: Iterable[bytes], limit: int = NO_LIMIT) -> Outcome:
    decoder = SSEDecoder(limit)
    events: list[SSEEvent] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        tail = next(iter(decoder.close()), None)
    except ProtocolError as error:
        return Outcome(events, error=str(error))
    return Outcome(events, tail)


def one_by_one(stream: bytes) -> list[bytes]:
    return [stream[at : at + 1] for at in range(len(stream))]
