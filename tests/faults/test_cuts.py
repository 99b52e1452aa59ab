"""A reply that breaks at every place, under each policy, read in each way, over two providers in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from cut_replies import CUTS, HOSTS, TEXT, THOUGHT, WAYS, Case, Host, Use

import kimi_async as kimi
from kimi_async import AsyncKimi
from kimi_async._configuration import OnInterrupt
from kimi_async.testing import FakeTransport, virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


class Shown:
    """The text that a caller shows; a restart takes it back."""

    def __init__(self) -> None:
        self.thought = self.text = ""
        self.told: list[str] = []

    def show(self, event: kimi.StreamEvent) -> None:
        match event:
            case kimi.ReasoningDelta(text=text):
                self.thought += text
            case kimi.ReasoningDone(text=text):
                assert text == self.thought
            case kimi.ContentDelta(text=text):
                self.text += text
            case kimi.ContentDone(text=text):
                assert text == self.text
            case kimi.StreamContinued(provider=name, kept=kept):
                self.told.append(f"continued {name}")
                assert kept == len(self.text)
            case kimi.StreamRestarted(provider=name, kept=kept):
                self.told.append(f"restarted {name}")
                assert kept == 0
                self.thought = self.text = ""
            case kimi.UsageUpdate():
                pass
            case _:
                self.told.append(f"{type(event).__name__} {getattr(event, 'provider', '')}".strip())


async def read(client: AsyncKimi, use: Use, shown: Shown) -> kimi.ChatCompletion:
    """Read a reply in one way, and show it."""
    if use == "chat":
        return await client.chat("Hi")
    async with client.stream("Hi") as stream:
        if use == "text":
            async for piece in stream.text_deltas():
                shown.text += piece
        else:
            async for event in stream:
                shown.show(event)
        return await stream.final()


#: For each end the events that are not text, and the outcomes of the attempts.
OWED = {
    "untouched": ("StreamStart A, Finish, StreamEnd", "complete"),
    "again": ("AttemptFailed A, StreamStart B, Finish, StreamEnd", "error, complete"),
    "raise": ("StreamStart A", "interrupted"),
    "continue": (
        "StreamStart A, AttemptFailed A, continued B, Finish, StreamEnd",
        "interrupted, complete",
    ),
    "restart": (
        "StreamStart A, AttemptFailed A, restarted B, StreamStart B, Finish, StreamEnd",
        "interrupted, complete",
    ),
}


async def play(case: Case, *, together: int) -> str:
    """Make one call, check the result and the requests, and return its end."""
    first, second = case.fakes(together=together)
    client, shown = case.client(first, second), Shown()
    failed = False
    try:
        reply: kimi.ChatCompletion | None = await read(client, case.use, shown)
    except kimi.StreamInterrupted as error:
        failed, reply = True, error.partial
    assert reply is not None
    assert failed == (case.end == "raise")
    expected = (case.text, case.thought, None) if failed else (TEXT, THOUGHT, "stop")
    assert (reply.text, reply.reasoning or "", reply.finish_reason) == expected
    told, outcomes = OWED[case.end]
    if case.use != "chat":
        assert shown.text == reply.text
    if case.use == "stream":
        assert (", ".join(shown.told), shown.thought) == (told, reply.reasoning or "")
    check_record(reply, outcomes)
    check_requests(case, first, second)
    assert (client.in_flight, first.active_requests, second.active_requests) == (0, 0, 0)
    return case.end


def check_record(reply: kimi.ChatCompletion, outcomes: str) -> None:
    record = reply.record
    assert ", ".join(attempt.outcome for attempt in record.attempts) == outcomes
    assert record.outcome == record.attempts[-1].outcome
    assert reply.usage == record.usage
    origins = {"complete": "reported", "interrupted": "unknown"}
    assert record.usage_origin == origins.get(outcomes, "partial")


def check_requests(case: Case, first: FakeTransport, second: FakeTransport) -> None:
    (begun,) = first.requests
    if case.end in ("untouched", "raise"):
        assert second.requests == []
        return
    (sent,) = second.requests
    prefix = sent.body["messages"][1:]
    assert {**sent.body, "messages": sent.body["messages"][:1]} == begun.body
    assert prefix == (
        [
            {
                "role": "assistant",
                "content": case.text,
                "reasoning_content": THOUGHT,
                "partial": True,
            }
        ]
        if case.end == "continue"
        else []
    )


def is_sampled(case: Case) -> bool:
    """Return whether each tenth place is enough, because another row has every place of the same path."""
    return not case.host.gets_prefix or (case.use == "text" and not case.host.honours_prefix)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.id)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("use", ["chat", "stream", "text"])
async def test_every_cut(
    use: Use, way: OnInterrupt, host: Host, anyio_backend: tuple[str, dict[str, Any]]
) -> None:
    """Every place on asyncio, some events in each read; each tenth place on trio, with a read for each event."""
    case = Case(cut=0, way=way, use=use, host=host)
    on_trio = anyio_backend[0] == "trio"
    cuts = CUTS[::10] if on_trio or is_sampled(case) else CUTS
    ends = [await play(evolve(case, cut=cut), together=1 if on_trio else 25) for cut in cuts]
    assert {"again", "untouched"} < set(ends)
