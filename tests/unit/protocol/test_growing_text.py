"""When the text of a growing value is read, and how often."""

from __future__ import annotations

import copy

import pytest

from kimi_async import OutputError
from kimi_async._protocol._partial_json import GrowingText, PartialJSON


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that parsers are fed."""
    pieces: list[str] = []
    feed = PartialJSON.feed

    def recorded(self: PartialJSON, text: str) -> None:
        pieces.append(text)
        feed(self, text)

    monkeypatch.setattr(PartialJSON, "feed", recorded)
    return pieces


def test_a_growing_text_is_read_once_and_when_it_is_asked(fed: list[str]) -> None:
    pieces: list[str] = []
    growing = GrowingText(pieces)
    pieces += ["[", '"a', "b", '"', ", 1", "]"]
    assert fed == []
    asked = [copy.copy(growing.value(count)) for count in (2, 3, 3, 5)]
    assert asked == [["a"], ["ab"], ["ab"], ["ab"]]
    assert growing.value(6) == ["ab", 1]
    assert growing.value(1) == ["ab", 1], "what was shown is not taken back"
    assert fed == ['["a', "b", "", '", 1', "]", ""]


def test_a_text_that_is_no_json_is_not_read_on() -> None:
    pieces = ["[", "x", "]"]
    growing = GrowingText(pieces)
    assert growing.value(1) == []
    for count in (2, 3, 1):
        with pytest.raises(OutputError) as caught:
            growing.value(count)
        assert caught.value.text == "[x"
