"""Make the records of a reply and its attempts, and the facts that hooks get; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from kimi_async._errors import KimiError, KimiTimeoutError, StreamInterrupted
from kimi_async._hooks import AttemptInfo, CallInfo
from kimi_async._models import ChatCompletion
from kimi_async._providers import Provider
from kimi_async._record import (
    AttemptRecord,
    Outcome,
    ReplyRecord,
    Scalar,
    recorded_params,
    total_usage,
)
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._progress import Progress
from kimi_async._wire import ChatRequest, WireRequest

__all__ = [
    "attempt_info",
    "attempt_records",
    "call_info",
    "outcome_of_failure",
    "reply_record",
]


def call_info(
    providers: Sequence[Provider], request: ChatRequest, wire: WireRequest, started_at: float
) -> CallInfo:
    """Return the facts of a reply before its request is sent."""
    return CallInfo(
        providers=tuple(provider.name for provider in providers),
        model=request.model,
        started_at=started_at,
        params=recorded_params(wire.body),
    )


def attempt_info(attempt: Attempt, number: int) -> AttemptInfo:
    """Return the facts of attempt *number*, which is about to be sent."""
    return AttemptInfo(
        provider=attempt.provider.name,
        model=attempt.model,
        attempt=number,
        host=urlsplit(attempt.provider.url).netloc,
    )


def attempt_records(
    attempts: Sequence[Attempt], last: Attempt | None, outcome: Outcome
) -> tuple[AttemptRecord, ...]:
    """Return the records of *attempts*; the *last* one, if it did not fail, has the *outcome* of the reply."""
    return tuple(
        _record_of(
            attempt,
            outcome if attempt is last and attempt.failure is None else _outcome_of(attempt),
        )
        for attempt in attempts
    )


def _record_of(attempt: Attempt, outcome: Outcome) -> AttemptRecord:
    return AttemptRecord(
        provider=attempt.provider.name,
        model=attempt.decoder.assembler.model or attempt.model,
        outcome=outcome,
        error=None if attempt.failure is None else _as_text(attempt.failure),
        first_output_after=_seconds(attempt.progress.begun, attempt.progress.first_output_at),
        chunks=attempt.decoder.chunks,
        usage=attempt.decoder.usage,
        resent=attempt.response is not None and attempt.response.resent,
    )


def _outcome_of(attempt: Attempt) -> Outcome:
    return "cancelled" if attempt.failure is None else outcome_of_failure(attempt.failure)


def reply_record(
    outcome: Outcome,
    attempts: Sequence[Attempt],
    last: Attempt | None,
    snapshot: ChatCompletion,
    *,
    model: str | None,
    params: Mapping[str, Scalar],
    begun: float,
    begun_at: float,
    ended: float,
) -> ReplyRecord:
    """Return the record of a reply.

    Args:
        outcome: The outcome of the reply.
        attempts: All its attempts.
        last: The attempt of its message; ``None`` if it ended before a request was sent.
        snapshot: The message so far.
        model: The model that the caller named.
        params: The parameters that a record may hold.
        begun: The time at which the reply began, by the event loop's clock, in seconds.
        begun_at: The same time by the wall clock.
        ended: The time at which the reply ended, by the event loop's clock.
    """
    records = attempt_records(attempts, last, outcome)
    complete = last is not None and last.decoder.complete
    usage, usage_origin = total_usage(records, complete=complete)
    progress = Progress() if last is None else last.progress
    late = None if last is None else last.decoder.late_error
    response = None if last is None else last.response
    return ReplyRecord(
        outcome=outcome,
        provider=snapshot.provider if last is None else last.provider.name,
        model=snapshot.model or model,
        id=snapshot.id,
        request_id=None if response is None else response.request_id,
        started_at=begun_at,
        headers_after=_seconds(begun, progress.headers_at),
        first_output_after=_seconds(begun, progress.first_output_at),
        last_output_after=_seconds(begun, progress.last_output_at),
        ended_after=ended - begun,
        longest_gap=progress.longest_gap,
        chunks=last.decoder.chunks if last else 0,
        bytes=progress.bytes,
        attempts=records,
        finish_reasons=tuple(
            choice.finish_reason for choice in snapshot.choices if choice.finish_reason is not None
        ),
        params=params,
        usage=usage,
        usage_origin=usage_origin,
        late_error=None if late is None else _as_text(late),
    )


def _seconds(begun: float, at: float | None) -> float | None:
    return None if at is None else at - begun


def _as_text(error: KimiError) -> str:
    return f"{type(error).__name__}: {error.message}"


def outcome_of_failure(failure: KimiError) -> Outcome:
    """Return the outcome of a reply that an error ended."""
    if isinstance(failure, KimiTimeoutError):
        return "timeout"
    return "interrupted" if isinstance(failure, StreamInterrupted) else "error"
