"""A host that keeps its connections, answers each request with the prompt, and may say more than was asked for."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream
from fake_host import delta, sse

import kimi_async as kimi
from kimi_async import AsyncKimi, OpenAICompatible
from kimi_async._http._clients import HttpClient

__all__ = ["KeptHost", "answer"]


def answer(text: str, headers: bytes = b"") -> bytes:
    """One whole response."""
    body = sse(delta(text), delta(finish="stop"), "[DONE]")
    return b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (headers, len(body), body)


class KeptHost(anyio.AsyncContextManagerMixin):
    """Listens on loopback.

    Args:
        respond: The bytes to answer a prompt with.
        surplus: What it says in a write of its own, when the caller has the answer; ``b""`` for nothing.

    Attributes:
        connections: How many were opened.
        heads: The heads of the requests.
        surplus_sent: Set when the surplus of the last answer was sent.
        taken: Set by the test when the caller has the answer.
    """

    def __init__(self, respond: Callable[[str], bytes] = answer, surplus: bytes = b"") -> None:
        self._respond = respond
        self._surplus = surplus
        self._port = 0
        self.connections = 0
        self.heads: list[bytes] = []
        self.taken = anyio.Event()
        self.surplus_sent = anyio.Event()

    def client(self, http: HttpClient) -> AsyncKimi:
        """A client of this host."""
        provider = OpenAICompatible("test-key", f"http://127.0.0.1:{self._port}")
        return AsyncKimi(
            provider, model="m", http_client=http, checks="off", retries=kimi.Retries.none()
        )

    @contextlib.asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[KeptHost]:
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            self._port = listener.extra(SocketAttribute.local_port)
            tasks.start_soon(listener.serve, self._serve)
            yield self
            tasks.cancel_scope.cancel()

    async def _serve(self, stream: SocketStream) -> None:
        self.connections += 1
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            async with stream:
                while True:
                    await self._exchange(stream)

    async def _exchange(self, stream: SocketStream) -> None:
        heard = b""
        while not heard.endswith(b"}"):
            heard += await stream.receive()
        head, _, body = heard.partition(b"\r\n\r\n")
        self.heads.append(head)
        await stream.send(self._respond(msgspec.json.decode(body)["messages"][0]["content"]))
        if self._surplus:
            await self.taken.wait()
            await stream.send(self._surplus)
            self.surplus_sent.set()
