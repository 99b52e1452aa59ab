"""Take the thinking between the tags of the model out of the content, where a host has left it; pure.

Some hosts let ``<think>...</think>`` through at the beginning of the content, and some only ``</think>``, because the
first tag was a part of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from kimi_async._protocol._chunk import ChunkChoice

__all__ = ["ThinkingFilter"]

#: The tags: the one that begins the thinking, and the one that ends it.
TAGS: Final[Mapping[str, str]] = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    # Kimi-VL.
    "◁think▷": "◁/think▷",
}
#: Models write the tags in capitals, too. Only ASCII letters have two cases here: a tag has no others.
_BEGIN: Final = "(?ai:" + "|".join(map(re.escape, TAGS)) + ")"
#: A tag between quotes or backticks is one that the text talks about. The character after it may still come.
_ENDS: Final = "(?:" + "|".join(map(re.escape, TAGS.values())) + ")"
_END: Final = f"(?ai:(?<![`'\"]){_ENDS}|{_ENDS}(?=[^`'\"]))"
_LAST_END: Final = f"{_END}|(?ai:{_ENDS})$"
#: The longest text of which it is not known yet whether it is a tag: with the character before it.
_LONGEST: Final = max(map(len, TAGS.values())) + 1


class ThinkingFilter:
    """Takes the thinking out of the content of one choice.

    Only the first block of thinking counts. Where the content does not begin with a tag, it may still be thinking up to
    an end tag, so it is held back until that tag, a tool call, thinking under its own key or the finish reason. Text
    before a tag that begins the thinking is a part of the answer.

    Args:
        parse: Whether the thinking becomes reasoning, or is dropped.
    """

    __slots__ = ("_held", "_is_cut", "_parse", "_state", "_tail")

    def __init__(self, *, parse: bool) -> None:
        self._parse = parse
        self._state: Literal["undecided", "thinking", "after the tag", "answer"] = "undecided"
        #: Pieces of which it is not known whether they are thinking.
        self._held: list[str] = []
        #: The end of the text so far, when a tag may begin there.
        self._tail = ""
        #: Whether text stood before that end.
        self._is_cut = False

    @property
    def holds(self) -> bool:
        """Whether text is held back."""
        return bool(self._held or self._tail)

    @property
    def held_content(self) -> str:
        """Text that may still become thinking."""
        return "".join(self._held) + ("" if self._state == "thinking" else self._tail)

    @property
    def held_reasoning(self) -> str:
        """Thinking that may still end with a tag."""
        return self._tail if self._state == "thinking" and self._parse else ""

    def feed(self, delta: ChunkChoice) -> ChunkChoice:
        """Return *delta* with the thinking in its place; after a finish reason nothing is held back."""
        if self._state == "answer":
            return delta
        content, thought = self._split(delta.content or "", final=delta.finish_reason is not None)
        undecided = self._state == "undecided"
        if delta.finish_reason is not None or (undecided and (delta.tool_calls or delta.reasoning)):
            content, thought = content + self.held_content, thought + self.held_reasoning
            self._held, self._tail, self._state = [], "", "answer"
        reasoning = delta.reasoning
        if thought and self._parse:
            reasoning = (reasoning or "") + thought
        return msgspec.structs.replace(
            delta,
            content=content if content or delta.content is not None else None,
            reasoning=reasoning,
        )

    def _split(self, piece: str, *, final: bool) -> tuple[str, str]:
        """Take a piece, which may be the last one; return the content and the thinking that it completes."""
        text, self._tail = self._tail + piece, ""
        before = ""
        if self._state == "undecided":
            text = self._begin(text)
        thought = ""
        if self._state in ("undecided", "thinking"):
            # A tag at the very beginning of a tail has been judged, with the character that stood before it.
            end = re.compile(_LAST_END if final else _END).search(text, self._is_cut)
            if end is None:
                return "", self._keep(text)
            thought, text = "".join(self._held) + text[: end.start()], text[end.end() :]
            if self._state == "undecided":
                before, thought = _around_tag(thought)
            self._held, self._state = [], "after the tag"
        # The template of the model writes line ends between the tag and the answer.
        text = text.lstrip("\n")
        self._state = "answer" if text else "after the tag"
        return before + text, thought

    def _begin(self, text: str) -> str:
        """Look for a tag at the beginning of the content; return the text after it."""
        if not self._held:
            tag = re.match(rf"\s*{_BEGIN}", text)
            if tag is not None:
                self._state = "thinking"
                return text[tag.end() :]
        return text

    def _keep(self, text: str) -> str:
        """Keep text without an end tag; return the part of it that certainly is thinking."""
        if self._state == "undecided" and not self._held and _may_begin(text):
            self._tail = text
            return ""
        certain = max(len(text) - _LONGEST, 0)
        self._is_cut = self._is_cut or certain > 0
        self._tail = text[certain:]
        if self._state == "thinking":
            return text[:certain]
        self._held.append(text[:certain])
        return ""


def _around_tag(text: str) -> tuple[str, str]:
    """Return the answer and the thinking in a text up to an end tag, which may hold the tag that begins it."""
    begin = re.search(_BEGIN, text)
    return ("", text) if begin is None else (text[: begin.start()], text[begin.end() :])


def _may_begin(text: str) -> bool:
    """Return whether a text may be the beginning of blanks and a tag."""
    begin = text.lstrip().lower()
    return any(tag.startswith(begin) for tag in TAGS)
