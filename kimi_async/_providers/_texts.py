"""Make a text of a host fit for a message: one line, short, without markup and without the key; pure."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import msgspec

__all__ = ["excerpt_of", "one_line", "value_without_key", "without_key"]

#: A message of an error has at most so many characters, an excerpt of a body at most so many.
_LINE_CHARS: Final = 500
_EXCERPT_CHARS: Final = 300

#: A shorter key is likely to be a part of ordinary words.
_KEY_CHARS: Final = 8
_BLOT: Final = "[key]"
#: Characters that some ways to write a key quote or escape.
_ESCAPED: Final = re.compile(r"[^A-Za-z0-9_.~-]")

_MARKUP: Final = r"(?is)<(script|style)\b.*?(</\1>|$)|<!--.*?(-->|$)|<[^>]*(>|$)"


def without_key(text: str, key: str | None) -> str:
    """Return *text* with ``[key]`` for the key, also where the key is quoted or escaped.

    A key of fewer than 8 characters is left: it would be found in ordinary words.
    """
    if key is None or len(key) < _KEY_CHARS:
        return text
    # The same in every spelling, and hardly ever in a text: each header of each response is searched.
    part = max(_ESCAPED.split(key), key=len)
    if part in text:
        for spelling in _spellings_of(key):
            text = text.replace(spelling, _BLOT)
    return text


def _spellings_of(key: str) -> list[str]:
    """Return the ways to write *key*, the longest first.

    Not as one pattern: the cache of ``re`` would keep the key for longer than its provider.
    """
    in_json = msgspec.json.encode(key)[1:-1].decode()
    spellings = {
        *(key, repr(key)[1:-1], in_json, quote(key, safe="")),
        # PHP escapes each slash, and a JSON text inside a JSON text escapes the backslash again.
        *(key.replace("/", "\\/"), key.replace("/", "\\\\/")),
    }
    return sorted(spellings, key=len, reverse=True)


def value_without_key(value: Any, key: str | None) -> Any:
    """Return a JSON value with ``[key]`` for the key in all its texts, names included."""
    if isinstance(value, str):
        return without_key(value, key)
    if isinstance(value, list):
        return [value_without_key(item, key) for item in value]
    if isinstance(value, dict):
        return {
            without_key(name, key): value_without_key(item, key) for name, item in value.items()
        }
    return value


def one_line(text: str, chars: int = _LINE_CHARS) -> str:
    """Return *text* as one line of at most *chars* characters, with control characters escaped."""
    # Much more than is kept, because blanks and escapes change the length.
    line = " ".join(text[: 20 * chars].split())
    if not line.isprintable():
        line = "".join(map(_printable, line))
    return line[:chars].rstrip()


def _printable(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def excerpt_of(body: bytes, *, key: str | None) -> str:
    """Return the beginning of a body that is not a reply, as one line of text without markup and without the key."""
    text = without_key(body.decode("utf-8", "replace"), key)
    return one_line(re.sub(_MARKUP, " ", text[: 20 * _EXCERPT_CHARS]), _EXCERPT_CHARS)
