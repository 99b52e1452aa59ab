"""Scenarios of replies that break after their first output, played in virtual time and over sockets."""

from __future__ import annotations

from typing import Final

from scenario_hosts import FROM_A, PLAIN, B, fails
from scenarios import Host, Policy, Scenario, Seen

import kimi_async as kimi
from kimi_async import Retries
from kimi_async.testing import Reply

__all__ = ["INTERRUPTS"]

CUT: Final = Reply("Hello, you!", cut_after=2, end="reset")
BREAKS: Final = Host("begins its answer and breaks", (CUT,))
BREAKS_ONCE: Final = Host("begins its answer and breaks once, then answers", (CUT, FROM_A))
THINKS: Final = Host(
    "thinks and breaks", (Reply("Hello, you!", "Hm, hm, hm", cut_after=2, end="reset"),)
)
SILENT_AFTER: Final = Host(
    "begins its answer and goes silent", (Reply("Hello, you!", cut_after=2, end="stall"),)
)
NEVER: Final = Policy("`Retries.none()`", {"retries": Retries.none()})
RESTARTS: Final = (
    "start A, text, failed A, restarted A, start A, text, failed A, restarted A, "
    "start A, text, failed A, restarted B, start B, text, end"
)


def on_interrupt(way: str) -> Policy:
    return Policy(f'`on_interrupt="{way}"`', {"on_interrupt": way})


INTERRUPTS: Final = [
    Scenario(
        id="break-of-a-stream",
        a=BREAKS,
        b=B,
        policy=PLAIN,
        events="start A, text",
        text="Hello, y",
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        attempts="A interrupted",
        seen=Seen(a=1),
        sockets=True,
    ),
    Scenario(
        id="break-of-a-chat",
        a=BREAKS,
        b=B,
        policy=PLAIN,
        way="chat",
        text="From B",
        attempts="A interrupted, A interrupted, A interrupted, B complete",
        seen=Seen(a=3, b=1),
        seconds=None,
    ),
    Scenario(
        id="break-of-a-chat-with-one-provider",
        a=BREAKS_ONCE,
        policy=PLAIN,
        way="chat",
        text="From A",
        attempts="A interrupted, A complete",
        seen=Seen(a=2),
        seconds=None,
    ),
    Scenario(
        id="breaks-of-both",
        a=BREAKS,
        b=BREAKS,
        policy=PLAIN,
        way="chat",
        text="Hello, y",
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        attempts="A interrupted, A interrupted, A interrupted, B interrupted, B interrupted",
        seen=Seen(a=3, b=2),
        seconds=None,
    ),
    Scenario(
        id="restart",
        a=BREAKS,
        b=B,
        policy=on_interrupt("restart"),
        events=RESTARTS,
        text="From B",
        attempts="A interrupted, A interrupted, A interrupted, B complete",
        seen=Seen(a=3, b=1),
        seconds=None,
    ),
    Scenario(
        id="restart-with-one-provider",
        a=BREAKS_ONCE,
        policy=on_interrupt("restart"),
        events="start A, text, failed A, restarted A, start A, text, end",
        text="From A",
        attempts="A interrupted, A complete",
        seen=Seen(a=2),
        seconds=None,
    ),
    Scenario(
        id="continue-between-resellers",
        a=BREAKS,
        b=B,
        policy=on_interrupt("continue"),
        events=RESTARTS,
        text="From B",
        attempts="A interrupted, A interrupted, A interrupted, B complete",
        seen=Seen(a=3, b=1),
        seconds=None,
    ),
    Scenario(
        id="raise",
        a=BREAKS,
        b=B,
        policy=on_interrupt("raise"),
        way="chat",
        text="Hello, y",
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        attempts="A interrupted",
        seen=Seen(a=1),
        sockets=True,
    ),
    Scenario(
        id="break-while-thinking",
        a=THINKS,
        b=B,
        policy=on_interrupt("continue"),
        events=RESTARTS.replace("A, text", "A, thinking"),
        text="From B",
        attempts="A interrupted, A interrupted, A interrupted, B complete",
        seen=Seen(a=3, b=1),
        seconds=None,
    ),
    Scenario(
        id="break-and-then-an-error",
        a=BREAKS,
        b=fails(400),
        policy=on_interrupt("restart"),
        events="start A, text, failed A, restarted A, start A, text, failed A, restarted A, start A, text, failed A",
        text="Hello, y",
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        attempts="A interrupted, A interrupted, A interrupted, B error",
        seen=Seen(a=3, b=1),
        seconds=None,
    ),
    Scenario(
        id="silence-in-the-middle",
        a=SILENT_AFTER,
        b=B,
        policy=on_interrupt("restart"),
        events="start A, text, failed A, restarted B, start B, text, end",
        text="From B",
        attempts="A timeout, B complete",
        seen=Seen(a=1, b=1),
        seconds=300.0,
    ),
    Scenario(
        id="break-without-retries",
        a=BREAKS,
        b=B,
        policy=NEVER,
        way="chat",
        text="Hello, y",
        outcome="interrupted",
        error=kimi.StreamInterrupted,
        attempts="A interrupted",
        seen=Seen(a=1),
    ),
]
