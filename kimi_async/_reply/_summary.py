"""The attempts of a reply as they stand on its record; pure."""

from __future__ import annotations

from collections.abc import Sequence

from kimi_async._errors import KimiError, KimiTimeoutError, StreamInterrupted
from kimi_async._record import AttemptRecord, Outcome
from kimi_async._reply._attempt import Attempt

__all__ = ["as_text", "attempt_records", "outcome_of_failure"]


def attempt_records(
    attempts: Sequence[Attempt], last: Attempt | None, outcome: Outcome
) -> tuple[AttemptRecord, ...]:
    """Return the records of all attempts; the *last* one ended with the *outcome* of the reply."""
    return tuple(
        _record_of(attempt, outcome if attempt is last else _outcome_of(attempt))
        for attempt in attempts
    )


def _record_of(attempt: Attempt, outcome: Outcome) -> AttemptRecord:
    first_output = attempt.first_output_at
    return AttemptRecord(
        provider=attempt.provider.name,
        model=attempt.decoder.assembler.model or attempt.model,
        outcome=outcome,
        error=None if attempt.failure is None else as_text(attempt.failure),
        first_output_after=None if first_output is None else first_output - attempt.begun,
        chunks=attempt.decoder.chunks,
        usage=attempt.decoder.usage,
    )


def _outcome_of(attempt: Attempt) -> Outcome:
    return "cancelled" if attempt.failure is None else outcome_of_failure(attempt.failure)


def as_text(error: KimiError) -> str:
    """Return class and message of an error."""
    return f"{type(error).__name__}: {error.message}"


def outcome_of_failure(failure: KimiError) -> Outcome:
    """Return the outcome of a reply that an error ended."""
    if isinstance(failure, KimiTimeoutError):
        return "timeout"
    return "interrupted" if isinstance(failure, StreamInterrupted) else "error"
