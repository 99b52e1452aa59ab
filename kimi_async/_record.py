"""What is remembered of a reply when it is over: small, of fixed size, without content."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

__all__ = ["Outcome", "ReplyRecord", "Usage", "UsageOrigin"]

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

#: Where the figures of usage come from: ``reported`` with a finished reply, ``partial`` when the reply broke after
#: figures had come, ``unknown`` when the provider said nothing.
UsageOrigin = Literal["reported", "partial", "unknown"]


@frozen(kw_only=True)
class Usage:
    """Token counts as the provider reported them; what it does not say is ``None``, never 0.

    Attributes:
        prompt_tokens: Tokens of the request.
        completion_tokens: Tokens of the reply, reasoning included.
        total_tokens: Their sum as the provider gives it.
        cached_tokens: Part of *prompt_tokens* that came out of a cache.
        reasoning_tokens: Part of *completion_tokens* that was thinking.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@frozen(kw_only=True)
class ReplyRecord:
    """Ids, times, counts and the outcome of one reply; on the completion, on every error, and given to ``on_complete``.

    Attributes:
        outcome: How the reply ended.
        provider: Name of the provider.
        model: The model that the provider named, else the one asked for.
        id: The provider's id of the reply.
        request_id: The request or trace id of the response headers.
        started_at: Wall clock, seconds since the Unix epoch, when the reply was begun; a wait for a permit of
            ``max_concurrency`` comes after it.
        headers_after: Seconds from there to the response headers; ``None`` if they never came. So below.
        first_output_after: Seconds to the first reasoning, content, refusal, tool call or finish reason.
        last_output_after: Seconds to the last of these.
        ended_after: Seconds to the end.
        longest_gap: The longest wait between two reads that brought output, in seconds; ``None`` if one brought all.
        chunks: Chunks of the stream that were read; 1 for a JSON body.
        bytes: Bytes of the body that were read.
        attempts: Requests that were sent; 0 if the reply ended while it waited for a permit.
        usage: Token counts, or ``None`` if the provider said nothing.
        usage_origin: Where they come from.
        late_error: What went wrong after the reply was already complete, as text; such an error is not raised.
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
    attempts: int
    usage: Usage | None
    usage_origin: UsageOrigin
    late_error: str | None
