"""The clients that are compared: their names, their modules, and their common interface.

A client is imported in a worker of its own, so nothing but the standard library is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol

from _bodies import Ask, BodyName, Said

__all__ = ["CLIENTS", "Client", "Entry", "First"]

#: Called as soon as a client holds the first piece of the reply.
First = Callable[[], None]


class Client(Protocol):
    """One client, with its connections."""

    async def run(self, ask: Ask, first: First) -> Said:
        """Read one whole stream, and join its content as a user would."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Entry(NamedTuple):
    """One client of the comparison.

    Attributes:
        kind: A ``floor`` reads and decodes, and does nothing else; a ``peer`` is somebody's SDK; and there are ours.
        module: The module of this package whose ``make(url, **arguments)`` makes it.
        packages: The packages that it uses; their versions are reported.
        arguments: The arguments of its constructor.
        group: The dependency group of its environment.
        uvloop: Whether it runs on uvloop.
        cannot: The bodies that it reads wrongly, and the reason.
    """

    kind: Literal["floor", "peer", "ours", "variant"]
    module: str
    packages: tuple[str, ...]
    arguments: Mapping[str, Any] = {}
    group: str = "bench"
    uvloop: bool = False
    cannot: Mapping[BodyName, str] = {}


_MERGES: Final[Mapping[BodyName, str]] = {
    "five calls": "its pieces of tool calls carry no index, so calls that come in turn run together"
}
_AIOHTTP: Final = ("httpx-aiohttp", "aiohttp", "httpx")

#: By the name that the tables show. A variant is measured for one row of the budgets, and is in no other table.
CLIENTS: Final[dict[str, Entry]] = {
    "asyncio": Entry("floor", "bare_asyncio", ("orjson",)),
    "asyncio, uvloop": Entry("floor", "bare_asyncio", ("orjson", "uvloop"), uvloop=True),
    "httpx": Entry("floor", "bare_httpx", ("httpx", "msgspec"), {"engine": "httpx"}),
    "httpx2": Entry("floor", "bare_httpx", ("httpx2", "msgspec"), {"engine": "httpx2"}),
    "httpx-aiohttp": Entry("floor", "bare_httpx", (*_AIOHTTP, "msgspec"), {"engine": "aiohttp"}),
    "aiohttp": Entry("floor", "bare_aiohttp", ("aiohttp", "msgspec")),
    "httpx-sse": Entry("floor", "bare_sse", ("httpx", "httpx-sse")),
    "openai": Entry("peer", "openai_plain", ("openai", "httpx2", "pydantic")),
    "openai .stream()": Entry("peer", "openai_stream", ("openai", "httpx2", "pydantic")),
    "litellm": Entry("peer", "litellm_plain", ("litellm", "openai"), group="bench-litellm"),
    "kosong": Entry(
        "peer",
        "kosong_kimi",
        ("kosong", "openai"),
        {"whole": False},
        "bench-kosong",
        cannot=_MERGES,
    ),
    "kosong generate()": Entry(
        "peer", "kosong_kimi", ("kosong", "openai"), {"whole": True}, "bench-kosong", cannot=_MERGES
    ),
    "kimi_async": Entry("ours", "kimi", ("kimi-async", "httpx"), {"engine": "httpx"}),
    "kimi_async, httpx2": Entry("ours", "kimi", ("kimi-async", "httpx2"), {"engine": "httpx2"}),
    "kimi_async, aiohttp": Entry("ours", "kimi", ("kimi-async", *_AIOHTTP), {"engine": "aiohttp"}),
    "kimi_async, uvloop": Entry(
        "ours", "kimi", ("kimi-async", "httpx", "uvloop"), {"engine": "httpx"}, uvloop=True
    ),
    "kimi_async, no limits": Entry(
        "variant", "kimi", ("kimi-async",), {"engine": "httpx", "limits": "none"}
    ),
    "kimi_async, total": Entry(
        "variant", "kimi", ("kimi-async",), {"engine": "httpx", "limits": "total"}
    ),
    "kimi_async, partial()": Entry(
        "variant", "kimi", ("kimi-async",), {"engine": "httpx", "partial": True}
    ),
}
