"""Fuzz the parser of partial JSON: its final value must equal that of ``ToolCall.parse``.

``nox -s fuzz`` runs this file: with atheris, which takes the arguments of libFuzzer and finds texts by coverage, or,
where that is not installed, with Hypothesis.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kimi_async import OutputError, ToolCall
from kimi_async._protocol._partial_json import PartialJSON

EXAMPLES = 50_000

_WORDS = ["true", "false", "null", "tru", "NaN", "-Infinity", '"a"', '"a": ']
_ESCAPES = [r"\n", r"\/", r"\x", r"\u", r"\u00e9", r"\ud83d", r"\ude00", r"\uD83D\uDE00", "\\"]
#: Texts made of the tokens of JSON; many are JSON.
almost_json = st.tuples(
    st.sampled_from(["", '"', "[", '["', '{"', '{"a":', '{"a":"']),
    st.lists(st.sampled_from([*'{}[],:"01-.eE \n\tb\x00\ufeff北', *_WORDS, *_ESCAPES])).map(
        "".join
    ),
    st.sampled_from(["", '"', "]", '"]', "}", '"}', '":1}']),
).map("".join)


def read(pieces: Iterable[str]) -> str:
    """Return the value that the parser reads from *pieces*, or the reason why there is none."""
    parser = PartialJSON()
    try:
        for piece in pieces:
            parser.feed(piece)
        parser.close()
    except OutputError as error:
        return f"refused: {error.message}"
    return repr(parser.value)  # tells 1 from 1.0 and True, and the order of keys


def parsed(text: str) -> str:
    """Return the value of the whole text, as a complete tool call reads it."""
    try:
        return repr(ToolCall(id=None, name="f", arguments=text).parse())
    except OutputError:
        return "refused"


def check(text: str, size: int) -> None:
    """Assert that *text* is read as it should be, whole and in pieces of *size* characters."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    whole = read([text])
    assert read(pieces) == whole, "the same whole and in pieces, errors and their places too"
    assert parsed(text) == ("refused" if whole.startswith("refused: ") else whole)


def one_input(data: bytes) -> None:
    """Check the bytes of a fuzzer: one byte for the size of the pieces, then the text."""
    # As short as this, nothing is nested more deeply than both can read.
    check(data[1:400].decode("utf-8", "replace"), 1 + data[0] % 8 if data else 1)


def main(arguments: list[str]) -> None:
    """Fuzz until something is found, or until the *arguments* or the number of examples say that it is enough."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        search = given(almost_json, st.integers(1, 8))(check)
        settings(max_examples=EXAMPLES, deadline=None)(search)()
    else:
        for name, function in list(vars(PartialJSON).items()):
            if isinstance(function, FunctionType):
                setattr(PartialJSON, name, atheris.instrument_func(function))
        atheris.Setup(arguments, one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
