"""The pytest plugin: fixtures for tests of programs that use ``kimi_async``. pytest loads it by itself.

Each fixture works with anyio's plugin, pytest-asyncio and trio, and in tests that are not async, because none of them
needs the event loop of the test.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from kimi_async.testing._server import FakeProvider
    from kimi_async.testing._transport import FakeTransport

__all__ = ["fake_kimi", "fake_transport", "kimi_recording", "pytest_addoption"]


@pytest.fixture
def fake_transport() -> Iterator[FakeTransport]:
    """A :class:`~kimi_async.testing.FakeTransport` with an empty script: ``fake_transport.add(Reply("Hello"))``.

    The test fails if its script fails, if it leaves a stream open, or if it tries to reach another machine.
    """
    from kimi_async.testing._transport import FakeTransport

    with _failing_at_the_end():
        fake = FakeTransport()
        yield fake
        fake.raise_failure()


@pytest.fixture
def fake_kimi() -> Iterator[FakeProvider]:
    """A running :class:`~kimi_async.testing.FakeProvider` with an empty script, in a thread of its own.

    The test fails if its script fails, if it leaves a stream open, or if it tries to reach another machine.
    """
    from anyio.from_thread import start_blocking_portal

    from kimi_async.testing._server import FakeProvider

    with (
        _failing_at_the_end(),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeProvider()) as fake,
    ):
        yield fake


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--kimi-record``."""
    parser.getgroup("kimi_async").addoption(
        "--kimi-record",
        action="store_true",
        help="send the requests of tests with kimi_recording, and write their recordings anew",
    )


@pytest.fixture
def kimi_recording(request: pytest.FixtureRequest) -> Iterator[httpx.AsyncClient]:
    """An HTTP client for ``AsyncKimi(http_client=...)`` that replays ``recordings/<module>/<test>.kimi``.

    The folder is beside the module of the test; a method has the name of its class in front, ``TestIt.test_a``.
    With ``pytest --kimi-record`` the requests are sent, and the file is written. The waits of the recording are left
    out.

    The test fails if it leaves a stream open, or if it sends a request that was not recorded.
    """
    from urllib.parse import quote

    import httpx

    from kimi_async.testing._record import record, replay
    from kimi_async.testing._transport import FakeTransport

    names = [*(cls.__name__ for cls in filter(None, [request.cls])), request.node.name]
    # A parameter may hold a slash; quoted, no two tests have the same file.
    test = quote(".".join(names), safe="[] ,=+")
    path = request.path.parent / "recordings" / request.path.stem / f"{test}.kimi"
    if request.config.getoption("--kimi-record"):
        path.parent.mkdir(parents=True, exist_ok=True)
        recorder = record(path)
        yield recorder.http_client
        recorder.write()
    else:
        if not path.exists():
            pytest.fail(f"there is no {path}; write it with pytest --kimi-record", pytrace=False)
        with _failing_at_the_end():
            fake = FakeTransport(replay(path, speed=math.inf), api_key=None)
            yield httpx.AsyncClient(transport=fake)
            fake.raise_failure()


@contextmanager
def _failing_at_the_end() -> Generator[None]:
    from kimi_async.testing._watch import watching

    with watching() as watch:
        yield
    problems = watch.problems()
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
