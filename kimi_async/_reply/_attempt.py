"""Send one request, read its response and feed the decoder.

An attempt does not raise the error that ends it: :attr:`Attempt.failure` holds the error, because the caller gets the
events before it first. The attempt owns its response from :meth:`Attempt.start` until :meth:`Attempt.aclose`.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import anyio

from kimi_async._errors import KimiError
from kimi_async._events import StreamEvent
from kimi_async._http._response import BodyError, BodyTimeout, Response
from kimi_async._http._transport import Transport
from kimi_async._protocol._decoder import ReplyDecoder
from kimi_async._providers import Provider
from kimi_async._reply._deadlines import Deadlines
from kimi_async._reply._fetch import status_error
from kimi_async._reply._pass import Pass
from kimi_async._reply._progress import Progress
from kimi_async._settings import Limits
from kimi_async._wire import WireRequest

if TYPE_CHECKING:
    import asyncio

__all__ = ["Attempt"]


class Attempt:
    """One request; driven by :meth:`start` and then by :meth:`advance` until it has :attr:`ended`.

    Args:
        provider: The provider that is asked.
        model: The model, by the name that the caller gave.
        wire_request: The request.
        headers: Headers of this call.
        transport: Sends the request.
        deadlines: The limits of time.
        limits: The limits of size, for an error body.
        clock: The event loop's clock.
        decoder: Turns bytes into events and into the message.
        permission: Lets the request through the limits of the provider; ``None`` = it has none.
        continues: Whether it asks for the rest of a reply that broke.

    Attributes:
        response: The response, after its headers have arrived.
        progress: The times of its parts, and the size of the body.
        failure: The error that ended it, or ``None``.
        is_sent: Whether the limits of the provider have let its request through.
        stopped: Whether it was told to :meth:`stop`.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        model: str | None,
        wire_request: WireRequest,
        headers: Mapping[str, str],
        transport: Transport,
        deadlines: Deadlines,
        limits: Limits,
        clock: Callable[[], float],
        decoder: ReplyDecoder,
        permission: Pass | None = None,
        continues: bool = False,
    ) -> None:
        self.provider = provider
        self.continues = continues
        self.model = model
        self.decoder = decoder
        self.response: Response | None = None
        self.failure: KimiError | None = None
        self.is_sent = self.stopped = False
        self.progress = Progress()
        self._request = wire_request
        self._headers = headers
        self._transport = transport
        self._deadlines = deadlines
        self._limits = limits
        self._clock = clock
        self._permission = permission
        #: The scope of all work before the first output.
        self._scope: anyio.CancelScope | None = None
        #: When the last read ended.
        self._read_at = 0.0

    @property
    def ended(self) -> bool:
        """Whether no more events will come."""
        return self.failure is not None or self.decoder.ended

    @property
    def waited(self) -> float:
        """Seconds from its beginning to its first output, or until now."""
        return self.progress.waited(self._clock())

    async def start(self) -> list[StreamEvent]:
        """Send the request, read until the first output or the end, and return the events so far.

        Raises:
            SlotTimeout: The limits of the provider did not let the request through in time.
        """
        if self._permission is not None and not self._permission.enter_now():
            await self._enter(self._permission)
            if self.failure is not None or self.stopped:
                return []
        self.is_sent = True
        begun = self.progress.begun = self._clock()
        events: list[StreamEvent] = []
        with anyio.move_on_after(self._deadlines.until_first_output(begun)) as self._scope:
            try:
                response = await self._send()
                while not self.decoder.started and not self.ended:
                    events += await self._step(response, self._clock(), math.inf)
            except KimiError as error:
                self.failure = error
            return events
        if not self.stopped:
            self.failure = self._deadlines.first_output_error(begun)
        return events

    def stop(self) -> None:
        """End :meth:`start`, which has begun, without an error; from any task."""
        self.stopped = True
        assert self._scope is not None
        self._scope.cancel()

    async def _enter(self, permission: Pass) -> None:
        """Wait until the limits of the provider let the request through."""
        begun = self.progress.begun = self._clock()
        with anyio.move_on_after(self._deadlines.until_permit(begun)) as self._scope:
            try:
                await permission.enter()
            except KimiError as error:
                self.failure = error
            return
        if not self.stopped:
            # Raised and not kept: it says nothing about the provider, so no other attempt follows.
            raise self._deadlines.slot_error()

    async def _send(self) -> Response:
        self.response = response = await self._transport.send(
            self.provider,
            self._request,
            headers=self._headers,
            timeouts=self._deadlines.timeouts,
            read_timeout=self._deadlines.read_timeout,
        )
        self.progress.headers_at = self._clock()
        if self._permission is not None:
            self._permission.answered(response.headers)
        if not 200 <= response.status < 300:
            raise await status_error(self.provider, response, self._limits)
        return response

    def advance(self) -> Awaitable[list[StreamEvent]]:
        """Read once and return the events that the bytes complete. Only after :meth:`start`."""
        # Not a coroutine itself, because each level of coroutines costs 0.2 us for each read.
        assert self.response is not None
        now = self._clock()
        return self._step(self.response, now, self._deadlines.for_read(now))

    async def _step(self, response: Response, now: float, seconds: float) -> list[StreamEvent]:
        """Read once from the time *now*, for at most *seconds*, and return the events in the bytes."""
        decoder = self.decoder
        if decoder.done:
            # Only now, so that the events before [DONE] did not wait for it.
            await response.drain()
            return decoder.finish()
        data: bytes | None = b""
        try:
            data = await self._receive(response, seconds)
        except BodyTimeout:
            events = self._timed_out(now)
        except BodyError as broken:
            events = decoder.connection_lost(broken.cause)
        else:
            events = decoder.close() if data is None else decoder.feed(data)
        if data:
            self.progress.bytes += len(data)
        if decoder.progressed:
            self.progress.note_output(self._read_at)
        self._deadlines.note_wait(self._read_at - now)
        self._deadlines.note_read(output=decoder.progressed, complete=decoder.complete)
        self.failure = decoder.failure
        return events

    async def _receive(self, response: Response, seconds: float) -> bytes | None:
        """Return the next bytes, or ``None`` at a clean end.

        Raises:
            BodyTimeout: They did not arrive in time.
            BodyError: The connection broke.
        """
        try:
            # A read that may take so long needs no scope: the read timeout of the HTTP client ends it.
            if seconds >= self._deadlines.longest_read:
                return await response.read()
            with anyio.move_on_after(max(seconds, 0.0)):
                return await response.read()
        finally:
            self._read_at = self._clock()
        raise BodyTimeout("a limit ran out")

    def _timed_out(self, begun: float) -> list[StreamEvent]:
        """Return the last events after a limit ran out in a read that began at the time *begun*."""
        if self.decoder.complete:
            # The wait for the usage has a limit, which is not an error.
            return self.decoder.finish()
        return self.decoder.fail(self._deadlines.error(begun, started=self.decoder.started))

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end; then give the permit back."""
        try:
            if self.response is not None:
                await self.response.aclose()
        finally:
            if self._permission is not None:
                decoder = self.decoder
                self._permission.leave(self.failure, decoder.usage, complete=decoder.complete)

    def abandon(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Do the same from a finalizer; *loop* is that of asyncio, if it runs."""
        if self.response is not None:
            self.response.close_soon(loop)
        if self._permission is not None:
            self._permission.leave_soon()
