"""The formats of a response, and what all of them share; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias

from kimi_async._codec import encode
from kimi_async.tools._run import RunEvent
from kimi_async.web._ending import Ending

__all__ = ["KEEP_ALIVE", "SSE", "Encoder", "Format", "Paragraphs", "TextPattern", "sse"]

#: How a reply is written: plain text, our events as JSON, chunks of OpenAI's, or the UI message stream of the AI SDK.
Format: TypeAlias = Literal["text", "events", "openai", "ai-sdk"]

#: The content type of server-sent events; it has no charset, because they are always UTF-8.
SSE: Final = "text/event-stream"

#: A comment of server-sent events, which every reader skips.
KEEP_ALIVE: Final = b": keep-alive\n\n"


class Encoder(Protocol):
    """Turns the events of one reply into the bytes of one response.

    Attributes:
        media_type: The content type.
        headers: Headers of this format.
        keep_alive: Bytes that keep an idle connection open and that readers skip; empty if the format has none.
        shows_restarts: Whether the format can take back what it wrote. If not, a reply is not begun anew after the
            first bytes of it.
    """

    media_type: ClassVar[str]
    headers: ClassVar[Mapping[str, str]]
    keep_alive: ClassVar[bytes]
    shows_restarts: ClassVar[bool]

    def feed(self, event: RunEvent) -> bytes:
        """Return the bytes for *event*, which may be none."""
        ...

    def end(self, ending: Ending) -> bytes:
        """Return the last bytes, which tell the outcome."""
        ...


def sse(value: Any) -> bytes:
    """Return one server-sent event with *value* as JSON."""
    return b"data: %b\n\n" % encode(value)


class TextPattern:
    """The bytes of a server-sent event around one text: most events of a reply differ only in that.

    Args:
        value: The value of the event, with an empty text, and without another one after it.
    """

    def __init__(self, value: Any) -> None:
        self._before, _, self._after = sse(value).rpartition(b'""')

    def filled(self, text: str) -> bytes:
        """Return the event with *text*."""
        return b"%b%b%b" % (self._before, encode(text), self._after)


class Paragraphs:
    """Puts a blank line between the texts of the steps of a run."""

    def __init__(self) -> None:
        self.has_text = False
        self._is_next = False

    def step(self) -> None:
        """Begin a step."""
        self._is_next = self.has_text

    def joined(self, text: str) -> str:
        """Return *text* with the blank line before it, if it is the first one of a later step."""
        if self._is_next:
            text = f"\n\n{text}"
        self.has_text, self._is_next = True, False
        return text
