"""Chunks of a stream in short notation, as JSON and as parsed chunks.

A field that is not given is absent from the JSON, so that a row of a table can tell absent from null and ``""``.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from kimi_async._protocol._chunk import Chunk
from kimi_async._providers._parsing import parse_any

Json: TypeAlias = dict[str, Any]


def said(choice: int = 0, *, finish: str | None = None, **delta: Any) -> Json:
    """One chunk with one choice, whose delta holds the keywords."""
    return {"choices": [{"index": choice, "delta": delta, "finish_reason": finish}]}


def called(*pieces: Json, choice: int = 0, finish: str | None = None) -> Json:
    """One chunk with pieces of tool calls."""
    return said(choice, finish=finish, tool_calls=list(pieces))


def piece(*, name: str | None = None, arguments: object = None, **fields: Any) -> Json:
    """One entry of ``tool_calls``: *name* and *arguments* in its function, *fields* (``index``, ``id``) beside it."""
    function = {"name": name, "arguments": arguments}
    given = {key: value for key, value in function.items() if value is not None}
    return {**fields, "function": given}


def thought(text: str) -> Json:
    """One chunk with a piece of reasoning."""
    return said(reasoning_content=text)


def call(
    arguments: object = None, *, choice: int = 0, finish: str | None = None, **fields: Any
) -> Json:
    """One chunk with one piece of a call."""
    return called(piece(arguments=arguments, **fields), choice=choice, finish=finish)


def counts(prompt: int, completion: int) -> Json:
    """One usage object."""
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def counted(prompt: int, completion: int) -> Json:
    """The chunk that ends a stream: usage, and no choices."""
    return {"choices": [], "usage": counts(prompt, completion)}


def read(raw: Json) -> Chunk:
    """Read one chunk as a provider's is read."""
    chunk = parse_any(json.dumps(raw).encode())
    assert isinstance(chunk, Chunk)
    return chunk
