"""Turn an exception of an HTTP client into an error of ours, by the name of its type: httpx2 has the names of httpx."""

from __future__ import annotations

from typing import Final

from kimi_async._errors import (
    ConnectTimeout,
    FirstOutputTimeout,
    KimiError,
    KimiTimeoutError,
    TransportError,
    WriteTimeout,
)
from kimi_async._providers import Provider
from kimi_async._settings import Timeouts

__all__ = ["READ_TIMEOUTS", "describe", "names_of", "proxy_refused", "send_failure"]

#: The names of httpx and httpx2, and of aiohttp.
READ_TIMEOUTS: Final = frozenset({"ReadTimeout", "SocketTimeoutError"})
_NOT_CONNECTED: Final = frozenset(
    {"ConnectError", "UnsupportedProtocol", "ClientConnectorError", "InvalidURL"}
)
_PROXY_REFUSED: Final = frozenset({"ProxyError", "ClientHttpProxyError"})


def send_failure(error: Exception, timeouts: Timeouts, provider: Provider) -> KimiError:
    """Return our error for one that the HTTP client raised before the response headers."""
    if isinstance(error, KimiError):  # an engine of ours refused
        return error.with_traceback(None)
    names, cause = names_of(error), describe(error, provider)
    timeout: tuple[type[KimiTimeoutError], float | None, str] | None = None
    if names & {"ConnectTimeout", "ConnectionTimeoutError"}:
        timeout = (ConnectTimeout, timeouts.connect, "connecting")
    elif "WriteTimeout" in names:
        timeout = (WriteTimeout, timeouts.write, "sending")
    elif names & READ_TIMEOUTS:
        timeout = (FirstOutputTimeout, timeouts.first_output, "waiting for the first output")
    if timeout is not None:
        kind, seconds, stage = timeout
        return kind(seconds or 0.0, stage=stage, cause=cause)
    if names & _PROXY_REFUSED:
        return proxy_refused(cause)
    if names & _NOT_CONNECTED:
        return TransportError("no connection could be made", stage="connecting", cause=cause)
    if names & {"WriteError", "LocalProtocolError"}:
        return TransportError("the request could not be sent", stage="sending", cause=cause)
    return TransportError(
        "the connection broke before the reply began",
        stage="waiting for the first output",
        cause=cause,
    )


def proxy_refused(cause: str) -> TransportError:
    """Return the error for a request that a proxy refused; *cause* is the answer of the proxy."""
    return TransportError(
        "the proxy refused the request; check the proxy and the user and password in its URL",
        stage="connecting",
        cause=cause,
    )


def names_of(error: Exception) -> set[str]:
    """Return the names of the type of *error* and of its bases, because httpx2 shares only the names with httpx."""
    return {kind.__name__ for kind in type(_origin(error)).__mro__}


def _origin(error: Exception) -> BaseException:
    """Return the error of aiohttp that *error* comes from, if any.

    httpx-aiohttp 0.2.0 makes a ``ConnectTimeout`` of a broken connection.
    """
    cause = error.__cause__
    return cause if type(cause).__module__.partition(".")[0] == "aiohttp" and cause else error


def describe(error: Exception, provider: Provider) -> str:
    """Return the type and text of a foreign exception: addresses and protocol states.

    The text of a local protocol error is left out, because it quotes a header of ours. That of a remote one may quote a
    header in which the host has echoed the key.
    """
    origin = _origin(error)
    said = "" if "LocalProtocolError" in names_of(error) else " ".join(str(origin).split())
    text = provider.without_key(said)[:200]
    kind = type(origin)
    return f"{kind.__module__.split('.')[0]}.{kind.__name__}" + (f": {text}" if text else "")
