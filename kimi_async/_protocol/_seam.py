"""The seam between the text of a broken reply and the reply that continues it; pure.

A host that honours a prefix sends only the text after it. Some send the prefix again, and some begin anew.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kimi_async._protocol._chunk import Chunk, ChunkChoice

__all__ = ["TELLING_CHARS", "Seam"]

#: A shorter text is not continued: many texts begin with it, so a host that begins anew could not be told from a host
#: that continues. Asking again for so little costs nothing.
TELLING_CHARS: Final = 8
#: A reply that shares so many characters with the beginning of the prefix has begun anew. Fewer may be a repetition
#: that the text has itself, such as a second code block.
_ANEW_CHARS: Final = 32


class Seam:
    """Changes the chunks of a continuation so that they fit to the prefix; a stage before the assembler.

    Text that may be the prefix once more is held back until that is known: a repetition is cut out. The reasoning is
    left out, because the reasoning of a reply with content is complete; a reply that begins anew keeps its own.

    Args:
        prefix: The text that was sent.

    Attributes:
        is_open: Whether it is not known yet how the reply begins.
        begins_anew: Whether the reply begins anew: the chunks are then those of a whole reply.
    """

    __slots__ = ("_held", "_matched", "_prefix", "_reasoning", "begins_anew", "is_open")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.lstrip()
        self._matched = 0
        self._held: list[str] = []
        self._reasoning: list[str] = []
        self.is_open = True
        self.begins_anew = False

    def feed(self, chunk: Chunk) -> Chunk:
        """Return *chunk* without repeated text."""
        return msgspec.structs.replace(
            chunk, choices=tuple(self._fit(choice) for choice in chunk.choices)
        )

    def _fit(self, choice: ChunkChoice) -> ChunkChoice:
        content, reasoning = choice.content, choice.reasoning
        if self.is_open:
            self._reasoning.append(reasoning or "")
            content = self._take(content or "")
            if self.is_open and (choice.finish_reason or choice.tool_calls or choice.refusal):
                content = self._release()
            reasoning = "".join(self._reasoning)
        return msgspec.structs.replace(
            choice, content=content, reasoning=reasoning if self.begins_anew else None
        )

    def _take(self, text: str) -> str | None:
        """Return the new text in *text* and the text before it; ``None`` while that is not known."""
        self._held.append(text)
        said = text if self._matched else text.lstrip()
        rest = self._prefix[self._matched : self._matched + len(said)]
        if said.startswith(rest):
            self._matched += len(rest)
            if self._matched < len(self._prefix):
                return None
            self.is_open = False
            return said[len(rest) :]
        self._matched += next(
            place for place, letter in enumerate(rest) if said[place : place + 1] != letter
        )
        self.begins_anew = self._matched >= _ANEW_CHARS
        return self._release()

    def _release(self) -> str:
        self.is_open = False
        return "".join(self._held)
