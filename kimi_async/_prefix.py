"""Partial mode: what a reply was to go on from, and whether it did (``docs/providers.md`` 3.3, 6.4); pure."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

__all__ = ["Prefix"]

#: Shorter prefixes begin too many texts for their repetition to tell anything.
_TELLING_CHARS: Final = 8


@frozen(kw_only=True)
class Prefix:
    """The text that a reply was to go on from.

    Attributes:
        text: The prefix as it was sent.
        honoured: Whether the provider is known to go on from a prefix, by its capabilities; ``None`` when nobody
            knows.
    """

    text: str = field(repr=False)
    honoured: bool | None

    def is_repeated_in(self, reply: str) -> bool:
        """Whether *reply* begins with the whole prefix again, blanks in front aside.

        Where a prefix is known to be honoured, a short one is not looked for: behind ``[`` a ``[`` is another one.
        """
        if not self.text.strip() or (self.honoured and len(self.text) < _TELLING_CHARS):
            return False
        return reply.lstrip().startswith(self.text.lstrip())

    def is_honoured_in(self, reply: str) -> bool | None:
        """Whether *reply* goes on from the prefix: it repeats it, or the provider is known to do so, or not to."""
        return True if self.is_repeated_in(reply) else self.honoured

    def joined_with(self, reply: str) -> str:
        """The prefix and the reply as one text; the reply alone when it repeats the prefix or starts afresh."""
        if self.is_repeated_in(reply) or self.honoured is False:
            return reply
        return self.text + reply
