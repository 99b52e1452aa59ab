"""Errors that the providers read."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kimi_async._errors import APIError

__all__ = ["KEY", "NOW", "as_json", "assert_hidden", "strings_in"]


#: 2015-10-21 07:26:20 UTC.
NOW = 1445412380.0
KEY = "sk-Ab0_~+/w=="


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def strings_in(value: object) -> Iterator[str]:
    """Every text in a value, keys included, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings_in([*value, *value.values()])
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings_in(inner)


def assert_hidden(error: APIError, key: str) -> None:
    texts = list(strings_in([vars(error), error.args, str(error), repr(error)]))
    assert not [text for text in texts if key in text]
