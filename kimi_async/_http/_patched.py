"""Tell whether a tool for tests or for tracing has replaced a function of httpx or httpcore.

respx, pytest-httpx, vcrpy, opentelemetry-instrumentation-httpx and Sentry replace functions of these two packages, to
answer a request themselves or to look at it. A client of ours that does not call those functions would send to the real
network from a test. So it asks here before each request, and sends over httpx itself if the answer is yes.
"""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Final

import httpcore
import httpx

__all__ = ["transports_are_patched", "way_is_patched"]

#: The method by which an ``httpx.AsyncClient`` chooses its transport; respx replaces this private one.
_CHOOSES: Final = "_transport_for_url"


def transports_are_patched() -> bool:
    """Return whether a request must take httpx's own transport; for a client of ours that is a transport of httpx."""
    return _is_foreign(httpx.AsyncHTTPTransport.handle_async_request, "httpx") or _is_foreign(
        httpcore.AsyncConnectionPool.handle_async_request, "httpcore"
    )


def way_is_patched() -> bool:
    """Return whether a request must take an ``httpx.AsyncClient``; for a client of ours that does not use httpx."""
    return (
        transports_are_patched()
        or _is_foreign(httpx.AsyncClient.send, "httpx")
        or _is_foreign(getattr(httpx.AsyncClient, _CHOOSES), "httpx")
    )


def _is_foreign(function: object, package: str) -> bool:
    # The type first, and without the cache: a wrapper of wrapt, as OpenTelemetry makes them, equals its original.
    return type(function) is not FunctionType or _home_of(function) != package


# 0.1 us in place of 0.7; small, because it keeps the replacements alive.
@functools.lru_cache(maxsize=16)
def _home_of(function: FunctionType) -> str:
    # The module in which the code was written. To compare with a copy of the original would be wrong if the tool was
    # imported first, and functools.wraps and mock.patch give the replacement the names of the original.
    return str(function.__globals__.get("__name__")).partition(".")[0]
