"""The log lines of attempts: one for each request that was sent, without content and without secrets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from kimi_async._hooks import AttemptInfo, CallInfo, Hook, Observer
from kimi_async._http._event_loop import loop_clock
from kimi_async._record import AttemptRecord

__all__ = ["with_log"]

_logger: Final = logging.getLogger("kimi_async")


def with_log(hooks: Sequence[Hook]) -> Sequence[Hook]:
    """Return the hooks of a reply, with the one that logs its attempts if somebody reads the log."""
    return (*hooks, _LogLines) if _logger.isEnabledFor(logging.INFO) else hooks


class _LogLines(Observer):
    """The log lines of one reply, at the level ``INFO``.

    The message of an error is left out, because a provider may quote the prompt or name the account in it.
    """

    def __init__(self, _call: CallInfo) -> None:
        self._clock = loop_clock()
        #: The number of the last attempt at each provider, and the time at which it began.
        self._begun: dict[str, tuple[int, float]] = {}

    def attempt_started(self, info: AttemptInfo, /) -> None:
        self._begun[info.provider] = info.attempt, self._clock()

    def attempt_ended(self, record: AttemptRecord, /) -> None:
        number, begun = self._begun[record.provider]
        seconds = self._clock() - begun
        usage = record.usage
        error = record.error and record.error.partition(":")[0]
        _logger.info(
            "%s %s, attempt %d: %s after %.2f s",
            record.provider,
            record.model or "(no model)",
            number,
            f"{record.outcome} ({error})" if error else record.outcome,
            seconds,
            extra={
                "kimi_provider": record.provider,
                "kimi_model": record.model,
                "kimi_attempt": number,
                "kimi_outcome": record.outcome,
                "kimi_error": error,
                "kimi_seconds": seconds,
                "kimi_first_output_after": record.first_output_after,
                "kimi_chunks": record.chunks,
                "kimi_prompt_tokens": usage and usage.prompt_tokens,
                "kimi_completion_tokens": usage and usage.completion_tokens,
                "kimi_cached_tokens": usage and usage.cached_tokens,
            },
        )
