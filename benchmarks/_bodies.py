"""The fixed bodies that are streamed, and the content that a reader must find in each.

Nothing but the standard library is imported here: each client runs in an environment of its own.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

__all__ = ["BODIES", "WAYS", "Ask", "Body", "BodyName", "Said", "Way", "body_of"]

BodyName: TypeAlias = Literal["text", "one call", "five calls", "cjk"]
#: ``burst``: all in one write. ``flushed``: each event in a write of its own, as fast as the server can. ``paced``: the
#: same with a pause after each, in which the client has taken it and gone to sleep. With ``tls`` the client asks over
#: TLS, and each write is a record of its own.
Way: TypeAlias = Literal["burst", "flushed", "paced", "tls burst", "tls flushed", "tls paced"]

BODIES: Final[tuple[BodyName, ...]] = ("text", "one call", "five calls", "cjk")
WAYS: Final[tuple[Way, ...]] = get_args(Way)

#: About as long as tokens are.
WORDS: Final = (
    *("The", " river", " runs", " past", " the", " old", " mill", ",", " and", " nobody", " knows"),
    *(" how", " long", " it", " has", " stood", " there", ".", "\n\n", "-", " **Stone**", " by"),
    *(" stone", ":", " 4", "711", ' "they"', " said", ";", " it", "'s", " true"),
)
CJK: Final = (
    *(
        "你好",
        "，",
        "世界",
        "。",
        "北京",
        "今天",
        "有",
        "雨",
        "🙂",
        "吗",
        "？",
        "東京",
        "では",
        "晴れ",
    ),
    *("です", "。", "서울", "은", " 흐림", "👩\u200d💻", "🇳🇱", "𠮷", "\n", "——", "龍", "👍🏽"),
)


class Said(NamedTuple):
    """The content of a reply: the text, the thinking, and name and arguments of each tool call."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()


class Body(NamedTuple):
    """One body: its events, the opening and closing ones included, and their content."""

    events: tuple[bytes, ...]
    said: Said


class Ask(NamedTuple):
    """The order to the server; it travels as the name of the model, which every client sends.

    Attributes:
        body: Which body.
        chunks: How many pieces of text or arguments it has; four events more open and close it.
        way: How it is written.
        hold: The event before which the server waits for a signal; 0 = none.
    """

    body: BodyName
    chunks: int
    way: Way
    hold: int = 0

    @property
    def model(self) -> str:
        return f"m_{BODIES.index(self.body)}_{self.chunks}_{WAYS.index(self.way)}_{self.hold}"

    @property
    def pace(self) -> str:
        """How the server writes: the way, without TLS."""
        return self.way.removeprefix("tls ")

    @property
    def tls(self) -> bool:
        """Whether the client asks over TLS."""
        return self.way.startswith("tls ")

    @classmethod
    def of(cls, model: str) -> Ask:
        """Read the name of a model back."""
        body, chunks, way, hold = map(int, model.split("_")[1:])
        return cls(BODIES[body], chunks, WAYS[way], hold)


@functools.cache
def body_of(name: BodyName, chunks: int) -> Body:
    """Make a body of so many pieces."""
    if name in {"text", "cjk"}:
        pieces = list(islice(cycle(WORDS if name == "text" else CJK), chunks))
        deltas, said = _texts(pieces, chunks // 2)
    else:
        deltas, said = _calls(1 if name == "one call" else 5, chunks)
    return Body(tuple(_events(deltas, "tool_calls" if said.calls else "stop")), said)


def _texts(pieces: list[str], thoughts: int) -> tuple[list[Any], Said]:
    thinking, answer = pieces[:thoughts], pieces[thoughts:]
    deltas = [{"reasoning_content": piece} for piece in thinking]
    deltas += [{"content": piece} for piece in answer]
    return deltas, Said("".join(answer), "".join(thinking))


def _calls(count: int, chunks: int) -> tuple[list[Any], Said]:
    """Calls whose pieces come in turn; the first piece of each names it."""
    pieces: list[list[str]] = [[] for _ in range(count)]
    words = cycle(json.dumps(word)[1:-1] for word in WORDS)
    last = max(chunks - 2 * count, 0)
    for at in range(chunks - count):
        word = next(words)
        pieces[at % count].append(
            '{"text":"' if at < count else word + '"}' if at >= last else word
        )
    names = [f"write_{number}" for number in range(count)]
    deltas = [_call_piece(at, "", names[at]) for at in range(count)]
    deltas += [
        _call_piece(at % count, pieces[at % count][at // count]) for at in range(chunks - count)
    ]
    calls = zip(names, map("".join, pieces), strict=True)
    return deltas, Said(calls=tuple(calls))


def _call_piece(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    if name is None:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": f"{name}:{index}", "type": "function", "function": function}
    return {"tool_calls": [call]}


def _events(deltas: list[Any], reason: str) -> Iterator[bytes]:
    yield _event([_choice({"role": "assistant", "content": ""})])
    yield from (_event([_choice(delta)]) for delta in deltas)
    yield _event([_choice({}, reason)])
    usage = {"prompt_tokens": 9, "completion_tokens": len(deltas), "total_tokens": len(deltas) + 9}
    yield _event([], usage=usage)
    yield b"data: [DONE]\n\n"


def _choice(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _event(choices: list[Any], **more: Any) -> bytes:
    chunk = {
        "id": "chatcmpl-6921b1d0f2a94e6c8d3b57aa",
        "object": "chat.completion.chunk",
        "created": 1_770_992_031,
        "model": "kimi-k2.5",
        "choices": choices,
        **more,
    }
    return b"data: %b\n\n" % json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode()
