"""The results of the comparison, as they are saved, and the figures that follow from the rounds."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, TypeAlias

import msgspec
from attrs import Factory, define

__all__ = ["OURS", "Results", "Rounds", "dump", "load", "middle", "ratio"]

#: Whom the others are compared with.
OURS: Final = "kimi_async"
#: The cost of each client in each round.
Rounds: TypeAlias = dict[str, list[float]]


@define(kw_only=True)
class Results:
    """All that was measured. A list holds a number for each round; clients have their names of ``_clients.CLIENTS``.

    Attributes:
        form: ``"quick"`` or ``"full"``.
        date: The day.
        machine: Processor, its cores, system and Python.
        versions: The packages that each client uses.
        missing: Clients that could not be measured, and why.
        rounds: How many rounds of one stream at a time.
        chunks: How many pieces of text or arguments one stream has there.
        cpu: Microseconds of CPU time for each chunk, by ``"body, way"``.
        wall: The same of wall time.
        reads: How many reads a chunk takes over bare asyncio, by way; below 1 a read has several.
        at_once_chunks: How many chunks each reply has where several run at once, by ``"way, number of streams"``.
        at_once_rate: Chunks in a second, by the same.
        at_once_cpu: Microseconds of CPU time for each chunk, by the same.
        stream_kib: KiB of memory that each open stream takes, after a collection.
        stream_kib_uncollected: The same without one.
        peak_mib: The most MiB that a new process had in memory that took each body once, burst and flushed.
        first_cold_ms: Milliseconds of CPU time from making a client to the first output of its first stream.
        first_warm_ms: The same for a later stream.
        import_ms: Milliseconds of CPU time of a new interpreter that imports a package; ``"nothing"`` imports none.
        modules: How many modules there are then.
        extras: Packages of extras that ``import kimi_async`` imported, where all of them are installed.
        growth: Microseconds of CPU time for each chunk, by body, client and number of chunks.
    """

    form: str
    date: str
    machine: dict[str, str]
    rounds: int
    chunks: int
    versions: dict[str, dict[str, str]] = Factory(dict)
    missing: dict[str, str] = Factory(dict)
    cpu: dict[str, Rounds] = Factory(dict)
    wall: dict[str, Rounds] = Factory(dict)
    reads: dict[str, float] = Factory(dict)
    at_once_chunks: dict[str, int] = Factory(dict)
    at_once_rate: dict[str, Rounds] = Factory(dict)
    at_once_cpu: dict[str, Rounds] = Factory(dict)
    stream_kib: Rounds = Factory(dict)
    stream_kib_uncollected: Rounds = Factory(dict)
    peak_mib: Rounds = Factory(dict)
    first_cold_ms: Rounds = Factory(dict)
    first_warm_ms: Rounds = Factory(dict)
    import_ms: Rounds = Factory(dict)
    modules: dict[str, int] = Factory(dict)
    extras: list[str] = Factory(list)
    growth: dict[str, dict[str, dict[int, list[float]]]] = Factory(dict)


def dump(results: Results) -> bytes:
    """Write results down: an object a line, and the numbers of all rounds in one."""
    text = msgspec.json.format(msgspec.json.encode(results), indent=1)
    return re.sub(rb"\[[^][{}]*\]", lambda numbers: b" ".join(numbers[0].split()), text) + b"\n"


def load(data: bytes) -> Results:
    """Read results that were saved."""
    return msgspec.json.decode(data, type=Results)


def middle(rounds: Mapping[str, Sequence[float]] | None, client: str) -> float | None:
    """Give the median of the rounds of a client, or ``None`` where it was not measured."""
    values = (rounds or {}).get(client)
    return median(values) if values else None


def ratio(rounds: Mapping[str, Sequence[float]] | None, client: str, other: str) -> float | None:
    """Give the median of the ratios of each round: its two numbers had the same neighbours on the machine."""
    ours, theirs = (rounds or {}).get(client), (rounds or {}).get(other)
    if not ours or not theirs:
        return None
    return float(median(map(operator.truediv, ours, theirs)))
