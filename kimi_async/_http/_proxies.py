"""Choose the proxy of a request, and refuse the URL of a proxy that cannot be used."""

from __future__ import annotations

import base64
import functools
import importlib.util
from collections.abc import Mapping
from typing import Final, final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import getproxies

from attrs import frozen

from kimi_async._errors import ConfigurationError

__all__ = ["Proxies", "Proxy", "checked_proxy", "is_url"]

_HTTP: Final = frozenset({"http", "https"})
_SOCKS: Final = frozenset({"socks5", "socks5h"})
_SCHEMES: Final = ("http", "https", "all")


def checked_proxy(url: str, where: str, *, has_socks: bool) -> str:
    """Return the URL of a proxy, with ``http://`` in front where it has no scheme.

    Args:
        url: As the caller or the environment gives it. It may hold a password, so no error quotes it.
        where: Where it was given, for the error.
        has_socks: Whether the HTTP client can use SOCKS proxies if the package socksio is installed.

    Raises:
        ConfigurationError: It is not a text or not a URL, or its scheme cannot be used.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"{where} must be the URL of a proxy, not {type(url).__name__}")
    whole = url if "://" in url else f"http://{url}"
    parts = _parts_of(whole, where)
    if parts.scheme in _HTTP:
        return whole
    if parts.scheme not in _SOCKS:
        instead = "; write socks5:// for a SOCKS proxy" if parts.scheme.startswith("socks") else ""
        raise ConfigurationError(
            f"{where} has the scheme {parts.scheme[:20]!r}; a proxy has http, https, socks5 or socks5h{instead}"
        )
    if not has_socks:
        raise ConfigurationError(
            f"{where} is a SOCKS proxy, and aiohttp uses HTTP proxies only; use http_client() for it"
        )
    if importlib.util.find_spec("socksio") is None:
        raise ConfigurationError(
            f'{where} is a SOCKS proxy, which needs a package: pip install "httpx[socks]"'
        )
    return whole


def _parts_of(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0 and url.isprintable() and is_url(url):
            return parts
    except ValueError:
        pass  # it quotes the URL
    raise ConfigurationError(
        f"{where} is not the URL of a proxy; expected scheme://host:port, such as http://127.0.0.1:3128"
    )


def is_url(text: str) -> bool:
    """Return whether httpx takes *text* for a URL; it refuses some names of hosts that Python takes."""
    import httpx

    try:
        httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    return True


@frozen
class Proxy:
    """One HTTP proxy.

    Attributes:
        url: Its URL, without user and password.
        headers: The headers for it: user and password, if the URL had them.
    """

    url: str
    headers: Mapping[str, str]


@final
class Proxies:
    """The HTTP proxy for each host, as the caller and the environment say.

    A server on this machine, such as a fake one, is never reached through a proxy.

    Args:
        proxy: The URL of a proxy for all requests.
        trust_env: Whether ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are honoured; they are read
            here, once.

    Raises:
        ConfigurationError: The URL of a proxy cannot be used.
    """

    def __init__(self, proxy: str | None, *, trust_env: bool) -> None:
        environment = getproxies() if trust_env and proxy is None else {}
        given = {name: url for name in _SCHEMES if (url := environment.get(name))}
        named = (name.strip().lower() for name in environment.get("no", "").split(","))
        self._exceptions = [name.lstrip(".") for name in named if name]
        self._by_scheme = {
            name: _proxy_of(checked_proxy(url, f"{name.upper()}_PROXY", has_socks=False))
            for name, url in given.items()
        }
        if proxy is not None:
            self._by_scheme["all"] = _proxy_of(checked_proxy(proxy, "proxy", has_socks=False))
        #: The answer for a host stays; a client talks to few of them.
        self.for_host = functools.lru_cache(maxsize=64)(self._for_host)

    def _for_host(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        """Return the proxy for requests to *host*, or ``None`` for no proxy."""
        proxy = self._by_scheme.get(scheme) or self._by_scheme.get("all")
        if proxy is None or _is_this_machine(host):
            return None
        return None if self._is_excepted(host.lower(), port) else proxy

    def _is_excepted(self, host: str, port: int | None) -> bool:
        """Return whether ``NO_PROXY`` names the host, a domain that it belongs to, or everything."""
        names = f".{host}", f".{host}:{port}"
        return any(
            exception == "*" or any(name.endswith(f".{exception}") for name in names)
            for exception in self._exceptions
        )


def _is_this_machine(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"}


def _proxy_of(url: str) -> Proxy:
    parts = urlsplit(url)
    user, at, address = parts.netloc.rpartition("@")
    if not at:
        return Proxy(url, {})
    name, _, password = user.partition(":")
    secret = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    bare = urlunsplit(parts._replace(netloc=address))
    return Proxy(bare, {"proxy-authorization": f"Basic {secret}"})
