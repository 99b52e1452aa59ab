"""Replies as HTTP responses: :class:`ReplyResponse` for Starlette and FastAPI, :func:`asgi_body` for other frameworks.

The page Streaming in FastAPI describes the formats, the statuses of errors and the end of each format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kimi_async.web._body import ReplyBody, asgi_body
from kimi_async.web._formats import Format
from kimi_async.web._problems import ErrorAnswer, error_answer
from kimi_async.web._reader import Streamed

if TYPE_CHECKING:
    from kimi_async.web._response import ReplyResponse

__all__ = [
    "ErrorAnswer",
    "Format",
    "ReplyBody",
    "ReplyResponse",
    "Streamed",
    "asgi_body",
    "error_answer",
]


def __getattr__(name: str) -> object:
    # Only this class needs Starlette, which is an extra.
    if name == "ReplyResponse":
        from kimi_async.web._response import ReplyResponse

        return ReplyResponse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
