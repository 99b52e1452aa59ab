"""Tell whether a tool for tests or for tracing has replaced a function of httpx or httpcore.

respx, pytest-httpx, vcrpy, opentelemetry-instrumentation-httpx and Sentry replace functions of these two packages, to
answer a request themselves or to look at it. An engine of ours that does not go through those functions would send to
the real network from somebody's test. So it asks here before each request, and takes httpx's own way where the answer
is yes.
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
    """Return whether a request must take httpx's own transport; for an engine that is itself a transport of httpx."""
    return _is_foreign(httpx.AsyncHTTPTransport.handle_async_request, "httpx") or _is_foreign(
        httpcore.AsyncConnectionPool.handle_async_request, "httpcore"
    )


def way_is_patched() -> bool:
    """Return whether a request must take an ``httpx.AsyncClient``; for an engine that does not use httpx at all."""
    return (
        transports_are_patched()
        or _is_foreign(httpx.AsyncClient.send, "httpx")
        or _is_foreign(getattr(httpx.AsyncClient, _CHOOSES), "httpx")
    )


def _is_foreign(function: object, package: str) -> bool:
    # The type first, and without the cache: a wrapper of wrapt, as OpenTelemetry makes them, equals its original.
    return type(function) is not FunctionType or _home_of(function) != package


@functools.lru_cache(
    maxsize=16
)  # 0.1 us in place of 0.7; small, because it keeps the replacements alive
def _home_of(function: FunctionType) -> str:
    # The module in which the code was written tells. A copy of the original, kept since the import, is wrong when the
    # tool came first; and functools.wraps and mock.patch give the replacement the names of the original.
    return str(function.__globals__.get("__name__")).partition(".")[0]
