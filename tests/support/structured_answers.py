"""Answers that are read into a type, and the clients that ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import msgspec

from kimi_async import AsyncKimi, Provider
from kimi_async.testing import FakeProvider, Reply

__all__ = [
    "ADA",
    "ADAPTERS",
    "BY_SCHEMA",
    "FORMATS",
    "JSON_MODE",
    "SCHEMA",
    "WRONG",
    "Struct",
    "client_of",
    "without_json_mode",
]


class Struct(msgspec.Struct):
    name: str
    age: int


ADA: dict[str, Any] = {"name": "Ada", "age": 36}
SCHEMA = {
    "title": "Struct",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


WRONG = Reply('{"name": "Ada", "age": "old"}', "Hm.")


def without_json_mode(fake: FakeProvider) -> Provider:
    provider = fake.compatible()
    return attrs.evolve(provider, capabilities=provider.capabilities.override(json_object=False))


ADAPTERS: dict[str, Callable[[FakeProvider], Provider]] = {
    "acedata": lambda fake: fake.acedata(),
    "cloudsway": lambda fake: fake.cloudsway(),
    "moonshot": lambda fake: fake.moonshot(),
    "compatible": lambda fake: fake.compatible(),
    "without-json-mode": without_json_mode,
}
BY_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
JSON_MODE = {"type": "json_object"}
FORMATS = {
    "acedata": BY_SCHEMA,
    "cloudsway": JSON_MODE,
    "moonshot": BY_SCHEMA,
    "compatible": JSON_MODE,
    "without-json-mode": None,
}


def client_of(fake: FakeProvider, provider: str = "acedata") -> AsyncKimi:
    return AsyncKimi(ADAPTERS[provider](fake), model="kimi-k3")
