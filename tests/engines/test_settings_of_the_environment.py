"""Proxies and certificates of the environment that cannot be used are errors of ours, with advice."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from engines import ENGINES, OUR_ENGINES

import kimi_async as kimi
from kimi_async import AceDataCloud, AsyncKimi
from kimi_async._http import _clients

on_each_engine = pytest.mark.parametrize("engine", OUR_ENGINES)

PROXIES = {
    "socks": "socks://127.0.0.1:7890/",
    "socks5": "socks5://127.0.0.1:7890",
    "ftp": "ftp://127.0.0.1",
    "no-port": "http://127.0.0.1:port",
    "no-address": "http://[127.0.0.1",
    "no-host": "http://",
}


@pytest.fixture(autouse=True)
def no_certificates_kept() -> Iterator[None]:
    _clients.tls_context.cache_clear()
    yield
    _clients.tls_context.cache_clear()


def _nothing(_: str) -> None:
    """No package is installed."""


@on_each_engine
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", ""])
@pytest.mark.parametrize("url", PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_cannot_be_used(
    url: str, variable: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", _nothing)
    if variable:
        monkeypatch.setenv(variable, url)
    with pytest.raises(kimi.ConfigurationError, match=variable or "proxy") as caught:
        ENGINES[engine](**({} if variable else {"proxy": url}))
    assert caught.value.__context__ is None
    assert not caught.value.retryable


@on_each_engine
@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "no-certificate"])
def test_certificates_that_cannot_be_read(
    content: str | None,
    engine: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("certificates") / "ca.pem"
    if content is not None:
        path.write_text(content, "utf-8")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(kimi.ConfigurationError, match="SSL_CERT_FILE") as caught:
        ENGINES[engine]()
    assert caught.value.__context__ is None


@pytest.mark.anyio
async def test_the_default_client_says_so_with_its_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXIES["socks"])
    async with AsyncKimi(
        AceDataCloud("test-key"), model="m", retries=kimi.Retries.none()
    ) as client:
        with pytest.raises(kimi.ConfigurationError, match="write socks5://") as caught:
            await client.chat("Hi")
    assert caught.value.__context__ is None
