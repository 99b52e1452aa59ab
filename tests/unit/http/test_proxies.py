"""The proxy of each host, and the URLs of proxies that cannot be used."""

from __future__ import annotations

import base64
import importlib.util
import ssl
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kimi_async as kimi
from kimi_async._http._proxies import Proxies, checked_proxy

PROXY = "http://proxy.test:3128"
TLS = ssl.create_default_context()
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def url_for(proxies: Proxies, scheme: str, host: str, port: int | None = None) -> str | None:
    proxy = proxies.for_host(scheme, host, port)
    return None if proxy is None else proxy.url


def test_a_given_proxy_has_all_requests_but_those_to_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://other.test")
    monkeypatch.setenv("NO_PROXY", "*")
    proxies = Proxies(PROXY, trust_env=True)
    assert url_for(proxies, "https", "api.test") == url_for(proxies, "http", "api.test") == PROXY
    for host in ("127.0.0.1", "localhost", "::1"):
        assert url_for(proxies, "http", host, 8000) is None


def test_the_environment_names_a_proxy_for_each_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "secure.test:3128")
    monkeypatch.setenv("ALL_PROXY", PROXY)
    proxies = Proxies(None, trust_env=True)
    assert url_for(proxies, "https", "api.test") == "http://secure.test:3128"
    assert url_for(proxies, "http", "api.test") == PROXY
    assert url_for(Proxies(None, trust_env=False), "https", "api.test") is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("api.test", "api.test", None, True),
        ("api.test", "API.test", 443, True),
        ("api.test", "eu.api.test", None, True),
        ("api.test", "myapi.test", None, False),
        (".api.test, other.test", "eu.api.test", None, True),
        ("api.test:8443", "api.test", 8443, True),
        ("api.test:8443", "api.test", None, False),
        ("*", "anything.test", None, True),
        ("", "api.test", None, False),
    ],
)
def test_no_proxy_names_hosts_and_domains(
    no_proxy: str, host: str, port: int | None, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    url = url_for(Proxies(None, trust_env=True), "https", host, port)
    assert (url is None) is direct


@pytest.mark.parametrize(
    ("user", "secret"), [("me:pass%40word", b"me:pass@word"), ("me", b"me:")], ids=["both", "user"]
)
def test_user_and_password_become_a_header(user: str, secret: bytes) -> None:
    proxy = Proxies(f"http://{user}@proxy.test:3128", trust_env=False).for_host("https", "a", None)
    assert proxy is not None
    assert proxy.url == PROXY
    value = "Basic " + base64.b64encode(secret).decode()
    assert proxy.headers == {"proxy-authorization": value}


UNUSABLE: dict[str, tuple[Any, str]] = {
    "no-text": (8080, "must be the URL of a proxy, not int"),
    "socks": ("socks://user:secret@127.0.0.1:7890/", "write socks5://"),
    "ftp": ("ftp://user:secret@proxy.test", "has the scheme 'ftp'"),
    "no-host": ("http://", "not the URL of a proxy"),
    "no-port": ("http://user:secret@proxy.test:port", "not the URL of a proxy"),
    "large-port": ("http://user:secret@proxy.test:99999", "not the URL of a proxy"),
    "brackets": ("http://user:secret@[proxy", "not the URL of a proxy"),
    "empty": ("", "not the URL of a proxy"),
    "line-end": ("http://user:secret@proxy.test:3128\n", "not the URL of a proxy"),
    "no-utf-8": ("http://user:secret@\ud800.test", "not the URL of a proxy"),
    "full-width": ("http://user:secret@\uff50roxy.test:3128", "not the URL of a proxy"),
    "no-letters": ("http://user:secret@\u2603.test", "not the URL of a proxy"),
    "no-ipv4": ("http://user:secret@1.2.3.400:3128", "not the URL of a proxy"),
    "no-ipv6": ("http://user:secret@[v1.x]:3128", "not the URL of a proxy"),
    "long": ("http://user:secret@proxy.test/" + "x" * 70_000, "not the URL of a proxy"),
}

#: Entries of ``NO_PROXY`` that httpx cannot match with a host.
NO_HOSTS = [
    "\uff41pi.test",
    "api.test,b\xfccher.test",
    "api.test:port",
    "1:2:3",
    "a\tb",
    "\udcff",
    "[::1]",
]


@pytest.mark.parametrize(("url", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_url_is_refused_with_advice(url: Any, says: str) -> None:
    with pytest.raises(kimi.ConfigurationError, match=says) as caught:
        checked_proxy(url, "ALL_PROXY", has_socks=True)
    assert "ALL_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


@given(st.text())
@example("proxy.test:3128")
@example("\u2603")
def test_any_other_text_is_used_or_refused(text: str) -> None:
    told = ""
    try:
        kimi.http_client(proxy=f"http://user:secret@{text}", verify=TLS)
    except kimi.ConfigurationError as error:
        told = str(error)
    assert "secret" not in told


@pytest.mark.parametrize("entries", NO_HOSTS)
def test_an_exception_that_is_no_host_is_refused(
    entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", entries)
    with pytest.raises(kimi.ConfigurationError, match="entry of NO_PROXY is not a host") as caught:
        kimi.http_client()
    assert caught.value.__context__ is None


@pytest.mark.parametrize("there", [True, False])
def test_a_socks_proxy_needs_its_package(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:

    def find_spec(name: str) -> str | None:
        return name if there else None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    url = "socks5://127.0.0.1:1080"
    if there:
        assert checked_proxy(url, "proxy", has_socks=True) == url
    else:
        with pytest.raises(kimi.ConfigurationError, match=r'pip install "httpx\[socks\]"'):
            checked_proxy(url, "proxy", has_socks=True)
    with pytest.raises(kimi.ConfigurationError, match="HTTP proxies only"):
        checked_proxy(url, "proxy", has_socks=False)
