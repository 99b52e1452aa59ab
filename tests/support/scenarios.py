"""Scenarios of two providers A and B: the form of a row, and its run in virtual time or over sockets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Literal, TypeAlias

import anyio
from attrs import field, frozen

import kimi_async as kimi
from kimi_async import AsyncKimi, StreamEvent
from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    FakeTransport,
    ReceivedRequest,
    Reply,
    ScriptedReply,
)

__all__ = [
    "HELLO",
    "Asked",
    "Crowd",
    "Host",
    "Observed",
    "Policy",
    "Rig",
    "Scenario",
    "Seen",
    "check_crowd",
    "observe",
    "watch",
]

#: The reply of a provider that works.
HELLO: Final = Reply("Hello, you!")


@frozen
class Asked:
    """One request to a provider.

    Attributes:
        number: Its number, from 0.
        now: The second in which it arrived.
        model: The model.
    """

    number: int
    now: float
    model: str


#: Returns the reply to a request.
Script: TypeAlias = Callable[[Asked], ScriptedReply]


@frozen
class Host:
    """One provider.

    Attributes:
        told: Its behaviour in words, as "answers with status 500".
        replies: The replies in their order, the last of them again and again; or a function.
        settings: Settings of the provider.
    """

    told: str
    replies: tuple[ScriptedReply, ...] | Script = (HELLO,)
    settings: Mapping[str, Any] = field(factory=dict)

    def reply(self, asked: Asked) -> ScriptedReply:
        """Return the reply to a request."""
        if callable(self.replies):
            return self.replies(asked)
        return self.replies[min(asked.number, len(self.replies) - 1)]


@frozen
class Policy:
    """Settings of the client.

    Attributes:
        told: The settings in words, or as the caller writes them.
        options: The settings.
    """

    told: str
    options: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Seen:
    """The requests that each provider saw; for concurrent calls the limits of their number."""

    a: int | range
    b: int | range = 0


@frozen(kw_only=True)
class Scenario:
    """One call and its result.

    Attributes:
        id: The name of the row.
        a: The first provider.
        b: The second one; ``None`` = there is none.
        policy: The settings.
        way: ``"stream"`` = the caller reads events; ``"chat"`` = the caller waits for the whole reply.
        params: Parameters of the call.
        events: The kinds of the events in their order; runs of text are one. Of a chat there are none.
        text: The text of the reply, or of ``error.partial``; ``None`` = there is no reply.
        outcome: The outcome of the record.
        error: The class of the error that the caller gets.
        attempts: The provider and outcome of each attempt.
        seen: The requests that each provider saw.
        seconds: The time of the call; ``None`` = it depends on chance.
        sockets: Whether the row is played over sockets too, where seconds are not compared.
    """

    id: str
    a: Host
    b: Host | None = None
    policy: Policy
    way: Literal["stream", "chat"] = "stream"
    params: Mapping[str, Any] = field(factory=dict)
    events: str = ""
    text: str | None = HELLO.content
    outcome: kimi.Outcome = "complete"
    error: type[kimi.KimiError] | None = None
    attempts: str
    seen: Seen
    seconds: float | None = 0.0
    sockets: bool = False


@frozen(kw_only=True)
class Crowd:
    """Many calls of one client and their results.

    Attributes:
        id: The name of the row.
        a: The first provider.
        b: The second one; ``None`` = there is none.
        policy: The settings.
        before: The number of calls, one after the other, before those that count.
        rest: Seconds between them and the calls that count.
        calls: The number of calls.
        together: The number of calls at once.
        models: The models that the calls ask for in turn.
        pause: Seconds between a call and the next one of the same caller.
        outcomes: The number of calls with each outcome: ``complete``, or the class of the error.
        slowest: No call takes longer, in seconds.
        seen: The requests that each provider saw.
        failures: The requests among them to which a provider answered with an error.
        later: The requests that each provider sees of ten more calls, one after the other, a minute later.
    """

    id: str
    a: Host
    b: Host | None = None
    policy: Policy
    before: int = 0
    rest: float = 0.0
    calls: int
    together: int = 1
    models: tuple[str, ...] = ("kimi-k3",)
    pause: float = 0.0
    outcomes: Mapping[str, int]
    slowest: float = math.inf
    seen: Seen
    failures: Seen | None = None
    later: Seen | None = None


@frozen(kw_only=True)
class Observed:
    """The result of one call, in the form of a :class:`Scenario`."""

    events: str
    text: str | None
    outcome: kimi.Outcome
    error: type[kimi.KimiError] | None
    attempts: str
    seconds: float


class Rig:
    """The providers of a row, and the client of its caller."""

    def __init__(self, row: Scenario | Crowd) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._hosts = {"acedata": row.a, "cloudsway": row.b or row.a}
        self._row = row

    def answer(self, request: ReceivedRequest) -> ScriptedReply:
        """Return the reply of the provider that was asked."""
        name = str(request.provider)
        number = self.counts[name]
        self.counts[name] += 1
        asked = Asked(number, anyio.current_time(), request.body["model"])
        reply = self._hosts[name].reply(asked)
        self.failures[name] += isinstance(reply, ErrorReply)
        return reply

    def options(self, fake: FakeTransport | FakeProvider) -> dict[str, Any]:
        """Return the settings of the client over *fake*."""
        providers: list[kimi.Provider] = [fake.acedata(name="A", **self._row.a.settings)]
        if self._row.b is not None:
            providers.append(fake.cloudsway(name="B", **self._row.b.settings))
        return {
            "provider": providers,
            "checks": "off",
            "retries": kimi.Retries(),
            **self._row.policy.options,
        }

    def check(self, seen: Seen) -> None:
        """Compare the requests that each provider saw."""
        compare(self.counts, seen)


def compare(counts: Mapping[str, int], seen: Seen) -> None:
    """Compare the number of requests at each provider."""
    for name, expected in (("acedata", seen.a), ("cloudsway", seen.b)):
        allowed = expected if isinstance(expected, range) else (expected,)
        assert counts[name] in allowed, (name, counts[name], expected)


async def observe(client: AsyncKimi, row: Scenario) -> Observed:
    """Make the call of *row*."""
    records: list[kimi.ReplyRecord] = []
    events: list[StreamEvent] = []
    begun = anyio.current_time()
    error: kimi.KimiError | None = None
    reply: kimi.ChatCompletion | None
    asked = client.with_options(on_complete=records.append)
    try:
        if row.way == "chat":
            reply = await asked.chat("Hi", **row.params)
        else:
            async with asked.stream("Hi", **row.params) as stream:
                async for event in stream:
                    events.append(event)
                reply = await stream.final()
    except kimi.KimiError as raised:
        error, reply = raised, raised.partial
    (record,) = records
    return Observed(
        events=_told(events),
        text=None if reply is None else reply.text,
        outcome=record.outcome,
        error=None if error is None else type(error),
        attempts=", ".join(f"{each.provider} {each.outcome}" for each in record.attempts),
        seconds=anyio.current_time() - begun,
    )


async def watch(client: AsyncKimi, row: Crowd) -> dict[str, int]:
    """Make the calls of *row*, and return the number of calls with each outcome."""
    outcomes: Counter[str] = Counter()
    for _ in range(row.before):
        with suppress(kimi.KimiError):
            await client.chat("Hi")
    await anyio.sleep(row.rest)
    left = row.calls

    async def caller() -> None:
        nonlocal left
        while left:
            left -= 1
            begun = anyio.current_time()
            model = row.models[left % len(row.models)]
            try:
                await client.chat("Hi", model=model)
            except kimi.KimiError as error:
                outcomes[type(error).__name__] += 1
            else:
                outcomes["complete"] += 1
            assert anyio.current_time() - begun <= row.slowest
            await anyio.sleep(row.pause)

    async with anyio.create_task_group() as group:
        for _ in range(row.together):
            group.start_soon(caller)
    return dict(outcomes)


async def check_crowd(client: AsyncKimi, rig: Rig, row: Crowd) -> None:
    """Compare the failures, and make ten more calls a minute later and compare their requests."""
    if row.failures is not None:
        compare(rig.failures, row.failures)
    if row.later is None:
        return
    await anyio.sleep(60)
    before = rig.counts.copy()
    for _ in range(10):
        await client.chat("Hi")
    compare(rig.counts - before, row.later)


_KINDS: Final[Mapping[type, str]] = {
    kimi.ReasoningDelta: "thinking",
    kimi.ContentDelta: "text",
    kimi.ToolCallDelta: "call",
    kimi.StreamEnd: "end",
}
_FROM: Final[Mapping[type, str]] = {
    kimi.AttemptFailed: "failed",
    kimi.StreamStart: "start",
    kimi.StreamContinued: "continued",
    kimi.StreamRestarted: "restarted",
}


def _told(events: list[StreamEvent]) -> str:
    """Return the kinds of the events in their order; a run of one kind is told once."""
    told: list[str] = []
    for event in events:
        kind = _KINDS.get(type(event))
        if type(event) in _FROM:
            kind = f"{_FROM[type(event)]} {getattr(event, 'provider', '')}"
        if kind is not None and (not told or told[-1] != kind):
            told.append(kind)
    return ", ".join(told)
