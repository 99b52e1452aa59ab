"""The base of objects that close themselves at the end of an ``async with`` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Literal, Self

from kimi_async._errors import StreamInterrupted

__all__ = ["ClosedAtExit", "left_early"]


#: The place of the part that arrived, by the object that has it.
_KEPT: Final = {
    "stream": "the text that arrived is in .partial",
    "run": "the steps that ended are in .messages of the run",
}


def left_early(kind: Literal["stream", "run"]) -> StreamInterrupted:
    """Return the error for the readers of an object that the program itself closed before its end."""
    error = StreamInterrupted(f"the {kind} was closed before its end; {_KEPT[kind]}")
    error.retryable = False
    error.advice = (
        f"Read the {kind}, and call final(), inside its 'async with' block, before it is closed."
    )
    return error


class ClosedAtExit(ABC):
    """An object whose ``async with`` block closes it on every way out."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    async def aclose(self) -> None:
        """Close it; idempotent."""
