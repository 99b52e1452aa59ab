"""A fake provider without a socket: an HTTP transport whose answers take their time by the clock of the event loop.

It behaves as httpx's own transport does over a real connection: the timeouts of the request are honoured, each send is
one read, and faults raise the same exceptions. A server continues while its client is busy with something
else, so a wait counts from the end of the step before it, and not from when the client asked for more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Literal, Unpack, assert_never

import anyio
import anyio.lowlevel
import httpx

from kimi_async import AsyncKimi, ClientOptions, Retries
from kimi_async.testing._checks import seconds_of
from kimi_async.testing._hosts import FakeHosts
from kimi_async.testing._options import FakeOptions
from kimi_async.testing._provider import Script, ScriptedProvider, Served
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._script import ScriptedReply
from kimi_async.testing._steps import (
    Answer,
    BasicStep,
    Finish,
    Hangup,
    Reset,
    Send,
    Wait,
    unrolled,
)

__all__ = ["FakeTransport"]

_TIMEOUTS: Final = {
    "connect": (httpx.ConnectTimeout, "no connection within {} s"),
    "write": (httpx.WriteTimeout, "the request was not sent within {} s"),
    "read": (httpx.ReadTimeout, "no byte for {} s"),
}


class _Exchange(httpx.AsyncByteStream):
    """One request with its answer, whose body it is: one piece for each send.

    A class and not an async generator, which would need somebody to close it when the reply is left early.
    """

    def __init__(self, request: httpx.Request, on_close: Callable[[_Exchange], None]) -> None:
        self.served: Served | None = None
        self._request = request
        self._on_close = on_close
        #: When the server took its last step, by the clock of the event loop.
        self._time = anyio.current_time()
        self._steps: Iterator[BasicStep] = iter(())
        self._hung_up = "Server disconnected without sending a response."
        self.whole = False

    async def spend(self, seconds: float | None, limit: Literal["connect", "write"]) -> None:
        """Spend the time before the answer."""
        with self._patience(limit):
            await self._wait(seconds)

    async def begin(self, answer: Answer) -> httpx.Response:
        """Return the response, as soon as its headers are there."""
        steps = unrolled(answer.before_headers)
        lines = bytearray()
        while (data := await self._read(steps)) is not None:
            lines += data
        self._steps = unrolled(answer.steps)
        self._hung_up = "peer closed connection without sending complete message body"
        headers = [*_pairs(bytes(lines)), *answer.headers]
        return httpx.Response(answer.status, headers=headers, stream=self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = await self._read(self._steps)
        if data is None:
            self.whole = True
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        self._on_close(self)

    async def _read(self, steps: Iterator[BasicStep]) -> bytes | None:
        """Return the bytes of the next send; ``None`` when there is none any more."""
        with self._patience("read"):
            for step in steps:
                match step:
                    case Send(data):
                        await anyio.lowlevel.checkpoint()
                        if data:
                            return data
                    case Wait(seconds):
                        await self._wait(seconds)
                    case Hangup():
                        raise httpx.RemoteProtocolError(self._hung_up, request=self._request)
                    case Reset():
                        raise httpx.ReadError("connection reset by peer", request=self._request)
                    case Finish():
                        pass  # of the headers, where it means nothing, or of the body, where it is the last
                    case _:
                        assert_never(step)
        return None

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await anyio.sleep_forever()
        else:
            self._time += seconds
            await anyio.sleep_until(self._time)

    @contextmanager
    def _patience(self, limit: Literal["connect", "write", "read"]) -> Generator[None]:
        """Raise the HTTP client's timeout when the block takes longer than the client allows."""
        seconds: float | None = self._request.extensions.get("timeout", {}).get(limit)
        with anyio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            kind, text = _TIMEOUTS[limit]
            raise kind(text.format(seconds), request=self._request)


def _pairs(lines: bytes) -> list[tuple[str, str]]:
    """Split header lines into names and values."""
    parted = (line.partition(":") for line in lines.decode().splitlines())
    return [(name, value.strip()) for name, _, value in parted]


class FakeTransport(FakeHosts, httpx.AsyncBaseTransport):
    """All providers without a socket: a transport for ``httpx.AsyncClient`` that answers from a script.

    Paths, keys and scripts are those of :class:`FakeProvider`, at ``https://kimi.test``. Every answer takes its time by
    the clock of the event loop, so with :func:`virtual_time` an hour of silence is over at once. As over a real
    connection, the ``connect``, ``write`` and ``read`` timeouts of a request raise ``httpx.ConnectTimeout`` and its
    kind, a reset ``httpx.ReadError`` and a hang-up ``httpx.RemoteProtocolError``.

    >>> import anyio
    >>> from kimi_async import IdleTimeout
    >>> from kimi_async.testing import FakeTransport, Reply, virtual_time
    >>> async def main():
    ...     fake = FakeTransport([Reply("Hello, you!", cut_after=2, end="stall")])
    ...     try:
    ...         await fake.client().chat("Hi")
    ...     except IdleTimeout as error:
    ...         print(error.partial.text, anyio.current_time(), fake.active_requests)
    >>> backend, options = virtual_time()
    >>> anyio.run(main, backend=backend, backend_options=options)
    Hello, y 300.0 0

    A script that fails raises :class:`ScriptError` from the request, and again at the end of an ``async with`` block of
    the transport, for programs that hid it.

    Args:
        script: One reply to every request, replies in their order, or a function that makes the reply to each
            :class:`ReceivedRequest`.
        api_key: The key that requests must carry; ``None`` = any, or none.
        host: The host of :attr:`url`; fakes of one client need different ones.
        connect: Seconds until a request has its connection; ``None`` = never.
        write: Seconds until a request is sent; ``None`` = never.
        options: See :class:`FakeOptions`.

    Attributes:
        lost_connections: How many connections a real server would have lost: answers that broke, never came or were
            closed before their end.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        api_key: str | None = "test-key",
        host: str = "kimi.test",
        connect: float | None = 0.0,
        write: float | None = 0.0,
        **options: Unpack[FakeOptions],
    ) -> None:
        self.api_key = api_key or "any-key"
        self.lost_connections = 0
        self._host = host
        self._connect = None if connect is None else seconds_of(connect, "connect")
        self._write = None if write is None else seconds_of(write, "write")
        self._provider = ScriptedProvider(script, api_key, options)
        self._open: set[_Exchange] = set()

    @property
    def url(self) -> str:
        """The root of all addresses; requests to other hosts are answered as well, as if sent to a provider's own."""
        return f"https://{self._host}"

    @property
    def requests(self) -> list[ReceivedRequest]:
        """All requests so far, refused ones too; those that were never sent are not among them."""
        return self._provider.requests

    @property
    def active_requests(self) -> int:
        """How many requests were begun and not yet closed by the client."""
        return len(self._open)

    def add(self, *replies: ScriptedReply) -> None:
        """Append *replies* to the script, also while it runs.

        Raises:
            RuntimeError: The script is a function or one reply.
        """
        self._provider.add(*replies)

    def raise_failure(self) -> None:
        """Raise the first error of the script, if there was one; the end of ``async with`` does it by itself.

        Raises:
            ScriptError: The script was used up, or its function or one of its replies is wrong.
        """
        self._provider.raise_failure(None)

    def client(self, *others: FakeTransport, **options: Unpack[ClientOptions]) -> AsyncKimi:
        """Return a client over this transport, for Ace Data Cloud and ``kimi-k3`` if *options* say nothing else.

        It sends each request once, because a script has one reply for each request. ``retries=Retries()`` retries and
        fails over as in production. It stays on the first event loop that uses it; call this again for another one.

        Args:
            others: More fakes, each with a ``host=`` of its own. With them and
                ``provider=[first.acedata(), second.cloudsway()]`` the client has two providers.
            options: Settings of the client.
        """
        mounts = {other.url: other for other in others}
        http_client = httpx.AsyncClient(transport=self, mounts=mounts)
        client = AsyncKimi(
            self.acedata(), model="kimi-k3", retries=Retries.none(), http_client=http_client
        )
        return client.with_options(**options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer *request*, as ``httpx.AsyncClient`` asks for it."""
        exchange = _Exchange(request, self._closed)
        self._open.add(exchange)
        try:
            content = await request.aread()
            await exchange.spend(self._connect, "connect")
            await exchange.spend(self._write, "write")
            exchange.served = self._provider.serve(
                method=request.method,
                path=request.url.raw_path.decode(),
                headers=request.headers,
                content=content,
                connection=0,
                now=anyio.current_time(),
            )
            return await exchange.begin(exchange.served.answer)
        except BaseException:
            self._closed(exchange)
            raise

    def _closed(self, exchange: _Exchange) -> None:
        if exchange in self._open:
            self._open.remove(exchange)
            self.lost_connections += not exchange.whole
            if exchange.served is not None:
                self._provider.finish(exchange.served)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._provider.raise_failure(exc_value)
