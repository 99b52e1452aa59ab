"""The wait before a retry; pure."""

from __future__ import annotations

from typing import Final

from kimi_async._errors import APIError, KimiError, OverloadedError, RateLimitError
from kimi_async._policies import Retries

__all__ = ["wait_before_retry"]

#: 2 to a higher power is over every cap.
_MOST_DOUBLINGS: Final = 60


def wait_before_retry(
    retries: Retries, error: KimiError, tries: int, chance: float
) -> float | None:
    """Return the seconds to wait before the next request to the provider that gave *error*.

    Args:
        retries: The rules.
        error: The error.
        tries: How many requests it has had for this reply, from 1.
        chance: A number from 0 to 1: the wait is that part of the longest one.

    Returns:
        The seconds; ``None`` if the provider asks for more than ``max_retry_after``.
    """
    throttled = isinstance(error, (RateLimitError, OverloadedError))
    base = retries.throttled_base if throttled else retries.base
    own = chance * min(retries.cap, base * 2.0 ** min(tries - 1, _MOST_DOUBLINGS))
    asked = error.retry_after if isinstance(error, APIError) else None
    if asked is None:
        return own
    # Some jitter after it too: all who got the same wait would return in the same moment.
    return asked + chance * base if asked <= retries.max_retry_after else None
