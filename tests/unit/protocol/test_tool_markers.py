"""Tool calls that came as text, between the marker tokens of the model (``docs/providers.md`` 6.3)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, Literal, cast

import pytest
from attrs import frozen
from chunk_notation import call, read, said, thought
from hypothesis import example, given
from hypothesis import strategies as st

import kimi_async as kimi
from kimi_async import AceDataCloud, ChatCompletion, ToolCall
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._protocol._chunk import ToolMarkers

SECTION, SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
ONE_SECTION, ONE_SECTION_END = "<|tool_call_section_begin|>", "<|tool_call_section_end|>"
BEGIN, ARGUMENTS, END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"


def marked(id: str, arguments: str) -> str:
    return BEGIN + id + ARGUMENTS + arguments + END


WEATHER = marked("functions.weather:0", '{"city":"Bonn"}')
TIME = marked("functions.time:1", "{}")


@frozen
class Case:
    """A text, the rest of it without calls, and its calls as id, name and arguments."""

    text: str
    parsed: str
    hidden: str
    calls: tuple[tuple[str | None, str, str], ...] = ()


ASKED: Final = ("functions.weather:0", "weather", '{"city":"Bonn"}')
TIMED = ("functions.time:1", "time", "{}")
K2_CASES = {
    "no-marker": Case("2 < 3 <| 4 <|tool", "2 < 3 <| 4 <|tool", "2 < 3 <| 4 <|tool"),
    "section": Case(
        f"Let me look.{SECTION}{WEATHER}{SECTION_END}", "Let me look.", "Let me look.", (ASKED,)
    ),
    "two-calls-with-blanks": Case(
        f"{SECTION}\n{WEATHER}\n{TIME}\n{SECTION_END} So.", " So.", " So.", (ASKED, TIMED)
    ),
    "section-in-the-singular": Case(f"{ONE_SECTION}{WEATHER}{ONE_SECTION_END}", "", "", (ASKED,)),
    "call-without-a-section": Case(f"a{WEATHER}b{TIME}c", "abc", "abc", (ASKED, TIMED)),
    "blanks-around-id-and-arguments": Case(
        marked(" functions.weather:0\n", '\n{"city":"Bonn"} '), "", "", (ASKED,)
    ),
    "bare-name": Case(marked("f", "{}"), "", "", (("f", "f", "{}"),)),
    "name-with-dots-and-colons": Case(
        marked("functions.a.b:c:12", "{}"), "", "", (("functions.a.b:c:12", "a.b:c", "{}"),)
    ),
    "id-over-two-lines": Case(marked("f\ng", "{}"), "", "", (("f\ng", "f\ng", "{}"),)),
    "nothing-but-a-number": Case(marked(":0", ""), "", "", ((":0", ":0", ""),)),
    "arguments-that-are-no-json": Case(marked("f:0", "<|x|>"), "", "", (("f:0", "f", "<|x|>"),)),
    "two-arguments": Case(
        marked("f:0", f"1{ARGUMENTS}2"), "", "", (("f:0", "f", f"1{ARGUMENTS}2"),)
    ),
    "text-in-a-section": Case(f"{SECTION}I call{WEATHER}{SECTION_END}", "I call", "", (ASKED,)),
    # Text that is not a call is returned, and text between the calls of a section is dropped.
    "without-arguments": Case(f"{BEGIN}f:0{END}", f"{BEGIN}f:0{END}", ""),
    "without-a-name": Case(marked(" ", "{}"), marked(" ", "{}"), ""),
    "never-ended": Case(f"a{BEGIN}f:0{ARGUMENTS}{{", f"a{BEGIN}f:0{ARGUMENTS}{{", "a"),
    "ended-by-the-section": Case(
        f"{BEGIN}f{ARGUMENTS}1{SECTION_END}b", f"{BEGIN}f{ARGUMENTS}1b", "b"
    ),
    "ended-by-the-next": Case(
        f"{BEGIN}f{ARGUMENTS}1{WEATHER}", f"{BEGIN}f{ARGUMENTS}1", "", (ASKED,)
    ),
    "half-a-marker-at-the-end": Case("a<|tool_call_b", "a<|tool_call_b", "a<|tool_call_b"),
    "half-a-marker-in-a-call": Case(f"{BEGIN}f<|tool_", f"{BEGIN}f<|tool_", ""),
    "stray-markers": Case(f"a{END}b{ARGUMENTS}c{SECTION_END}d", "abcd", "abcd"),
    "empty": Case("", "", ""),
}


def k3(*calls: str, sep: str = "<|sep|>") -> str:
    return f"<|open|>tools{sep}{''.join(calls)}<|close|>tools{sep}"


def k3_call(name: str, *arguments: str, sep: str = "<|sep|>") -> str:
    return f'<|open|>call tool="{name}" index="1"{sep}{"".join(arguments)}<|close|>call{sep}'


def k3_argument(key: str, kind: str, value: str, sep: str = "<|sep|>") -> str:
    return f'<|open|>argument key="{key}" type="{kind}"{sep}{value}<|close|>argument{sep}'


CITY = k3_argument("city", "string", "Bonn")
K3_WEATHER = (None, "weather", '{"city":"Bonn"}')
K3_ALL = k3_call(
    "f",
    k3_argument("s", "string", ' 1 "a"\n'),
    k3_argument("n", "number", " 1.50 "),
    k3_argument("o", "object", '{"a": [true]}'),
    k3_argument("x", "number", "many"),
)
BARE_CITY = k3_argument("city", "string", "Bonn", "")
K3_CASES = {
    "k3": Case(f"So.{k3(k3_call('weather', CITY))}", "So.", "So.", (K3_WEATHER,)),
    "k3-without-sep": Case(
        f"So.{k3(k3_call('weather', BARE_CITY, sep=''), sep='')}", "So.", "So.", (K3_WEATHER,)
    ),
    "k3-without-a-section": Case(f"a{k3_call('weather', CITY)}b", "ab", "ab", (K3_WEATHER,)),
    "k3-two-calls": Case(
        k3(k3_call("weather", CITY), "\n", k3_call("now")),
        "",
        "",
        (K3_WEATHER, (None, "now", "{}")),
    ),
    "k3-values": Case(
        K3_ALL,
        "",
        "",
        ((None, "f", '{"s":" 1 \\"a\\"\\n","n":1.50,"o":{"a": [true]},"x":"many"}'),),
    ),
    "k3-arguments-as-json": Case(k3_call("f", ' {"a":1}'), "", "", ((None, "f", '{"a":1}'),)),
    "k3-with-an-id": Case(
        '<|open|>call id="c:1" name="f"<|sep|><|close|>call<|sep|>', "", "", (("c:1", "f", "{}"),)
    ),
    "k3-stray-close": Case("Hi<|close|>message<|sep|>", "Hi", "Hi"),
    "k3-stray-close-without-sep": Case("Hi<|close|>message", "Hi", "Hi"),
    "k3-stray-argument": Case(f"a{CITY}b", "aBonnb", "aBonnb"),
    "k3-not-json": Case(k3_call("f", "no"), k3_call("f", "no"), ""),
    "k3-a-list": Case(k3_call("f", "[1]"), k3_call("f", "[1]"), ""),
    "k3-without-a-name": Case(
        "<|open|>call<|sep|><|close|>call<|sep|>", "<|open|>call<|sep|><|close|>call<|sep|>", ""
    ),
    "k3-argument-without-a-key": Case(
        k3_call("f", CITY.replace("key", "kee")), k3_call("f", CITY.replace("key", "kee")), ""
    ),
    "k3-argument-without-an-end": Case(
        k3_call("f", CITY[: CITY.index("<|close|>")]),
        k3_call("f", CITY[: CITY.index("<|close|>")]),
        "",
    ),
    "k3-argument-in-an-argument": Case(
        k3_call("f", CITY[: CITY.index("<|close|>")], CITY),
        k3_call("f", CITY[: CITY.index("<|close|>")], CITY),
        "",
    ),
    "k3-ended-by-the-message": Case(
        '<|open|>call tool="f"<|sep|>a<|close|>message<|sep|>b',
        '<|open|>call tool="f"<|sep|>ab',
        "b",
    ),
    "k3-never-ended": Case(f"a{k3_call('f')[:-12]}", f"a{k3_call('f')[:-12]}", "a"),
    "k3-half-a-tag-at-the-end": Case('a<|open|>call tool="f', 'a<|open|>call tool="f', "a"),
    "k3-a-tag-and-a-word": Case("<|open|>message of the day", " of the day", " of the day"),
    "k3-in-a-k2-call": Case(marked("f:0", CITY), "", "", (("f:0", "f", CITY),)),
    "k2-in-a-k3-call": Case(
        k3_call("f", k3_argument("a", "string", BEGIN)),
        "",
        "",
        ((None, "f", f'{{"a":"{BEGIN}"}}'),),
    ),
}
CASES = K2_CASES | K3_CASES


def reply_of(
    texts: list[str], mode: ToolMarkers, *, key: str = "content", finish: str | None = "stop"
) -> ChatCompletion:
    """Return the message for texts that arrive one by one; the events must agree with it."""
    assembler = MessageAssembler("acedata", mode)
    deltas: list[dict[str, Any]] = [{key: text} for text in texts]
    chunks = [said(**delta) for delta in deltas]
    if finish is not None:
        chunks.append(said(finish=finish))
    events = [event for chunk in chunks for event in assembler.feed(read(chunk))]
    completion = assembler.snapshot()
    if finish is not None:
        events += assembler.close()
        kind = kimi.ContentDelta if key == "content" else kimi.ReasoningDelta
        told = [event.text for event in events if isinstance(event, kind)]
        message = completion.message
        said_by_it = message.content if key == "content" else message.reasoning_content
        assert "".join(told) == (said_by_it or "")
        done = [event.call for event in events if isinstance(event, kimi.ToolCallDone)]
        assert tuple(done) == completion.tool_calls
    return completion


def calls_of(reply: ChatCompletion) -> tuple[tuple[str | None, str, str], ...]:
    assert all(asked.complete and asked.type == "function" for asked in reply.tool_calls)
    return tuple((asked.id, asked.name, asked.arguments) for asked in reply.tool_calls)


@pytest.mark.fact("6.3/marker-tokens-tool-calls-section")
@pytest.mark.parametrize("pieces", ["whole", "byte-by-byte"])
@pytest.mark.parametrize("key", ["content", "reasoning_content"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_way_to_treat_a_text(case: Case, key: str, pieces: str) -> None:
    texts = [case.text] if pieces == "whole" else [*case.text] or [""]
    expected: dict[ToolMarkers, tuple[str, object]] = {
        "pass": (case.text, ()),
        "hide": (case.hidden, ()),
        "parse": (case.parsed, case.calls),
    }
    for mode, said_and_asked in expected.items():
        reply = reply_of(texts, mode, key=key)
        assert (reply.text or reply.reasoning, calls_of(reply)) == said_and_asked


@pytest.mark.fact("6.3/marker-tokens-tool-calls-section")
@given(
    st.lists(
        st.sampled_from(
            [
                *(SECTION, SECTION_END, BEGIN, ARGUMENTS, END, WEATHER, "f:0", "{}", "<|", " "),
                *(CITY, K3_ALL, BARE_CITY, "<|open|>", "<|close|>", "call", ' tool="f"', "<|sep|>"),
            ]
        )
    ),
    st.lists(st.integers(0, 200)),
    st.sampled_from(["hide", "parse"]),
)
@example([WEATHER], [1, 20], "parse")
def test_any_split_says_the_same(
    parts: list[str], cuts: list[int], mode: Literal["hide", "parse"]
) -> None:
    text = "".join(parts)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    split = [text[begin:end] for begin, end in pairwise(edges)]
    assert reply_of(split, mode) == reply_of([text], mode)


@pytest.mark.parametrize(
    ("text", "mode", "shown"),
    [
        ("a<|tool_", "parse", "a<|tool_"),
        (f"a{BEGIN}f:0{ARGUMENTS}{{<", "parse", f"a{BEGIN}f:0{ARGUMENTS}{{<"),
        (f"a{BEGIN}f:0{ARGUMENTS}{{<", "hide", "a"),
    ],
)
def test_a_reply_that_broke_shows_what_was_held_back(
    text: str, mode: ToolMarkers, shown: str
) -> None:
    assert reply_of([*text], mode, finish=None).text == shown


def test_a_whole_message_is_read_like_a_stream() -> None:
    assembler = MessageAssembler("acedata", "parse")
    assembler.feed(read(said(content=f"Now.{WEATHER}", finish="stop")))
    reply = assembler.snapshot()
    assert (reply.text, calls_of(reply), reply.outcome) == ("Now.", (ASKED,), "tool_calls")


def test_text_behind_the_finish_reason_is_not_held_back() -> None:
    assembler = MessageAssembler("acedata", "parse")
    for chunk in (said(content="a", finish="stop"), said(content="<|tool_")):
        assembler.feed(read(chunk))
    assembler.close()
    assert assembler.snapshot().text == "a<|tool_"


def test_calls_in_the_text_stand_beside_the_hosts_own() -> None:
    assembler = MessageAssembler("acedata", "parse")
    for chunk in (
        thought(WEATHER),
        call("{}", index=0, id="own", name="f"),
        said(content=TIME),
        said(finish="tool_calls"),
    ):
        assembler.feed(read(chunk))
    own = ToolCall(id="own", name="f", arguments="{}")
    assert own in assembler.snapshot().tool_calls
    assert {asked.id for asked in assembler.snapshot().tool_calls} == {ASKED[0], "own", TIMED[0]}
    assert all(asked.complete for asked in assembler.snapshot().tool_calls)


def test_what_the_text_lacks_stays_absent() -> None:
    assert reply_of([""], "parse").message.content == ""
    assembler = MessageAssembler("acedata", "parse")
    assembler.feed(read(said(finish="stop")))
    assert assembler.snapshot().message.content is None


def test_an_unknown_way_is_refused() -> None:
    provider = AceDataCloud("k", tool_markers=cast("Any", "drop"))
    with pytest.raises(kimi.ConfigurationError, match="tool_markers must be one of 'pass', 'hide'"):
        kimi.AsyncKimi(provider, model="m")
    tags = AceDataCloud("k", thinking_tags=cast("Any", "drop"))
    with pytest.raises(kimi.ConfigurationError, match="thinking_tags must be one of 'pass'"):
        kimi.AsyncKimi(tags, model="m")
