"""Measure how long the event loop is held at a time, in CPU seconds of its thread, which a busy machine hardly changes.

A blocking wait costs no CPU and is not seen; that is for the linter (its rules ASYNC2xx).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncGenerator

from kimi_async import AceDataCloud, AsyncKimi

__all__ = ["Heartbeat", "chats", "heartbeat"]


class Heartbeat:
    """Takes its turn as often as it gets one.

    Attributes:
        longest: The most CPU seconds between two of its turns.
        total: All of them.
    """

    def __init__(self) -> None:
        self.longest = self.total = 0.0

    async def beat(self) -> None:
        """Go on until cancelled."""
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest = max(self.longest, now - last)
            self.total += now - last
            last = now


@contextlib.asynccontextmanager
async def heartbeat() -> AsyncGenerator[Heartbeat]:
    """Measure the block on the running asyncio loop."""
    # A full collection of the objects of all tests before takes half a second, and is not work of this loop.
    gc.freeze()
    heart = Heartbeat()
    task = asyncio.create_task(heart.beat())
    await asyncio.sleep(0)
    try:
        yield heart
    finally:
        await asyncio.sleep(0)  # its last turn counts the last work of the block
        task.cancel()
        gc.unfreeze()


async def chats(url: str, number: int) -> Heartbeat:
    """From ``async with`` to the end of so many replies at once."""
    async with heartbeat() as heart:
        async with AsyncKimi(AceDataCloud("test-key", f"{url}/acedata/kimi"), model="m") as client:
            replies = await asyncio.gather(*(client.chat("Hi") for _ in range(number)))
    assert all(reply.outcome == "complete" for reply in replies)
    return heart
