"""Every wire by its provider's name, and the event stream that they have in common. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kimi_async.testing._completion import Completion, dump
from kimi_async.testing._openai import CompatibleWire, MoonshotWire
from kimi_async.testing._resellers import AceDataWire, CloudswayWire
from kimi_async.testing._wire import ProviderName, Wire

__all__ = ["WIRES", "stream_events"]

#: Each provider's way of writing.
WIRES: Final[Mapping[ProviderName, Wire]] = {
    "acedata": AceDataWire(),
    "cloudsway": CloudswayWire(),
    "moonshot": MoonshotWire(),
    "openai": CompatibleWire(),
}


def stream_events(
    wire: Wire, completion: Completion, *, include_usage: bool = True
) -> tuple[bytes, ...]:
    """Write a completion as server-sent events, ``[DONE]`` last; each with its blank line."""
    chunks = wire.chunks(completion, include_usage=include_usage)
    data = [*map(dump, chunks), "[DONE]"]
    return tuple(f"data: {text}\n\n".encode() for text in data)
