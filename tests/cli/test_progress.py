"""The line that shows the progress of a batch."""

from __future__ import annotations

import io

import anyio
import pytest
from attrs import evolve
from rich.cells import cell_len

from kimi_async import ChatCompletion, NotFoundError, StreamInterrupted, Usage
from kimi_async.batch import BatchResult
from kimi_async.cli._progress import Counts, Display, duration, progress_line, short, summary
from kimi_async.testing import virtual_time

COUNTS = Counts(
    total=10_000,
    before=1_000,
    answered=1_980,
    failed=20,
    prompt_tokens=3_000_000,
    cached_tokens=1_000_000,
    completion_tokens=12_345,
)
WHOLE = (
    "3,000 of 10,000 rows (30 %) · 20 failed · 6 min left · 20.0 rows/s · 3.0M tokens"
    " · 33 % of the input cached"
)


def test_the_whole_line() -> None:
    assert progress_line(COUNTS, 100, 200) == WHOLE


@pytest.mark.parametrize("width", range(0, 120, 7))
def test_a_narrow_line_drops_the_last_parts(width: int) -> None:
    line = progress_line(COUNTS, 100, width)
    assert cell_len(line) <= width
    assert WHOLE.startswith(line)


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (Counts(0, 0), "0 of 0 rows (100 %)"),
        (Counts(3, 0), "0 of 3 rows (0 %)"),
        (Counts(1, 0), "0 of 1 row (0 %)"),
        (
            Counts(1, 0, answered=1, prompt_tokens=1),
            "1 of 1 row (100 %) · 0.1 rows/s · 1 token · 0 % of the input cached",
        ),
        (Counts(2000, 0, answered=1999), "1,999 of 2,000 rows (99 %) · 0 s left · 199.9 rows/s"),
        (Counts(50, 29), "29 of 50 rows (58 %)"),
        (Counts(1000, 0, failed_before=996), "996 of 1,000 rows (99 %)"),
        (Counts(2, 0, answered=2), "2 of 2 rows (100 %) · 0.2 rows/s"),
    ],
)
def test_lines_of_the_first_and_the_last_moment(counts: Counts, line: str) -> None:
    assert progress_line(counts, 10, 200) == line


def test_a_run_of_no_time() -> None:
    assert progress_line(Counts(2, 0, answered=2), 0, 200) == "2 of 2 rows (100 %)"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (12_345, "12.3k"), (4_500_000, "4.5M")]
)
def test_short_numbers(number: int, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_counts_of_results_and_their_summary() -> None:
    counts = Counts(9, 1, 3)
    usage = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, cached_tokens=4)
    reply = ChatCompletion(provider="acedata")
    other = evolve(reply, provider="cloudsway")
    counts.add(BatchResult(custom_id="a", index=0, reply=reply, usage=usage))
    counts.add(BatchResult(custom_id="b", index=1, reply=other))
    error = StreamInterrupted("it broke")
    counts.add(BatchResult(custom_id="c", index=2, error=error, usage=Usage(prompt_tokens=10)))
    counts.add(BatchResult(custom_id="d", index=3, error=NotFoundError("no model", status=404)))
    counts.add(BatchResult(custom_id="e", index=4, error=StreamInterrupted("it broke again")))
    assert summary(counts, 12) == [
        "2 answered, 1 answered before this run, 3 failed before this run and not sent again, 3 failed, in 12 s",
        "2 x StreamInterrupted: it broke",
        "acedata: 1 row, 15 tokens",
        "cloudsway: 1 row, 0 tokens",
        "all attempts: 20 tokens of input (20 % cached), 5 of output",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


SHORT = "1 of 2 rows (50 %)"


@pytest.mark.parametrize(
    ("file", "seconds", "shown"),
    [
        (Terminal(), 1.2, f"\r{SHORT}\r{SHORT}\r{' ' * len(SHORT)}\r"),
        (Terminal(), 0.1, ""),
        (io.StringIO(), 25, f"{SHORT}\n{SHORT}\n"),
    ],
    ids=["terminal", "terminal-at-once", "file"],
)
def test_a_display(file: io.StringIO, seconds: float, shown: str) -> None:
    display = Display(Counts(2, 1), file, lambda: 0.0)
    backend, options = virtual_time()
    anyio.run(display.during, anyio.sleep, seconds, backend=backend, backend_options=options)
    assert file.getvalue() == shown


class Gone(io.StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("kind", [Gone, type("GoneTerminal", (Gone, Terminal), {})])
def test_the_work_continues_when_nobody_reads_the_display(kind: type[io.StringIO]) -> None:
    display = Display(Counts(2, 1), kind(), lambda: 0.0)
    backend, options = virtual_time()
    anyio.run(display.during, anyio.sleep, 25.0, backend=backend, backend_options=options)


def test_an_error_of_the_work_is_raised_as_it_is() -> None:
    async def fail(_: object) -> None:
        raise OSError("the disk is full")

    display = Display(Counts(2, 1), io.StringIO(), lambda: 0.0)
    with pytest.raises(OSError, match="the disk is full"):
        anyio.run(display.during, fail, None)
