"""Show the answer of a typed request while it grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Self, TypeGuard, TypeVar

from kimi_async._closing import ClosedAtExit
from kimi_async._errors import OutputError
from kimi_async._events import ContentDelta, StreamEvent, StreamRestarted
from kimi_async._protocol._fence import FenceRemover
from kimi_async._protocol._partial_json import PartialJSON
from kimi_async._stream import ChatStream
from kimi_async._structured._parse import (
    Parsed,
    ParseRound,
    no_value_error,
    parsed_from,
    with_reply,
)
from kimi_async._structured._request import NoValue, TypedRequest

__all__ = ["ParsedStream"]

T = TypeVar("T")


class ParsedStream(ClosedAtExit, Generic[T]):
    """A growing value; made by ``client.stream_parse()``.

    It is an async context manager and an async iterator of the value so far, once for each piece of the answer. The
    first value comes when some part of it is certain. The values are JSON values (dict, list, str, ...), because an
    incomplete value fits no type. Each step extends the same objects and lists, so do not change them, and copy those
    that you keep. After a restart the value grows anew, in new objects. See also
    :meth:`ToolCallDelta.partial() <kimi_async.ToolCallDelta.partial>`.

    Entering the stream sends the request and returns at the first output. Leaving it gives the connection back, as with
    :class:`~kimi_async.ChatStream`. Only one task at a time may read it; any task may call :meth:`aclose`.
    """

    def __init__(self, request: TypedRequest[T]) -> None:
        self._request = request
        self._stream = request.open(request.messages)
        self._begin()

    def _begin(self) -> None:
        self._fence = FenceRemover()
        self._growing = PartialJSON()

    def __repr__(self) -> str:
        return f"<ParsedStream of {self._stream!r}>"

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """Return the value so far, after the next piece of the answer.

        Raises:
            StopAsyncIteration: The reply has ended; :meth:`final` checks whether the value is complete and fits.
            OutputError: No JSON text begins like this answer; raised again by every later call.
            KimiError: The reply failed.
            RuntimeError: Another task is already reading this stream.
        """
        while True:
            event = await self._next()
            if _is_answer(event) and self._shown():
                return self.value

    def events(self) -> AsyncIterator[StreamEvent]:
        """Return an iterator of the events of the reply; :attr:`value` is up to date at each of them.

        It raises the errors of iterating over the values. Both read the same stream, so an event that one of them
        took does not reach the other.
        """
        return _Events(self._next)

    async def _next(self) -> StreamEvent:
        self._feed("")  # raises an earlier error again
        event = await self._stream.__anext__()
        if _is_answer(event):
            self._feed(event.text)
        elif isinstance(event, StreamRestarted):
            self._begin()
        return event

    def _feed(self, text: str) -> None:
        try:
            self._growing.feed(self._fence.feed(text))
        except OutputError as error:
            raise with_reply(error, self._stream.snapshot) from None

    def _shown(self) -> tuple[Any, ...]:
        """Return the value so far as the only item; an empty tuple while no part of it is certain."""
        value = self._growing.value
        if not self._request.is_wrapped:
            return () if value is None else (value,)
        return (value["value"],) if isinstance(value, dict) and "value" in value else ()

    @property
    def value(self) -> Any:
        """The value so far; ``None`` while no part of it is certain."""
        return next(iter(self._shown()), None)

    @property
    def is_ready(self) -> bool:
        """Whether the next event, or the end, was read already, so that taking it does not wait."""
        return self._stream.is_ready

    @property
    def stream(self) -> ChatStream:
        """The stream of the reply, for its ``snapshot``, ``response`` and ``record``; do not read events from it."""
        return self._stream

    async def final(self) -> Parsed[T]:
        """Read to the end and return the checked value; values not yet taken are skipped. May be called again.

        Raises:
            OutputError: The answer does not fit; a stream does not ask again. ``.text`` is the text that arrived, and
                ``.partial`` the reply.
            KimiError: The reply failed.
            RuntimeError: Another task is already reading this stream.
        """
        completion = await self._stream.final()
        read = self._request.read(completion)
        if isinstance(read, NoValue):
            raise no_value_error(read.text, completion)
        return parsed_from(read, [ParseRound(completion)])

    async def aclose(self) -> None:
        """End the reply and give its connection back. Any task may call it, more than once; it returns soon."""
        await self._stream.aclose()


class _Events:
    """An iterator of events; not a generator, because trio warns about a generator that is not read to its end."""

    def __init__(self, take: Callable[[], Awaitable[StreamEvent]]) -> None:
        self._take = take

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        return await self._take()


def _is_answer(event: StreamEvent) -> TypeGuard[ContentDelta]:
    return isinstance(event, ContentDelta) and event.choice == 0
