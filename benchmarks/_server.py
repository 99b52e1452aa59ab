"""A server in a process of its own, so that its work is neither measured nor in the way."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

__all__ = ["Pipe", "Serve", "serving"]


class Pipe(Protocol):
    """One end of a pipe, whatever the system makes it of."""

    def send(self, obj: Any, /) -> None:
        """Send a value to the other end."""
        ...

    def recv(self) -> Any:
        """Wait for a value from the other end."""
        ...


#: Serves, and sends its URL as the first thing, or whatever else its clients must know.
Serve: TypeAlias = Callable[[Pipe], Coroutine[Any, Any, None]]


@contextmanager
def serving(serve: Serve) -> Generator[tuple[Any, Pipe]]:
    """Run *serve*, a function of a module, in another process; return its first message and our end of the pipe."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(serve, theirs), daemon=True)
    process.start()
    theirs.close()  # or a child that cannot begin would be waited for
    try:
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()


def _run(serve: Serve, pipe: Pipe) -> None:
    asyncio.run(serve(pipe))
