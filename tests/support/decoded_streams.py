"""The events of any stream, decoded without an event loop."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

import kimi_async as kimi
from kimi_async.testing import recording, recordings

#: Names of the recordings that are streams.
STREAMS = [name for name in recordings() if recording(name).startswith(b"data:")]

_ACE = kimi.AceDataCloud("key")


def body_of(objects: Iterable[object]) -> bytes:
    """Return the bytes of a stream that has one event for each JSON value of *objects*."""
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(each) for each in objects)


def events_of(body: bytes) -> list[kimi.StreamEvent]:
    """Return the events of a stream, and an end with all that was read, also where the stream broke."""
    decoder = kimi.ReplyDecoder(_ACE)
    events = [*decoder.feed(body), *decoder.close()]
    return [*events, kimi.StreamEnd(decoder.snapshot())]
