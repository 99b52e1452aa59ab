"""The record of a reply that has ended: small, of fixed size, without content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import field, fields, frozen

__all__ = [
    "AttemptRecord",
    "OnComplete",
    "Outcome",
    "ReplyRecord",
    "Scalar",
    "Usage",
    "UsageOrigin",
    "recorded_params",
    "sum_usage",
    "total_usage",
    "unsent_record",
]

#: How a reply ended; exactly one for each reply.
Outcome = Literal[
    "complete",
    "length",
    "tool_calls",
    "content_filter",
    "other",
    "interrupted",
    "timeout",
    "cancelled",
    "error",
]

#: How far the figures of usage can be trusted: ``reported`` for a complete reply by every attempt, ``partial`` when the
#: reply broke after figures had arrived or an attempt reported none, ``unknown`` when no provider reported any.
UsageOrigin = Literal["reported", "partial", "unknown"]

#: A value of :attr:`ReplyRecord.params`.
Scalar = str | int | float | bool

#: The parameters of a request that a record may hold: none of them can carry content or name a person.
_RECORDED: Final = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logprobs",
    "top_logprobs",
    "tool_choice",
    "parallel_tool_calls",
    "thinking",
    "reasoning_effort",
)


@frozen(kw_only=True)
class Usage:
    """Token counts as the provider reported them; a count that it does not report is ``None``, never 0.

    Attributes:
        prompt_tokens: Tokens of the request.
        completion_tokens: Tokens of the reply, reasoning included.
        total_tokens: Their sum as the provider gives it.
        cached_tokens: Part of *prompt_tokens* that came out of a cache.
        reasoning_tokens: Part of *completion_tokens* that was reasoning.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@frozen(kw_only=True)
class AttemptRecord:
    """One request of a reply, and how it ended.

    Attributes:
        provider: Name of the provider.
        model: The model that the provider named, else the one asked for.
        outcome: How the attempt ended; the loser of a hedge is ``cancelled``.
        error: Class and message of the error that ended it, as text, or ``None``.
        first_output_after: Seconds from the start of the attempt to its first output; ``None`` if none arrived.
        chunks: Chunks of the stream that were read; 1 for a JSON body.
        usage: Token counts, or ``None`` if the provider reported none.
        resent: Whether the request was sent once more, over a new connection, because a kept connection broke before
            any byte of an answer.
    """

    provider: str
    model: str | None
    outcome: Outcome
    error: str | None
    first_output_after: float | None
    chunks: int
    usage: Usage | None
    resent: bool = False


@frozen(kw_only=True)
class ReplyRecord:
    """Ids, times, counts and the outcome of one reply; on the completion, on every error, and given to ``on_complete``.

    A reply that was not begun has a record too, without attempts, times and counts.

    Attributes:
        outcome: How the reply ended; ``cancelled`` while it runs.
        provider: Name of the provider.
        model: The model that the provider named, else the one asked for.
        id: The provider's id of the reply.
        request_id: The request or trace id of the response headers.
        started_at: Wall clock, seconds since the Unix epoch, when the reply was begun; a wait for a permit of
            ``max_concurrency`` comes after it. 0 if the reply was not begun.
        headers_after: Seconds from there to the response headers; ``None`` if they never came. So below.
        first_output_after: Seconds to the first reasoning, content, refusal, tool call or finish reason.
        last_output_after: Seconds to the last of these.
        ended_after: Seconds to the end, or until now while the reply runs.
        longest_gap: The longest wait between two reads that brought output, in seconds; ``None`` if one read brought
            all of it.
        chunks: Chunks of the stream that were read; 1 for a JSON body.
        bytes: Bytes of the body that were read.
        attempts: The requests that were sent, in their order; empty if the reply ended before the first one.
        finish_reasons: The finish reason of each choice that has one, by index, in the provider's word.
        params: The scalar parameters of the request, such as ``temperature`` and ``max_tokens``, by a fixed list of
            names; never content.
        usage: Token counts, summed over the attempts that reported any; ``None`` if none did.
        usage_origin: How far they can be trusted.
        late_error: An error that came after the reply was already complete, as text; such an error is not raised.
    """

    outcome: Outcome
    provider: str
    model: str | None
    id: str | None
    request_id: str | None
    started_at: float
    headers_after: float | None
    first_output_after: float | None
    last_output_after: float | None
    ended_after: float
    longest_gap: float | None
    chunks: int
    bytes: int
    attempts: tuple[AttemptRecord, ...]
    finish_reasons: tuple[str, ...]
    params: Mapping[str, Scalar] = field(hash=False)
    usage: Usage | None
    usage_origin: UsageOrigin
    late_error: str | None


#: Called with the record of a reply when the reply has ended.
OnComplete: TypeAlias = Callable[[ReplyRecord], object]


def unsent_record(outcome: Outcome, provider: str) -> ReplyRecord:
    """Return the record of a reply that was not begun."""
    return ReplyRecord(
        outcome=outcome,
        provider=provider,
        model=None,
        id=None,
        request_id=None,
        started_at=0.0,
        headers_after=None,
        first_output_after=None,
        last_output_after=None,
        ended_after=0.0,
        longest_gap=None,
        chunks=0,
        bytes=0,
        attempts=(),
        finish_reasons=(),
        params={},
        usage=None,
        usage_origin="unknown",
        late_error=None,
    )


def recorded_params(params: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return those of *params* that a record may hold."""
    return {
        name: params[name] for name in _RECORDED if isinstance(params.get(name), (str, int, float))
    }


def total_usage(
    attempts: Sequence[AttemptRecord], *, complete: bool
) -> tuple[Usage | None, UsageOrigin]:
    """Sum the usage that the attempts of one reply reported.

    Args:
        attempts: The attempts.
        complete: Whether the reply is complete.

    Returns:
        The sum and its origin. A figure is ``None`` only if no attempt reported it.
    """
    reported = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if not reported:
        return None, "unknown"
    is_whole = complete and len(reported) == len(attempts)
    total = reported[0] if len(reported) == 1 else _sum(reported)
    return total, "reported" if is_whole else "partial"


def _sum(usages: Sequence[Usage]) -> Usage:
    sums = {}
    for each in fields(Usage):
        figures = [getattr(usage, each.name) for usage in usages]
        known = [figure for figure in figures if figure is not None]
        sums[each.name] = sum(known) if known else None
    return Usage(**sums)


def sum_usage(usages: Sequence[Usage | None]) -> Usage | None:
    """Return the sum of *usages*; a figure that one of them does not have is ``None`` in the sum."""
    figures: dict[str, list[int | None]] = {
        each.name: [getattr(usage, each.name, None) for usage in usages] for each in fields(Usage)
    }
    sums = {
        name: sum(part for part in parts if part is not None)
        for name, parts in figures.items()
        if None not in parts
    }
    return Usage(**sums) if sums else None
