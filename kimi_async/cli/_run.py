"""Run a command, so that every way to end becomes an exit code and at most one line on stderr."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from kimi_async import (
    ChatStream,
    ConfigurationError,
    KimiError,
    KimiWarning,
    ReasoningDelta,
    ReasoningDone,
)
from kimi_async.cli._output import report
from kimi_async.cli._render import Renderer
from kimi_async.cli._words import in_words_of_the_shell

__all__ = ["exit_code", "follow", "program_name"]


async def follow(stream: ChatStream, renderer: Renderer, *, reasoning: bool = True) -> None:
    """Show a reply while it arrives.

    Args:
        stream: The reply; closed at the end, whatever happens.
        renderer: Shows the events.
        reasoning: Whether it gets those of the reasoning.

    Raises:
        KimiError: The reply did not end well.
    """
    hidden = () if reasoning else (ReasoningDelta, ReasoningDone)
    async with stream:
        async for event in stream:
            if not isinstance(event, hidden):
                renderer.show(event)


def exit_code(command: Callable[[], object], renderer: Renderer) -> int:
    """Run *command*, event loop and all, to its end.

    Args:
        command: Does the work.
        renderer: Told of a ``KimiError``, before it is reported.

    Returns:
        0 when it went well or nobody reads stdout any more, 1 for a :class:`~kimi_async.KimiError` or an error of the
        operating system, 2 for a ``ConfigurationError``, 130 on Ctrl-C.
    """
    try:
        return _kimi_exit_code(command, renderer)
    except BrokenPipeError:
        # The reader has seen enough (`| head -1`).
        _discard_stdout()
        return 0
    except OSError as error:
        _discard_stdout()
        report(error)
        return 1


def _kimi_exit_code(command: Callable[[], object], renderer: Renderer) -> int:
    try:
        with _short_warnings(), _short_log():
            command()
    except KimiError as error:
        renderer.fail(error)
        report(in_words_of_the_shell(str(error)))
        return 2 if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        # The terminal has just shown ^C, wherever the line had come to.
        with suppress(OSError):
            sys.stderr.write("\n")
        report("interrupted")
        return 130
    return 0


@contextmanager
def _short_warnings() -> Generator[None]:
    """Show each warning of the package in one line: the file and line of Python say nothing at a shell."""
    with warnings.catch_warnings():
        python = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, KimiWarning):
                report(f"warning: {in_words_of_the_shell(str(message))}")
            else:
                python(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


@contextmanager
def _short_log() -> Generator[None]:
    """Show each warning in the log of the package in one line, as :func:`_short_warnings` does."""
    logger, lines = logging.getLogger("kimi_async"), _Lines(logging.WARNING)
    logger.addHandler(lines)
    try:
        yield
    finally:
        logger.removeHandler(lines)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        report(f"warning: {in_words_of_the_shell(record.getMessage())}")


def _discard_stdout() -> None:
    """Discard the rest of the buffer, or the interpreter fails to write it again when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def program_name(started_as: str) -> str:
    """Return the words that start this program again.

    Args:
        started_as: The first argument of the process: a path, which is shortened if the shell finds the program.
    """
    path = Path(started_as)
    if path.name == "__main__.py":
        return "python -m kimi_async"
    found = shutil.which(path.name)
    is_found = found is not None and Path(found).resolve() == path.resolve()
    return path.name if is_found else shlex.quote(started_as)
