"""Partial mode: the text that a reply continues, and whether the reply did (see the page Providers, 3.3, 6.4); pure."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

__all__ = ["Prefix"]

#: Shorter prefixes begin too many texts for their repetition to tell anything.
_TELLING_CHARS: Final = 8


class Prefix(Struct, frozen=True, kw_only=True):
    """The text that a reply should continue.

    Attributes:
        text: The prefix as it was sent.
        honoured: Whether the provider is known to continue a prefix, by its capabilities; ``None`` when that
            is not known.
    """

    text: str
    honoured: bool | None

    def __rich_repr__(self, /) -> list[tuple[str, Any]]:
        return [("honoured", self.honoured)]

    def __repr__(self) -> str:
        return f"Prefix(honoured={self.honoured})"

    def is_repeated_in(self, reply: str) -> bool:
        """Return whether *reply* begins with the whole prefix again, apart from blanks at its start.

        Where a prefix is known to be honoured, a short one is not searched for, because after ``[`` a second ``[`` may
        be new text.
        """
        if not self.text.strip() or (self.honoured and len(self.text) < _TELLING_CHARS):
            return False
        return reply.lstrip().startswith(self.text.lstrip())

    def is_honoured_in(self, reply: str) -> bool | None:
        """Return whether *reply* continues the prefix: by its text, or else by the provider; ``None`` is unknown."""
        return True if self.is_repeated_in(reply) else self.honoured

    def joined_with(self, reply: str) -> str:
        """Return the prefix and *reply* as one text; only *reply* if it repeats the prefix or begins anew."""
        if self.is_repeated_in(reply) or self.honoured is False:
            return reply
        return self.text + reply
