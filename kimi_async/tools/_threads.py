"""Run a function that is not async in a thread of its own, which does not keep the process from ending."""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable
from queue import SimpleQueue

import anyio
import anyio.to_thread
from attrs import frozen

__all__ = ["call_in_thread"]


@frozen
class _Outcome:
    value: object = None
    error: BaseException | None = None


async def call_in_thread(function: Callable[..., object], *args: object) -> object:
    """Call a function in a thread of its own, and return its value.

    Nothing can stop a thread. When the caller is cancelled, the thread continues, and its value is dropped. It is a
    daemon thread, so a function that hangs does not keep the process from ending; a worker thread of anyio would.
    ``anyio.from_thread`` does not work in it, because that knows the worker threads of anyio only.

    Args:
        function: The function; it sees the caller's context variables.
        args: Its arguments.

    Raises:
        BaseException: The error of the function.
    """
    outcomes: SimpleQueue[_Outcome] = SimpleQueue()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome = _Outcome(context.run(function, *args))
        except BaseException as error:
            outcome = _Outcome(error=error)
        outcomes.put(outcome)

    threading.Thread(target=work, name=f"kimi_async {function!r}", daemon=True).start()
    try:
        # Not the limiter that all of the program shares: a thread that waits here must not take a place in it.
        outcome = await anyio.to_thread.run_sync(
            outcomes.get, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(math.inf)
        )
    finally:
        outcomes.put(_Outcome())  # lets the waiting thread go when the function hangs
    if outcome.error is not None:
        raise outcome.error
    return outcome.value
