"""Partial mode: a prefix is joined with its reply only if the reply continues it."""

from __future__ import annotations

import pytest
from fake_host import HELLO, FakeHost, delta, sse

import kimi_async as kimi
from kimi_async import AceDataCloud, Cloudsway, Moonshot, Provider
from kimi_async._prefix import Prefix


@pytest.mark.fact("6.4/prefill-ignored-by-a-reseller")
@pytest.mark.parametrize(
    ("prefix", "honoured", "reply", "full", "seen"),
    [
        pytest.param("Hel", True, "lo", "Hello", True, id="honoured"),
        pytest.param("Hel", None, "lo", "Hello", None, id="unknown"),
        pytest.param("Hel", False, "Good day", "Good day", False, id="6.4-not-spliced"),
        pytest.param("Dear user,", None, "Dear user, hi", "Dear user, hi", True, id="repeated"),
        pytest.param("Dear user,", True, "\nDear user, hi", "\nDear user, hi", True, id="blanks"),
        pytest.param("Dear user,", False, "Dear user, hi", "Dear user, hi", True, id="after-all"),
        pytest.param("[", True, "[1]]", "[[1]]", True, id="short-and-honoured"),
        pytest.param("[", None, "[1]", "[1]", True, id="short-and-unknown"),
        pytest.param("", None, "Hi", "Hi", None, id="empty"),
        pytest.param(" ", None, "Hi", " Hi", None, id="blank"),
        pytest.param("Hello", None, "", "Hello", None, id="no-reply"),
    ],
)
def test_a_prefix_and_its_reply(
    prefix: str, honoured: bool | None, reply: str, full: str, seen: bool | None
) -> None:
    asked = Prefix(text=prefix, honoured=honoured)
    assert (asked.joined_with(reply), asked.is_honoured_in(reply)) == (full, seen)
    assert repr(asked) == f"Prefix(honoured={honoured})"


@pytest.mark.fact("6.4/prefill-ignored-by-a-reseller")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "model", "full", "honoured"),
    [
        pytest.param(Moonshot("k"), "kimi-k2.6", "Oh, Hello", True, id="3.3-moonshot"),
        pytest.param(Moonshot("k"), "kimi-k3", "Oh, Hello", None, id="6.4-moonshot-k3"),
        pytest.param(AceDataCloud("k"), "kimi-k3", "Oh, Hello", None, id="1.3-acedata"),
        pytest.param(Cloudsway("k", "path"), None, "Hello", False, id="2.3-cloudsway"),
        pytest.param(
            AceDataCloud("k", capabilities=AceDataCloud().capabilities.override(partial_mode=True)),
            "kimi-k3",
            "Oh, Hello",
            True,
            id="the-caller-knows-better",
        ),
    ],
)
@pytest.mark.parametrize("wire", ["stream", "json"])
async def test_the_reply_says_what_became_of_its_prefix(
    provider: Provider, model: str | None, full: str, honoured: bool | None, wire: kimi.Wire
) -> None:
    asked = [kimi.user("Hi"), kimi.assistant("Oh, ", partial=True)]
    client = FakeHost([HELLO]).client(provider, model=model, checks="off")
    reply = await client.chat(asked, wire=wire)
    assert (reply.text, reply.full_text, reply.prefix_honoured) == ("Hello", full, honoured)


@pytest.mark.anyio
async def test_a_reply_that_broke_has_its_prefix_too() -> None:
    host = FakeHost([sse(delta("lo"))])
    asked: kimi.Messages = [
        kimi.user("Hi"),
        {"role": "assistant", "content": "Hel", "partial": True},
    ]
    with pytest.raises(kimi.StreamInterrupted) as caught:
        await host.client().chat(asked)
    assert caught.value.partial is not None
    assert caught.value.partial.full_text == "Hello"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "last",
    [
        kimi.user("Hi"),
        kimi.assistant("Hi"),
        kimi.assistant([{"type": "text", "text": "Hi"}], partial=True),
        {"role": "assistant", "content": "Hi", "partial": "yes"},
    ],
)
async def test_without_a_prefix_there_is_nothing_to_join(last: kimi.Message) -> None:
    stream = FakeHost([HELLO]).client().stream([last])
    assert (stream.snapshot.prefix, stream.snapshot.prefix_honoured) == (None, None)
    reply = await stream.final()
    assert (reply.full_text, reply.prefix_honoured) == ("Hello", None)
