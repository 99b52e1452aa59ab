"""Virtual time on asyncio and on trio: it passes only when every task waits."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any, Literal

__all__ = ["virtual_time"]


class JumpingSelector(selectors.DefaultSelector):
    """A selector that does not wait for time to pass: it says that it has passed.

    An event loop gives its selector the seconds until its next timer, and nothing is left to do when it asks.
    Without a timer there is nothing to jump to, and the wait for a socket or a thread is a real one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0.0)
        if timeout is not None and not ready:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of asyncio whose clock begins at 0 and jumps from timer to timer."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def virtual_time(backend: Literal["asyncio", "trio"] = "asyncio") -> tuple[str, dict[str, Any]]:
    """Return an event loop on which an hour of waiting takes no time, as anyio wants it told.

    Its clock begins at 0. It stands still while any task can run and jumps to the next timer when none can, so what
    happens, and when, is the same in every run. For :class:`FakeTransport` and :func:`mock_kimi`: real sockets and
    threads take real time, which this clock does not see, and limits then run out at once.

    >>> import anyio
    >>> from kimi_async.testing import virtual_time
    >>> async def main():
    ...     await anyio.sleep(3600)
    ...     return anyio.current_time()
    >>> backend, options = virtual_time("asyncio")
    >>> anyio.run(main, backend=backend, backend_options=options)
    3600.0

    In tests the value is what the fixture ``anyio_backend`` of anyio's pytest plugin returns. Make a new one for each
    run of a loop: the clock of trio is part of it.

    Args:
        backend: ``"asyncio"``, or ``"trio"``, which is imported only then.

    Returns:
        The ``backend`` and ``backend_options`` of ``anyio.run``.

    Raises:
        ImportError: trio is asked for and not installed.
    """
    if backend == "asyncio":
        return "asyncio", {"loop_factory": VirtualLoop}
    from trio.testing import MockClock

    return "trio", {"clock": MockClock(autojump_threshold=0)}
