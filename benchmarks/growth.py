"""Measure the cost of one delta of a tool call, in a short call and in a long one.

    python benchmarks/growth.py [rounds]

A tool call of 1,000 and one of 64,000 deltas goes through the assembler, for several shapes of arguments: with nobody
asking for the value, with ``partial()`` asked at each delta, and with the growing string held on to, which makes
CPython copy it. Printed are microseconds of CPU time for each delta (the median of the rounds, which are interleaved)
and their ratio; 1.0 is linear. The budget for ``partial()`` is 1.3 (DESIGN.md).
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from kimi_async import ToolCallDelta
from kimi_async._protocol._assembler import MessageAssembler
from kimi_async._protocol._chunk import Chunk, ChunkChoice, ToolCallPiece

SIZES: Final = (1_000, 64_000)
#: The beginning of the arguments, and the repeated piece.
SHAPES: Final = {
    "one text": ('{"text": "', "word"),
    "one text, escaped": ('{"text": "', "\\u5317"),
    "many members": ('[{"n": 0', '}, {"n": 1'),
    "one number": ("0.", "1234"),
}


def nobody_asks(_delta: ToolCallDelta) -> object:
    return None


def asked(delta: ToolCallDelta) -> object:
    return delta.partial()


def text_is_held(delta: ToolCallDelta) -> object:
    return delta.partial()["text"]


def chunks(start: str, again: str, deltas: int) -> list[Chunk]:
    """The chunks of a call whose arguments come in so many pieces."""
    first = ToolCallPiece(0, "call_0", "f", start, "function")
    piece = ToolCallPiece(0, None, None, again, None)
    return [
        Chunk(
            "id", "model", 0, (ChunkChoice(0, None, None, None, (one,), None, None),), None, b"{}"
        )
        for one in (first, *[piece] * (deltas - 1))
    ]


def seconds(stream: Sequence[Chunk], look: Callable[[ToolCallDelta], object]) -> float:
    """Return the CPU time of one reply, in which the value of each delta is kept until the next."""
    assembler = MessageAssembler("benchmark")
    begun = time.process_time()
    for chunk in stream:
        for event in assembler.feed(chunk):
            if isinstance(event, ToolCallDelta):
                _kept = look(event)
    return time.process_time() - begun


def main(rounds: int) -> None:
    cases = [(shape, look) for shape in SHAPES for look in (nobody_asks, asked)]
    cases.insert(2, ("one text", text_is_held))
    streams = {(shape, size): chunks(*SHAPES[shape], size) for shape, _ in cases for size in SIZES}
    gc.freeze()  # existing objects are not garbage of the measurement
    costs: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(rounds):
        for shape, look in cases:
            for size in SIZES:
                # As many deltas at either size, so that the clock is read equally seldom.
                repeats = SIZES[-1] // size
                spent = sum(seconds(streams[shape, size], look) for _ in range(repeats))
                cost = spent / (repeats * size) * 1e6
                costs.setdefault((shape, look.__name__, size), []).append(cost)
    print(f"{'arguments':20}{'partial()':14}", *(f"{size:>10,}" for size in SIZES), "    ratio")
    for shape, look in cases:
        few, many = (median(costs[shape, look.__name__, size]) for size in SIZES)
        name = look.__name__.replace("_", " ")
        print(f"{shape:20}{name:14} {few:7.2f} us {many:7.2f} us {many / few:8.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
