"""The other end of a response over ASGI, and a provider for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from kimi_async.testing import FakeTransport, ReceivedRequest, ScriptedReply
from kimi_async.web import ReplyResponse

__all__ = ["Browser", "over"]


class Browser:
    """The other end of ASGI: it keeps the messages and their times, and can leave."""

    def __init__(self, on_message: Callable[[Browser], float] = lambda browser: 0.0) -> None:
        self.messages: list[dict[str, Any]] = []
        self.times: list[float] = []
        self._on_message = on_message
        self._has_left = anyio.Event()
        self._has_asked = False
        self._sends = 0
        self.most_sends_at_once = 0

    async def receive(self) -> dict[str, Any]:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        self.times.append(anyio.current_time())
        self._sends += 1
        self.most_sends_at_once = max(self.most_sends_at_once, self._sends)
        await anyio.sleep(self._on_message(self))
        self._sends -= 1

    def leave(self) -> None:
        self._has_left.set()

    async def ask(self, response: ReplyResponse, method: str = "GET") -> None:
        await response({"type": "http", "method": method}, self.receive, self.send)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])


def over(reply: ScriptedReply) -> FakeTransport:
    """Return a provider that gives *reply* to each request, however often it is sent."""

    def script(request: ReceivedRequest) -> ScriptedReply:
        return reply

    return FakeTransport(script)
