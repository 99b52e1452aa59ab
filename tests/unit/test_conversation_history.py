"""The history of a conversation: how it is saved, loaded and trimmed."""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

import pytest
from conversation_turns import CALL, OTHER_KEY
from fake_host import HELLO, FakeHost

import kimi_async as kimi
from kimi_async import Message

pytestmark = pytest.mark.anyio


# Saving


async def test_what_is_saved_is_what_is_loaded() -> None:
    call = kimi.ToolCall(id=None, name="f", arguments="{}", type="builtin_function")
    said: list[Any] = [
        kimi.user([kimi.text_part("Hi"), kimi.image_part("ms://1")], name="Ann"),
        kimi.assistant(reasoning_content="", tool_calls=[call]),
        kimi.tool_result("f:0", "1", name="f"),
        {"role": "user", "content": "Hi", "weight": 1},
        Message(role="assistant", refusal="No."),
    ]
    client = FakeHost([OTHER_KEY], [HELLO]).client(checks="off")
    chat = client.conversation(system="Be brief.", messages=said)
    await chat.send("Hi")
    loaded = client.conversation(saved=chat.to_json().encode(), seed=1)
    assert loaded.messages == chat.messages
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
        (json.dumps({**SAVED, "messages": [{"role": 1}]}), "messages\\[0\\] must have a .role."),
        (json.dumps({**SAVED, "prompt_tokens": "a"}), "Expected `int | null`, got `str`"),
        (json.dumps(SAVED)[:-2], "truncated"),
        (b"\xff", "malformed"),
        (7, "bytes-like object"),
        ('{"a":' * 100_000, "it is nested too deeply"),
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


@pytest.mark.parametrize(
    "value", [object(), math.inf, {1}, b"x"], ids=["object", "inf", "set", "bytes"]
)
def test_a_conversation_that_is_no_json_cannot_be_saved(value: object) -> None:
    odd: Any = {"role": "user", "content": "Hi", "weight": value}
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
