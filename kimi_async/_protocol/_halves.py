r"""Join characters that were cut in two; pure.

JSON spells a character above U+FFFF as two escapes, and some hosts cut between them: ``"\ud83d"`` in one delta and
``"\udca5"`` in the next one are one character. A half without its other half is one U+FFFD.
"""

from __future__ import annotations

__all__ = ["HalfJoiner"]


class HalfJoiner:
    """Joins the characters of one text that arrives in pieces."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def join(self, piece: str) -> str:
        """Return the text of *piece*, after the half that the last piece ended with; a half at its end is held back."""
        text = self._held + piece
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        whole = text.removesuffix(self._held)
        return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def close(self) -> str:
        """Return U+FFFD for a half whose other half did not come."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""
