"""Answer many requests, some of them at the same time, and give the results to one reader.

The rows run in one background task, because they must continue while the reader works with a result. That task holds no
reference to :class:`Batch`: when the reader leaves the loop early, the batch is collected, and its finalizer cancels
the task.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from contextlib import aclosing
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar, cast

import anyio

from kimi_async._closing import ClosedAtExit
from kimi_async._http._background import Background
from kimi_async._http._event_loop import asyncio_loop
from kimi_async.batch._rows import BatchResult, Requests

__all__ = ["Batch", "Rows"]

T = TypeVar("T")

#: ``answer(index, item)`` answers one item of the caller; an error of the reply is part of the result.
Answer: TypeAlias = Callable[[int, object], Awaitable[BatchResult[T]]]

#: So many results, for each row that may run at the same time, may wait for the reader.
_WAITING: Final = 2


class Batch(ClosedAtExit, Generic[T]):
    """The results of many requests; made by ``client.batch()``.

    It is an async iterator of :class:`BatchResult` and an async context manager. The first read starts it. Leaving the
    loop early cancels the requests that run and closes a generator of requests, at the latest when the batch is
    collected; ``async with`` and :meth:`aclose` do it at once and wait for it.

    Only one task at a time may read it.
    """

    def __init__(self, rows: Rows[T]) -> None:
        self._rows = rows
        self._background: Background | None = None
        self._loop: object = None
        self._busy = False

    def __repr__(self) -> str:
        return f"<Batch taken={self._rows.taken}>"

    def __del__(self) -> None:
        background = getattr(self, "_background", None)
        if background is not None and not self._rows.ended:
            background.cancel_soon()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchResult[T]:
        """Return the next result.

        Raises:
            StopAsyncIteration: There are no more.
            RuntimeError: Another task is reading the batch, or it was begun on another event loop.
            Exception: The iterable of the requests raised it. The requests before it were answered.
        """
        if self._busy:
            raise RuntimeError("this batch is already being read by another task")
        if self._background is None:
            self._loop = asyncio_loop()
            self._background = Background(self._rows.run)
        elif asyncio_loop() is not self._loop:
            raise RuntimeError("this batch was begun on another event loop")
        self._busy = True
        try:
            return await self._rows.next_result()
        except anyio.get_cancelled_exc_class():
            self._background.cancel_soon()
            raise
        finally:
            self._busy = False

    async def aclose(self) -> None:
        """Cancel the requests that run, and wait until they have ended; idempotent.

        Raises:
            Exception: The generator of the requests raised it when it was closed; only the first time.
        """
        if self._background is not None:
            await self._background.aclose()
        error, self._rows.close_error = self._rows.close_error, None
        if error is not None:
            raise error


class Rows(Generic[T]):
    """The rows of a batch: those that run, and the results that wait for the reader.

    Args:
        answer: Answers one row.
        requests: The items of the caller.
        concurrency: How many rows may run at the same time.
        ordered: Whether the results come in the order of the requests.

    Attributes:
        taken: How many results the reader took.
        ended: Whether no more results will come.
        close_error: The exception of a generator of requests that was closed early; ``None`` = there is none.
    """

    def __init__(
        self,
        answer: Answer[T],
        requests: Requests,
        *,
        concurrency: int,
        ordered: bool,
    ) -> None:
        self._answer = answer
        self._requests = requests
        self._concurrency = concurrency
        self._ordered = ordered
        self._results: dict[int, BatchResult[T]] = {}
        self._started = self._running = self.taken = 0
        self._error: BaseException | None = None
        #: Set when a result or the end has come; set when another row may start.
        self._news, self._room = anyio.Event(), anyio.Event()
        self.ended = False
        self.close_error: Exception | None = None

    async def next_result(self) -> BatchResult[T]:
        """Wait for a result and take it."""
        while (result := self._take()) is None:
            if self.ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._news = anyio.Event()
            await self._news.wait()
        self.taken += 1
        self._room.set()
        return result

    def _take(self) -> BatchResult[T] | None:
        if self._ordered:
            return self._results.pop(self.taken, None)
        return self._results.pop(next(iter(self._results))) if self._results else None

    async def run(self) -> None:
        """Answer all rows; an exception is kept for the reader."""
        try:
            async with (
                aclosing(_iterate(self._requests)) as items,
                anyio.create_task_group() as rows,
            ):
                while (item := await self._next_item(items)) is not _NO_MORE:
                    self._running += 1
                    rows.start_soon(self._run_row, self._started, item, rows.cancel_scope)
                    self._started += 1
        except BaseException as error:
            self._error = self._error or RuntimeError("this batch was closed before its end")
            if not isinstance(error, Exception):
                raise
            self.close_error = error  # nobody gets an exception of this task
        finally:
            self.ended = True
            self._news.set()

    async def _next_item(self, items: AsyncGenerator[object]) -> object:
        """Wait until another row may start, and return its item."""
        while (
            self._running >= self._concurrency
            or self._started - self.taken >= _WAITING * self._concurrency
        ):
            self._room = anyio.Event()
            await self._room.wait()
        try:
            return await anext(items, _NO_MORE)
        except Exception as error:
            self._error = error  # after the results of the rows that run
            return _NO_MORE

    async def _run_row(self, index: int, item: object, scope: anyio.CancelScope) -> None:
        try:
            self._results[index] = await self._answer(index, item)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            # Not an error of the row but a defect, such as the exhausted script of a test. A task group would wrap it.
            self._error = error
            scope.cancel()
        finally:
            self._running -= 1
            self._news.set()
            self._room.set()


_NO_MORE: Final = object()


async def _iterate(requests: Requests) -> AsyncGenerator[object]:
    """Give the items one by one, and close a generator at the end, also if its last item was not reached."""
    if isinstance(requests, AsyncIterable):
        later = aiter(requests)
        try:
            async for item in later:
                yield item
        finally:
            if isinstance(later, AsyncGenerator):
                await later.aclose()
    else:
        ready = iter(cast("Iterable[Any]", requests))
        try:
            for item in ready:
                yield item
        finally:
            if isinstance(ready, Generator):
                ready.close()
