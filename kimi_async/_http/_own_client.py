"""The ``httpx.AsyncClient`` that sends over connections of ours; imported when one is made."""

from __future__ import annotations

import functools
import ipaddress
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar, Final, final
from urllib.request import getproxies

import httpx

from kimi_async._http._careful import send_carefully
from kimi_async._http._own_transport import KEEPALIVE_SECONDS, OwnTransport

__all__ = ["JarlessClient", "OwnClient", "environment_proxies"]

_LIMITS: Final = httpx.Limits(
    max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS
)


class JarlessClient(httpx.AsyncClient):
    """Keeps no cookie of a response: it would be sent along with requests that have another key."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._sent_cookies = _SentCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies that were set here; they are sent with each request."""
        return self._sent_cookies

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        self._sent_cookies = _SentCookies(cookies)


class _SentCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep none."""


@final
class OwnClient(JarlessClient):
    """Sends over connections of ours, and over httpx's own transports where a proxy is in between.

    Args:
        tls: For ``https``.
        proxies: The URL of a proxy for each pattern of ``mounts=``; ``None`` stands for no proxy.

    Attributes:
        leaves_nothing_open: A request that is cancelled, however often, closes every socket that it has opened.
    """

    leaves_nothing_open: ClassVar[bool] = True

    def __init__(self, tls: ssl.SSLContext, proxies: Mapping[str, str | None]) -> None:
        super().__init__(
            transport=OwnTransport(tls, _Careful(tls)),
            mounts={
                pattern: None if proxy is None else _Careful(tls, proxy)
                for pattern, proxy in proxies.items()
            },
            timeout=None,
            follow_redirects=False,
        )

    def build_request(self, method: str, url: httpx.URL | str, **settings: Any) -> httpx.Request:
        """Make a request; to parse the same URL each time takes 30 us."""
        return super().build_request(method, _parsed(url), **settings)


_parsed: Final = functools.lru_cache(maxsize=64)(httpx.URL)


class _Careful(httpx.AsyncHTTPTransport):
    """The transport of httpx, which a cancelled request leaves without open sockets."""

    def __init__(self, tls: ssl.SSLContext, proxy: str | None = None) -> None:
        super().__init__(verify=tls, limits=_LIMITS, proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        send = functools.partial(super().handle_async_request, request)
        return await send_carefully(send, request.extensions)


def environment_proxies() -> dict[str, str | None]:
    """Return the proxies of the environment, by patterns of ``mounts=``, as httpx reads them.

    httpx leaves them out for a client that is given a transport.
    """
    found = getproxies()
    exceptions = [name for part in found.get("no", "").split(",") if (name := part.strip())]
    if "*" in exceptions:
        return {}
    proxies: dict[str, str | None] = {
        f"{scheme}://": url if "://" in url else f"http://{url}"
        for scheme in ("http", "https", "all")
        if (url := found.get(scheme))
    }
    return proxies | dict.fromkeys(map(_pattern_of, exceptions))


def _pattern_of(name: str) -> str:
    """Return the pattern for *name* of ``NO_PROXY``: a URL, an address, or the end of a host's name."""
    if "://" in name:
        return name
    try:
        address = ipaddress.ip_address(name.partition("/")[0])
    except ValueError:
        is_whole = name.lower() == "localhost"
        return f"all://{name}" if is_whole else f"all://*{name}"
    return f"all://[{name}]" if address.version == 6 else f"all://{name}"
