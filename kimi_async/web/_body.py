"""Give the body of a response as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from kimi_async._errors import ConfigurationError, KimiError
from kimi_async.tools._run import RunEvent
from kimi_async.web._ai_sdk import AISDKEncoder
from kimi_async.web._ending import ending_of_failure
from kimi_async.web._event_stream import EventsEncoder
from kimi_async.web._formats import Encoder, Format
from kimi_async.web._openai_stream import OpenAIEncoder
from kimi_async.web._reader import Reader, Streamed
from kimi_async.web._text import TextEncoder

__all__ = ["ENCODERS", "ReplyBody", "asgi_body"]

#: The encoder of each format.
ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = {
    "text": TextEncoder,
    "events": EventsEncoder,
    "openai": OpenAIEncoder,
    "ai-sdk": AISDKEncoder,
}

#: Keep caches and proxies from keeping, compressing or holding back the body.
_UNBUFFERED: Final = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


class ReplyBody:
    """The body of one response as an async iterator of bytes; made by :func:`asgi_body`.

    The request is sent when the first piece is asked for. That piece comes with the first output and may be empty; a
    failure before it is raised, so that the response can have the status of :func:`error_answer`. A later failure is
    told in the last piece, and is raised after it only if it is not an error of this library.

    Attributes:
        headers: The headers of the response, names in lower case.
        keep_alive: Bytes that may be sent between two pieces and that readers skip; empty if the format has none.
    """

    def __init__(self, reader: Reader, encoder: Encoder) -> None:
        self._reader = reader
        self._encoder = encoder
        self._has_output = False
        self._has_ended = False
        self._failure: Exception | None = None
        self.headers: Mapping[str, str] = {
            "content-type": encoder.media_type,
            **_UNBUFFERED,
            **encoder.headers,
        }
        self.keep_alive = encoder.keep_alive

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece.

        Raises:
            StopAsyncIteration: After the last piece.
            KimiError: The reply failed before its first output.
            RuntimeError: The stream was read or closed after the body was made.
        """
        if self._failure is not None:
            raise self._failure
        if self._has_ended:
            raise StopAsyncIteration
        if not self._has_output:
            events = await self._reader.first()
            self._has_output = True
            return self._encoded(events)
        piece = b""
        # The end belongs to the last piece, so that one write sends both.
        while not self._has_ended and (not piece or self._reader.is_over):
            try:
                piece += self._encoded(await self._reader.more())
            except StopAsyncIteration:
                piece += await self._end()
            except Exception as error:
                piece += self._broken(error)
        return piece

    def _encoded(self, events: Sequence[RunEvent]) -> bytes:
        piece = b"".join(map(self._encoder.feed, events))
        if piece and not self._encoder.shows_restarts:
            self._reader.forbid_restart()
        return piece

    async def _end(self) -> bytes:
        try:
            ending = await self._reader.ending()
        except KimiError as error:
            return self._broken(error)
        self._has_ended = True
        return self._encoder.end(ending)

    def _broken(self, error: Exception) -> bytes:
        self._has_ended = True
        if not isinstance(error, KimiError):
            self._failure = error
        return self._encoder.end(ending_of_failure(error))

    async def aclose(self) -> None:
        """Close the stream and give its connection back; call it in any case. May be called more than once."""
        await self._reader.aclose()


def asgi_body(stream: Streamed, format: Format = "text") -> ReplyBody:
    """Return the body of a response as an async iterator of bytes, for frameworks other than Starlette.

    Cancel the task that reads it when the browser leaves, and await ``aclose()`` in any case.

    Args:
        stream: The result of ``client.stream()``, ``client.run()`` or ``client.stream_parse()``, not read yet.
        format: The format of the body; see :class:`ReplyResponse`.

    Raises:
        ConfigurationError: *stream* or *format* is another value.
        RuntimeError: *stream* was read or closed before, or has another response.
    """
    if not isinstance(format, str) or format not in ENCODERS:
        known = ", ".join(ENCODERS)
        raise ConfigurationError(f"there is no format {format!r}; there are {known}")
    return ReplyBody(Reader(stream), ENCODERS[format]())
