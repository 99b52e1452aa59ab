"""Values and runs of tools in a conversation."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from conversation_turns import STOP, WEATHER
from fake_host import HELLO, FakeHost, delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, conversation, tools
from kimi_async.testing import ErrorReply, FakeProvider, FakeToolCall, ReceivedRequest, Reply
from kimi_async.tools import tool

pytestmark = pytest.mark.anyio


class City(msgspec.Struct):
    name: str


@tool
def weather(city: str) -> str:
    return f"dry in {city}"


FORECAST = FakeToolCall("weather", {"city": "Bergen"}, id="w:0")


async def test_tools_of_a_system_message_run() -> None:
    """Kimi K3 accepts tools in a message; they run like those of the parameter, and are saved as JSON."""
    script = [Reply(None, "Hm.", tool_calls=[FORECAST]), Reply("Dry.", "Hm."), Reply("Bye.", "Hm.")]
    async with FakeProvider(script) as fake:
        async with AsyncKimi(fake.moonshot(), model="kimi-k3", checks="error") as client:
            chat = client.conversation(messages=[{"role": "system", "tools": [weather]}])
            run = await chat.run("Bergen?", tool_choice="required").final()
            assert (run.stopped, run.text) == ("answer", "Dry.")
            assert chat.messages[3] == kimi.tool_result("w:0", "dry in Bergen", name="weather")
            loaded = client.conversation(saved=chat.to_json())
            assert loaded.messages[0].extra == {"tools": [weather.to_wire()]}
            assert (await loaded.send("Bye")).text == "Bye."
    assert fake.requests[0].body["messages"][0]["tools"] == [weather.to_wire()]


BERGEN = '{"name": "Bergen"}'


async def test_a_value_is_one_turn_without_what_led_to_it() -> None:
    wrong = Reply('{"name": 1}', usage=kimi.Usage(prompt_tokens=4))
    right = Reply(BERGEN, usage=kimi.Usage(prompt_tokens=7))
    async with FakeProvider([wrong, right, Reply("Dry.")]) as fake:
        async with AsyncKimi(fake.cloudsway()) as client:
            chat = client.conversation(system="Be brief.", seed=7)
            parsed = await chat.parse("Which city?", City)
            assert (parsed.value, len(parsed.rounds)) == (City("Bergen"), 2)
            assert chat.messages == (
                kimi.system("Be brief."),
                kimi.user("Which city?"),
                kimi.assistant(BERGEN),
            )
            assert chat.prompt_tokens == 4
            await chat.send("And its weather?")
    assert [request.body["seed"] for request in fake.requests] == [7, 7, 7]
    assert [request.body["stream"] for request in fake.requests] == [True, True, True]
    told, _, question, *_ = fake.requests[1].body["messages"][0]["content"].split("\n")
    assert (told, question[:12]) == ("Be brief.", "Answer with ")
    assert [message["content"] for message in fake.requests[2].body["messages"]] == [
        *("Be brief.", "Which city?", BERGEN, "And its weather?")
    ]


@pytest.mark.parametrize(
    "script",
    [[Reply("?"), Reply("?")], [Reply("{", finish_reason="length")], [ErrorReply(401)]],
    ids=["never-fits", "length", "refused"],
)
async def test_a_value_that_never_came_leaves_no_trace(script: list[Any]) -> None:
    async with FakeProvider([*script, Reply(BERGEN)]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            chat = client.conversation()
            with pytest.raises(kimi.KimiError):
                await chat.parse("Which city?", City)
            assert chat.messages == ()
            await chat.parse("Which city?", City, wire="json")
            assert len(chat.messages) == 2


async def test_a_run_is_one_turn() -> None:
    script = [Reply(tool_calls=[FORECAST]), Reply("Dry."), Reply("You are welcome.")]
    async with FakeProvider(script) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            chat = client.conversation(tools=[weather])
            async with chat.run("How is Bergen?", max_steps=5) as run:
                async for event in run:
                    is_last = isinstance(event, tools.StepEnd) and event.step == 2
                    assert bool(chat.messages) is is_last
                result = await run.final()
            assert chat.messages == result.messages
            assert [each["role"] for each in map(as_wire, chat.messages)] == [
                *("user", "assistant", "tool", "assistant")
            ]
            assert chat.prompt_tokens == 9
            await chat.send("Thanks")
            sent = fake.requests[-1].body["messages"]
            assert sent[:-1] == [as_wire(message) for message in result.messages]


def as_wire(message: Any) -> dict[str, Any]:
    wire: dict[str, Any] = message.to_wire()
    return wire


async def test_calls_that_a_run_leaves_are_answered_with_the_next_message() -> None:
    async with FakeProvider([Reply(tool_calls=[FORECAST]), Reply("Dry.")]) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            chat = client.conversation(tools=[WEATHER])
            result = await chat.run("How is Bergen?").final()
            (call,) = result.pending
            await chat.send(kimi.tool_result(call, "dry"))
    assert [each["role"] for each in map(as_wire, chat.messages)] == [
        *("user", "assistant", "tool", "assistant")
    ]


@pytest.mark.parametrize(
    "last",
    [
        Reply("This is never whole.", "Hm.", cut_after=2, end="reset"),
        Reply(None, "Hm.", finish_reason="length"),
        Reply(tool_calls=[FORECAST], finish_reason="length"),
    ],
    ids=["cut", "only-thinking", "call-that-was-cut"],
)
async def test_a_run_that_cannot_be_gone_on_with_leaves_no_trace(last: Reply) -> None:
    once = kimi.Retries.none()
    async with FakeProvider([Reply(tool_calls=[FORECAST]), last]) as fake:
        async with AsyncKimi(fake.acedata(), model="m", retries=once) as client:
            chat = client.conversation()
            try:
                result = await chat.run("How is Bergen?", tools=[weather]).final()
            except kimi.StreamInterrupted:
                pass
            else:
                assert result.stopped == "length"
            assert chat.messages == ()
    assert len(fake.requests) == 2


async def test_trimming_after_a_run_counts_what_was_sent() -> None:
    script = [Reply("x" * 100), Reply(tool_calls=[FORECAST]), Reply("y" * 500)]
    async with FakeProvider(script) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            chat = client.conversation()
            await chat.send("Hi")
            await chat.run("How is Bergen?", tools=[weather]).final()
            # 9 tokens were reported for the request, so the next answer is many times that.
            assert chat.trim(prompt_tokens=20) == 2


async def test_one_turn_at_a_time_of_any_kind() -> None:
    host = FakeHost([HELLO], [HELLO], [sse(delta(BERGEN), STOP)])
    chat = host.client().conversation()
    async with chat.run("Hi") as run:
        for begin in (chat.stream, chat.run):
            with pytest.raises(RuntimeError, match="under way"):
                begin("Hi")
        with pytest.raises(RuntimeError, match="under way"):
            await chat.parse("Hi", City)
        await run.final()
    assert len(chat.messages) == 2
    left = chat.run("Hi")
    await anext(left)
    await left.aclose()
    await chat.parse("Hi", City)
    assert len(chat.messages) == 4


async def test_a_value_is_under_way_between_its_rounds_too() -> None:
    chats: list[conversation.Conversation] = []
    refused: list[object] = []

    def answer(request: ReceivedRequest) -> Reply:
        with pytest.raises(RuntimeError, match="under way"):
            chats[0].stream("Hi")
        refused.append(request.provider)
        return Reply(BERGEN if len(refused) > 1 else "?")

    async with FakeProvider(answer) as fake, AsyncKimi(fake.acedata(), model="m") as client:
        chats.append(client.conversation())
        await chats[0].parse("Which city?", City)
        assert len(refused) == 2
        chats[0].stream("Hi")


async def test_a_run_of_a_conversation_that_went_on_is_an_error() -> None:
    chat = FakeHost([HELLO], [HELLO]).client().conversation()
    late = chat.run("Hi")
    await chat.send("Hi")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="changed while this turn was under way"):
            await late.final()
    assert len(chat.messages) == 2
