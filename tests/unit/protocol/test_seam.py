"""The place where a continuation joins its beginning."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kimi_async._protocol._chunk import Chunk, ChunkChoice
from kimi_async._protocol._seam import TELLING_CHARS, Seam


def chunk_of(content: str | None, finish_reason: str | None = None) -> Chunk:
    choice = ChunkChoice(0, content, None, None, (), finish_reason, None)
    return Chunk(None, None, None, (choice,), None, b"{}")


def through(seam: Seam, pieces: list[str]) -> str:
    chunks = [*map(chunk_of, pieces), chunk_of(None, "stop")]
    return "".join(seam.feed(chunk).choices[0].content or "" for chunk in chunks)


def pieces_of(text: str, size: int) -> list[str]:
    return [text[place : place + size] for place in range(0, len(text), size)]


@given(
    text=st.text(st.sampled_from("ab \n"), min_size=TELLING_CHARS + 1),
    cut=st.integers(TELLING_CHARS, 200),
    size=st.integers(1, 9),
    blanks=st.sampled_from(["", " ", "\n\n"]),
)
def test_a_repeated_prefix_is_cut_out_at_any_split(
    text: str, cut: int, size: int, blanks: str
) -> None:
    prefix, rest = text[:cut], text[cut:]
    assume(prefix.strip())
    assert through(Seam(prefix), pieces_of(blanks + text.lstrip(), size)) == rest


@given(
    prefix=st.text("ab ", min_size=TELLING_CHARS, max_size=50),
    rest=st.text("ab ", max_size=50),
    size=st.integers(1, 9),
)
def test_new_text_passes_at_any_split(prefix: str, rest: str, size: int) -> None:
    new = "~" + rest
    seam = Seam("!" + prefix)
    assert through(seam, pieces_of(new, size)) == new
    assert (seam.is_open, seam.begins_anew) == (False, False)


def test_a_reply_that_begins_anew_is_told_from_a_second_block() -> None:
    prefix = "```python\nprint(1)\n```\nThe second block follows here:\n"
    assert (
        through(block := Seam(prefix), ["```python\nprint(2)\n```"]) == "```python\nprint(2)\n```"
    )
    assert not block.begins_anew
    anew = "```python\nprint(1)\n```\nThe second is this one"
    assert through(seam := Seam(prefix), pieces_of(anew, 3)) == anew
    assert seam.begins_anew


OF_THE_CALLER = "Dear reader, "
OWN = "welcome to the first page of this long book."


@pytest.mark.parametrize("size", [1, 7, 200])
@pytest.mark.parametrize(
    ("said", "shown", "anew"),
    [
        (" It is new.", " It is new.", False),
        (OWN + " It is new.", " It is new.", False),
        ("\n" + OF_THE_CALLER + OWN + " It is new.", " It is new.", False),
        (OWN, "", False),
        (OWN[:-5] + "poem.", OWN[:-5] + "poem.", True),
        (OWN[:-5], OWN[:-5], True),
        (OF_THE_CALLER + OWN[:-5] + "poem.", OF_THE_CALLER + OWN[:-5] + "poem.", True),
        (OF_THE_CALLER + "and welcome.", OF_THE_CALLER + "and welcome.", False),
        (OWN[:20], OWN[:20], False),
    ],
)
def test_a_reply_may_begin_with_or_without_the_prefix_of_the_caller(
    said: str, shown: str, anew: bool, size: int
) -> None:
    seam = Seam(OF_THE_CALLER + OWN, OWN)
    assert (through(seam, pieces_of(said, size)), seam.begins_anew) == (shown, anew)


def test_the_longer_repetition_is_cut_out() -> None:
    prefix = "ha ha ha ha "
    for size in (1, 5, 50):
        seam = Seam(prefix, prefix[6:])
        assert through(seam, pieces_of(prefix + "hi", size)) == "hi"
        seam = Seam(prefix, prefix[6:])
        assert through(seam, pieces_of(prefix[6:] + "hi", size)) == "hi"


def test_held_text_is_released_at_the_end() -> None:
    assert through(Seam("Hello, reader"), ["Hello"]) == "Hello"
