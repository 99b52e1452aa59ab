"""Every wire by its provider's name, and the event stream that they have in common. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kimi_async.testing._completion import dump
from kimi_async.testing._openai import CompatibleWire, MoonshotWire
from kimi_async.testing._resellers import AceDataWire, CloudswayWire
from kimi_async.testing._wire import ProviderName, Wire

__all__ = ["WIRES", "as_events"]

#: Each provider's way of writing.
WIRES: Final[Mapping[ProviderName, Wire]] = {
    "acedata": AceDataWire(),
    "cloudsway": CloudswayWire(),
    "moonshot": MoonshotWire(),
    "openai": CompatibleWire(),
}


def as_events(chunks: Iterable[Any]) -> tuple[bytes, ...]:
    """Return chunks as server-sent events, ``[DONE]`` last; each with its blank line."""
    data = [*map(dump, chunks), "[DONE]"]
    return tuple(f"data: {text}\n\n".encode() for text in data)
