"""Faults and their results for the caller: one row for each, played over sockets and without.

The page of the documentation that lists them is made from these rows.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

import kimi_async as kimi
from kimi_async import Outcome, Timeouts
from kimi_async.testing import (
    Break,
    ContentType,
    Drip,
    DrippingHeaders,
    Faulty,
    HtmlPage,
    Insert,
    MissingDone,
    NoHeaders,
    OversizedEvent,
    Reply,
    ScriptedReply,
    SlowHeaders,
    Stall,
)

__all__ = ["FAULTS", "FaultCase"]


@frozen(kw_only=True)
class FaultCase:
    """One fault, and its result for a caller of ``chat()``.

    Attributes:
        id: A short name.
        server: The action of the server, as the end of a sentence that begins with "The server".
        reply: The scripted reply with the fault.
        gets: The result for the caller in a few words, without the names of classes.
        outcome: The outcome on the record.
        error: The error that is raised; ``None`` if the reply is complete.
        limit: The limit of ``Timeouts`` or ``Limits`` that ended it, if one did.
        timeouts: The limits; short, because over a socket they take real time.
        text: The text of the reply, or of ``error.partial``; ``None`` if there is no partial reply.
        usage: Whether the token counts are known.
        late_error: The class of the error that is noted on the record of a reply that is whole.
        kept_alive: Whether the connection can be used again.
    """

    id: str
    server: str
    reply: ScriptedReply
    gets: str
    outcome: Outcome = "complete"
    error: type[kimi.KimiError] | None = None
    limit: str | None = None
    timeouts: Timeouts = Timeouts()
    text: str | None = None
    usage: bool = False
    late_error: type[kimi.KimiError] | None = None
    kept_alive: bool = False


#: On the wire: the role, "Hello ", "there" and the finish reason, the token counts, [DONE].
HELLO: Final = Reply("Hello there", chunk_chars=6)
WHOLE: Final = "Hello there"

_NO_OUTPUT: Final = "an error that can be retried, before any output"
_PARTIAL: Final = "the events that arrived, then an error with the text so far"
_ALL: Final = "the whole reply"
_NO_USAGE: Final = "the whole reply, without token counts"

FAULTS: Final = (
    # Before the headers
    FaultCase(
        id="no-answer",
        server="takes the request and never answers",
        reply=Faulty(HELLO, SlowHeaders()),
        gets=_NO_OUTPUT,
        outcome="timeout",
        error=kimi.FirstOutputTimeout,
        limit="first_output",
        timeouts=Timeouts(first_output=0.2),
    ),
    FaultCase(
        id="slow-headers",
        server="waits before it sends the headers",
        reply=Faulty(HELLO, SlowHeaders(0.05)),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="dripping-headers",
        server="sends its headers line by line",
        reply=Faulty(HELLO, DrippingHeaders(0.01, times=5)),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="endless-headers",
        server="sends header lines without end",
        reply=Faulty(HELLO, DrippingHeaders(0.02)),
        gets=_NO_OUTPUT,
        outcome="timeout",
        error=kimi.FirstOutputTimeout,
        limit="first_output",
        timeouts=Timeouts(first_output=0.2),
    ),
    FaultCase(
        id="hangup-before-headers",
        server="closes the connection before it answers",
        reply=Faulty(HELLO, NoHeaders()),
        gets=_NO_OUTPUT,
        outcome="error",
        error=kimi.TransportError,
    ),
    FaultCase(
        id="reset-before-headers",
        server="resets the connection before it answers",
        reply=Faulty(HELLO, NoHeaders("reset")),
        gets=_NO_OUTPUT,
        outcome="error",
        error=kimi.TransportError,
    ),
    FaultCase(
        id="hangup-within-headers",
        server="closes the connection in the middle of its headers",
        reply=Faulty(HELLO, DrippingHeaders(0.01, times=2), NoHeaders()),
        gets=_NO_OUTPUT,
        outcome="error",
        error=kimi.TransportError,
    ),
    # Another answer than a stream
    FaultCase(
        id="wrong-content-type",
        server="declares the stream as plain text",
        reply=Faulty(HELLO, ContentType()),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="html-page",
        server="sends an HTML page for people with the status 200",
        reply=Faulty(HELLO, HtmlPage(200, "Sign in")),
        gets="an error with the beginning of the page",
        outcome="error",
        error=kimi.ProtocolError,
        kept_alive=True,
    ),
    FaultCase(
        id="html-page-502",
        server="answers as a gateway, with an HTML page of its own and the status 502",
        reply=Faulty(HELLO, HtmlPage(502)),
        gets="an error with the status, which can be retried",
        outcome="error",
        error=kimi.ServerError,
        kept_alive=True,
    ),
    # Before the first output
    FaultCase(
        id="silence-before-output",
        server="sends its headers and goes silent",
        reply=Faulty(HELLO, Stall(after_event=0)),
        gets=_NO_OUTPUT,
        outcome="timeout",
        error=kimi.FirstOutputTimeout,
        limit="first_output",
        timeouts=Timeouts(first_output=0.2),
    ),
    FaultCase(
        id="comments-before-output",
        server="sends comments without end and no output",
        reply=Faulty(HELLO, Drip(every=0.02, after_event=1)),
        gets=_NO_OUTPUT,
        outcome="timeout",
        error=kimi.FirstOutputTimeout,
        limit="first_output",
        timeouts=Timeouts(first_output=0.2),
    ),
    FaultCase(
        id="empty-body",
        server="ends the body before any output",
        reply=Faulty(HELLO, Break("finish", after_event=1)),
        gets=_NO_OUTPUT,
        outcome="error",
        error=kimi.EmptyResponseError,
        kept_alive=True,
    ),
    FaultCase(
        id="reset-before-output",
        server="resets the connection before any output",
        reply=Faulty(HELLO, Break("reset", after_event=1)),
        gets=_NO_OUTPUT,
        outcome="error",
        error=kimi.TransportError,
    ),
    # In the middle of the reply
    FaultCase(
        id="silence",
        server="goes silent in the middle of the reply",
        reply=Faulty(HELLO, Stall(after_event=2)),
        gets=_PARTIAL,
        outcome="timeout",
        error=kimi.IdleTimeout,
        limit="idle",
        timeouts=Timeouts(idle=0.1),
        text="Hello ",
    ),
    FaultCase(
        id="pause",
        server="pauses in the middle of the reply",
        reply=Faulty(HELLO, Stall(0.05, at_byte=600)),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="comments",
        server="sends comments without end and no further output",
        reply=Faulty(HELLO, Drip(every=0.02, after_event=2)),
        gets=_PARTIAL,
        outcome="timeout",
        error=kimi.ProgressTimeout,
        limit="progress",
        timeouts=Timeouts(progress=0.2),
        text="Hello ",
    ),
    FaultCase(
        id="empty-events",
        server="sends events without end and no further output",
        reply=Faulty(HELLO, Drip(Drip.EMPTY_EVENT, every=0.02, after_event=2)),
        gets=_PARTIAL,
        outcome="timeout",
        error=kimi.ProgressTimeout,
        limit="progress",
        timeouts=Timeouts(progress=0.2),
        text="Hello ",
    ),
    FaultCase(
        id="some-comments",
        server="sends a few comments between two events",
        reply=Faulty(HELLO, Drip(every=0.01, times=3, after_event=2)),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="total",
        server="is slow, and `total` is the limit that runs out",
        reply=Faulty(HELLO, Drip(every=0.02, after_event=2)),
        gets=_PARTIAL,
        outcome="timeout",
        error=kimi.TotalTimeout,
        limit="total",
        timeouts=Timeouts(total=1),
        text="Hello ",
    ),
    FaultCase(
        id="polite-end",
        server="ends the body cleanly without a finish reason",
        reply=Faulty(HELLO, Break("finish", after_event=2)),
        gets=_PARTIAL,
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text="Hello ",
        kept_alive=True,
    ),
    FaultCase(
        id="done-without-finish-reason",
        server="sends `[DONE]` without a finish reason",
        reply=Faulty(HELLO, Break("finish", after_event=2), Insert(Insert.DONE)),
        gets=_PARTIAL,
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text="Hello ",
    ),
    FaultCase(
        id="hangup",
        server="closes the connection (FIN) in the middle of the reply",
        reply=Faulty(HELLO, Break("hangup", after_event=2)),
        gets=_PARTIAL,
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text="Hello ",
    ),
    FaultCase(
        id="reset",
        server="resets the connection (RST) in the middle of the reply",
        reply=Faulty(HELLO, Break("reset", after_event=2)),
        gets=_PARTIAL,
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text="Hello ",
    ),
    FaultCase(
        id="hangup-within-an-event",
        server="closes the connection in the middle of an event",
        reply=Faulty(HELLO, Break("hangup", at_byte=600)),
        gets=_PARTIAL,
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        text="Hello ",
    ),
    FaultCase(
        id="garbage",
        server="sends an event that is not JSON",
        reply=Faulty(HELLO, Insert(Insert.GARBAGE, after_event=2)),
        gets=_PARTIAL,
        outcome="error",
        error=kimi.ProtocolError,
        text="Hello ",
    ),
    FaultCase(
        id="half-a-character",
        server="sends an event with half a UTF-8 character",
        reply=Faulty(HELLO, Insert(Insert.HALF_CHARACTER, after_event=2)),
        gets="the whole reply, with U+FFFD in place of the half character",
        text="Hello \ufffdthere",
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="oversized-event",
        server="sends an event that is too large",
        reply=Faulty(HELLO, OversizedEvent(after_event=2)),
        gets=_PARTIAL,
        outcome="error",
        error=kimi.ProtocolError,
        limit="event_bytes",
        text="Hello ",
    ),
    # After the finish reason
    FaultCase(
        id="silence-after-finish-reason",
        server="sends the finish reason and goes silent",
        reply=Faulty(HELLO, Stall(after_event=-2)),
        gets=_NO_USAGE,
        timeouts=Timeouts(finish_grace=0.1),
        text=WHOLE,
    ),
    FaultCase(
        id="missing-done",
        server="ends the body without `[DONE]`",
        reply=Faulty(HELLO, MissingDone()),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="missing-done-and-open-socket",
        server="never sends `[DONE]` and leaves the connection open",
        reply=Faulty(HELLO, MissingDone(), Stall()),
        gets=_ALL,
        timeouts=Timeouts(finish_grace=0.5),
        text=WHOLE,
        usage=True,
    ),
    FaultCase(
        id="comments-after-finish-reason",
        server="sends comments without end after the finish reason",
        reply=Faulty(HELLO, Drip(every=0.02, after_event=-2)),
        gets=_NO_USAGE,
        timeouts=Timeouts(finish_grace=0.2),
        text=WHOLE,
    ),
    FaultCase(
        id="reset-after-finish-reason",
        server="resets the connection after the finish reason",
        reply=Faulty(HELLO, Break("reset", after_event=-2)),
        gets="the whole reply, without token counts; the break is on the record",
        text=WHOLE,
        late_error=kimi.StreamInterrupted,
    ),
    FaultCase(
        id="garbage-after-finish-reason",
        server="sends an event that is not JSON after the finish reason",
        reply=Faulty(HELLO, Insert(Insert.GARBAGE, after_event=-2)),
        gets="the whole reply, without token counts; the error is on the record",
        text=WHOLE,
        late_error=kimi.ProtocolError,
    ),
    # Behind the whole reply
    FaultCase(
        id="duplicate-done",
        server="sends `[DONE]` twice",
        reply=Faulty(HELLO, Insert(Insert.DONE)),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="late-data",
        server="sends more events after `[DONE]`",
        reply=Faulty(HELLO, Insert(Insert.GARBAGE)),
        gets=_ALL,
        text=WHOLE,
        usage=True,
        kept_alive=True,
    ),
    FaultCase(
        id="open-socket-after-done",
        server="sends `[DONE]` and leaves the connection open",
        reply=Faulty(HELLO, Stall()),
        gets="the whole reply, within half a second",
        text=WHOLE,
        usage=True,
    ),
    FaultCase(
        id="trickle-after-done",
        server="trickles bytes after `[DONE]` without end",
        reply=Faulty(HELLO, Drip(b":", every=0.02)),
        gets="the whole reply, within half a second",
        text=WHOLE,
        usage=True,
    ),
    FaultCase(
        id="reset-after-done",
        server="resets the connection after `[DONE]`",
        reply=Faulty(HELLO, Break("reset")),
        gets=_ALL,
        text=WHOLE,
        usage=True,
    ),
)
