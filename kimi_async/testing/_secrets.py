"""Keep keys out of recordings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from kimi_async.testing._exchanges import Exchange, Pairs, RecordingError

__all__ = ["keys_in", "refuse_keys", "scrubbed"]

SCRUBBED: Final = "[scrubbed]"

#: Headers whose values are secrets, in requests and answers.
_SECRET_HEADER: Final = re.compile(
    r"^(?!x-ratelimit).*(auth|cookie|key|token|secret|credential)", re.IGNORECASE
)
#: Environment variables that hold a key.
_KEY_VARIABLE: Final = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)$")
#: Texts that look like a key, whatever its owner.
_LOOKS_LIKE_A_KEY: Final = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}|\bBearer\s+(?=\S*\d)[A-Za-z0-9._~+/-]{16,}"
)
#: A shorter text is found by chance.
_SHORTEST: Final = 8


def scrubbed(headers: Iterable[tuple[str, str]]) -> Pairs:
    """Return headers with the values of secret ones replaced."""
    return tuple(
        (name.lower(), SCRUBBED if _SECRET_HEADER.search(name) else value)
        for name, value in headers
    )


def keys_in(headers: Iterable[tuple[str, str]], environment: Mapping[str, str]) -> set[str]:
    """Return the keys of a request: those of its headers and of the environment."""
    sent = [value for name, value in headers if _SECRET_HEADER.search(name)]
    known = [value for name, value in environment.items() if _KEY_VARIABLE.search(name)]
    keys = {value.rpartition(" ")[2].strip() for value in (*sent, *known)}
    return {key for key in keys if len(key) >= _SHORTEST and key != SCRUBBED}


def refuse_keys(exchanges: Iterable[Exchange], keys: Iterable[str]) -> None:
    """Refuse exchanges that hold a key.

    Raises:
        RecordingError: One of *keys*, or a text that looks like a key, is in one of them; the message does not show it.
    """
    known = [*keys]
    for number, exchange in enumerate(exchanges, 1):
        for text in exchange.texts():
            if _LOOKS_LIKE_A_KEY.search(text) or any(key in text for key in known):
                raise RecordingError(
                    f"exchange {number} of the recording holds a key outside of its headers; "
                    "remove it from the messages, or give record() a scrub= that replaces it"
                )
