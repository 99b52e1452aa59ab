"""The HTTP clients that a caller makes: limits, certificates and proxies."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest
from fake_host import ACE, HELLO, FakeHost

import kimi_async as kimi
from kimi_async import (
    AsyncKimi,
)

pytestmark = pytest.mark.anyio


async def test_an_http_client_has_no_limits_of_its_own_and_follows_nothing() -> None:
    async with kimi.http_client() as http:
        assert http.timeout == httpx.Timeout(None)
        assert not http.follow_redirects
        assert http.trust_env
        host = FakeHost([HELLO])
        http._transport = host
        assert (await AsyncKimi(ACE, model="m", http_client=http).chat("Hi")).text == "Hello"
        assert not http.is_closed


SYNC = httpx.Client(transport=httpx.HTTPTransport(verify=False))


@pytest.mark.parametrize(
    "given",
    [5, httpx.AsyncClient, SYNC, FakeHost()],
    ids=["number", "class", "sync", "transport"],
)
def test_any_other_client_is_refused(given: Any) -> None:
    """The response of a sync one cannot be awaited."""
    with pytest.raises(
        kimi.ConfigurationError, match=r"must be an httpx\.AsyncClient or the result"
    ):
        AsyncKimi(ACE, model="m", http_client=given)


VERIFIED: dict[str, tuple[dict[str, Any], ssl.VerifyMode]] = {
    "default": ({}, ssl.CERT_REQUIRED),
    "true": ({"verify": True}, ssl.CERT_REQUIRED),
    "false": ({"verify": False}, ssl.CERT_NONE),
    "context": ({"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, ssl.CERT_REQUIRED),
}


@pytest.mark.parametrize(("settings", "mode"), VERIFIED.values(), ids=VERIFIED)
async def test_certificates_are_checked_as_asked(
    settings: dict[str, Any], mode: ssl.VerifyMode
) -> None:
    async with kimi.http_client(**settings) as http:
        context = transport_of(http)._tls
        assert context.verify_mode == mode
        assert settings.get("verify") in {True, False, None, context}


def transport_of(http: httpx.AsyncClient) -> Any:
    """The transport that a request goes through."""
    return http._transport_for_url(httpx.URL("https://host.test"))


async def test_the_pool_behind_a_proxy_has_no_limit() -> None:
    async with kimi.http_client(proxy=PROXY) as http:
        pool = transport_of(http)._pool
        assert pool._max_connections == pool._max_keepalive_connections
        assert pool._max_connections > 1_000_000
        assert pool._keepalive_expiry == 30


PROXY = "http://proxy.test:3128"
# The settings, HTTPS_PROXY, and the proxy that is used.
PROXIES: dict[str, tuple[dict[str, Any], str | None, bytes | None]] = {
    "none": ({}, None, None),
    "given": ({"proxy": PROXY}, None, b"proxy.test"),
    "of-the-environment": ({}, "http://theirs.test:3128", b"theirs.test"),
    "given-wins": ({"proxy": PROXY}, "http://theirs.test:3128", b"proxy.test"),
    "environment-not-trusted": ({"trust_env": False}, "http://theirs.test:3128", None),
}


@pytest.mark.parametrize(("settings", "variable", "proxy"), PROXIES.values(), ids=PROXIES)
async def test_a_proxy_is_used_as_asked(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    variable: str | None,
    proxy: bytes | None,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    if variable is not None:
        monkeypatch.setenv("HTTPS_PROXY", variable)
    async with kimi.http_client(**settings) as http:
        pool = getattr(transport_of(http), "_pool", None)
        used = getattr(pool, "_proxy_url", None)
        assert getattr(used, "host", None) == proxy
