"""Set the ids of tool calls in the messages of a conversation; pure."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve

from kimi_async._messages import Message

__all__ = ["sayable", "with_ids", "with_unique_ids"]

_NOBODY: Final[deque[str | None]] = deque()


def sayable(message: Message) -> list[Message]:
    """Return *message* without its calls, which nobody will answer; an empty list if it has no content.

    Providers refuse a call without its answer, and a message without content (Providers 3.3).
    """
    if not message.content:
        return []
    return [evolve(message, tool_calls=())]


def with_ids(message: Message, history: Iterable[Message]) -> Message:
    """Return *message* with an id for each call without one, because the next request needs an id."""
    used = {name for each in (*history, message) for name in _ids_of(each)}
    fresh = (name for number in itertools.count(1) if (name := f"call_{number}") not in used)
    calls = [
        evolve(call, id=next(fresh)) if call.id is None else call for call in message.tool_calls
    ]
    return evolve(message, tool_calls=tuple(calls))


def with_unique_ids(messages: Sequence[Message]) -> list[Message]:
    """Return *messages* with a new id for each call whose id an earlier call has, and for its result.

    Some models use the same ids in every turn, and some hosts refuse this (Providers 6.3). A result belongs to a call
    of the turn before it. If one turn has an id twice, the first result belongs to the first call.
    """
    taken = {name for message in messages for name in _ids_of(message)}
    used: set[str | None] = set()
    waiting: dict[str | None, deque[str | None]] = {}
    written: list[Message] = []
    for message in messages:
        ids = _ids_of(message)
        if ids:
            names = [_unused(name, used, taken) for name in ids]
            waiting = {name: deque() for name in ids}
            for name, new in zip(ids, names, strict=True):
                waiting[name].append(new)
            written.append(message if names == ids else _with_call_ids(message, names))
        else:
            queue = waiting.get(message.tool_call_id, _NOBODY)
            written.append(_answering(message, queue[0]) if queue else message)
            if len(queue) > 1:
                queue.popleft()
    return written


def _unused(name: str | None, used: set[str | None], taken: set[str | None]) -> str | None:
    """Return *name*, with a number added if an earlier call has it, and add the result to *used*."""
    new = name
    if name is not None and name in used:
        numbers = itertools.count(2)
        new = next(each for number in numbers if (each := f"{name}-{number}") not in taken | used)
    used.add(new)
    return new


def _ids_of(message: Message) -> list[str | None]:
    """Return the id of each call of an assistant's message."""
    return [call.id for call in message.tool_calls]


def _with_call_ids(message: Message, ids: Sequence[str | None]) -> Message:
    pairs = zip(message.tool_calls, ids, strict=True)
    return evolve(message, tool_calls=tuple(evolve(call, id=new) for call, new in pairs))


def _answering(message: Message, name: str | None) -> Message:
    return message if name is None else evolve(message, tool_call_id=name)
