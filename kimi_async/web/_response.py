"""Stream a reply as a response of Starlette."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kimi_async.web._body import asgi_body
from kimi_async.web._exchange import Exchange, checked_keep_alive

try:
    from starlette.responses import Response
except ImportError as error:
    raise ImportError(
        "ReplyResponse needs Starlette: pip install 'kimi-async[web]'; asgi_body() works without it"
    ) from error

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.types import Receive, Scope, Send

    from kimi_async.web._formats import Format
    from kimi_async.web._reader import Streamed

__all__ = ["ReplyResponse"]


class ReplyResponse(Response):
    """Stream a reply to a browser; for Starlette, FastAPI and what stands on them.

    Nothing is sent to the provider before the response starts. A failure before the first output is an HTTP status
    with a JSON body and, if a wait helps, ``Retry-After``. After the first output the status is 200, and the end of
    the body tells the outcome. If the browser leaves, the request to the provider is closed at once. A HEAD request
    gets the headers only, and nothing is sent to the provider.

    The page Streaming in FastAPI has the table of statuses and the end of each format.

    Args:
        stream: The result of ``client.stream()``, ``client.run()`` or ``client.stream_parse()``, not read yet.
        format: ``"text"`` is the answer as plain text. ``"events"`` is our events as JSON in server-sent events,
            ``"openai"`` the chunks of OpenAI, ``"ai-sdk"`` the UI message stream of the AI SDK.
        keep_alive: The longest silence in seconds after the first output; a comment is sent before. ``None`` for any
            silence. The format ``"text"`` has no comments.
        headers: More headers for a response with a body.
        background: A task of Starlette to run after the response.

    Raises:
        ConfigurationError: An argument is none of these.
        RuntimeError: *stream* was read or closed before, or has another response.
    """

    def __init__(
        self,
        stream: Streamed,
        format: Format = "text",
        keep_alive: float | None = 15.0,
        *,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        # Not super().__init__(): it renders a body and gives it a length.
        self._reply = asgi_body(stream, format)
        self._is_sent = False
        self._keep_alive = checked_keep_alive(keep_alive)
        self.status_code = 200
        self.background = background
        own = {name.lower(): value for name, value in (headers or {}).items()}
        self.init_headers({**self._reply.headers, **own})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of ASGI.

        Raises:
            RuntimeError: The response was sent before, or its stream was read or closed in the meantime.
        """
        if self._is_sent:
            raise RuntimeError("this response was sent before; make a new one for each request")
        self._is_sent = True
        exchange = Exchange(
            self._reply,
            (self.status_code, self.raw_headers),
            self._keep_alive,
            is_head=scope.get("method") == "HEAD",
            receive=receive,
            send=send,
        )
        await exchange.run()
        if self.background is not None:
            await self.background()
