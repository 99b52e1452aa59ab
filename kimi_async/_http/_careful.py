"""Send over HTTP clients that are not ours, so that a cancelled request leaves nothing open.

httpx over httpcore 1.0.9 needs this twice. A second ``task.cancel()`` interrupts the closing that httpcore does on the
first one, so a request runs in a task of its own that sees one cancellation at most. And a connection that is cancelled
between "connected" and "sent" is never closed (119 of 3,000 chats under short time limits), so the trace events of
httpcore tell which sockets a request has opened. Our own connections need neither.

The same events tell when a proxy is asked to connect to the host. httpcore waits for its answer as long as for the
answer of the host, and without end for that of a SOCKS proxy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from typing import Any, Final, Protocol, TypeVar

import anyio

from kimi_async._errors import ConnectTimeout
from kimi_async._http._cancellation import run_cancellable_once

__all__ = ["send_carefully"]


class _Closable(Protocol):
    async def aclose(self) -> None: ...


R = TypeVar("R", bound=_Closable)


async def send_carefully(
    send: Callable[[], Coroutine[Any, Any, R]], extensions: MutableMapping[str, Any]
) -> R:
    """Return the response that *send* returns.

    Args:
        send: Sends a request.
        extensions: Those of that request.

    Raises:
        ConnectTimeout: A proxy did not connect to the host in time.
        Exception: Anything that *send* raises.
    """
    limits: Mapping[str, float | None] = extensions.get("timeout", {})
    opened = _Opened(limits.get("connect"))
    extensions["trace"] = opened.trace
    with opened.scope:
        return await run_cancellable_once(send, discard=_close, abandon=opened.aclose)
    raise ConnectTimeout(opened.seconds, stage="connecting", cause="the proxy does not answer")


async def _close(response: _Closable) -> None:
    await response.aclose()


#: The ends of the names of events.
_OPENED: Final = (".connect_tcp.complete", ".start_tls.complete")
_SOCKS_ASKED: Final = ".setup_socks5_connection.started"
_ASKED: Final = ".send_request_headers.started"
_ANSWERED: Final = (".receive_response_headers.complete", ".setup_socks5_connection.complete")


class _Opened:
    """The sockets that one request has opened, by the events of httpcore; aiohttp tells of none, and closes its own.

    Args:
        seconds: The time for a proxy to connect to the host; ``None`` for no limit.

    Attributes:
        scope: Cancelled when that time has run out.
        seconds: That time.
    """

    def __init__(self, seconds: float | None) -> None:
        self._streams: list[Any] = []
        self.seconds = math.inf if seconds is None else seconds
        self.scope = anyio.CancelScope()

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore for everything it does."""
        if event.endswith(_OPENED):
            self._streams.append(info["return_value"])
        elif event.endswith(_SOCKS_ASKED) or (
            event.endswith(_ASKED) and info["request"].method == b"CONNECT"
        ):
            self.scope.deadline = anyio.current_time() + self.seconds
        elif event.endswith(_ANSWERED):
            self.scope.deadline = math.inf

    async def aclose(self) -> None:
        """Close them all; to close one again does no harm."""
        for stream in reversed(self._streams):
            await stream.aclose()
