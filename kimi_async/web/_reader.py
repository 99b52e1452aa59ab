"""Read replies, runs and parsed streams in one way: the first output, then batches of events, then the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, TypeAlias
from weakref import WeakSet

from kimi_async._errors import ConfigurationError
from kimi_async._events import AttemptFailed, StreamContinued, StreamRestarted, StreamStart
from kimi_async._stream import ChatStream
from kimi_async._structured import ParsedStream
from kimi_async.tools._run import RunEvent, StepStart, ToolRun
from kimi_async.web._ending import Ending, ending_of_reply, ending_of_run

__all__ = ["Reader", "Streamed"]

#: The objects that a response can be made of.
Streamed: TypeAlias = ChatStream | ToolRun | ParsedStream[Any]

#: Events that come before the first output; a reply that fails after one of these has shown nothing.
_BEFORE_OUTPUT: Final = (StreamStart, AttemptFailed, StreamContinued, StreamRestarted, StepStart)

#: The streams that have a reader; a second one would take events from the first.
_CLAIMED: Final[WeakSet[ChatStream | ToolRun]] = WeakSet()

#: The largest number of events that are written at once.
_BATCH: Final = 256


class Reader:
    """One stream, read in batches.

    Args:
        stream: The stream; it is entered by :meth:`first` and closed by :meth:`aclose`.

    Raises:
        ConfigurationError: *stream* is none of the streams of this library.
        RuntimeError: *stream* was read or closed before, or has another reader.
    """

    def __init__(self, stream: Streamed) -> None:
        if not isinstance(stream, (ChatStream, ToolRun, ParsedStream)):
            raise ConfigurationError(
                "a response is made of what client.stream(), client.run() or client.stream_parse() returns,"
                f" not of a value of type {type(stream).__name__}"
            )
        self._stream = stream
        self._source = stream.stream if isinstance(stream, ParsedStream) else stream
        self._refuse_used()
        if self._source in _CLAIMED:
            raise RuntimeError(
                f"{stream!r} belongs to another response; make a new stream for each response"
            )
        _CLAIMED.add(self._source)
        self._is_ours = False
        self._events: AsyncIterator[RunEvent] = (
            stream.events() if isinstance(stream, ParsedStream) else stream
        )
        self._failure: Exception | None = None
        self._has_ended = False

    async def first(self) -> list[RunEvent]:
        """Send the request and return the events up to the first output.

        Raises:
            KimiError: The reply failed before that.
            RuntimeError: The stream was read or closed since this reader was made.
        """
        self._refuse_used()
        self._is_ours = True
        await self._stream.__aenter__()
        events = await self.more()
        while all(isinstance(event, _BEFORE_OUTPUT) for event in events):
            events += await self.more()
        return events

    def _refuse_used(self) -> None:
        if not self._source.is_unread:
            raise RuntimeError(
                f"a response needs a stream that nobody has read or closed, not {self._stream!r};"
                " return the response of a new stream, outside of 'async with'"
            )

    @property
    def is_over(self) -> bool:
        """Whether :meth:`more` has returned the last events."""
        return self._has_ended or self._failure is not None

    async def more(self) -> list[RunEvent]:
        """Wait for an event and return it, with those that are ready after it.

        Raises:
            StopAsyncIteration: After the last event.
            KimiError: The reply failed.
        """
        if self._failure is not None:
            raise self._failure
        if self._has_ended:
            raise StopAsyncIteration
        events = [await self._events.__anext__()]
        try:
            while self._stream.is_ready and len(events) < _BATCH:
                events.append(await self._events.__anext__())
        except StopAsyncIteration:
            self._has_ended = True
        except Exception as error:
            self._failure = error  # raised after the events before it are written
        return events

    def forbid_restart(self) -> None:
        """Say that the events of the reply were shown and cannot be taken back."""
        self._source.forbid_restart()

    async def ending(self) -> Ending:
        """Return the end, after the last event.

        Raises:
            KimiError: The answer does not fit the type that was asked for.
        """
        match self._stream:
            case ToolRun() as run:
                return ending_of_run(await run.final())
            case ParsedStream() as parsed:
                await parsed.final()
                return ending_of_reply(parsed.stream.snapshot, (parsed.value,))
            case stream:
                return ending_of_reply(await stream.final())

    async def aclose(self) -> None:
        """Close the stream and give its connection back, unless another task has begun to read it before us."""
        if self._is_ours or self._source.is_unread:
            await self._stream.aclose()
