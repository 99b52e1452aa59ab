"""A Markdown fence around one JSON object, which many models write although they are told not to; pure.

Only a fence around the whole answer is taken off, and only around an object: any other text stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FenceRemover", "without_fence"]

_OPENING: Final = re.compile(r"\s*```[\w+-]*\s*(?=\{)")
#: A text that may still become the beginning of a fence.
_MAY_OPEN: Final = re.compile(r"\s*(?:`{0,2}|```[\w+-]*\s*)")
_CLOSING: Final = re.compile(r"\s*```\s*")
#: How many characters are held back at most: no fence is longer, but for blanks that nobody needs.
_MOST_HELD: Final = 100


def without_fence(text: str) -> str:
    """Return *text* without the fence around the one JSON object in it; unchanged if there is not such a fence."""
    opening = _OPENING.match(text)
    inner, brace, closing = text.rpartition("}")
    if opening is None or not _CLOSING.fullmatch(closing):
        return text
    return inner[opening.end() :] + brace


class FenceRemover:
    """Takes the fence off a text that arrives in pieces.

    The end of the text is held back while it may be the end of the fence.
    """

    def __init__(self) -> None:
        self._held = ""
        #: Whether there is a fence; ``None`` while that is not certain.
        self._is_fenced: bool | None = None

    def feed(self, piece: str) -> str:
        """Return the text that is certain to be inside of the fence, or outside of any.

        Args:
            piece: The next piece of the text.
        """
        text = self._held + piece
        if self._is_fenced is None:
            if len(text) <= _MOST_HELD and _MAY_OPEN.fullmatch(text):
                self._held = text
                return ""
            opening = _OPENING.match(text)
            self._is_fenced = opening is not None
            text = text[opening.end() :] if opening else text
        self._held = ""
        if self._is_fenced:
            text, self._held = _split(text)
        return text


def _split(text: str) -> tuple[str, str]:
    """Split off the backticks at the end of *text*, which may close the fence, with the blanks around them."""
    kept = text.rstrip().rstrip("`")
    held = text[len(kept) :]
    is_closing = held.lstrip().startswith("`") and len(held) <= _MOST_HELD
    return (kept, held) if is_closing else (text, "")
