"""A client over an httpx transport whose body comes in the reads that a test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import httpx
import msgspec

from kimi_async import AceDataCloud, AsyncKimi, Provider, Retries

#: Instead of bytes: wait until cancelled, or for the HTTP client's read timeout.
STALL = object()

ACE = AceDataCloud("test-key")


Answer: TypeAlias = Iterable[object] | httpx.Response | Exception


class FakeBody(httpx.AsyncByteStream):
    """Gives *reads* one by one: bytes, an exception to raise, or :data:`STALL`, which ends as a real socket's would."""

    def __init__(self, reads: Iterable[object], read_timeout: float | None) -> None:
        self._reads = iter(reads)
        self._read_timeout = read_timeout
        self.closed = 0
        self.read = 0

    # Not a generator, which trio would report when a reply is left before its end.
    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        self.read += 1
        read = next(self._reads, None)
        if read is None:
            raise StopAsyncIteration
        if read is STALL:
            with anyio.move_on_after(self._read_timeout):
                await anyio.sleep_forever()
            raise httpx.ReadTimeout("the read timeout of the HTTP client ran out")
        if isinstance(read, Exception):
            raise read
        assert isinstance(read, bytes)
        return read

    async def aclose(self) -> None:
        self.closed += 1


class FakeHost(httpx.AsyncBaseTransport):
    """Answers each request with the next of *answers*: reads, a whole response, or an exception."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[FakeBody] = []
        self.status = 200

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        body = FakeBody(answer, request.extensions["timeout"]["read"])
        self.bodies.append(body)
        return httpx.Response(self.status, headers={"x-request-id": "req-1"}, stream=body)

    def client(self, provider: Provider | Sequence[Provider] = ACE, **settings: Any) -> AsyncKimi:
        """A client that talks to this host alone."""
        defaults: dict[str, Any] = {
            "model": "kimi-k2.6",
            "retries": Retries.none(),
            "http_client": httpx.AsyncClient(transport=self),
        }
        return AsyncKimi(provider, **(defaults | settings))


async def no_answer() -> httpx.Response:
    """What a server that says nothing gives."""
    while True:
        await anyio.sleep_forever()


async def break_at_once(events: AsyncIterator[object]) -> None:
    """Leave a loop over *events* at the first one."""
    async for _ in events:
        break


async def fail_at_once(events: AsyncIterator[object]) -> None:
    """Raise ``KeyError`` in the body of a loop over *events*."""
    async for _ in events:
        raise KeyError


def sse(*events: str) -> bytes:
    """Events of a stream, each with the given data."""
    return "".join(f"data: {event}\n\n" for event in events).encode()


def delta(content: str | None = None, *, finish: str | None = None, **more: object) -> str:
    """The data of one chunk of choice 0."""
    said = {**({} if content is None else {"content": content}), **more}
    chunk = {"id": "c1", "model": "m", "created": 7}
    return msgspec.json.encode(
        {**chunk, "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}
    ).decode()


USAGE = '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'

#: "Hello" in two pieces, whole in every way.
HELLO = sse(
    delta("", role="assistant"), delta("Hel"), delta("lo"), delta(finish="stop"), USAGE, "[DONE]"
)
