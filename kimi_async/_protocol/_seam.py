"""Fit the reply that continues a broken one to the text of the broken one; pure.

A host that honours a prefix sends only the text after it. Some send the prefix again, and some begin anew. If the
caller has sent a prefix too, such a host may repeat the text of the model without the prefix of the caller.
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
#: that the text has itself, such as a second code block or a list of similar lines.
_ANEW_CHARS: Final = 32


class Seam:
    """Changes the chunks of a continuation so that they fit to the prefix; a stage before the assembler.

    Text that may be a beginning once more is held back until that is known. A beginning that is repeated whole is cut
    out. With its first 32 characters, and another text after them, the reply begins anew. A text may have a shorter
    repetition itself, so that passes as new text. The reasoning is left out, because the reasoning of a reply with
    content is complete; a reply that begins anew keeps its own.

    Args:
        prefix: The text that was sent.
        own: The part of it that the model has written; ``None`` = all of it.

    Attributes:
        is_open: Whether it is not known yet how the reply begins.
        begins_anew: Whether the reply begins anew: the chunks are then those of a whole reply.
    """

    __slots__ = ("_beginnings", "_held", "_reasoning", "begins_anew", "is_open")

    def __init__(self, prefix: str, own: str | None = None) -> None:
        # The longer one first: if both are repeated, all of it is cut out.
        texts = (prefix,) if own is None else (prefix, own)
        self._beginnings = [_Beginning(text) for text in texts]
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
        for beginning in self._beginnings:
            beginning.take(text)
        return None if any(each.is_open for each in self._beginnings) else self._release()

    def _release(self) -> str:
        """Return the text that was held back, without a repetition."""
        self.is_open = False
        for beginning in self._beginnings:
            if beginning.rest is not None:
                return beginning.rest
        self.begins_anew = any(each.matched >= _ANEW_CHARS for each in self._beginnings)
        return "".join(self._held)


class _Beginning:
    """A text that a reply may begin with, and how far it does; blanks at the start of both do not count.

    Attributes:
        matched: How many characters of the text the reply has repeated.
        is_open: Whether the reply may still repeat all of the text.
        rest: The reply after the whole text; ``None`` = it has not repeated the whole text.
    """

    __slots__ = ("_text", "is_open", "matched", "rest")

    def __init__(self, text: str) -> None:
        self._text = text.lstrip()
        self.matched = 0
        self.is_open = True
        self.rest: str | None = None

    def take(self, text: str) -> None:
        """Compare the next piece of the reply."""
        if self.rest is not None:
            self.rest += text
        elif self.is_open:
            self._compare(text if self.matched else text.lstrip())

    def _compare(self, said: str) -> None:
        expected = self._text[self.matched : self.matched + len(said)]
        self.is_open = said.startswith(expected)
        if not self.is_open:
            same = zip(said, expected, strict=False)
            self.matched += next(at for at, (one, other) in enumerate(same) if one != other)
            return
        self.matched += len(expected)
        if self.matched == len(self._text):
            self.is_open, self.rest = False, said[len(expected) :]
