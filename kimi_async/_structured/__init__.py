"""Structured output: the model gets a type as a JSON Schema, and its answer is read into that type."""

from kimi_async._structured._parse import Parsed, ParseParams, ParseRound, check_repairs, parse
from kimi_async._structured._request import typed_request
from kimi_async._structured._stream import ParsedStream

__all__ = [
    "ParseParams",
    "ParseRound",
    "Parsed",
    "ParsedStream",
    "check_repairs",
    "parse",
    "typed_request",
]
