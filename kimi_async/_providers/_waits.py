"""Find the wait that a provider asks for, in a header, in a field of its error, or in its words; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["seconds_of", "seconds_to_wait"]

_NUMBER: Final = r"\d{1,9}(?:\.\d{1,9})?"
_UNIT: Final = r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)(?![a-z])"
#: "try again after 1 seconds", "Please retry in 6m20.4s", "try again in 120ms".
_IN_WORDS: Final = rf"\b(?:(?:try|retry|wait)\b[^.;]{{0,40}}?\b(?:in|after|for)|wait)\s+((?:{_NUMBER}\s*{_UNIT}\s*)+)"
_SECONDS: Final[Mapping[str, float]] = {"ms": 0.001, "mil": 0.001, "s": 1, "m": 60, "h": 3600}


def seconds_to_wait(
    headers: Mapping[str, str], field: str | None, text: str, now: float
) -> float | None:
    """Return the seconds to wait, never negative; ``None`` where nothing says how long.

    Args:
        headers: The response headers, names in lower case.
        field: The value of a field ``retry_after`` in the error object, or ``None``.
        text: The message of the error.
        now: Unix seconds, against which a date is read.
    """
    return next(_waits(headers, field, text, now), None)


def _waits(headers: Mapping[str, str], field: str | None, text: str, now: float) -> Iterator[float]:
    yield from (number / 1000 for number in _number(headers.get("retry-after-ms", "")))
    for name in ("retry-after", "x-retry-after"):
        value = headers.get(name, "").strip()
        yield from _number(value)
        yield from _date(value, now)
    said = seconds_of((field or "").strip())
    yield from () if said is None else (said,)
    yield from _words(text)


def _number(value: str) -> Iterator[float]:
    if re.fullmatch(_NUMBER, value.strip(), re.ASCII):
        yield float(value)


def _date(value: str, now: float) -> Iterator[float]:
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return
    # A date without a zone, as in the oldest form of an HTTP date, is in UTC and not in this machine's time.
    yield max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)


def _words(text: str) -> Iterator[float]:
    said = re.search(_IN_WORDS, text, re.ASCII | re.IGNORECASE)
    if said is not None:
        yield _sum(said[1])


def seconds_of(text: str) -> float | None:
    """Return the seconds in a text that is only a time: ``"12"``, ``"1.5"`` or ``"6m20.5s"``; else ``None``."""
    if re.fullmatch(rf"(?:{_NUMBER}\s*{_UNIT}\s*)+", text, re.ASCII | re.IGNORECASE):
        return _sum(text)
    return next(_number(text), None)


def _sum(times: str) -> float:
    parts = re.findall(rf"({_NUMBER})\s*{_UNIT}", times, re.ASCII | re.IGNORECASE)
    return sum(float(number) * _seconds_of(unit.lower()) for number, unit in parts)


def _seconds_of(unit: str) -> float:
    return next(seconds for name, seconds in _SECONDS.items() if unit.startswith(name))
