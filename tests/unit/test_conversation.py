"""Conversations: the requests of each turn, and the history after it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from conversation_turns import CALL, WEATHER
from fake_host import HELLO, FakeHost, break_at_once, delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, Message, Provider, tools
from kimi_async._wire import Wire
from kimi_async.testing import ErrorReply, FakeProvider, FakeToolCall, Reply
from kimi_async.testing._completion import dump
from kimi_async.tools import tool

pytestmark = pytest.mark.anyio


WIRE_CALL = {"id": "f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}


CUT_CALL = sse(
    delta(tool_calls=[{"index": 0, "id": "f:0", "function": {"name": "f", "arguments": '{"a'}}]),
    delta(finish="length"),
)
ONLY_THINKING = sse(delta(reasoning_content="Hm."), delta(finish="length"))


def sent(host: FakeHost, at: int = -1) -> Any:
    return json.loads(host.requests[at].content)["messages"]


# Ten turns

ADAPTERS: dict[str, Callable[[FakeProvider], Provider]] = {
    "acedata": lambda fake: fake.acedata(),
    "cloudsway": lambda fake: fake.cloudsway(),
    "moonshot": lambda fake: fake.moonshot(),
    "openai": lambda fake: fake.compatible(),
}


def asked_for(city: str) -> Reply:
    return Reply(
        None, f"I look at {city}.", tool_calls=[FakeToolCall("weather", {"city": city}, id="w:0")]
    )


SCRIPT = [
    Reply("Hello.", ""),  # empty reasoning, which has to be kept
    Reply("Fine.", "A greeting."),
    asked_for("Bonn"),
    Reply("Dry in Bonn.", "So."),
    Reply("This is never whole.", "Hm.", cut_after=2, end="reset"),
    ErrorReply(503, message="busy"),
    asked_for("Köln"),
    Reply("Wet in Köln.", "So."),
    Reply("You are welcome.", "Nice."),
    Reply("Bye.", "They leave."),
]


def calling(city: str, key: str) -> dict[str, Any]:
    return {
        "role": "assistant",
        key: f"I look at {city}.",
        "tool_calls": [
            {
                "id": "w:0",
                "type": "function",
                "function": {"name": "weather", "arguments": dump({"city": city})},
            }
        ],
    }


@pytest.mark.parametrize("wire", ["stream", "json"])
@pytest.mark.parametrize("provider", ADAPTERS.values(), ids=ADAPTERS)
async def test_ten_turns_with_thinking_tools_and_a_failed_one(
    provider: Callable[[FakeProvider], Provider], wire: kimi.Wire
) -> None:
    """The last request is checked completely; failed turns are sent again and leave no trace."""
    async with FakeProvider(SCRIPT) as fake:
        async with AsyncKimi(
            provider(fake), model="kimi-k2.6", retries=kimi.Retries.none()
        ) as client:
            chat = client.conversation(system="Be brief.", tools=[WEATHER])
            await chat.send("Hi", wire=wire)
            await chat.send("How are you?", wire=wire)
            (call,) = (await chat.send("Bonn?", wire=wire)).tool_calls
            await chat.send(kimi.tool_result(call, "dry"), wire=wire)
            before = chat.messages
            for failure in (kimi.KimiError, kimi.APIError):
                with pytest.raises(failure):
                    await chat.send("Köln?", wire=wire)
                assert chat.messages == before
            (call,) = (await chat.send("Köln?", wire=wire)).tool_calls
            await chat.send(kimi.tool_result(call, "wet"), wire=wire)
            await chat.send("Thanks", wire=wire)
            await chat.send("Bye", wire=wire)
        *_, last = fake.requests
    # The fake of a compatible host gives its thinking under the other key, and gets it back there.
    key = "reasoning" if last.provider == "openai" else "reasoning_content"
    assert last.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello.", key: ""},
        {"role": "user", "content": "How are you?"},
        {"role": "assistant", "content": "Fine.", key: "A greeting."},
        {"role": "user", "content": "Bonn?"},
        calling("Bonn", key),
        {"role": "tool", "content": "dry", "tool_call_id": "w:0", "name": "weather"},
        {"role": "assistant", "content": "Dry in Bonn.", key: "So."},
        {"role": "user", "content": "Köln?"},
        calling("Köln", key),
        {"role": "tool", "content": "wet", "tool_call_id": "w:0", "name": "weather"},
        {"role": "assistant", "content": "Wet in Köln.", key: "So."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "You are welcome.", key: "Nice."},
        {"role": "user", "content": "Bye"},
    ]


# History


async def test_a_turn_enters_the_history_with_its_last_event() -> None:
    chat = FakeHost([HELLO]).client().conversation(system="Be brief.")
    assert repr(chat) == "<Conversation of 1 messages>"
    async with chat.stream("Hi") as stream:
        async for event in stream:
            assert (len(chat.messages) == 3) is isinstance(event, kimi.StreamEnd)
    assert chat.messages == (kimi.system("Be brief."), kimi.user("Hi"), kimi.assistant("Hello"))
    assert chat.prompt_tokens == 3


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param([sse(delta("He"))], id="cut"),
        pytest.param([CUT_CALL], id="call-that-was-cut"),
        pytest.param([ONLY_THINKING], id="only-thinking"),
    ],
)
async def test_a_turn_that_cannot_be_sent_back_leaves_no_trace(reads: list[object]) -> None:
    host = FakeHost(reads, [HELLO])
    chat = host.client().conversation()
    try:
        reply = await chat.send("Hi")
    except kimi.StreamInterrupted:
        pass
    else:
        assert reply.outcome == "length"
    assert chat.messages == ()
    await chat.send("Hi")
    assert len(sent(host)) == 1


async def test_a_turn_that_is_left_leaves_no_trace() -> None:
    chat = FakeHost([HELLO], [HELLO]).client().conversation()
    async with chat.stream("Hi") as stream:
        await break_at_once(stream)
    assert chat.messages == ()
    assert (await chat.send("Hi")).text == "Hello"


#: The ways in which a turn can end badly: the reply, and whether the turn enters the history.
BAD_TURNS: dict[str, tuple[Any, bool]] = {
    "refusal": (Reply(refusal="No."), False),
    "refusal-after-text": (Reply("Hm.", refusal="No."), True),
    "cut": (Reply("This is never whole.", "Hm.", cut_after=2, end="reset"), False),
    "error-reason": (Reply("Half", "Hm.", finish_reason="error"), False),
    "error-before-the-reply": (ErrorReply(500), False),
    "filtered": (Reply("Half", "Hm.", finish_reason="content_filter"), True),
    "filtered-at-once": (Reply(None, "Hm.", finish_reason="content_filter"), False),
    "too-long": (Reply("Half", "Hm.", finish_reason="length"), True),
    "only-thinking": (Reply(None, "Hm."), False),
    "nothing": (Reply(""), False),
    "call-that-was-cut": (
        Reply(None, "Hm.", tool_calls=[FakeToolCall("weather", '{"ci')], finish_reason="length"),
        False,
    ),
    "tool-that-fails": (Reply(None, "Hm.", tool_calls=[FakeToolCall("broken", {})]), False),
}


@tool
def broken() -> str:
    raise OSError("no weather today")


@pytest.mark.parametrize("wire", ["stream", "json"])
@pytest.mark.parametrize("provider", ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize(("bad", "is_kept"), BAD_TURNS.values(), ids=BAD_TURNS)
async def test_a_conversation_survives_a_turn_that_ends_badly(
    bad: Any, is_kept: bool, provider: Callable[[FakeProvider], Provider], wire: Wire
) -> None:
    """The history then has the turn whole or not at all, and the checks accept the next turn."""
    script = [Reply("Hello.", "Hm."), bad, Reply("Fine.", "Hm.")]
    async with FakeProvider(script) as fake:
        async with AsyncKimi(
            provider(fake), model="kimi-k2.6", retries=kimi.Retries.none(), checks="error"
        ) as client:
            chat = client.conversation(tools=[broken])
            await chat.send("Hi", wire=wire)
            before = chat.messages
            with contextlib.suppress(kimi.KimiError, tools.ToolError, OSError):
                await chat.run("And?", on_tool_error="raise", wire=wire).final()
            if is_kept:
                assert chat.messages[:3] == (*before, kimi.user("And?"))
                assert len(chat.messages) == 4
            else:
                assert chat.messages == before
            assert client.preview([*chat.messages, kimi.user("Well?")]).findings == ()
            assert (await chat.send("Well?", wire=wire)).text == "Fine."


@pytest.mark.parametrize("provider", ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize("name", [name for name in BAD_TURNS if name != "tool-that-fails"])
async def test_so_does_one_whose_turn_is_sent_without_a_run(
    name: str, provider: Callable[[FakeProvider], Provider]
) -> None:
    bad, is_kept = BAD_TURNS[name]
    async with FakeProvider([bad, Reply("Fine.", "Hm.")]) as fake:
        async with AsyncKimi(
            provider(fake), model="kimi-k2.6", retries=kimi.Retries.none(), checks="error"
        ) as client:
            chat = client.conversation()
            with contextlib.suppress(kimi.KimiError):
                await chat.send("And?")
            assert len(chat.messages) == (2 if is_kept else 0)
            assert client.preview([*chat.messages, kimi.user("Well?")]).findings == ()
            assert (await chat.send("Well?")).text == "Fine."


async def test_a_prefix_and_its_reply_become_one_message() -> None:
    host = FakeHost([HELLO], [HELLO])
    chat = host.client().conversation()
    await chat.send([kimi.user("Hi"), kimi.assistant("Oh, ", partial=True)])
    assert chat.messages == (kimi.user("Hi"), kimi.assistant("Oh, Hello"))
    await chat.send("And?")
    assert sent(host)[1] == {"role": "assistant", "content": "Oh, Hello"}


async def test_dicts_go_through_as_they_are() -> None:
    odd: Any = {"role": "user", "content": "Hi", "weight": 1}
    host = FakeHost([HELLO])
    chat = host.client().conversation(messages=[odd])
    await chat.send({"role": "user", "content": "there"})
    assert sent(host) == [odd, {"role": "user", "content": "there"}]


async def test_one_turn_at_a_time() -> None:
    chat = FakeHost([HELLO], [HELLO], [HELLO]).client().conversation()
    async with chat.stream("Hi"):
        with pytest.raises(RuntimeError, match="under way"):
            chat.stream("Hi")
    late, early = chat.stream("Hi"), chat.stream("Hi")
    await early.final()
    with pytest.raises(RuntimeError, match="changed while"):
        await late.final()
    assert len(chat.messages) == 2


async def test_parameters_of_a_turn_lie_over_those_of_the_conversation() -> None:
    host = FakeHost([HELLO], [HELLO])
    chat = host.client().conversation(seed=1, max_tokens=5)
    await chat.send("Hi", seed=2)
    await chat.fork().stream("Hi").final()
    bodies = [json.loads(request.content) for request in host.requests]
    assert [(body["seed"], body["max_tokens"]) for body in bodies] == [(2, 5), (1, 5)]


async def test_a_fork_goes_its_own_way() -> None:
    chat = FakeHost([HELLO], [HELLO]).client().conversation()
    await chat.send("Hi")
    other = chat.fork()
    await other.send("And?")
    assert (len(chat.messages), len(other.messages)) == (2, 4)


# Copies


async def test_a_list_that_the_caller_changes_afterwards_was_copied() -> None:
    host = FakeHost([HELLO], [HELLO], [HELLO])
    client = host.client()
    said: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    chat = client.conversation(messages=said)
    stream = chat.stream(said)
    said[0]["content"][0]["text"] = "Bye"
    said.clear()
    await stream.final()
    hi = kimi.user([kimi.text_part("Hi")])
    assert chat.messages == (hi, hi, kimi.assistant("Hello"))
    assert sent(host) == [hi.to_wire()] * 2
    await chat.send(kimi.user(each) for each in ["How", "are", "you?"])
    assert list(chat.messages[3:6]) == [kimi.user("How"), kimi.user("are"), kimi.user("you?")]
    assert client.conversation(messages="Hi").messages == (kimi.user("Hi"),)


def call_with(**extra: Any) -> Message:
    return kimi.assistant(tool_calls=[attrs.evolve(CALL, extra=extra)])


#: A dict, and the message that it is.
DICTS: dict[str, tuple[dict[str, Any], Message]] = {
    "text": ({"role": "user", "content": "Hi", "name": "Ann"}, kimi.user("Hi", name="Ann")),
    "parts": (
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        kimi.user([kimi.text_part("Hi")]),
    ),
    "tuple-of-parts": (
        {"role": "user", "content": ({"type": "text", "text": "Hi"},)},
        kimi.user([kimi.text_part("Hi")]),
    ),
    "calls": (
        {"role": "assistant", "reasoning_content": "", "tool_calls": [WIRE_CALL]},
        kimi.assistant(reasoning_content="", tool_calls=[CALL]),
    ),
    "other-key": (
        {"role": "assistant", "content": "Hi", "reasoning": "Hm."},
        kimi.assistant("Hi", reasoning_content="Hm."),
    ),
    "partial": (
        {"role": "assistant", "content": "Hi", "partial": True},
        kimi.assistant("Hi", partial=True),
    ),
    "result": (
        {"role": "tool", "content": "1", "tool_call_id": "f:0"},
        kimi.tool_result("f:0", "1"),
    ),
    "unknown-key": (
        {"role": "user", "content": "Hi", "weight": [1]},
        Message(role="user", content="Hi", extra={"weight": [1]}),
    ),
    "null": (
        {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]},
        Message(role="assistant", tool_calls=(CALL,), extra={"content": None}),
    ),
    "no-calls": (
        {"role": "assistant", "content": "Hi", "tool_calls": [], "partial": False},
        Message(role="assistant", content="Hi", extra={"tool_calls": [], "partial": False}),
    ),
    "both-keys": (
        {"role": "assistant", "reasoning": "a", "reasoning_content": "b"},
        Message(role="assistant", reasoning_content="b", extra={"reasoning": "a"}),
    ),
    "reasoning-of-another-type": (
        {"role": "assistant", "content": "Hi", "reasoning": ["Hm."], "refusal": 5},
        Message(role="assistant", content="Hi", extra={"reasoning": ["Hm."], "refusal": 5}),
    ),
    "key-of-a-call": (
        {"role": "assistant", "tool_calls": [{**WIRE_CALL, "index": 0}]},
        call_with(index=0),
    ),
    "key-of-a-function": (
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "f:0",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}", "signature": "x"},
                }
            ],
        },
        call_with(function={"signature": "x"}),
    ),
}


@pytest.mark.parametrize(("given", "expected"), DICTS.values(), ids=DICTS)
async def test_a_dict_becomes_a_message_and_is_sent_as_it_was(
    given: Any, expected: Message
) -> None:
    host = FakeHost([HELLO])
    client = host.client(checks="off")
    chat = client.conversation(messages=[given])
    assert chat.messages == client.run([given]).messages == (expected,)
    assert client.conversation(saved=chat.to_json()).messages == (expected,)
    await chat.send("Hi")
    assert json.dumps(sent(host)[0], sort_keys=True) == json.dumps(given, sort_keys=True)


CALL_FORM = (
    'each of tool_calls must be {"id": ..., "type": "function", "function": {"name": ..., "arguments": ...}},'
    " where arguments is the text of JSON"
)
CIRCLE: dict[str, Any] = {"role": "user"}
CIRCLE["content"] = [CIRCLE]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (5, "a turn is a text, a Message, a dict, or several of them, not int"),
        (None, "a turn is a text, a Message, a dict, or several of them, not NoneType"),
        ([5], "messages[0] must be a Message or a dict, not int"),
        (["Hi"], "messages[0] must be a Message or a dict, not str"),
        (
            [{"role": "user", "content": "Hi"}, None],
            "messages[1] must be a Message or a dict, not NoneType",
        ),
        (b"Hi", "a turn is a text, a Message, a dict, or several of them, not bytes"),
        ([CIRCLE], "a message holds itself and cannot be written as JSON"),
        ([{"content": "Hi"}], "messages[0] must have a 'role' that is a text"),
        (
            [{"role": "user", "content": 5}],
            "messages[0]: content must be a text or a list of parts, not int",
        ),
        (
            {"role": "user", "content": ["Hi"]},
            "messages[0]: content[0] must be a dict such as that of text_part(), not str",
        ),
        (
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [7]}],
            f"messages[1]: {CALL_FORM}",
        ),
        (
            [{"role": "user", "conent": "Hi"}],
            "messages[0] has the key 'conent'; did you mean 'content'?",
        ),
    ],
    ids=[
        *("int", "none", "of-int", "of-text", "of-none", "bytes", "circle"),
        *("no-role", "content", "part", "call", "slip"),
    ],
)
async def test_what_is_not_a_message_is_refused(said: Any, problem: str) -> None:
    client = FakeHost().client()
    chat = client.conversation()
    for begin in (
        lambda: client.conversation(messages=said),
        lambda: chat.stream(said),
        lambda: chat.run(said, tools=[]),
    ):
        with pytest.raises(kimi.ConfigurationError) as caught:
            begin()
        assert str(caught.value) == problem
        assert caught.value.__context__ is None
    with pytest.raises(kimi.ConfigurationError, match=re.escape(problem)):
        await chat.send(said)
    with pytest.raises(kimi.ConfigurationError, match=re.escape(problem)):
        await chat.parse(said, int)


def test_the_system_message_is_a_text() -> None:
    system: Any = 5
    with pytest.raises(kimi.ConfigurationError, match="system must be a text, not int"):
        FakeHost().client().conversation(system=system)
