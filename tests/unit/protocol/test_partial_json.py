"""Values of incomplete JSON text, and the places where invalid text is refused."""

from __future__ import annotations

import copy
import json
import runpy
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import fuzz_partial_json as fuzz
import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_strategies import anything
from paths import ROOT

from kimi_async import OutputError
from kimi_async._protocol._partial_json import PartialJSON

# the pieces of a text, and the value after each
SHOWN: dict[str, list[tuple[str, Any]]] = {
    "nothing": [("", None)],
    "blanks": [(" \n\r\t", None), ("7", None), (" ", 7), ("\n", 7)],
    "string": [('"', ""), ("a", "a"), ("", "a"), ("b", "ab"), ('"', "ab"), (" ", "ab")],
    "list": [("[", []), ('"', [""]), ("a", ["a"]), ('",', ["a"]), ('"b"]', ["a", "b"])],
    "empty-list": [("[", []), (" ", []), ("]", [])],
    "object": [("{", {}), ('"a"', {}), (":", {}), ('"', {"a": ""}), ('b"', {"a": "b"}), ("}", {"a": "b"})],
    "empty-object": [("{ ", {}), ("} ", {})],
    "key-in-pieces": [('{"a', {}), ("b\\", {}), ('n":', {}), ("[", {"ab\n": []})],
    "nested": [('{"a":{"b":[', {"a": {"b": []}}), ("]", {"a": {"b": []}}), ('},"c":{', {"a": {"b": []}, "c": {}})],
    "number": [("[1", []), ("2", []), (".5e", []), ("+3", []), (",-0", [12500.0]), ("]", [12500.0, 0])],
    "number-in-an-object": [('{"a": -1', {}), ("2 ", {"a": -12}), ("}", {"a": -12})],
    "words": [("[tru", []), ("e", [True]), (",n", [True]), ("ul", [True]), ("l,false", [True, None, False])],
    "word-in-an-object": [('{"a": ', {}), ("nul", {}), ("l", {"a": None})],
    "word-alone": [("fals", None), ("e", False)],
    "null-alone": [("null", None)],
    "escapes": [('"a\\', "a"), ("n", "a\n"), ("\\", "a\n"), ('"b', 'a\n"b'), ("\\/\\\\", 'a\n"b/\\')],
    "code-point": [('"\\', ""), ("u", ""), ("53", ""), ("17", "北"), ("\\u4EAC京", "北京京")],
    "pair": [('"\\uD83D', ""), ("\\", ""), ("u", ""), ("De0", ""), ("0", "😀"), ('!"', "😀!")],
    "pair-in-one": [('"a\\ud83d\\ude00', "a😀")],
    "first-half-then-text": [('"\\ud83d', ""), ("a", "\ud83da")],
    "first-half-then-escape": [('"\\ud83d', ""), ("\\", ""), ("n", "\ud83d\n")],
    "first-half-then-end": [('"\\ud83d', ""), ('"', "\ud83d")],
    "first-half-twice": [('"\\ud83d\\ud83d', "\ud83d"), ("\\ude00", "\ud83d😀")],
    "second-half-alone": [('"\\ude00', "\ude00")],
    "halves-that-are-no-escapes": [('"\\ud83d', ""), ("\ude00", "\ud83d\ude00")],
    "raw-control-characters": [('"a\n\x00', "a\n\x00"), ("\t", "a\n\x00\t")],
    "key-twice": [('{"a":"long","b":0,"a":', {"a": "long", "b": 0}), ('"x', {"a": "x", "b": 0})],
}  # fmt: skip


@pytest.mark.parametrize("steps", SHOWN.values(), ids=SHOWN)
def test_only_what_is_certain_is_shown(steps: list[tuple[str, Any]]) -> None:
    parser = PartialJSON()
    for piece, shown in steps:
        parser.feed(piece)
        assert repr(parser.value) == repr(shown)


@pytest.mark.parametrize(
    ("text", "whole_at"),
    [
        pytest.param('{"a": [1]}', 10, id="object"),
        pytest.param(' "a" ', 4, id="string"),
        pytest.param("null", 4, id="word"),
        pytest.param("12 ", 3, id="number-and-something-behind-it"),
    ],
)
def test_complete_from_the_last_character_on(text: str, whole_at: int) -> None:
    parser = PartialJSON()
    complete: list[bool] = []
    for character in text:
        parser.feed(character)
        complete.append(parser.complete)
    assert complete == [at >= whole_at for at in range(1, len(text) + 1)]
    parser.close()
    assert parser.complete


def test_a_number_alone_is_whole_at_the_close() -> None:
    parser = PartialJSON()
    parser.feed("12")
    assert (parser.value, parser.complete) == (None, False)
    parser.close()
    assert (parser.value, parser.complete) == (12, True)


# a text, the place where it stops being JSON, and the token that was expected there
REFUSED: dict[str, tuple[int, str]] = {
    "": (0, "a value"),
    " ": (1, "a value"),
    "Sure!": (0, "a value"),
    "'a'": (0, "a value"),
    "]": (0, "a value"),
    "NaN": (0, "a value"),
    "Infinity": (0, "a value"),
    "-Infinity": (1, "a number"),
    "trux": (0, "a value"),
    "tr": (2, "a value"),
    "truee": (4, "nothing more"),
    "1 2": (2, "nothing more"),
    '"a""b"': (3, "nothing more"),
    "[1]]": (3, "nothing more"),
    "01": (2, "a number"),
    "1.": (2, "a number"),
    "[+1]": (1, "a value or ']'"),
    "[-]": (2, "a number"),
    "[1e]": (3, "a number"),
    "[1.5.5]": (6, "a number"),
    "[.5]": (1, "a value or ']'"),
    "1" * 5000: (5000, "a number"),
    "[": (1, "a value or ']'"),
    "[,": (1, "a value or ']'"),
    "[1,]": (3, "a value"),
    "[1 2": (3, "',' or ']'"),
    "[1}": (2, "',' or ']'"),
    "{": (1, "a key or '}'"),
    "{a": (1, "a key or '}'"),
    "{1": (1, "a key or '}'"),
    '{"a': (3, "the end of a key"),
    '{"a"': (4, "':'"),
    '{"a" 1': (5, "':'"),
    '{"a":}': (5, "a value"),
    '{"a":1,}': (7, "a key"),
    '{"a":1 "b"': (7, "',' or '}'"),
    '{"a":1]': (6, "',' or '}'"),
    '"a': (2, "the end of a string"),
    '"a\\': (3, "the end of a string"),
    '"a\\x': (2, "an escape"),
    '"a\\u00g0': (2, "an escape"),
    '"\\ud83d\\u00g0': (1, "an escape"),
    '"\\ud83d\\x': (7, "an escape"),
    '{"\\x': (2, "an escape"),
    "[" * 501: (500, "no more than 500 levels of nesting"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [pytest.param(text, *why, id=ascii(text[:12])) for text, why in REFUSED.items()],
)
def test_what_no_json_begins_like_is_refused(text: str, position: int, expected: str) -> None:
    message = f"not JSON: expected {expected} at character {position}"
    assert fuzz.read([text]) == fuzz.read(text) == f"refused: {message}"
    assert fuzz.parsed(text) == "refused" or "levels" in expected


def test_an_error_has_the_text_so_far_and_stays() -> None:
    parser = PartialJSON()
    parser.feed('{"a": "b", ')
    for piece in ("c}", '"c": 1}', ""):
        with pytest.raises(OutputError) as caught:
            parser.feed(piece)
        assert caught.value.text == '{"a": "b", c}'
    with pytest.raises(OutputError, match="expected a key at character 11"):
        parser.close()
    assert (parser.value, parser.complete) == ({"a": "b"}, False)


def test_no_foreign_error_hangs_on_to_ours() -> None:
    with pytest.raises(OutputError) as caught:
        PartialJSON().feed("[-]")
    assert caught.value.__context__ is None


@pytest.mark.parametrize(("text", "levels"), [("1", 0), ('{"a": [1]}', 2), ("[[], [{}]]", 3)])
def test_the_depth_is_that_of_what_is_open(text: str, levels: int) -> None:
    enough = PartialJSON(max_depth=levels)
    enough.feed(text)
    enough.close()
    assert enough.value == json.loads(text)
    if levels:
        with pytest.raises(OutputError, match=f"no more than {levels - 1} levels"):
            PartialJSON(max_depth=levels - 1).feed(text)


# For every text

values = anything | st.recursive(
    st.text(st.characters()) | st.floats(allow_nan=False) | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)
json_texts = st.builds(
    json.dumps,
    values.filter(lambda value: "inf" not in repr(value)),
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, 0, 2]),
)


def cut(text: str, places: list[int]) -> Iterator[str]:
    at = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return (text[start:end] for start, end in pairwise(at))


def grows(before: Any, after: Any) -> bool:
    """Return whether *before* can grow to *after*: keys and items stay, strings continue, all else is final."""
    match before, after:
        case dict(), dict():
            return list(before) == list(after)[: len(before)] and all(
                grows(value, after[key]) for key, value in before.items()
            )
        case list(), list():
            return len(before) <= len(after) and all(map(grows, before, after))
        case str(), str():
            return after.startswith(before)
        case _:
            return before is None or repr(before) == repr(after)


@pytest.mark.parametrize(
    ("before", "after"), [([1], []), ({"a": 1}, {"b": 1}), ("b", "ab"), (1, True), ([[1]], [[2]])]
)
def test_what_does_not_grow(before: Any, after: Any) -> None:
    """The measure of the test below can fail."""
    assert not grows(before, after)


@given(json_texts, st.lists(st.integers(0, 10**6), max_size=8))
def test_the_value_grows_until_it_is_what_json_says(text: str, places: list[int]) -> None:
    parser = PartialJSON()
    shown = None
    for piece in cut(text, places):
        parser.feed(piece)
        assert grows(shown, parser.value)
        shown = copy.deepcopy(parser.value)
    parser.close()
    assert grows(shown, parser.value)
    assert repr(parser.value) == repr(json.loads(text))


@given(json_texts, st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_what_is_shown_does_not_depend_on_the_pieces(text: str, places: list[int]) -> None:
    in_pieces, so_far = PartialJSON(), ""
    for piece in cut(text, places):
        in_pieces.feed(piece)
        so_far += piece
        whole = PartialJSON()
        whole.feed(so_far)
        assert repr(whole.value) == repr(in_pieces.value)
        assert whole.complete is in_pieces.complete


@given(fuzz.almost_json | st.text(max_size=20), st.integers(1, 8))
def test_any_text_is_read_as_a_finished_call_reads_it_or_refused(text: str, size: int) -> None:
    fuzz.check(text, size)


# Cost


class Counting(PartialJSON):
    """Counts the characters that are read, those that are carried over to the next piece as often as they are."""

    read = 0

    def _read(self, text: str) -> None:
        self.read += len(text)
        super()._read(text)


# The beginning, the repeated piece, and the most times that each of its characters may be read.
SHAPES = {
    "string": ('"', "word", 1),
    "key": ('{"', "word", 1),
    "number": ("1.", "0000", 1),
    "blanks": ("", "    ", 1),
    "members": ("[", '{"a":[1,"b"]},', 1),
    "words": ("[", "false,", 3),
    "escapes": ('"', "\\u5317", 4),
    "pairs": ('"', "\\ud83d\\ude00", 7),
}


@pytest.mark.parametrize(("start", "again", "times"), SHAPES.values(), ids=SHAPES)
def test_each_character_is_read_once(start: str, again: str, times: int) -> None:
    """One character at a time is the worst case; an unfinished token may be read again, and is short."""
    parser = Counting()
    text = start + again * 2_000
    for character in text:
        parser.feed(character)
    assert len(text) <= parser.read <= times * len(text)


def test_a_string_is_extended_in_place() -> None:
    """A copy would have another address each time, as the string that it is made of is still there."""
    parser = PartialJSON()
    parser.feed('{"a": "')
    places: list[int] = []
    for _ in range(2_000):
        parser.feed("word")
        places.append(id(parser.value["a"]))
    assert parser.value == {"a": "word" * 2_000}
    assert sum(one == other for one, other in pairwise(places)) > 500


# The fuzzer


def test_a_fuzzer_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def close(parser: PartialJSON) -> None:
        parser.feed("")

    monkeypatch.setattr(PartialJSON, "close", close)
    with pytest.raises(AssertionError):
        fuzz.one_input(b"\x00[1")


def test_the_fuzzer_runs_with_atheris_where_that_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []

    def setup(arguments: list[str], one_input: Any) -> None:
        done.append(arguments[1])
        for data in (
            b"",
            b"\x00",
            b'\x02{"a": [1, "\xe4\xba\xac"]}',
            b"\x01\xff[",
            b"\x00" + b"[" * 999,
        ):
            one_input(data)

    def instrument_func(function: object) -> object:
        done.append(getattr(function, "__name__", None))
        return function

    atheris = SimpleNamespace(
        instrument_func=instrument_func, Setup=setup, Fuzz=lambda: done.append("fuzzed")
    )
    monkeypatch.setitem(sys.modules, "atheris", atheris)
    monkeypatch.setattr(sys, "argv", ["fuzz", "-runs=5"])
    runpy.run_path(str(ROOT / "tests/support/fuzz_partial_json.py"), run_name="__main__")
    assert {"feed", "close", "_read_string"} < set(done[:-2])
    assert done[-2:] == ["-runs=5", "fuzzed"]


def test_the_fuzzer_runs_with_hypothesis_where_atheris_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(fuzz, "EXAMPLES", 5)
    checked: list[str] = []

    def check(text: str, size: int) -> None:
        checked.append(text)

    monkeypatch.setattr(fuzz, "check", check)
    fuzz.main([])
    assert checked
