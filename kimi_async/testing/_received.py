"""The log of a fake: the requests as they arrived, and their messages as values. Pure."""

from __future__ import annotations

import json
from typing import Any

import httpx
from attrs import frozen

from kimi_async import Message
from kimi_async._request._message_values import message_of
from kimi_async.testing._wire import ProviderName

__all__ = ["ReceivedRequest", "log_line"]


@frozen(kw_only=True)
class ReceivedRequest:
    """One request as it reached a fake. The ``repr`` shows no key.

    Attributes:
        method: The HTTP method.
        path: The path, with the query if there is one.
        headers: The headers; upper and lower case are the same. They do hold the key.
        body: The JSON body; ``None`` if there is none or it is not JSON.
        provider: The wire that the path belongs to; ``None`` if none.
        connection: The connection that carried it, counted from 1; 0 where there are none (respx).
    """

    method: str
    path: str
    # The repr of httpx.Headers masks authorization.
    headers: httpx.Headers
    body: Any
    provider: ProviderName | None
    connection: int

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of the body as values; a message that is not a JSON object is left out."""
        messages = self.body.get("messages") if isinstance(self.body, dict) else None
        return tuple(map(message_of, _objects(messages)))


def _objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list of JSON; no other value has any."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def log_line(request: ReceivedRequest, status: int, seconds: float) -> str:
    """Return one line about an answer, with nothing of the messages, the key or the query in it."""
    body = request.body if isinstance(request.body, dict) else {}
    model = body.get("model")
    said = [
        f"{request.method} {request.path.partition('?')[0]} {status}",
        f"provider={request.provider}",
        # As JSON, so that a name with control characters cannot change the terminal.
        f"model={json.dumps(model[:60])}" if isinstance(model, str) else "",
        "stream" if body.get("stream") is True else "",
        f"messages={len(request.messages)}",
        f"{seconds:.2f}s",
    ]
    return " ".join(filter(None, said))
