"""The progress of a batch: counts, and the line that shows them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Awaitable, Callable
from typing import Any, Final, TextIO, TypeVar

import anyio
from attrs import define, field
from rich.cells import cell_len

from kimi_async import Usage
from kimi_async.batch import BatchResult
from kimi_async.cli._output import ChangingLine
from kimi_async.cli._words import counted, in_words_of_the_shell

__all__ = ["Counts", "Display", "duration", "progress_line", "summary"]

A = TypeVar("A")
T = TypeVar("T")

#: Seconds between two lines of a file or pipe, and between two changes of a line on a terminal.
_FILE_SECONDS: Final = 10.0
_TERMINAL_SECONDS: Final = 0.5


@define
class Counts:
    """The counts of one run.

    Attributes:
        total: How many rows the input has.
        before: How many of them earlier runs have answered.
        failed_before: How many of them failed in earlier runs and are not sent again.
        answered: How many this run has answered.
        failed: How many failed in this run.
        failures: The failures of this run by the class of the error: their number, and the message of the first.
        prompt_tokens: Tokens of the input, of all attempts.
        cached_tokens: Those of them that came from the cache of the provider.
        completion_tokens: Tokens of the replies, of all attempts.
        by_provider: How many rows each provider has answered.
        tokens_by_provider: Tokens of the rows that each provider has answered.
    """

    total: int
    before: int
    failed_before: int = 0
    answered: int = 0
    failed: int = 0
    failures: dict[str, tuple[int, str]] = field(factory=dict[str, tuple[int, str]])
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    by_provider: dict[str, int] = field(factory=dict[str, int])
    tokens_by_provider: dict[str, int] = field(factory=dict[str, int])

    @property
    def finished(self) -> int:
        """How many rows are finished, by this run and the earlier ones."""
        return self.before + self.failed_before + self.answered + self.failed

    @property
    def is_new(self) -> bool:
        """Whether this run has no result yet."""
        return not self.answered and not self.failed

    def add(self, result: BatchResult[Any]) -> None:
        """Count one result."""
        if result.error is not None:
            self.failed += 1
            name = type(result.error).__name__
            number, first = self.failures.get(name, (0, result.error.message))
            self.failures[name] = number + 1, first
        if result.reply is not None:
            self.answered += 1
            name = result.reply.provider
            self.by_provider[name] = self.by_provider.get(name, 0) + 1
            used = 0 if result.usage is None else _tokens(result.usage)
            self.tokens_by_provider[name] = self.tokens_by_provider.get(name, 0) + used
        if result.usage is not None:
            self.prompt_tokens += result.usage.prompt_tokens or 0
            self.cached_tokens += result.usage.cached_tokens or 0
            self.completion_tokens += result.usage.completion_tokens or 0


def _tokens(usage: Usage) -> int:
    return (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)


def progress_line(counts: Counts, seconds: float, width: int) -> str:
    """Return the progress in at most *width* cells, the most important part first.

    Args:
        counts: The counts.
        seconds: How long the run takes so far.
        width: The cells of the line.
    """
    parts = [_share(counts)]
    done = counts.answered + counts.failed
    if counts.failed:
        parts.append(f"{counts.failed:,} failed")
    if done and counts.finished < counts.total:
        left = (counts.total - counts.finished) * seconds / done
        parts.append(f"{duration(left)} left")
    if done and seconds:
        parts.append(f"{done / seconds:.1f} rows/s")
    if counts.prompt_tokens:
        tokens = counts.prompt_tokens + counts.completion_tokens
        parts.append(f"{short(tokens)} {'token' if tokens == 1 else 'tokens'}")
        parts.append(f"{_percent(counts.cached_tokens, counts.prompt_tokens)} of the input cached")
    line = ""
    for part in parts:
        longer = f"{line} · {part}" if line else part
        if cell_len(longer) > width:
            break
        line = longer
    return line


def _share(counts: Counts) -> str:
    rows = counted(counts.total, "row", "rows")
    share = 100 * counts.finished / counts.total if counts.total else 100.0
    # 100 % only at the end.
    percent = 100 if share == 100 else min(round(share), 99)
    return f"{counts.finished:,} of {rows} ({percent} %)"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def short(number: int) -> str:
    """Return a number for a narrow line: ``950``, ``12.3k``, ``4.5M``."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def duration(seconds: float) -> str:
    """Return a time in words: ``45 s``, ``3 min``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def summary(counts: Counts, seconds: float) -> list[str]:
    """Return the lines that end a run."""
    head = f"{counts.answered:,} answered"
    if counts.before:
        head += f", {counts.before:,} answered before this run"
    if counts.failed_before:
        head += f", {counts.failed_before:,} failed before this run and not sent again"
    if counts.failed:
        head += f", {counts.failed:,} failed"
    lines = [f"{head}, in {duration(seconds)}"]
    if counts.failures:
        # The class with the most failures; the error file has the others.
        name, (number, first) = max(counts.failures.items(), key=lambda failure: failure[1][0])
        lines.append(in_words_of_the_shell(f"{number:,} x {name}: {first}"))
    for name, rows in sorted(counts.by_provider.items()):
        tokens = counts.tokens_by_provider[name]
        lines.append(
            f"{name}: {counted(rows, 'row', 'rows')}, {counted(tokens, 'token', 'tokens')}"
        )
    if counts.prompt_tokens:
        cached = _percent(counts.cached_tokens, counts.prompt_tokens)
        lines.append(
            f"all attempts: {counted(counts.prompt_tokens, 'token', 'tokens')} of input ({cached} cached),"
            f" {counts.completion_tokens:,} of output"
        )
    return lines


class Display:
    """Shows the progress on stderr: one line that changes on a terminal, a line now and then elsewhere.

    Args:
        counts: The counts to show.
        file: stderr.
        clock: Returns seconds.
    """

    def __init__(self, counts: Counts, file: TextIO, clock: Callable[[], float]) -> None:
        self._counts = counts
        self._file = file
        self._clock = clock
        self._begun = clock()
        self._line = ChangingLine(file)

    @property
    def seconds(self) -> float:
        """How long the run takes so far."""
        return self._clock() - self._begun

    async def during(self, work: Callable[[A], Awaitable[T]], argument: A) -> T:
        """Show the progress while *work* runs; return its result."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            try:
                return await work(argument)
            except Exception as error:
                failure = error  # a task group would wrap it
            finally:
                tasks.cancel_scope.cancel()
                self._line.erase()
        assert failure is not None
        raise failure

    async def _run(self) -> None:
        is_terminal = self._file.isatty()
        while True:
            await anyio.sleep(_TERMINAL_SECONDS if is_terminal else _FILE_SECONDS)
            if is_terminal:
                # The last cell stays empty: some terminals begin a new line after it.
                width = shutil.get_terminal_size().columns - 1  # it may change
                self._line.change(progress_line(self._counts, self.seconds, width))
            else:
                with contextlib.suppress(OSError):  # as for a line of a terminal
                    self._file.write(f"{progress_line(self._counts, self.seconds, 200)}\n")
                    self._file.flush()
