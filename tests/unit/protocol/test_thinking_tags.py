"""Thinking that came in the content, between the tags of the model."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest
from attrs import frozen
from chunk_notation import call, read, said
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import ChatCompletion, StreamStart, ThinkingTags
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._protocol._chunk import ToolMarkers


@frozen
class Case:
    """A content; the text and the reasoning that are made of it."""

    content: str
    text: str
    reasoning: str | None = None


CASES = {
    "both-tags": Case("<think>hm</think>Hi", "Hi", "hm"),
    "line-ends": Case("\n<think>\nhm\n</think>\n\nHi\n", "Hi\n", "\nhm\n"),
    "end-tag-only": Case("hm</think>\n\nHi", "Hi", "hm"),
    "end-tag-first": Case("</think>Hi", "Hi"),
    "no-thoughts": Case("<think></think>Hi", "Hi"),
    "another-tag": Case("<thinking>hm</thinking>Hi", "Hi", "hm"),
    "tag-of-kimi-vl": Case("◁think▷hm◁/think▷Hi", "Hi", "hm"),
    "no-tag": Case("Hi <b>there</b>", "Hi <b>there</b>"),
    "blank": Case(" \n", " \n"),
    "half-a-tag": Case("<thi", "<thi"),
    "half-an-end-tag": Case("Hi</thi", "Hi</thi"),
    "never-ended": Case("<think>hm </thi", "", "hm </thi"),
    "only-thinking": Case("<think>hm</think>", "", "hm"),
    "only-thinking-and-line-ends": Case("<think>hm</think>\n\n", "", "hm"),
    "text-before-a-tag": Case("Hi <think>hm</think>\n\nthere", "Hi there", "hm"),
    "text-before-a-tag-twice": Case("a<think>b<think>c</think>d", "ad", "b<think>c"),
    "capitals": Case("<THINK>hm</THINK>Hi", "Hi", "hm"),
    "capitals-of-one-tag": Case("<Thinking>hm</thinking>Hi", "Hi", "hm"),
    "capitals-of-an-end-tag": Case("hm</Think>Hi", "Hi", "hm"),
    "a-letter-that-is-no-i": Case("<th\u0130nk>Hi", "<th\u0130nk>Hi"),
    "a-letter-that-is-no-k": Case("<thin\u212a>Hi", "<thin\u212a>Hi"),
    "a-second-block": Case("<think>a</think>b<think>c</think>", "b<think>c</think>", "a"),
    "a-quoted-end-tag": Case("The tag `</think>` ends it", "The tag `</think>` ends it"),
    "a-quoted-end-tag-in-thinking": Case('<think>"</thinking>"?</think>Hi', "Hi", '"</thinking>"?'),
    "a-quote-before-an-end-tag": Case("`hm`</think>Hi", "Hi", "`hm`"),
    "a-quote-before-the-last-end-tag": Case("<think>`hm`</think>", "", "`hm`"),
    "a-quote-after-an-end-tag": Case("hm</think>`Hi`", "`Hi`", "hm"),
    "a-tag-in-the-middle": Case("Say <think> now", "Say <think> now"),
    "empty": Case("", ""),
}


def reply_of(
    texts: list[str], mode: ThinkingTags, *, finish: str | None = "stop"
) -> ChatCompletion:
    assembler = MessageAssembler("test", thinking_tags=mode)
    chunks = [said(content=text) for text in texts]
    for chunk in chunks if finish is None else [*chunks, said(finish=finish)]:
        assembler.feed(read(chunk))
    return assembler.snapshot()


@pytest.mark.parametrize("pieces", ["whole", "by-character"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_way_to_treat_a_content(case: Case, pieces: str) -> None:
    texts = [case.content] if pieces == "whole" else [*case.content] or [""]
    expected: dict[ThinkingTags, tuple[str, str | None]] = {
        "pass": (case.content, None),
        "hide": (case.text, None),
        "parse": (case.text, case.reasoning),
    }
    for mode, both in expected.items():
        message = reply_of(texts, mode).message
        assert (message.content, message.reasoning_content) == both


TAGS = [
    "<THINK>",
    "<Thi",
    "</Think>",
    "\u212a>",
    "<think>",
    "</think>",
    "<",
    "think>",
    "/think>",
    "a",
    "\n",
    "</thinking>",
]


@given(
    st.lists(st.sampled_from(TAGS)),
    st.lists(st.integers(0, 80)),
    st.sampled_from(["hide", "parse"]),
    st.sampled_from(["stop", None]),
)
def test_any_split_says_the_same(
    parts: list[str], cuts: list[int], mode: Literal["hide", "parse"], finish: str | None
) -> None:
    text = "".join(parts)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    split = [text[begin:end] for begin, end in pairwise(edges)] or [text]
    whole = reply_of([text], mode, finish=finish)
    assert reply_of(split, mode, finish=finish) == whole


@pytest.mark.parametrize(
    ("content", "mode", "text", "reasoning"),
    [
        ("half an ans", "parse", "half an ans", ""),
        ("<thi", "parse", "<thi", ""),
        ("<think>half a thou</th", "parse", "", "half a thou</th"),
        ("<think>half a thou</th", "hide", "", ""),
    ],
)
def test_a_reply_that_broke_shows_the_text_that_was_held_back(
    content: str, mode: ThinkingTags, text: str, reasoning: str
) -> None:
    reply = reply_of([*content], mode, finish=None)
    assert (reply.text, reply.reasoning) == (text, reasoning)


@pytest.mark.parametrize(
    "between", [call("{}", index=0, name="f"), said(reasoning_content="hm")], ids=["call", "key"]
)
def test_content_is_held_back_no_longer_than_it_may_be_thinking(between: dict[str, Any]) -> None:
    assembler = MessageAssembler("test", thinking_tags="parse")
    assert assembler.feed(read(said(content="Hi"))) == [StreamStart(None, None, None, "test")]
    assert assembler.holds
    assert assembler.feed(read(between))
    assembler.feed(read(said(content=" you</think>")))
    assert assembler.snapshot().text == "Hi you</think>"


def test_thinking_beside_its_own_key_comes_after_it() -> None:
    assembler = MessageAssembler("test", thinking_tags="parse")
    assembler.feed(read(said(content="<think>b", reasoning_content="a")))
    assembler.feed(read(said(content="c</think>d", finish="stop")))
    assert (assembler.snapshot().reasoning, assembler.snapshot().text) == ("abc", "d")


@pytest.mark.parametrize("markers", ["pass", "parse"])
def test_a_call_in_the_thinking_is_found_where_both_are_asked_for(markers: ToolMarkers) -> None:
    text = "<|tool_call_begin|>f:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
    assembler = MessageAssembler("test", markers, thinking_tags="parse")
    for each in f"<think>hm{text}</think>Hi":
        assembler.feed(read(said(content=each)))
    assembler.feed(read(said(finish="stop")))
    reply = assembler.snapshot()
    assert reply.text == "Hi"
    assert reply.reasoning == ("hm" if markers == "parse" else f"hm{text}")
    assert len(reply.tool_calls) == (markers == "parse")
