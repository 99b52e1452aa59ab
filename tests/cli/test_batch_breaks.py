"""Runs of ``kimi-async batch`` that are killed at any moment, or whose disk is full."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from batch_files import Files, last_text, prompt

import kimi_async as kimi
from kimi_async.cli._batch import Job, run_batch
from kimi_async.cli._batch_files import Lines, drop_lines
from kimi_async.testing import ErrorReply, ReceivedRequest, Reply

pytestmark = pytest.mark.usefixtures("key")


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """Let no file of this process grow further, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path) -> None:
    path, line = tmp_path / "output", b"x" * 299_999 + b"\n"
    with files_of_at_most(2_000_000), pytest.raises(OSError, match="output"):
        with Lines(path) as lines:
            while True:
                lines.add(line)
    assert path.stat().st_size == 2_000_000
    with Lines(path) as lines:
        lines.add(line)
    assert path.read_bytes() == line * 7


def test_a_full_disk_leaves_the_failures_of_earlier_runs(tmp_path: Path) -> None:
    path = tmp_path / "errors"
    before = b"".join(b'{"custom_id":"%d"}\n' % number for number in range(9999))
    path.write_bytes(before)
    with files_of_at_most(50_000), pytest.raises(OSError, match=r"errors\.new"):
        drop_lines(path, frozenset({"a"}))
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (before, [path])


def test_a_run_continues_after_the_disk_was_full(files: Files) -> None:
    texts = {f"{number}": f"{'good' if number % 3 else 'bad'} {number}" for number in range(60)}
    source = files.write(*[prompt(name, text) for name, text in texts.items()])
    job = Job(
        source=source,
        output=files.output,
        errors=files.errors,
        providers=(kimi.AceDataCloud(base_url=f"{files.fake.url}/acedata/kimi"),),
        model="kimi-k3",
        system=None,
        concurrency=3,
    )
    for size in (6_000, 9_000, 12_000):
        # In a thread, for the reason that run_command() gives.
        with files_of_at_most(size), ThreadPoolExecutor() as thread:
            error = thread.submit(anyio.run, run_batch, job).exception()
        assert isinstance(error, OSError)
        assert error.filename in {str(files.output), str(files.errors)}
    code, shown = files.run(source)
    assert code == 1, shown
    assert "20 rows have no reply" in shown
    assert files.replies() == {name: f"{text}!" for name, text in texts.items() if "good" in text}
    failed = [json.loads(line)["custom_id"] for line in files.errors.read_bytes().splitlines()]
    assert sorted(failed) == sorted(name for name, text in texts.items() if "bad" in text)


ROWS, KILLS, CONCURRENCY = 300, 5, 20


@pytest.fixture
def faults() -> Counter[str]:
    return Counter()


class TestKilled:
    """A run that is killed at any moment and started again."""

    @pytest.fixture
    def script(self, faults: Counter[str]) -> Callable[[ReceivedRequest], Any]:
        def answer(request: ReceivedRequest) -> Any:
            """Fail the first request of each twentieth row."""
            number = int(last_text(request).split()[1])
            if number % 20 == 0 and f"{number}" not in faults:
                faults[f"{number}"] = 1
                return Reply("Hello", cut_after=1) if number % 40 else ErrorReply(503)
            return Reply(f"{last_text(request)}!")

        return answer

    def test_no_row_is_lost_or_answered_twice(self, files: Files, faults: Counter[str]) -> None:
        when = random.Random(17)
        rows = {f"row {number}": f"text {number}" for number in range(ROWS)}
        source = files.write(*[prompt(name, text) for name, text in rows.items()])
        options = ["--concurrency", str(CONCURRENCY)]
        program = [sys.executable, "-m", "kimi_async", *files.arguments(source, *options)]
        for _ in range(KILLS):
            enough = len(files.fake.requests) + when.randrange(1, ROWS // KILLS)
            with subprocess.Popen(program, stderr=subprocess.DEVNULL) as process:
                files.wait_for(enough)
                os.kill(process.pid, signal.SIGKILL)
        subprocess.run(program, check=True, capture_output=True)
        assert files.replies() == {name: f"{text}!" for name, text in rows.items()}
        most = ROWS + KILLS * CONCURRENCY + faults.total()
        assert len(files.fake.requests) <= most
