"""The sign of life while a reply has not begun."""

from __future__ import annotations

import io
import re
import threading

from kimi_async.cli._output import Output
from kimi_async.cli._waiting import SignOfLife


class Screen(io.StringIO):
    """A terminal that says when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Semaphore(0)

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.written.release()


def test_it_counts_until_the_first_output_and_is_erased() -> None:
    screen = Screen()
    with SignOfLife(screen, after=0.01) as sign:
        output = Output(screen, styled=False, before=sign.stop)
        for _ in range(2):
            assert screen.written.acquire(timeout=10)
        output.write("Hello")
        output.write(" you")
    shown = screen.getvalue()
    assert re.fullmatch(r"(\rWaiting for the reply, 0 s){2,}\r {26}\rHello you", shown)


def test_a_quick_reply_shows_nothing() -> None:
    screen = Screen()
    with SignOfLife(screen, after=60):
        pass
    assert screen.getvalue() == ""


def test_a_file_gets_nothing() -> None:
    file = io.StringIO()
    with SignOfLife(file, after=0):
        pass
    assert file.getvalue() == ""
