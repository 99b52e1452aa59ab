"""``kimi-async batch``: answer a file of requests with a file of replies."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import field, frozen

from kimi_async import (
    AsyncKimi,
    AuthenticationError,
    CallParams,
    ConfigurationError,
    KimiError,
    NotFoundError,
    Provider,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
)
from kimi_async.batch import BatchRequest, BatchResult
from kimi_async.batch._files import FileRow, digest_of, error_line, output_line
from kimi_async.cli._batch_files import (
    Lines,
    Plan,
    drop_lines,
    make_plan,
    refuse_other_file,
    rows_of,
)
from kimi_async.cli._output import report
from kimi_async.cli._progress import Counts, Display, summary
from kimi_async.cli._words import counted

__all__ = ["Job", "estimate", "is_final", "is_unknown", "run_batch"]

#: After so many refusals with 404 and no other result, the model or the URL is wrong for every row.
_UNKNOWN_ROWS: Final = 20

#: A rough figure for English text and JSON; the page Batches says so.
_BYTES_PER_TOKEN: Final = 4


@frozen(kw_only=True)
class Job:
    """The files and the options of one batch.

    Attributes:
        source: The input.
        output: The file of replies.
        errors: The file of failures.
        providers: The providers, in their order.
        model: The model of rows that name none; ``None`` where the provider needs none.
        system: The system message of rows that have none, or ``None``.
        params: The parameters of rows that do not set them.
        concurrency: How many requests run at the same time; ``None`` for the default.
    """

    source: Path
    output: Path
    errors: Path
    providers: tuple[Provider, ...]
    model: str | None
    system: str | None
    params: CallParams = field(factory=CallParams)
    concurrency: int | None

    def __attrs_post_init__(self) -> None:
        for path in (self.source, self.output, self.errors):
            if path.exists() and not path.is_file():
                raise ConfigurationError(
                    f"{path} is not a file on a disk; a batch reads its files again when it continues"
                )
        if len({self.source.resolve(), self.output.resolve(), self.errors.resolve()}) < 3:
            raise ConfigurationError("the input, the output and the error file must differ")
        if self.output.suffix == ".gz" or self.errors.suffix == ".gz":
            raise ConfigurationError(
                "the output cannot be compressed while it is written; leave out .gz"
            )
        for path in (self.output, self.errors):
            if not path.parent.is_dir():
                raise ConfigurationError(
                    f"{path} cannot be written: there is no folder {path.parent}; make it first"
                )
            refuse_other_file(path)

    @property
    def settings(self) -> str:
        """Differs if the options that change a reply differ."""
        return digest_of({"model": self.model, "system": self.system, **self.params})

    def plan(self) -> Plan:
        """Compare the input with the files of earlier runs.

        Raises:
            ConfigurationError: The files do not fit, or a row has no model.
            OSError: A file cannot be read.
        """
        plan = make_plan(self.source, self.output, self.errors, self.settings)
        if plan.lacks_model and self.model is None and self.providers[0].needs_model:
            raise ConfigurationError(
                "no model: give --model, set KIMI_MODEL, or name one in each row"
            )
        return plan


def estimate(job: Job) -> list[str]:
    """Return what a run would do, without sending anything."""
    plan = job.plan()
    tokens = math.ceil(plan.text_bytes / _BYTES_PER_TOKEN)
    rows = counted(plan.total, "row", "rows")
    return [
        f"{rows}: {len(plan.answered):,} answered, {len(plan.failed):,} failed, {plan.left:,} to send",
        f"about {counted(tokens, 'token', 'tokens')} of input, at {_BYTES_PER_TOKEN} bytes for each",
    ]


async def run_batch(job: Job) -> bool:
    """Answer the rows that are not answered yet.

    Returns:
        Whether every row has a reply now.

    Raises:
        ConfigurationError: The files or the options do not fit.
        KimiError: No further request can succeed: the key is wrong, the money is gone, the limit of the day is
            reached, or the provider does not know the model or the URL of the first rows.
        OSError: A file cannot be read or written.
    """
    async with AsyncKimi(job.providers, model=job.model) as client:
        with Lines(job.output) as output:
            plan = job.plan()
            drop_lines(job.errors, plan.outdated)
            counts = Counts(plan.total, len(plan.answered), len(plan.failed))
            display = Display(counts, sys.stderr, time.monotonic)
            with Lines(job.errors) as errors:
                rows = _Rows(job, plan, counts, output, errors)
                stop = await display.during(rows.answer, client)
    if not job.errors.stat().st_size:
        job.errors.unlink()
    if stop is not None:
        raise stop
    failed = counts.failed + counts.failed_before
    lines = summary(counts, display.seconds)
    if failed:
        rows_have = counted(failed, "row has", "rows have")
        lines.append(f"{rows_have} no reply; {job.errors} says why, and can be an input")
    for line in lines:
        report(line)
    return not failed


class _Rows:
    """The rows of one run."""

    def __init__(self, job: Job, plan: Plan, counts: Counts, output: Lines, errors: Lines) -> None:
        self._job = job
        self._plan = plan
        self._counts = counts
        self._output = output
        self._errors = errors
        self._running: dict[str, FileRow] = {}
        #: The first results, as long as all of them are refusals with 404; they are written when another one arrives.
        self._unknown: list[BatchResult[None]] = []

    async def answer(self, client: AsyncKimi) -> KimiError | None:
        """Write the results; return the error after which no further request can succeed."""
        stop: KimiError | None = None
        batch = client.batch(
            self._requests(), concurrency=self._job.concurrency, **self._job.params
        )
        async with batch as results:
            async for result in results:
                stop = self._take(result)
                if stop is not None:
                    break
        if stop is None:
            self._write_unknown()
        return stop

    def _take(self, result: BatchResult[None]) -> KimiError | None:
        """Write a result; return its error, with nothing written, if no further request can succeed."""
        error = result.error
        if error is not None and is_final(error):
            return error
        if error is not None and is_unknown(error) and self._counts.is_new:
            self._unknown.append(result)
            if len(self._unknown) < _UNKNOWN_ROWS:
                return None
            report(f"the first {_UNKNOWN_ROWS} rows were refused with 404, so no other row is sent")
            return error
        self._write_unknown()
        self._write(result)
        return None

    def _write_unknown(self) -> None:
        for result in self._unknown:
            self._write(result)
        self._unknown.clear()

    def _requests(self) -> Iterator[BatchRequest[None]]:
        for row in rows_of(self._job.source):
            if not self._plan.is_done(row):
                self._running[row.custom_id] = row
                yield row.to_request(self._job.system)

    def _write(self, result: BatchResult[None]) -> None:
        row = self._running.pop(result.custom_id)
        if result.reply is None:
            self._errors.add(error_line(row, result, self._job.settings))
        else:
            self._output.add(output_line(row, result.reply, self._job.settings))
        self._counts.add(result)


def is_unknown(error: KimiError) -> bool:
    """Return whether no provider knows the model or the URL."""
    if isinstance(error, ProviderUnavailableError):
        return bool(error.errors) and all(map(is_unknown, error.errors))
    return isinstance(error, NotFoundError)


def is_final(error: KimiError) -> bool:
    """Return whether every other row would fail in the same way."""
    if isinstance(error, ProviderUnavailableError):
        return bool(error.errors) and all(map(is_final, error.errors))
    if isinstance(error, RateLimitError):
        return not error.retryable  # a limit of the day
    return isinstance(error, (AuthenticationError, QuotaExceededError))
