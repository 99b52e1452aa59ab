"""Show on stderr that the program waits for the beginning of a reply."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Final, Self, TextIO

from kimi_async.cli._output import ChangingLine

__all__ = ["SignOfLife"]

_AFTER: Final = 1.0


class SignOfLife:
    """A line on a terminal that counts seconds, from one second until the first output, which erases it.

    A thread writes it, so that it needs no event loop and cannot delay one. A file or pipe gets nothing.

    Args:
        file: stderr; ``None`` = that of the process.
        after: Seconds until it appears, and between two updates.
    """

    def __init__(self, file: TextIO | None = None, *, after: float = _AFTER) -> None:
        self._file = sys.stderr if file is None else file
        self._after = after
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._file.isatty():
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Erase the line; it does not come again."""
        if self._thread is not None:
            self._ended.set()
            self._thread.join()
            self._thread = None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _show(self) -> None:
        line = ChangingLine(self._file)
        ticks = 0
        while not self._ended.wait(self._after):
            ticks += 1
            line.change(f"Waiting for the reply, {ticks * self._after:.0f} s")
        line.erase()
