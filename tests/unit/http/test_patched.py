"""A replaced function of httpx or httpcore is seen, whoever replaced it and however it is dressed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import httpcore
import httpx
import pytest
import respx

from kimi_async._http._patched import transports_are_patched, way_is_patched


def wrapped(function: Any) -> Any:
    """As a tool for tracing replaces it."""

    @functools.wraps(function)
    async def replacement(*args: Any) -> Any:
        """Never called."""

    return replacement


TRANSPORTS = [
    (httpx.AsyncHTTPTransport, "handle_async_request"),
    (httpcore.AsyncConnectionPool, "handle_async_request"),
]
CLIENTS = [(httpx.AsyncClient, "send"), (httpx.AsyncClient, "_transport_for_url")]


def test_nothing_is_patched_by_itself() -> None:
    assert not transports_are_patched()
    assert not way_is_patched()


@pytest.mark.parametrize(("kind", "name"), [*TRANSPORTS, *CLIENTS])
@pytest.mark.parametrize(
    "replace", [wrapped, functools.partial, mock.create_autospec], ids=lambda f: f.__name__
)
def test_a_replaced_function_is_seen(
    kind: type, name: str, replace: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, name, replace(getattr(kind, name)))
    assert way_is_patched()
    assert transports_are_patched() is ((kind, name) in TRANSPORTS)


@pytest.mark.parametrize(("using", "transports"), [("httpcore", True), ("httpx", False)])
def test_respx_is_seen(using: str, transports: bool) -> None:
    with respx.mock(using=using):
        assert way_is_patched()
        assert transports_are_patched() is transports
    assert not way_is_patched()
