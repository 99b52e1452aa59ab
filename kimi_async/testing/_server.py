"""A fake provider that listens on a real socket.

:class:`FakeProvider` listens, counts and closes; :class:`Peer` is one client connection. The sockets are plain ones
waited for with anyio and not anyio's streams, because only so can a connection be *reset*: those shut the
sending side down first, and the client sees an end where it should see an error.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Final, Literal, TypeAlias, Unpack, assert_never

import anyio
import h11
import httpx

from kimi_async._http._background import Background
from kimi_async.testing._checks import ScriptError
from kimi_async.testing._completion import dump
from kimi_async.testing._hosts import FakeHosts
from kimi_async.testing._options import FakeOptions
from kimi_async.testing._provider import Script, ScriptedProvider, Served
from kimi_async.testing._received import ReceivedRequest, log_line
from kimi_async.testing._script import ScriptedReply
from kimi_async.testing._steps import Answer, BasicStep, Finish, Hangup, Reset, Send, Wait, unrolled

__all__ = ["FakeProvider", "url_of"]

_READ_BYTES: Final = 65_536
_BACKLOG: Final = 1_024
# SO_LINGER, on and for 0 seconds: closing the socket then sends RST.
_LINGER_NOT: Final = struct.pack("ii", 1, 0)

_Counted: TypeAlias = Literal["connections", "requests"]


class Peer:
    """One client connection, seen from the server: its socket, and h11's state of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._http = h11.Connection(h11.SERVER)

    async def next_request(self) -> tuple[h11.Request, bytes] | None:
        """Wait for a whole request; ``None`` when the client has hung up instead.

        Raises:
            h11.RemoteProtocolError: The bytes are not HTTP, or end in the middle.
        """
        request = await self._next_event()
        if not isinstance(request, h11.Request):
            return None
        content = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            content += event.data
        return request, bytes(content)

    async def play(self, answer: Answer) -> bool:
        """Send an answer, and stop as soon as the client hangs up.

        Returns:
            Whether another request may follow on this connection.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, tasks.cancel_scope)
            # A client that left is not an error here, and h11 refuses lengths that do not add up: the client sees the
            # connection end too early, as with a server that sends a wrong Content-Length.
            with suppress(OSError, h11.LocalProtocolError):
                await self._send_answer(answer)
            tasks.cancel_scope.cancel()
        if self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return False
        self._http.start_next_cycle()
        return True

    async def refuse(self) -> None:
        """Answer bytes that are not HTTP with a bare 400."""
        with suppress(OSError, h11.LocalProtocolError):
            await self._send_answer(Answer(status=400, headers=()))

    async def _send_answer(self, answer: Answer) -> None:
        for step in self._on_the_wire(answer):
            match step:
                case Send(data):
                    await self._send(data)
                case Wait(seconds):
                    await (anyio.sleep_forever() if seconds is None else anyio.sleep(seconds))
                case Reset():
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
                    return
                case Hangup():
                    return  # a connection whose answer is unfinished gets closed by the caller
                case Finish():
                    pass  # of the headers; that of the body is bytes
                case _:
                    assert_never(step)

    def _on_the_wire(self, answer: Answer) -> Iterator[BasicStep]:
        """Return the steps of an answer, with the bytes as HTTP frames them.

        Raises:
            h11.LocalProtocolError: A step does not fit the headers before it.
        """
        response = h11.Response(status_code=answer.status, headers=[*answer.headers])
        status, line_end, rest = self._framed(response).partition(b"\r\n")
        unsent = status + line_end
        for step in unrolled(answer.before_headers):
            if isinstance(step, Send):
                yield Send(unsent + step.data)
                unsent = b""
            else:
                yield step
        yield Send(unsent + rest)
        for step in unrolled(answer.steps):
            if isinstance(step, Send):
                yield Send(self._framed(h11.Data(data=step.data)))
            elif isinstance(step, Finish):
                yield Send(self._framed(h11.EndOfMessage()))
            else:
                yield step

    def _framed(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """Cancel *scope* when the client hangs up; keep the bytes that it sends early for the next request."""
        while data := await self._receive():
            self._http.receive_data(data)
        self._http.receive_data(b"")
        scope.cancel()

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._receive())
        return event

    async def _receive(self) -> bytes:
        """Read some bytes; ``b""`` is the end, and a reset connection is an end as well."""
        await anyio.wait_readable(self._sock)
        try:
            return self._sock.recv(_READ_BYTES)
        except OSError:
            return b""

    async def _send(self, data: bytes) -> None:
        """Write some bytes, at once and by themselves.

        Raises:
            OSError: The client is gone.
        """
        left = memoryview(data)
        while left:
            await anyio.wait_writable(self._sock)
            left = left[self._sock.send(left) :]


def _script_failed(error: ScriptError) -> Answer:
    """Return the answer to a request whose script failed: a status that no client retries, and the reason."""
    body = dump({"error": {"message": str(error), "type": "script_error"}}).encode()
    return Answer(status=400, headers=(("content-type", "application/json"),), steps=(Send(body),))


def url_of(host: str, port: int) -> str:
    """Return the root of a server; an address of IPv6 is in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class FakeProvider(FakeHosts, anyio.AsyncContextManagerMixin):
    """All providers on a free port of 127.0.0.1, answering from a script.

    Each provider has the paths of its own host after its name: ``/acedata/kimi/chat/completions``,
    ``/cloudsway/v1/ai/<endpoint path>/chat/completions``, ``/moonshot/v1/chat/completions``,
    ``/openai/v1/chat/completions``, and ``/<name>/v1/models``. Without the name, a request that was meant for a
    provider's own host is answered as from there; any other by the first provider that has such a path. One
    script serves all. Connections are kept alive. A wrong path, key or body is refused as the provider would
    refuse it.

    >>> import asyncio
    >>> from kimi_async import AsyncKimi
    >>> from kimi_async.testing import FakeProvider, Reply
    >>> async def main():
    ...     async with FakeProvider([Reply("Hello!")]) as fake:
    ...         async with AsyncKimi(fake.acedata(), model="kimi-k3") as client:
    ...             reply = await client.chat("Hi")
    ...     print(reply.text, fake.requests[0].body["messages"])
    >>> asyncio.run(main())
    Hello! [{'role': 'user', 'content': 'Hi'}]

    Leaving the ``async with`` block closes all connections, also those with an unfinished reply. If the script failed,
    it then raises the :class:`ScriptError`; the request itself was answered with status 400.

    Args:
        script: One reply to every request, replies in their order, or a function that makes the reply to each
            :class:`ReceivedRequest`.
        api_key: The key that requests must carry; ``None`` = any, or none.
        host: The address to listen on.
        port: The port to listen on; 0 = a free one.
        log: Called with one line for each answer, which holds nothing of the messages. An exception that it raises ends
            the connection, and is raised at the end of the block.
        options: See :class:`FakeOptions`.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        api_key: str | None = "test-key",
        host: str = "127.0.0.1",
        port: int = 0,
        log: Callable[[str], object] = lambda _line: None,
        **options: Unpack[FakeOptions],
    ) -> None:
        self.api_key = api_key or "any-key"
        self.total_connections = 0
        if port not in range(65_536):
            raise ValueError(f"port must be a number from 0 (a free one) to 65535, not {port!r}")
        self._address = (host, port)
        self._log = log
        self._provider = ScriptedProvider(script, api_key, options)
        self._counts: Counter[_Counted] = Counter()
        self._changed = anyio.Event()
        self._url: str | None = None
        #: The last exception of the server, such as one of ``log``.
        self._failure: Exception | None = None

    @property
    def url(self) -> str:
        """The root of the server, such as ``http://127.0.0.1:<port>``.

        Raises:
            RuntimeError: The server was not started yet.
        """
        if self._url is None:
            raise RuntimeError("the fake provider is not running: enter it with `async with`")
        return self._url

    @property
    def requests(self) -> list[ReceivedRequest]:
        """All requests so far, refused ones too."""
        return self._provider.requests

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return self._counts["connections"]

    @property
    def active_requests(self) -> int:
        """How many requests came whole and are not yet answered in full."""
        return self._counts["requests"]

    def add(self, *replies: ScriptedReply) -> None:
        """Append *replies* to the script, also while it runs.

        Raises:
            RuntimeError: The script is a function or one reply.
        """
        self._provider.add(*replies)

    async def wait_until(self, condition: Callable[[], bool], *, timeout: float = 30.0) -> None:
        """Wait until *condition* holds; it is asked again after every change of the counts or :attr:`requests`.

        Args:
            condition: A function without arguments, such as ``lambda: fake.open_connections == 0``.
            timeout: Seconds; a busy machine may need many.

        Raises:
            TimeoutError: It did not hold in time; the message has the counts.
            Exception: The one of ``log``, if it raised one.
        """
        with anyio.move_on_after(timeout):
            while not condition():
                self._raise_failure()
                await self._changed.wait()
            return
        raise TimeoutError(
            f"not so within {timeout} s: {self.open_connections} of {self.total_connections} connections open, "
            f"{self.active_requests} of {len(self.requests)} requests active"
        )

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[FakeProvider]:
        host, _ = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server(self._address, family=family, backlog=_BACKLOG) as listener:
            listener.setblocking(False)
            self._url = url_of(host, listener.getsockname()[1])
            # Not a task group of this task: a fixture of pytest-asyncio may end in another one.
            server = Background(partial(self._accept, listener))
            try:
                yield self
            except Exception as error:
                self._provider.raise_failure(error)
                raise
            finally:
                await server.aclose()
        self._provider.raise_failure(None)
        self._raise_failure()

    async def _accept(self, listener: socket.socket) -> None:
        with self._keeping_failure(), listener:
            async with anyio.create_task_group() as tasks:
                while True:
                    await anyio.wait_readable(listener)
                    # The client may be gone before it was accepted.
                    with suppress(BlockingIOError, ConnectionAbortedError):
                        sock, _ = listener.accept()
                        tasks.start_soon(self._serve, sock)

    async def _serve(self, sock: socket.socket) -> None:
        self.total_connections += 1
        number = self.total_connections
        with self._keeping_failure(), self._counting("connections"), sock:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock)
            try:
                while await self._exchange(peer, number):
                    pass
            except h11.RemoteProtocolError:
                await peer.refuse()

    async def _exchange(self, peer: Peer, connection: int) -> bool:
        """Take one request and answer it; return whether another may follow."""
        received = await peer.next_request()
        if received is None:
            return False
        started = anyio.current_time()
        served = self._served(*received, connection)
        request = self._provider.last
        assert request is not None
        try:
            with self._counting("requests"):
                return await peer.play(served.answer)
        finally:
            self._provider.finish(served)
            seconds = anyio.current_time() - started
            self._log(log_line(request, served.answer.status, seconds))

    def _served(self, request: h11.Request, content: bytes, connection: int) -> Served:
        try:
            return self._provider.serve(
                method=request.method.decode(),
                path=request.target.decode(),
                headers=httpx.Headers([*request.headers]),
                content=content,
                connection=connection,
                now=anyio.current_time(),
            )
        except ScriptError as error:
            return Served(_script_failed(error), is_accepted=False)

    @contextmanager
    def _keeping_failure(self) -> Generator[None]:
        """Keep an exception for the user's task, because nobody gets those of the server's."""
        try:
            yield
        except Exception as error:
            self._failure = error
            self._notify()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def _counting(self, what: _Counted) -> Generator[None]:
        self._counts[what] += 1
        self._notify()
        try:
            yield
        finally:
            self._counts[what] -= 1
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
