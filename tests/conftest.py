"""Fixtures of all tests: the event loops, the Hypothesis profiles, and a network that is limited to this machine."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from engines import ENGINES, skips
from hypothesis import HealthCheck, settings

from kimi_async._http import _transport

if TYPE_CHECKING:
    from collections.abc import Iterator

Backend = tuple[str, dict[str, Any]]

BACKENDS: dict[str, Backend] = {
    "asyncio": ("asyncio", {}),
    "trio": ("trio", {}),
}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}

settings.register_profile("default", max_examples=50, deadline=None)
settings.register_profile(
    "ci",
    settings.get_profile("default"),
    derandomize=True,  # a failure on one machine is a failure on all
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # it measures the machine
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
# `pytest --hypothesis-profile=thorough` comes after this and wins.
settings.load_profile("ci" if "CI" in os.environ else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine", choices=ENGINES, default="ours", help="what AsyncKimi sends with by itself"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    engine = str(config.getoption("engine"))
    for item in items:
        item.add_marker(skips(engine, item))


@pytest.fixture(scope="session", autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The HTTP engine of every client that is given none."""
    name = str(request.config.getoption("engine"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_transport, "http_client", ENGINES[name])
        yield name


@pytest.fixture(scope="module", params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run a test of ``pytestmark = pytest.mark.anyio`` on each event loop."""
    return BACKENDS[request.param]


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """Fail a test that would connect to another machine, where a forgotten fake would cost money.

    asyncio and trio both connect through ``socket.socket.connect``; uvloop does not.
    """
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and address[0] not in LOOPBACK:
            pytest.fail(f"a test tried to connect to {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked)
        yield
