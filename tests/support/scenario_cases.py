"""Scenarios of hedges: one row for each, played in virtual time and over sockets.

The page of the documentation that lists them is made from these rows.
"""

from __future__ import annotations

from typing import Final

from scenarios import HELLO, Crowd, Host, Policy, Scenario, Seen

import kimi_async as kimi
from kimi_async import RateLimits, Timeouts
from kimi_async.testing import (
    Drip,
    ErrorReply,
    Faulty,
    Reply,
    ScriptedReply,
    SlowHeaders,
)

__all__ = ["CROWDS", "SCENARIOS"]

FROM_A: Final = Reply("From A")
FROM_B: Final = Reply("From B")
A: Final = Host("answers", (FROM_A,))
B: Final = Host("answers", (FROM_B,))
SILENT: Final = Host("takes the request and never answers", (Faulty(HELLO, SlowHeaders(3600.0)),))

PLAIN: Final = Policy("default settings")
HEDGE: Final = Policy("`hedge_after=2.0`", {"hedge_after": 2.0})
SOON: Final = Policy("`hedge_after=0.01`", {"hedge_after": 0.01})


def after(seconds: float, reply: ScriptedReply) -> ScriptedReply:
    return Faulty(reply, SlowHeaders(seconds))


def slow(seconds: float, reply: ScriptedReply) -> Host:
    return Host(f"answers after {seconds:g} s", (after(seconds, reply),))


def fails(status: int) -> Host:
    return Host(f"answers with status {status}", (ErrorReply(status),))


def tail(number: int, _now: float) -> ScriptedReply:
    return after(60.0 if number % 40 == 39 else 1.0 + number % 25 / 100, FROM_A)


SCENARIOS: Final = [
    Scenario(
        id="hedge-not-needed",
        a=A,
        b=B,
        policy=HEDGE,
        events="start A, text, end",
        text="From A",
        attempts="A complete",
        seen=Seen(a=1),
        sockets=True,
    ),
    Scenario(
        id="hedge-wins",
        a=slow(60, FROM_A),
        b=slow(1, FROM_B),
        policy=HEDGE,
        events="start B, text, end",
        text="From B",
        attempts="A cancelled, B complete",
        seen=Seen(a=1, b=1),
        seconds=3.0,
    ),
    Scenario(
        id="hedge-of-silence",
        a=SILENT,
        b=B,
        policy=SOON,
        events="start B, text, end",
        text="From B",
        attempts="A cancelled, B complete",
        seen=Seen(a=1, b=1),
        seconds=0.01,
        sockets=True,
    ),
    Scenario(
        id="hedge-of-a-whole-reply",
        a=SILENT,
        b=B,
        policy=SOON,
        way="chat",
        text="From B",
        attempts="A cancelled, B complete",
        seen=Seen(a=1, b=1),
        seconds=0.01,
        sockets=True,
    ),
    Scenario(
        id="hedge-of-a-json-body",
        a=SILENT,
        b=B,
        policy=Policy('`hedge_after=0.01`, `wire="json"`', SOON.options),
        way="chat",
        params={"wire": "json"},
        text="From B",
        attempts="A cancelled, B complete",
        seen=Seen(a=1, b=1),
        seconds=0.01,
        sockets=True,
    ),
    Scenario(
        id="first-wins-against-hedge",
        a=slow(4, FROM_A),
        b=slow(60, FROM_B),
        policy=HEDGE,
        events="start A, text, end",
        text="From A",
        attempts="A complete, B cancelled",
        seen=Seen(a=1, b=1),
        seconds=4.0,
    ),
    Scenario(
        id="hedge-of-comments",
        a=Host("sends comments and no output", (Faulty(FROM_A, Drip(after_event=0, every=1.0)),)),
        b=B,
        policy=HEDGE,
        events="start B, text, end",
        text="From B",
        attempts="A cancelled, B complete",
        seen=Seen(a=1, b=1),
        seconds=2.0,
    ),
    Scenario(
        id="thinking-is-output",
        a=Host("thinks at once and answers later", (Reply("From A", "Hm", pace=1.0),)),
        b=B,
        policy=HEDGE,
        events="start A, thinking, text, end",
        text="From A",
        attempts="A complete",
        seen=Seen(a=1),
        seconds=3.0,
    ),
    Scenario(
        id="error-starts-hedge",
        a=fails(500),
        b=B,
        policy=HEDGE,
        events="failed A, start B, text, end",
        text="From B",
        attempts="A error, B complete",
        seen=Seen(a=1, b=1),
        sockets=True,
    ),
    Scenario(
        id="late-error-starts-hedge",
        a=Host("answers with status 503 after 1 s", (after(1, ErrorReply(503)),)),
        b=B,
        policy=HEDGE,
        events="failed A, start B, text, end",
        text="From B",
        attempts="A error, B complete",
        seen=Seen(a=1, b=1),
        seconds=1.0,
    ),
    Scenario(
        id="error-while-hedge-runs",
        a=Host("answers with status 500 after 3 s", (after(3, ErrorReply(500)),)),
        b=slow(4, FROM_B),
        policy=HEDGE,
        events="failed A, start B, text, end",
        text="From B",
        attempts="A error, B complete",
        seen=Seen(a=1, b=1),
        seconds=6.0,
    ),
    Scenario(
        id="hedge-fails",
        a=slow(5, FROM_A),
        b=fails(500),
        policy=HEDGE,
        events="failed B, start A, text, end",
        text="From A",
        attempts="A complete, B error",
        seen=Seen(a=1, b=1),
        seconds=5.0,
    ),
    Scenario(
        id="hedge-meets-a-rate-limit",
        a=slow(5, FROM_A),
        b=fails(429),
        policy=HEDGE,
        events="failed B, start A, text, end",
        text="From A",
        attempts="A complete, B error",
        seen=Seen(a=1, b=1),
        seconds=5.0,
    ),
    Scenario(
        id="refused-without-hedge",
        a=fails(400),
        b=B,
        policy=HEDGE,
        text=None,
        outcome="error",
        error=kimi.BadRequestError,
        attempts="A error",
        seen=Seen(a=1),
        sockets=True,
    ),
    Scenario(
        id="total-ends-both",
        a=SILENT,
        b=SILENT,
        policy=Policy(
            "`hedge_after=2.0`, `total=5.0`", {"hedge_after": 2.0, "timeouts": Timeouts(total=5.0)}
        ),
        way="chat",
        text=None,
        outcome="timeout",
        error=kimi.TotalTimeout,
        attempts="A timeout, B timeout",
        seen=Seen(a=1, b=1),
        seconds=5.0,
    ),
    Scenario(
        id="hedge-with-one-provider",
        a=slow(60, FROM_A),
        policy=HEDGE,
        events="start A, text, end",
        text="From A",
        attempts="A complete",
        seen=Seen(a=1),
        seconds=60.0,
    ),
]

CROWDS: Final = [
    Crowd(
        id="hedges-have-a-cap",
        a=slow(10, FROM_A),
        b=slow(10, FROM_B),
        policy=HEDGE,
        calls=200,
        together=10,
        outcomes={"complete": 200},
        seen=Seen(a=200, b=11),
    ),
    Crowd(
        id="percentile-of-equal-times",
        a=slow(1, FROM_A),
        b=slow(1, FROM_B),
        policy=Policy('`hedge_after="p95"`', {"hedge_after": "p95"}),
        calls=200,
        outcomes={"complete": 200},
        seen=Seen(a=200, b=range(12)),
    ),
    Crowd(
        id="percentile-of-a-tail",
        a=Host("answers after 1 s, and every 40th time after 60 s", tail),
        b=slow(1, FROM_B),
        policy=Policy('`hedge_after="p97"`', {"hedge_after": "p97"}),
        calls=400,
        outcomes={"complete": 400},
        slowest=3.0,
        seen=Seen(a=400, b=range(9, 21)),
    ),
    Crowd(
        id="spill",
        a=slow(1, FROM_A),
        b=slow(1, FROM_B),
        policy=PLAIN,
        calls=25,
        together=25,
        outcomes={"complete": 25},
        slowest=1.0,
        seen=Seen(a=20, b=5),
    ),
    Crowd(
        id="wait-in-line",
        a=slow(1, FROM_A),
        policy=PLAIN,
        calls=45,
        together=45,
        outcomes={"complete": 45},
        slowest=3.0,
        seen=Seen(a=45),
    ),
    Crowd(
        id="requests-per-minute",
        a=Host(
            "answers; `requests_per_minute=10`",
            (FROM_A,),
            {"rate_limits": RateLimits(requests_per_minute=10)},
        ),
        b=B,
        policy=PLAIN,
        calls=30,
        together=30,
        outcomes={"complete": 30},
        slowest=0.0,
        seen=Seen(a=10, b=20),
    ),
    Crowd(
        id="refused-for-its-content",
        a=fails(400),
        b=B,
        policy=PLAIN,
        calls=10,
        outcomes={"BadRequestError": 10},
        seen=Seen(a=10),
    ),
]
