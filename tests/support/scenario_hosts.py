"""Providers and settings that many scenarios use."""

from __future__ import annotations

from typing import Final

from scenarios import HELLO, Host, Policy

from kimi_async.testing import ErrorReply, Faulty, Reply, ScriptedReply, SlowHeaders

__all__ = ["FROM_A", "FROM_B", "HEDGE", "PLAIN", "SILENT", "A", "B", "after", "fails", "slow"]

FROM_A: Final = Reply("From A")
FROM_B: Final = Reply("From B")
A: Final = Host("answers", (FROM_A,))
B: Final = Host("answers", (FROM_B,))
SILENT: Final = Host("takes the request and never answers", (Faulty(HELLO, SlowHeaders(3600.0)),))

PLAIN: Final = Policy("default settings")
HEDGE: Final = Policy("`hedge_after=2.0`", {"hedge_after": 2.0})


def after(seconds: float, reply: ScriptedReply) -> ScriptedReply:
    return Faulty(reply, SlowHeaders(seconds))


def slow(seconds: float, reply: ScriptedReply) -> Host:
    return Host(f"answers after {seconds:g} s", (after(seconds, reply),))


def fails(status: int) -> Host:
    return Host(f"answers with status {status}", (ErrorReply(status),))
