"""Remove the Markdown fence that many models write around a JSON object, although they are told not to; pure.

Only a fence around the whole answer is taken off, and only around an object: any other text stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FenceRemover", "without_fence"]

#: Blanks, and the mark of the byte order, which some hosts send before the first character.
_BLANKS: Final = r"[\s\ufeff]*"
_MARKS: Final = r"(?:`{3,}|~{3,})"
_OPENING: Final = re.compile(rf"{_BLANKS}(?P<marks>{_MARKS})[\w+-]*\s*(?=\{{)")
#: A text that may still become the beginning of a fence.
_MAY_OPEN: Final = re.compile(rf"{_BLANKS}(?:`*|~*|{_MARKS}[\w+-]*\s*)")
#: How many characters are held back at most: no fence is longer, apart from blanks that nobody needs.
_MOST_HELD: Final = 100


def without_fence(text: str) -> str:
    """Return *text* without the fence around the one JSON object in it; unchanged if there is not such a fence."""
    opening = _OPENING.match(text)
    inner, brace, closing = text.rpartition("}")
    if opening is None or not _closes(closing.strip(), opening["marks"]):
        return text
    return inner[opening.end() :] + brace


def _closes(text: str, marks: str) -> bool:
    """Return whether *text* ends the fence that *marks* began: as many of the same marks, or more."""
    return len(text) >= len(marks) and not text.strip(marks[0])


class FenceRemover:
    """Takes the fence off a text that arrives in pieces.

    The end of the text is held back while it may be the end of the fence.
    """

    def __init__(self) -> None:
        self._held = ""
        #: The character of the fence, ``""`` if there is not one; ``None`` while that is not certain.
        self._mark: str | None = None

    def feed(self, piece: str) -> str:
        """Return the text that is certain to be inside of the fence, or outside of any.

        Args:
            piece: The next piece of the text.
        """
        text = self._held + piece
        if self._mark is None:
            if len(text) <= _MOST_HELD and _MAY_OPEN.fullmatch(text):
                self._held = text
                return ""
            opening = _OPENING.match(text)
            self._mark = opening["marks"][0] if opening else ""
            text = text[opening.end() :] if opening else text.removeprefix("\ufeff")
        self._held = ""
        if self._mark:
            text, self._held = _split(text, self._mark)
        return text


def _split(text: str, mark: str) -> tuple[str, str]:
    """Split off the marks at the end of *text*, which may close the fence, with the blanks around them."""
    kept = text.rstrip().rstrip(mark)
    held = text[len(kept) :]
    is_closing = held.lstrip().startswith(mark) and len(held) <= _MOST_HELD
    return (kept, held) if is_closing else (text, "")
