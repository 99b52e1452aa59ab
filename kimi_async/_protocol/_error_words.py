"""The words by which a text says that something failed; pure."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["reports_error", "type_reports_error"]

_WORDS: Final = (
    rb"(?is).*\b(error|exception|fatal|failed|failure|unavailable|overloaded|forbidden|unauthorized"
    rb"|timed? ?out|too many requests|rate limit)\b"
)
#: The type of a server-sent event that ends a reply, such as ``error``, ``exception`` and ``response.failed``.
_TYPES: Final = (
    r"(?i)(.*[._:/-])?(error|errors|exception|fail|failed|failure|fatal|abort|aborted|timeout|cancell?ed"
    r"|\w+_(error|exception|failed))"
)
_LOOKED_AT_BYTES: Final = 1024


def reports_error(text: bytes) -> bool:
    """Return whether a text from a host, which is not a part of a reply, says that something failed."""
    return re.match(_WORDS, text[:_LOOKED_AT_BYTES]) is not None


def type_reports_error(kind: str) -> bool:
    """Return whether the type of a server-sent event says that something failed."""
    return re.fullmatch(_TYPES, kind) is not None
