"""The value of a JSON text in pieces, for whoever asks; pure.

Apart from the reader itself, so that whoever watches no arguments does not load that and its patterns: 2 of the 160 ms
that ``import kimi_async`` took beyond its dependencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kimi_async._partial_json import PartialJSON

__all__ = ["GrowingText"]


class GrowingText:
    """The value of a JSON text in pieces, read when somebody asks for it.

    Args:
        pieces: The pieces; the owner goes on appending to this list.
    """

    __slots__ = ("_parser", "_taken", "pieces")

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces
        self._parser: PartialJSON | None = None
        self._taken = 0

    def value(self, count: int) -> Any:
        """The value of the first *count* pieces, or of as many as were asked for before, if those were more.

        All askings together take time linear in the text.

        Raises:
            OutputError: As :meth:`PartialJSON.feed` does.
        """
        parser = self._parser
        if parser is None:
            from kimi_async._partial_json import PartialJSON

            parser = self._parser = PartialJSON()
        pieces = self.pieces[self._taken : count]
        self._taken += len(pieces)
        parser.feed("".join(pieces))
        return parser.value
