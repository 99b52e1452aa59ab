"""JSON that a model wrote: arguments of a tool call, an answer in JSON mode; pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["read_json_text"]


def read_json_text(text: str, into: Any = Any) -> Any:
    """Read *text* as JSON and check it against the type *into*, ``Any`` being any value.

    Raw control characters inside strings are accepted, because models do write them; everything else is strict.

    Raises:
        ValueError: What is wrong with it, and nothing else is ever raised.
    """
    try:
        value = json.loads(text, strict=False, parse_constant=_refuse_constant)
        return value if into is Any else msgspec.convert(value, into)
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError as error:  # json's own, and those of msgspec, which name the path
        problem = str(error)
    raise ValueError(problem)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
