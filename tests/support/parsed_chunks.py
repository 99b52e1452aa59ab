"""Chunks that the parsers read, and the readers of both kinds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from kimi_async._protocol._chunk import Chunk, Done
from kimi_async._providers._fast_path import parse_fast
from kimi_async._providers._parsing import parse_any, parse_completion

__all__ = ["READERS", "Reader", "as_json", "each_reader", "parse_chunk"]


Reader: TypeAlias = Callable[[bytes], Chunk | Done | None]


def parse_chunk(data: bytes) -> Chunk | Done | None:
    """Both ways of reading, as a provider takes them."""
    return parse_fast(data) or parse_any(data)


READERS: list[Reader] = [parse_chunk, parse_completion]


each_reader = pytest.mark.parametrize("read", READERS)


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()
