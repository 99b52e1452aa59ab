"""Everything that reads replies, over a reply that breaks: values, the tool loop, conversations, hooks, the budget."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from attrs import evolve
from exit_actions import Watcher

import kimi_async as kimi
from kimi_async import AsyncKimi, Breaker, Retries, RetryBudget
from kimi_async._configuration import OnInterrupt
from kimi_async.testing import (
    ErrorReply,
    FakeToolCall,
    FakeTransport,
    Reply,
    ScriptedReply,
    virtual_time,
)
from kimi_async.tools import ToolResult, tool

pytestmark = pytest.mark.anyio

ANSWER = Reply("Hello, dear reader of these lines.", "Let me think.", chunk_chars=4)
#: Its events before the finish reason: the role, the reasoning and the content.
EVENTS = 1 + 4 + 9


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


def cut(reply: Reply, events: int) -> Reply:
    return evolve(reply, cut_after=events, end="reset")


def client_of(fake: FakeTransport, way: OnInterrupt = "auto", **options: Any) -> AsyncKimi:
    """Return a client for a model that continues a prefix."""
    given: dict[str, Any] = {"retries": Retries(), "on_interrupt": way, **options}
    return fake.client(provider=fake.moonshot(), model="kimi-k2.6", **given)


def fake_of(*script: ScriptedReply) -> FakeTransport:
    return FakeTransport(script, honours_prefix=True)


# Values


class Person(msgspec.Struct, frozen=True):
    name: str
    age: int


ADA = Reply('{"name": "Ada", "age": 36}', "Who is it?", chunk_chars=4)


@pytest.mark.parametrize("way", ["auto", "continue", "restart"])
async def test_a_value_is_exact_after_any_cut(way: OnInterrupt) -> None:
    """JSON is never continued."""
    for events in range(15):
        fake = fake_of(cut(ADA, events), ADA)
        parsed = await client_of(fake, way).parse("Who?", Person)
        assert parsed.value == Person("Ada", 36)
        assert len(parsed.rounds) == 1
        first, *others = [request.body for request in fake.requests]
        assert others == ([first] if events < 12 else [])


@pytest.mark.parametrize("events", range(2, 11))
async def test_a_value_that_broke_is_raised_where_the_caller_wants_it(events: int) -> None:
    fake = fake_of(cut(ADA, events))
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await client_of(fake, "raise").parse("Who?", Person)
    assert caught.value.partial is not None
    assert str(ADA.content).startswith(caught.value.partial.text)


# The tool loop

CALLING = Reply(
    "I look it up for you.",
    "Hm.",
    tool_calls=[FakeToolCall("look_up", {"word": "a long word"}, id="look_up:0")],
    chunk_chars=4,
)
CALL_EVENTS = 16


class Counted:
    """A tool that counts its calls."""

    def __init__(self) -> None:
        self.words: list[str] = []

        @tool
        async def look_up(word: str) -> str:
            self.words.append(word)
            return "found"

        self.tools = [look_up]


@pytest.mark.parametrize("way", ["auto", "continue", "restart"])
async def test_a_tool_runs_once_after_any_cut(way: OnInterrupt) -> None:
    for events in range(CALL_EVENTS):
        fake, counted = fake_of(cut(CALLING, events), CALLING, ANSWER), Counted()
        result = await client_of(fake, way).run("Hi", tools=counted.tools).final()
        assert (result.text, counted.words) == (ANSWER.content, ["a long word"])
        roles = [message["role"] for message in fake.requests[-1].body["messages"]]
        assert roles == ["user", "assistant", "tool"]


@pytest.mark.parametrize("way", ["continue", "restart"])
async def test_so_it_does_for_a_caller_who_reads_the_events(way: OnInterrupt) -> None:
    for events in range(CALL_EVENTS):
        fake, counted = fake_of(cut(CALLING, events), CALLING, ANSWER), Counted()
        async with client_of(fake, way).run("Hi", tools=counted.tools) as run:
            told = [event async for event in run]
        assert counted.words == ["a long word"]
        assert sum(isinstance(event, ToolResult) for event in told) == 1


async def test_no_tool_runs_for_a_reply_that_is_not_whole() -> None:
    for events in range(2, CALL_EVENTS):
        fake, counted = fake_of(cut(CALLING, events)), Counted()
        with pytest.raises(kimi.StreamInterrupted):
            await client_of(fake, "raise").run("Hi", tools=counted.tools).final()
        assert (counted.words, len(fake.requests)) == ([], 1)


# Conversations


@pytest.mark.parametrize("way", ["auto", "continue", "restart"])
async def test_a_turn_enters_the_history_once_after_any_cut(way: OnInterrupt) -> None:
    for events in range(EVENTS):
        chat = client_of(fake_of(cut(ANSWER, events), ANSWER, ANSWER), way).conversation()
        reply = await chat.send("Hi")
        assert [*chat.messages] == [kimi.user("Hi"), reply.message]
        assert (reply.text, reply.reasoning) == (ANSWER.content, ANSWER.reasoning)
        await chat.send("And?")
        assert [*chat.messages[2:]] == [kimi.user("And?"), reply.message]


@pytest.mark.parametrize("way", ["continue", "restart"])
async def test_so_does_a_turn_whose_events_are_read(way: OnInterrupt) -> None:
    for events in range(EVENTS):
        chat = client_of(fake_of(cut(ANSWER, events), ANSWER), way).conversation()
        async with chat.stream("Hi") as stream:
            async for _ in stream:
                pass
        reply = await stream.final()
        assert [*chat.messages] == [kimi.user("Hi"), reply.message]
        assert (reply.text, reply.reasoning) == (ANSWER.content, ANSWER.reasoning)


async def test_a_turn_that_breaks_leaves_the_history() -> None:
    for events in range(2, EVENTS):
        fake = fake_of(ANSWER, cut(ANSWER, events), ANSWER)
        chat = client_of(fake, "raise").conversation()
        await chat.send("Hi")
        before = chat.messages
        with pytest.raises(kimi.StreamInterrupted):
            await chat.send("And?")
        assert chat.messages == before
        await chat.send("Well?")
        assert [*chat.messages[:3]] == [*before, kimi.user("Well?")]


# Hooks


@pytest.mark.parametrize("way", ["auto", "raise", "continue", "restart"])
async def test_a_hook_is_told_each_attempt_once(way: OnInterrupt) -> None:
    for events in range(EVENTS):
        watcher = Watcher()
        fake = fake_of(cut(ANSWER, events), ErrorReply(500), ANSWER)
        record = await ended(client_of(fake, way, hooks=[watcher.begin]))
        watcher.check(record)
        assert len(watcher.attempts) == len(fake.requests)
        assert [info.attempt for info in watcher.started] == [
            *range(1, 1 + len(watcher.started)),
        ]
        assert len(watcher.calls) == 1


async def ended(client: AsyncKimi) -> kimi.ReplyRecord:
    """Return the record of a reply that may break."""
    try:
        record = (await client.chat("Hi")).record
    except kimi.StreamInterrupted as error:
        record = error.record
    return record


# The budget

#: A breaker that never opens.
NEVER = Breaker(consecutive=10**6, success_ratio=0.0)


@pytest.mark.parametrize(
    "sick", [ErrorReply(500), cut(ANSWER, 6), cut(ANSWER, 13)], ids=["error", "restart", "continue"]
)
async def test_the_budget_bounds_the_requests(sick: ScriptedReply) -> None:
    """When every request fails, a fifth of the calls is sent once more, whatever the retries are for."""
    fake = FakeTransport(lambda _: sick)
    budget = RetryBudget(ratio=0.2, per_second=0.0, window=1e6)
    client = client_of(fake, retries=Retries(budget=budget), breaker=NEVER)
    for _ in range(50):
        with pytest.raises((kimi.ServerError, kimi.StreamInterrupted)):
            await client.chat("Hi")
    assert len(fake.requests) == 60


@pytest.mark.parametrize(
    ("sick", "seen"), [(ErrorReply(500), 2), (cut(ANSWER, 6), 1)], ids=["fail-over", "restart"]
)
async def test_an_empty_budget_allows_another_provider_before_the_first_output_only(
    sick: ScriptedReply, seen: int
) -> None:
    fake = FakeTransport([sick, ANSWER])
    retries = Retries(budget=RetryBudget(ratio=0.0, per_second=0.0))
    providers = [fake.acedata(), fake.cloudsway()]
    client = fake.client(provider=providers, retries=retries)
    record = await ended(client)
    assert (len(record.attempts), record.outcome == "complete") == (seen, seen == 2)
