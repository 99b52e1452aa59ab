"""The format ``text``: the answer as plain text; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kimi_async._events import ContentDelta, RefusalDelta
from kimi_async.tools._run import RunEvent, StepStart
from kimi_async.web._ending import Ending
from kimi_async.web._formats import Paragraphs

__all__ = ["TextEncoder"]


class TextEncoder:
    """Writes the text of choice 0, and one line in brackets at the end of an answer that is not complete."""

    media_type: ClassVar[str] = "text/plain; charset=utf-8"
    #: Browsers else wait for the first bytes of a text, to guess its type.
    headers: ClassVar[Mapping[str, str]] = {"x-content-type-options": "nosniff"}
    keep_alive: ClassVar[bytes] = b""
    shows_restarts: ClassVar[bool] = False

    def __init__(self) -> None:
        self._paragraphs = Paragraphs()

    def feed(self, event: RunEvent) -> bytes:
        """Return the text of *event*."""
        match event:
            case ContentDelta(text=text, choice=0) | RefusalDelta(text=text, choice=0):
                return self._paragraphs.joined(text).encode()
            case StepStart():
                self._paragraphs.step()
            case _:
                pass
        return b""

    def end(self, ending: Ending) -> bytes:
        """Return the line in brackets, or nothing for a complete answer."""
        if not ending.sentence:
            return b""
        self._paragraphs.step()
        return self._paragraphs.joined(f"[{ending.word}: {ending.sentence}]\n").encode()
