"""Each oddity of a fake, on every wire: the client reads the same reply, or raises the documented error."""

from __future__ import annotations

import itertools
import re
from typing import Any, get_args

import pytest
from anyio import run
from attrs import evolve
from fact_rows import PAGE, sections
from paths import ROOT

import kimi_async as kimi
from kimi_async.testing import (
    ErrorReply,
    FakeToolCall,
    FakeTransport,
    Oddity,
    ProviderName,
    Reply,
    oddities,
)

CALLS = [
    FakeToolCall("get_weather", {"city": "Oslo", "days": [1, 2]}),
    FakeToolCall("get_time", {"zone": "CET"}),
]
REPLY = Reply("Let me look.", "Hm, a city.", tool_calls=CALLS, chunk_chars=6)
ERROR = ErrorReply(429, message="Slow down.")

FORMS: list[kimi.Wire] = ["stream", "json"]
WIRES = list(itertools.product(get_args(ProviderName), FORMS))
#: A turn with calls, without and with its thinking, and the results.
THINKING = kimi.assistant(
    None, reasoning_content="Hm.", tool_calls=[kimi.ToolCall(id="a:0", name="a", arguments="{}")]
)
CALLING = evolve(THINKING, reasoning_content=None)
ANSWERS = [kimi.tool_result("a:0", "1")]
pytestmark = pytest.mark.anyio

#: Settings of a provider that read what an oddity left in the text.
READ = {"tool_markers": "parse", "thinking_tags": "parse"}


async def ask(
    fake: FakeTransport, wire: ProviderName, form: kimi.Wire, **params: Any
) -> kimi.ChatCompletion:
    make = {
        "acedata": fake.acedata,
        "cloudsway": fake.cloudsway,
        "moonshot": fake.moonshot,
        "openai": fake.compatible,
    }[wire]
    async with fake.client(provider=make(**READ), checks="off") as client:
        return await client.chat(params.pop("messages", "Hi"), wire=form, **params)


async def read(name: str, wire: ProviderName, form: kimi.Wire) -> tuple[Any, ...]:
    reply = await ask(FakeTransport([REPLY], oddities=[name]), wire, form)
    calls = [(call.id, call.name, call.parse()) for call in reply.tool_calls]
    total = None if reply.usage is None else reply.usage.total_tokens
    return reply.text, reply.reasoning, calls, reply.outcome, total


PLAIN = (
    "Let me look.",
    "Hm, a city.",
    [
        ("get_weather:0", "get_weather", {"city": "Oslo", "days": [1, 2]}),
        ("get_time:1", "get_time", {"zone": "CET"}),
    ],
    "tool_calls",
    21,
)
FUNCTIONS_IDS = [(f"functions.{call_id}", *rest) for call_id, *rest in PLAIN[2]]
DOUBLED = [
    ("get_weather:0", "get_weather", {"city": "Oslo", "days": "[1, 2]"}),
    ("get_time:1", "get_time", {"zone": "CET"}),
]

#: The other values of a reply, by their index in :data:`PLAIN`.
OTHERWISE: dict[str, dict[int, Any]] = {
    "call-id-functions": {2: FUNCTIONS_IDS},
    "call-id-missing": {2: [(None, *rest) for _, *rest in PLAIN[2]]},
    "tool-markers-k2": {2: FUNCTIONS_IDS},
    "tool-markers-k3": {2: [(None, *rest) for _, *rest in PLAIN[2]]},
    "arguments-double-encoded": {2: DOUBLED},
    "usage-missing": {4: None},
    "finish-unknown": {3: "other"},
}
#: The forms in which a reply fails, and the error.
FAILS: dict[str, tuple[type[kimi.KimiError], list[kimi.Wire]]] = {
    "finish-error": (kimi.StreamInterrupted, FORMS),
    "finish-missing": (kimi.StreamInterrupted, FORMS),
    "empty-body": (kimi.EmptyResponseError, FORMS),
    "ping-lines": (kimi.ProtocolError, ["stream"]),
}
#: The usage is cut off with the last event of some wires, or was not asked for.
OTHER_USAGE = {"half-event", "stream-for-json"}


@pytest.mark.parametrize("name", [each.name for each in oddities() if each.name not in FAILS])
def test_a_reply_is_read(name: str) -> None:
    expected = [*PLAIN]
    for index, value in OTHERWISE.get(name, {}).items():
        expected[index] = value
    compared = 4 if name in OTHER_USAGE else 5
    for wire, form in WIRES:
        assert [*run(read, name, wire, form)][:compared] == expected[:compared], (wire, form)


@pytest.mark.parametrize(
    "name", [each.name for each in oddities() if each.name not in {*FAILS, "half-event"}]
)
async def test_a_reply_without_calls_thinking_or_usage_is_read(name: str) -> None:
    fake = FakeTransport([Reply("Fine.", usage=None)], oddities=[name])
    reply = await ask(fake, "moonshot", "stream")
    assert (reply.text, reply.reasoning, reply.usage) == ("Fine.", "", None)


@pytest.mark.parametrize("name", FAILS)
def test_a_reply_that_cannot_be_trusted_fails(name: str) -> None:
    error, forms = FAILS[name]
    for wire, form in itertools.product(get_args(ProviderName), forms):
        with pytest.raises(error):
            run(read, name, wire, form)


async def fail(name: str, wire: ProviderName) -> str:
    fake = FakeTransport([ERROR], oddities=[name])
    with pytest.raises(kimi.KimiError) as caught:
        await ask(fake, wire, "stream")
    return f"{type(caught.value).__name__} {caught.value}"


@pytest.mark.parametrize(
    "name", [each.name for each in oddities() if each.name.startswith("error-")]
)
def test_an_error_is_recognised(name: str) -> None:
    for wire in get_args(ProviderName):
        said = run(fail, name, wire)
        assert said.startswith("RateLimitError"), (wire, said)


REFUSED: dict[str, Any] = {
    "refuses-temperature": {"temperature": 0.3},
    "refuses-missing-reasoning": {"messages": [CALLING, *ANSWERS]},
    "refuses-repeated-ids": {"messages": [CALLING, *ANSWERS, CALLING, *ANSWERS]},
}
ACCEPTED: dict[str, Any] = {
    "refuses-temperature": {"temperature": 1},
    "refuses-missing-reasoning": {"messages": [THINKING, *ANSWERS]},
    "refuses-repeated-ids": {"messages": [THINKING, *ANSWERS, kimi.user("And?")]},
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_is_refused(name: str) -> None:
    fake = FakeTransport([Reply("Fine.")], oddities=[name])
    with pytest.raises(kimi.BadRequestError):
        await ask(fake, "moonshot", "stream", **REFUSED[name])
    assert (await ask(fake, "moonshot", "stream", **ACCEPTED[name])).text == "Fine."


@pytest.mark.parametrize("body", [{}, {"messages": "Hi"}, {"messages": ["Hi"]}])
def test_a_request_with_other_mistakes_is_not_refused_for_these(body: dict[str, Any]) -> None:
    assert [each.refusal(body) for each in oddities()] == [None] * len(oddities())


def test_oddities_have_a_section_of_the_page_of_providers() -> None:
    sections_of_the_page = sections(PAGE.read_text("utf-8"))
    assert {each.section for each in oddities()} <= sections_of_the_page.keys()


def test_the_page_lists_the_oddities() -> None:
    page = (ROOT / "docs/fakes.md").read_text("utf-8")
    rows = [f"| `{each.name}` | {each.effect} | {each.section} |" for each in oddities()]
    assert [
        line for line in page.splitlines() if re.match(r"\| `[a-z0-9-]+` \| .* \| [0-9.]+ \|", line)
    ] == rows


def test_an_unknown_oddity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no oddity 'no-dome'; there are .*no-done"):
        FakeTransport(oddities=["no-dome"])
    wrong: Any = 5
    with pytest.raises(TypeError):
        FakeTransport(oddities=[wrong])


async def test_an_oddity_of_your_own_comes_last() -> None:
    shouting = Oddity(
        name="shouting",
        section="6.1",
        effect="the text is in upper case",
        events=lambda events: tuple(event.replace(b"look", b"LOOK") for event in events),
    )
    fake = FakeTransport([REPLY], oddities=[shouting, "no-done"])
    assert (await ask(fake, "acedata", "stream")).text == "Let me LOOK."


async def test_several_oddities_at_once() -> None:
    kinds = ("call-id-r", "call-index-", "usage-", "no-", "crlf", "keep-alive-")
    names = [each.name for each in oddities() if each.name.startswith(kinds)]
    reply = await ask(FakeTransport([REPLY], oddities=names), "moonshot", "stream")
    assert [call.name for call in reply.tool_calls] == ["get_weather", "get_time"]
