"""Conversations: the requests of each turn, and the history after it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
import pytest
from fake_host import HELLO, FakeHost, break_at_once, delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, Message, Provider, conversation, tools
from kimi_async._wire import Wire
from kimi_async.testing import ErrorReply, FakeProvider, FakeToolCall, ReceivedRequest, Reply
from kimi_async.testing._completion import dump
from kimi_async.tools import tool

pytestmark = pytest.mark.anyio

STOP = delta(finish="stop")
CALL = kimi.ToolCall(id="f:0", name="f", arguments="{}")
WIRE_CALL = {"id": "f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OTHER_KEY = sse(delta(reasoning="Hm."), delta("Hi"), STOP)
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
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
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


#: A dict, and the message that it is; without one it stays a dict.
DICTS: dict[str, tuple[dict[str, Any], Message | None]] = {
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
    "unknown-key": ({"role": "user", "content": "Hi", "weight": 1}, None),
    "content-of-another-type": ({"role": "user", "content": 5}, None),
    "no-role": ({"content": "Hi"}, None),
    "null": ({"role": "user", "content": "Hi", "name": None}, None),
    "empty-part": ({"role": "user", "content": [{"type": "text", "text": ""}]}, None),
    "call-of-another-form": ({"role": "assistant", "tool_calls": [7]}, None),
}


@pytest.mark.parametrize(("given", "expected"), DICTS.values(), ids=DICTS)
def test_a_dict_becomes_a_message_if_nothing_is_lost(given: Any, expected: Message | None) -> None:
    (kept,) = FakeHost().client().conversation(messages=[given]).messages
    if expected is None:
        assert kept == given
        assert kept is not given
    else:
        assert kept == expected
        assert isinstance(kept, Message)


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
    ],
    ids=["int", "none", "of-int", "of-text", "of-none", "bytes", "circle"],
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


# Saving


async def test_what_is_saved_is_what_is_loaded() -> None:
    call = kimi.ToolCall(id=None, name="f", arguments="{}", type="builtin_function")
    said: list[Any] = [
        kimi.user([kimi.text_part("Hi"), kimi.image_part("ms://1")], name="Ann"),
        kimi.assistant(reasoning_content="", tool_calls=[call]),
        kimi.tool_result("f:0", "1", name="f"),
        {"role": "user", "content": "Hi", "weight": 1},
        {"role": "assistant", "tool_calls": [{"id": "f:0", "function": {}}, 7]},
        {"role": "assistant", "tool_calls": [{"type": "function", "function": {}}]},
        Message(role="assistant", refusal="No."),
    ]
    client = FakeHost([OTHER_KEY], [HELLO]).client(checks="off")
    chat = client.conversation(system="Be brief.", messages=said)
    await chat.send("Hi")
    loaded = client.conversation(saved=chat.to_json().encode(), seed=1)
    assert loaded.messages == chat.messages
    assert [type(message) for message in loaded.messages] == [
        type(message) for message in chat.messages
    ]
    assert loaded.to_json() == chat.to_json()
    assert json.loads(chat.to_json())["messages"][-1]["reasoning"] == "Hm."
    await loaded.send("Hi")
    assert len(loaded.messages) == len(chat.messages) + 2


SAVED = {"kimi_async_conversation": 1, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("saved", "problem"),
    [
        ("", "Input data was truncated"),
        ("[1]", "Expected `object`, got `array`"),
        ("{}", "its version is None, and this library knows 1"),
        (json.dumps({**SAVED, "kimi_async_conversation": 2}), "its version is 2, and this"),
        (json.dumps({**SAVED, "messages": [1]}), "Expected `object`, got `int` - at `\\$.messages"),
        (json.dumps({**SAVED, "messages": [{"role": 1}]}), "messages\\[0\\] has no role"),
        (json.dumps({**SAVED, "prompt_tokens": "a"}), "Expected `int | null`, got `str`"),
        (json.dumps(SAVED)[:-2], "truncated"),
        (b"\xff", "malformed"),
        (7, "bytes-like object"),
    ],
)
def test_what_was_not_saved_here_is_refused(saved: Any, problem: str) -> None:
    with pytest.raises(
        kimi.ConfigurationError, match=f"this is not a saved conversation: .*{problem}"
    ):
        FakeHost().client().conversation(saved=saved)


def test_a_saved_conversation_has_its_beginning() -> None:
    client = FakeHost().client()
    assert client.conversation(saved=json.dumps(SAVED)).messages == (kimi.user("Hi"),)
    with pytest.raises(kimi.ConfigurationError, match="give only saved="):
        client.conversation(saved=json.dumps(SAVED), system="Be brief.")
    with pytest.raises(kimi.ConfigurationError, match="give only saved="):
        client.conversation(saved=json.dumps(SAVED), messages=[kimi.user("Hi")])


def test_a_conversation_that_is_no_json_cannot_be_saved() -> None:
    odd: Any = {"role": "user", "content": object()}
    chat = FakeHost().client().conversation(messages=[odd])
    with pytest.raises(kimi.ConfigurationError, match="cannot be written as JSON"):
        chat.to_json()


# Trimming

TURNS = [
    kimi.system("s" * 4),
    *(kimi.user("a" * 10), kimi.assistant("b" * 10)),
    *(kimi.user("c" * 10), kimi.assistant(tool_calls=[CALL]), kimi.tool_result("f:0", "1")),
    *(kimi.user("d" * 10), kimi.assistant("e" * 10)),
]


@pytest.mark.parametrize(("turns", "dropped"), [(5, 0), (3, 0), (2, 2), (1, 5)])
def test_trimming_by_turns(turns: int, dropped: int) -> None:
    chat = FakeHost().client().conversation(messages=TURNS)
    assert chat.trim(turns=turns) == dropped
    assert chat.messages == (TURNS[0], *TURNS[1 + dropped :])
    assert chat.trim() == 0


@pytest.mark.parametrize(("prompt_tokens", "dropped"), [(1_000, 0), (3, 2), (2, 5), (1, 7)])
async def test_trimming_by_tokens(prompt_tokens: int, dropped: int) -> None:
    """Three tokens were reported for the prompt, so one is a third of its characters."""
    chat = FakeHost([HELLO]).client(checks="off").conversation(messages=TURNS)
    picture = kimi.image_part(b"\x89PNG\r\n\x1a\n" + b"0" * 10_000)
    await chat.send(kimi.user([kimi.text_part("f" * 10), picture]))
    before = len(chat.messages)
    assert chat.trim(prompt_tokens=prompt_tokens) == dropped
    assert len(chat.messages) == before - dropped
    assert chat.messages[0] == TURNS[0]
    assert chat.messages[-1] == kimi.assistant("Hello")


class CountedPart(dict[str, Any]):
    """A content part that counts how often its text is looked at."""

    seen: ClassVar[int] = 0

    def values(self) -> Any:
        CountedPart.seen += 1
        return super().values()


async def test_the_work_of_trimming_grows_with_the_length_of_the_history() -> None:
    turns = 2_000
    turn = [kimi.user([CountedPart(type="text", text="Hi")]), kimi.assistant("Yes.")]
    chat = FakeHost([HELLO]).client().conversation(messages=turn * turns)
    await chat.send("Hi")
    CountedPart.seen = 0
    assert chat.trim(prompt_tokens=1) > turns
    assert CountedPart.seen == turns


@pytest.mark.parametrize("name", ["turns", "prompt_tokens"])
@pytest.mark.parametrize("limit", ["1", 1.0, True, -1])
def test_a_limit_is_a_whole_number(name: str, limit: Any) -> None:
    chat = FakeHost().client().conversation(messages=TURNS)
    with pytest.raises(kimi.ConfigurationError, match=f"{name} must be a whole number above 0"):
        chat.trim(**{name: limit})


def test_limits_that_cannot_work_are_refused() -> None:
    chat = FakeHost().client().conversation(messages=TURNS)
    with pytest.raises(kimi.ConfigurationError, match="turns must be a whole number above 0"):
        chat.trim(turns=0)
    with pytest.raises(
        kimi.ConfigurationError, match="prompt_tokens must be a whole number above 0"
    ):
        chat.trim(prompt_tokens=0)
    with pytest.raises(kimi.ConfigurationError, match="no prompt_tokens were reported"):
        chat.trim(prompt_tokens=10)
    assert FakeHost().client().conversation().trim(turns=1) == 0


# Values and tools


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
            assert loaded.messages[0] == {"role": "system", "tools": [weather.to_wire()]}
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
