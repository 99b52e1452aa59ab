"""Scenarios of many calls and of breakers, played in virtual time."""

from __future__ import annotations

from typing import Final

from scenario_hosts import FROM_A, FROM_B, PLAIN, SILENT, B, fails, slow
from scenarios import Asked, Crowd, Host, Policy, Seen

from kimi_async import Breaker, Timeouts
from kimi_async.testing import ErrorReply, Reply, ScriptedReply

__all__ = ["RETRYING_CROWDS"]

CUT: Final = Reply("Hello, you!", cut_after=2, end="reset")

SOON: Final = Policy("`first_output=10.0`", {"timeouts": Timeouts(first_output=10.0)})


def always(told: str, reply: ScriptedReply) -> Host:
    return Host(told, (reply,))


def down(seconds: float) -> Host:
    def reply(asked: Asked) -> ScriptedReply:
        return ErrorReply(500) if asked.now < seconds else FROM_A

    return Host(f"answers with status 500 for {seconds:g} s, then answers", reply)


def flaps(asked: Asked) -> ScriptedReply:
    return FROM_A if asked.now // 10 % 2 else ErrorReply(500)


def browns_out(asked: Asked) -> ScriptedReply:
    return ErrorReply(500) if asked.number % 5 == 4 else FROM_A


def one_bad_model(asked: Asked) -> ScriptedReply:
    return ErrorReply(500) if asked.model == "kimi-k3" else FROM_A


RETRYING_CROWDS: Final = [
    Crowd(
        id="one-bad-model",
        a=Host("answers with status 500 for `kimi-k3`, and answers for `kimi-k2.6`", one_bad_model),
        b=B,
        policy=PLAIN,
        calls=200,
        models=("kimi-k3", "kimi-k2.6"),
        outcomes={"complete": 200},
        slowest=2.0,
        seen=Seen(a=range(105, 131), b=100),
    ),
    Crowd(
        id="outage",
        a=fails(500),
        b=B,
        policy=PLAIN,
        calls=1_000,
        together=20,
        outcomes={"complete": 1_000},
        slowest=2.0,
        seen=Seen(a=range(5, 31), b=1_000),
    ),
    Crowd(
        id="outage-of-both",
        a=fails(500),
        b=fails(500),
        policy=PLAIN,
        calls=300,
        pause=0.1,
        outcomes={"ProviderUnavailableError": 300},
        seen=Seen(a=range(200, 301), b=range(5, 101)),
    ),
    Crowd(
        id="outage-with-one-provider",
        a=fails(500),
        policy=PLAIN,
        calls=100,
        pause=1.0,
        outcomes={"ServerError": 100},
        seen=Seen(a=range(100, 121)),
    ),
    Crowd(
        id="silent-provider",
        a=SILENT,
        b=B,
        policy=SOON,
        calls=100,
        outcomes={"complete": 100},
        slowest=10.0,
        seen=Seen(a=range(5, 21), b=100),
    ),
    Crowd(
        id="flapping",
        a=Host("fails for 10 s, works for 10 s, and so on", flaps),
        b=B,
        policy=PLAIN,
        calls=200,
        pause=0.5,
        outcomes={"complete": 200},
        slowest=2.0,
        seen=Seen(a=range(50, 120), b=range(80, 190)),
        # Five until the breaker opens and two probes, in each of six bad times.
        failures=Seen(a=range(5, 6 * 7 + 1)),
    ),
    Crowd(
        id="brown-out",
        a=Host("fails every fifth time", browns_out),
        b=B,
        policy=PLAIN,
        calls=500,
        pause=0.1,
        outcomes={"complete": 500},
        slowest=2.0,
        seen=Seen(a=range(250, 560), b=range(100, 301)),
    ),
    Crowd(
        id="recovery",
        a=down(20),
        b=B,
        policy=PLAIN,
        calls=100,
        pause=1.0,
        outcomes={"complete": 100},
        seen=Seen(a=range(55, 90), b=range(20, 50)),
        # Five until the breaker opens, and at most three probes.
        failures=Seen(a=range(5, 9)),
        later=Seen(a=10),
    ),
    Crowd(
        id="slow-first-outputs",
        a=slow(8, FROM_A),
        b=B,
        policy=Policy(
            "`Breaker(slow_first_output=5.0)`", {"breaker": Breaker(slow_first_output=5.0)}
        ),
        calls=50,
        outcomes={"complete": 50},
        seen=Seen(a=range(5, 21), b=range(30, 46)),
    ),
    Crowd(
        id="streams-that-break",
        a=always("begins its answers and breaks", CUT),
        b=B,
        policy=Policy('`on_interrupt="raise"`', {"on_interrupt": "raise"}),
        calls=50,
        outcomes={"StreamInterrupted": 5, "complete": 45},
        seen=Seen(a=5, b=45),
    ),
    Crowd(
        id="refused-key",
        a=fails(401),
        b=B,
        policy=PLAIN,
        calls=100,
        pause=1.0,
        outcomes={"complete": 100},
        seen=Seen(a=1, b=100),
    ),
    Crowd(
        id="rate-limit-each-time",
        a=fails(429),
        b=B,
        policy=PLAIN,
        calls=100,
        pause=0.1,
        outcomes={"complete": 100},
        slowest=0.0,
        seen=Seen(a=range(1, 101), b=100),
    ),
    Crowd(
        id="refusals-teach-all-callers",
        a=always(
            "answers with status 429 and `rate_limited`, for requests of others in flight there",
            ErrorReply(429, "rate_limited"),
        ),
        b=slow(1, FROM_B),
        policy=PLAIN,
        calls=200,
        together=20,
        outcomes={"complete": 200},
        slowest=1.0,
        seen=Seen(a=range(20, 61), b=200),
    ),
    Crowd(
        id="thousand-at-the-reopening",
        a=down(5),
        b=B,
        policy=PLAIN,
        before=10,
        rest=30.0,
        calls=1_000,
        together=1_000,
        outcomes={"complete": 1_000},
        # Of the thousand calls, one is the probe; the others do not wait for it.
        seen=Seen(a=5 + 1, b=10 + 999),
        failures=Seen(a=5),
        later=Seen(a=10),
    ),
    Crowd(
        id="thousand-after-an-outage-of-both",
        a=down(5),
        b=down(5),
        policy=PLAIN,
        before=20,
        rest=30.0,
        calls=1_000,
        together=1_000,
        outcomes={"complete": 1_000},
        # Each call is sent once; nothing is sent twice at the moment of reopening.
        seen=Seen(a=23 + 999, b=5 + 1),
        failures=Seen(a=23, b=5),
        later=Seen(a=10),
    ),
]
