"""The message of the model, described once for all wire formats. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeAlias

from attrs import field, frozen, validators

from kimi_async._record import Usage
from kimi_async.testing._checks import all_of, is_typed, named

__all__ = [
    "Completion",
    "FakeToolCall",
    "Part",
    "ReplyChoice",
    "as_calls",
    "call_object",
    "dump",
    "parts_of",
]

#: One piece of a streamed choice. One of ``content`` (the first beside ``role``), ``reasoning``, ``refusal`` and
#: ``tool_calls``, or several of them at once.
Part: TypeAlias = dict[str, Any]


def dump(value: Any) -> str:
    """Write JSON as the recorded streams do: one line, a blank after each comma and colon, no ASCII escapes."""
    return json.dumps(value, ensure_ascii=False)


def _as_text(arguments: str | Mapping[str, Any]) -> str:
    if isinstance(arguments, str):
        return arguments
    if not isinstance(arguments, Mapping):
        raise TypeError(f"arguments of FakeToolCall must be str or Mapping, not {named(arguments)}")
    return dump({**arguments})


@frozen
class FakeToolCall:
    """One call that the model asks for.

    Attributes:
        name: The tool's name.
        arguments: The arguments as text, sent unchanged even if it is not JSON; a mapping is written as JSON.
        id: The id; ``None`` = ``"<name>:<index>"``, the form seen at Cloudsway.
    """

    name: str = field(validator=is_typed(str))
    arguments: str = field(default="{}", converter=_as_text)
    id: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))


def as_calls(calls: Iterable[FakeToolCall]) -> tuple[FakeToolCall, ...]:
    """Convert an attribute that holds calls."""
    return all_of(calls, FakeToolCall, name="tool_calls")


@frozen
class ReplyChoice:
    """One of the ``n`` answers of a reply. In each text ``None`` is absent and ``""`` present and empty.

    Attributes:
        content: The visible text.
        reasoning: The thinking before it.
        refusal: The text of a refusal.
        tool_calls: The calls, in order.
        finish_reason: ``None`` = ``"tool_calls"`` if there are calls, else ``"stop"``. ``""`` is sent as it is.
    """

    content: str | None = field(default=None, validator=is_typed(str, None))
    reasoning: str | None = field(default=None, validator=is_typed(str, None))
    refusal: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))
    tool_calls: tuple[FakeToolCall, ...] = field(default=(), kw_only=True, converter=as_calls)
    finish_reason: str | None = field(default=None, kw_only=True, validator=is_typed(str, None))

    @property
    def reason(self) -> str:
        """The finish reason that is sent."""
        if self.finish_reason is not None:
            return self.finish_reason
        return "tool_calls" if self.tool_calls else "stop"


@frozen(kw_only=True)
class Completion:
    """A whole reply with nothing left open; the streamed and the whole rendering are both made from it.

    Attributes:
        id: The completion's id.
        model: The model's name.
        created: Unix time in seconds.
        choices: The answers.
        usage: The token counts, or ``None`` if nothing is said about them.
        chunk_chars: How many characters of text one chunk carries, at least 1.
    """

    id: str
    model: str
    created: int
    choices: tuple[ReplyChoice, ...]
    usage: Usage | None
    chunk_chars: int = field(validator=validators.ge(1))


def parts_of(choice: ReplyChoice, chunk_chars: int) -> list[Part]:
    """Return the parts of a choice in the order of the wire, without the finish reason.

    The opening part has the role and, where content is not absent, empty content.
    """
    opening: Part = {"content": None if choice.content is None else "", "role": "assistant"}
    calls = (_call_parts(at, call, chunk_chars) for at, call in enumerate(choice.tool_calls))
    return [
        opening,
        *({"reasoning": text} for text in _pieces(choice.reasoning, chunk_chars)),
        *({"content": text} for text in _pieces(choice.content, chunk_chars)),
        *({"refusal": text} for text in _pieces(choice.refusal, chunk_chars)),
        *chain.from_iterable(calls),
    ]


def call_object(index: int, call: FakeToolCall) -> dict[str, Any]:
    """Return the *index*-th call of a choice as one JSON object."""
    return {
        "id": f"{call.name}:{index}" if call.id is None else call.id,
        "type": "function",
        "function": {"arguments": call.arguments, "name": call.name},
    }


def _call_parts(index: int, call: FakeToolCall, chunk_chars: int) -> Iterator[Part]:
    """Stream one call as OpenAI does: id, type and name first, then only pieces of the arguments."""
    function = {"name": call.name, "arguments": ""}
    yield {"tool_calls": [{"index": index} | call_object(index, call) | {"function": function}]}
    for piece in _pieces(call.arguments, chunk_chars):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str | None, chunk_chars: int) -> list[str]:
    """Cut a text for its chunks; an empty one still makes one piece, an absent one none."""
    if not text:
        return [] if text is None else [text]
    return [text[at : at + chunk_chars] for at in range(0, len(text), chunk_chars)]
