"""Say messages and counts in the words of the command line; pure."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["counted", "in_words_of_the_shell"]

_WORDS: Final = (
    # The text that arrived is on the screen.
    (r"; the text that arrived is in \.partial", ""),
    (r"the limit '\w+' ran out: ", ""),
    (r", or raise Timeouts\((connect|write|slot)=\.\.\.\)", ""),
    (r"Timeouts\(\w+=\.\.\.\)", "--timeout"),
    (r" Raise limits=Limits\(.*?\) if replies like this are expected\.", ""),
    (r" The last error of each provider is in \.errors\.", ""),
    (
        r"give one to AsyncKimi, or set a key \((.*)\)",
        r"set a key (\1); to try without one, start kimi-async fake",
    ),
    (r"\bapi_key (.*); give api_key=\.\.\. or set", r"the key \1; set"),
    (r"\b(AceDataCloud|Cloudsway|Moonshot|OpenAICompatible): (?=[a-z])", ""),
    (r"; pass allow_http=True if that is meant", ""),
    (r"bad parameter: (.*) - at `\$\.(\w+)`", r"\2: \1"),
    (r"\btemperature: ", "--temperature: "),
    (r"\bbase_url (?=must|is|holds)", "--base-url (or KIMI_BASE_URL) "),
    (r"\bbase_url\b", "--base-url"),
    (r"\bmax_(completion_)?tokens\b", "--max-tokens"),
    (r"\bendpoint_path\b", "--endpoint-path"),
)


def in_words_of_the_shell(message: str) -> str:
    """Return *message* with the options of the command line in place of Python's names."""
    for pattern, words in _WORDS:
        message = re.sub(pattern, words, message)
    return message


def counted(number: int, one: str, many: str) -> str:
    """Return *number* and its words: ``1 row``, ``2,000 rows``."""
    return f"{number:,} {one if number == 1 else many}"
