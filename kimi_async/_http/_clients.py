"""The HTTP clients that a request can go over: those of httpx, of httpx over aiohttp, and any with the same methods.

httpx is imported with the first of ours, which is made in a thread for that reason: it is two thirds of what ``import
kimi_async`` would take, and what it imports itself at its first client takes as long again. ``ssl`` comes with it. A
program that passes an httpx2 client never loads httpx.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from kimi_async._errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

    import httpx

    from kimi_async._http._aiohttp import AiohttpClient

__all__ = ["HttpClient", "HttpResponse", "aiohttp_client", "checked_client", "http_client"]

#: A server on this machine, such as a fake one, is never reached through the proxy of the environment.
_NOT_PROXIED: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class HttpRequest(Protocol):
    """The part of an ``httpx.Request``, or of one of httpx2, that is used."""

    @property
    def extensions(self) -> MutableMapping[str, Any]:
        """The extensions of the request, which hold its time limits."""
        ...


class HttpResponse(Protocol):
    """The part of an ``httpx.Response``, or of one of httpx2, that is used."""

    @property
    def status_code(self) -> int:
        """The status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    @property
    def http_version(self) -> str:
        """The version of HTTP, such as ``"HTTP/1.1"``."""
        ...

    @property
    def extensions(self) -> Mapping[str, Any]:
        """The socket, or the body that one of our connections reads, where the engine gives it."""
        ...

    @property
    def stream(self) -> object:
        """The body, in the pieces that arrive."""
        ...

    async def aclose(self) -> None:
        """End the response."""
        ...


class HttpClient(Protocol):
    """The part of an ``httpx.AsyncClient`` or an ``httpx2.AsyncClient`` that is used; any object with it is taken."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        ...

    def build_request(
        self, method: str, url: str, *, content: bytes, headers: dict[str, str]
    ) -> HttpRequest:
        """Make a request."""
        ...

    # Any, because each client takes the requests that it made itself and no others.
    async def send(
        self, request: Any, *, stream: bool, auth: None, follow_redirects: bool
    ) -> HttpResponse:
        """Send it, and return when the headers of the response are there."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


def checked_client(given: HttpClient | None) -> HttpClient | None:
    """Return the setting ``http_client`` if it can be one.

    Raises:
        ConfigurationError: It is another kind of client, such as a sync one, or no client.
    """
    has_methods = all(hasattr(given, name) for name in ("aclose", "build_request", "send"))
    if given is None or (has_methods and not isinstance(given, type)):
        return given
    raise ConfigurationError(
        "http_client must be an httpx.AsyncClient or the result of http_client() or aiohttp_client(), not "
        f"{type(given).__name__}"
    )


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context of every client that we make; building one takes 50 ms and more, so it is built once.

    Raises:
        ConfigurationError: The certificates that the environment names cannot be read.
    """
    import httpx

    with contextlib.suppress(OSError):  # of TLS too
        return httpx.create_ssl_context()
    raise ConfigurationError(
        "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read; correct or unset them, or give "
        "an ssl.SSLContext as verify= of http_client()"
    )


def _tls_of(verify: bool | ssl.SSLContext) -> ssl.SSLContext:
    if verify is True:
        return tls_context()
    import ssl

    if isinstance(verify, ssl.SSLContext):
        return verify
    if verify is not False:
        raise ConfigurationError(
            f"verify must be True, False or an ssl.SSLContext, not {type(verify).__name__}; for a file of certificates "
            "give ssl.create_default_context(cafile=...)"
        )
    import httpx

    return httpx.create_ssl_context(verify=False)


def http_client(
    *,
    proxy: str | None = None,
    verify: bool | ssl.SSLContext = True,
    trust_env: bool = True,
) -> httpx.AsyncClient:
    """Make the HTTP client that ``AsyncKimi`` makes by itself, with a proxy or other TLS settings.

    For ``AsyncKimi(http_client=...)``; the caller closes it, on the event loop that used it. It sends HTTP/1.1 over
    connections of our own, with a fraction of the work of an ``httpx.AsyncClient``. It sets no limit on connections or
    time, follows no redirects and keeps no cookies. A request through a proxy takes httpx's own way, and so does every
    request while a tool for tests or tracing, such as respx, has patched httpx or httpcore.

    Args:
        proxy: URL of a proxy for all requests.
        verify: ``True`` checks certificates against the common authorities, an ``ssl.SSLContext`` as it says;
            ``False`` checks nothing, and then anyone on the way can read the key.
        trust_env: Whether ``HTTPS_PROXY`` and its kind are honoured.

    Raises:
        ConfigurationError: The proxy, a proxy or an exception of the environment, or the certificates that the
            environment names, cannot be used.
    """
    from kimi_async._http._own_client import OwnClient, environment_proxies
    from kimi_async._http._proxies import checked_proxy, is_url

    proxies: dict[str, str | None] = environment_proxies() if trust_env and proxy is None else {}
    if proxy is not None:
        proxies["all://"] = checked_proxy(proxy, "proxy", has_socks=True)
    for pattern, url in proxies.items():
        if url is not None:
            checked_proxy(url, f"{pattern[:-3].upper()}_PROXY", has_socks=True)
        elif not is_url(pattern):
            raise ConfigurationError(
                "an entry of NO_PROXY is not a host; write names in ASCII (xn--...), ports as numbers, addresses of "
                "IPv6 without brackets, and commas between the entries"
            )
    return OwnClient(_tls_of(verify), proxies | dict.fromkeys(_NOT_PROXIED))


def aiohttp_client(
    *,
    proxy: str | None = None,
    verify: bool | ssl.SSLContext = True,
    trust_env: bool = True,
) -> AiohttpClient:
    """Make an HTTP client like that of :func:`http_client` which reads and writes with aiohttp: less work for a read.

    For ``AsyncKimi(http_client=...)`` only. The caller closes it, with ``async with`` or ``await aclose()``, on the
    event loop that used it. Needs the extra ``kimi-async[aiohttp]``. For asyncio (and uvloop), HTTP/1.1 and HTTP
    proxies only. While a tool for tests or tracing has patched httpx, such as respx, requests take the way of
    :func:`http_client`.

    Args:
        proxy: As of :func:`http_client`.
        verify: As of :func:`http_client`.
        trust_env: As of :func:`http_client`.

    Raises:
        ConfigurationError: The extra is not installed, or the proxy is one that aiohttp cannot use. On trio it is
            raised by the first request.
    """
    try:
        from kimi_async._http._aiohttp import AiohttpClient
    except ImportError:
        raise ConfigurationError(
            'aiohttp_client() needs an extra: pip install "kimi-async[aiohttp]"'
        ) from None
    from kimi_async._http._own_transport import KEEPALIVE_SECONDS
    from kimi_async._http._proxies import Proxies

    make_plain = functools.partial(http_client, proxy=proxy, verify=verify, trust_env=trust_env)
    proxies = Proxies(proxy, trust_env=trust_env)
    return AiohttpClient(_tls_of(verify), proxies, KEEPALIVE_SECONDS, make_plain)
