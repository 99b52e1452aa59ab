from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._protocol._fence import FenceRemover, without_fence

CASES = [
    pytest.param('```json\n{"a": 1}\n```', '{"a": 1}', id="json"),
    pytest.param('```\n{"a": 1}\n```\n', '{"a": 1}', id="plain"),
    pytest.param(' \n```JSON\r\n{"a": "```"}\r\n``` ', '{"a": "```"}', id="backticks-inside"),
    pytest.param('```{"a": 1}```', '{"a": 1}', id="one-line"),
    pytest.param('```json\n{"a": 1}', '```json\n{"a": 1}', id="open"),
    pytest.param('{"a": 1}\n```', '{"a": 1}\n```', id="only-closed"),
    pytest.param("```json\n[1]\n```", "```json\n[1]\n```", id="no-object"),
    pytest.param(
        'Here:\n```json\n{"a": 1}\n```', 'Here:\n```json\n{"a": 1}\n```', id="text-before"
    ),
    pytest.param('```json\n{"a": 1}\n```\nDone.', '```json\n{"a": 1}\n```\nDone.', id="text-after"),
    pytest.param('~~~json\n{"a": "~~~"}\n~~~', '{"a": "~~~"}', id="tildes"),
    pytest.param('````json\n{"a": 1}\n````', '{"a": 1}', id="four"),
    pytest.param('```\n{"a": 1}\n`````', '{"a": 1}', id="longer-end"),
    pytest.param('````\n{"a": 1}\n```', '````\n{"a": 1}\n```', id="shorter-end"),
    pytest.param('```\n{"a": 1}\n~~~', '```\n{"a": 1}\n~~~', id="other-end"),
    pytest.param('\ufeff```\n{"a": 1}\n```', '{"a": 1}', id="byte-order-mark"),
    pytest.param("```", "```", id="nothing-inside"),
    pytest.param('{"a": 1}', '{"a": 1}', id="no-fence"),
    pytest.param("", "", id="empty"),
]


@pytest.mark.parametrize(("text", "inner"), CASES)
def test_the_fence_around_one_object_is_taken_off(text: str, inner: str) -> None:
    assert without_fence(text) == inner


def fed(*pieces: str) -> list[str]:
    remover = FenceRemover()
    return [remover.feed(piece) for piece in pieces]


@pytest.mark.parametrize(
    ("pieces", "given_out"),
    [
        (["`", "``js", 'on\n{"a"', ":1}", "\n``", "`"], ["", "", '{"a"', ":1}", "\n", ""]),
        (['```\n{"a":"x`', "y ``` ", 'z"}'], ['{"a":"x', "`y ", '``` z"}']),
        (["`", "x"], ["", "`x"]),
        (["```", "[1]"], ["", "```[1]"]),
        (['{"a"', ":1}```"], ['{"a"', ":1}```"]),
        (["~~", '~~\n{"a"', ":1}\n~~", "~~"], ["", '{"a"', ":1}\n", ""]),
        (["\ufeff", "``", '`{"a"'], ["", "", '{"a"']),
        (["\ufeff", '{"a"'], ["", '{"a"']),
        ([" " * 101, '```{"a":1}'], [" " * 101, '```{"a":1}']),
        (['```{"a":1}```' + " " * 101], ['{"a":1}```' + " " * 101]),
    ],
    ids=[
        "fence",
        "backticks-inside",
        "backtick",
        "no-object",
        "no-fence",
        "tildes",
        "mark-and-fence",
        "mark",
        "blanks",
        "more-blanks",
    ],
)
def test_pieces_are_given_out_when_they_are_certain(
    pieces: list[str], given_out: list[str]
) -> None:
    assert fed(*pieces) == given_out


OBJECTS = st.dictionaries(st.text(), st.text("`} \n\\") | st.integers())


@given(
    OBJECTS,
    st.sampled_from(["json\n", "\n", "json ", ""]),
    st.sampled_from(["```", "~~~", "`````"]),
    st.lists(st.integers(0, 99)),
)
def test_any_split_of_a_fenced_object_gives_the_object(
    value: dict[str, object], info: str, marks: str, cuts: list[int]
) -> None:
    inner = json.dumps(value)
    text = f"{marks}{info}{inner}\n{marks}\n"
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    assert "".join(fed(*pieces)).rstrip() == inner == without_fence(text)
