"""The pytest plugin: fixtures for tests of programs that use ``kimi_async``. pytest loads it by itself.

Each fixture works with anyio's plugin, pytest-asyncio and trio, and in tests that are not async, because none of them
needs the event loop of the test.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kimi_async.testing._server import FakeProvider
    from kimi_async.testing._transport import FakeTransport

__all__ = ["fake_kimi", "fake_transport"]


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


@contextmanager
def _failing_at_the_end() -> Generator[None]:
    from kimi_async.testing._watch import watching

    with watching() as watch:
        yield
    problems = watch.problems()
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
