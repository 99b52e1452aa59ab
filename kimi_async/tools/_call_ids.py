"""What the tool loop does to the messages of a conversation; pure.

Messages are values or dicts in the OpenAI form here, as a caller may give both.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from kimi_async._models import AnyMessage, Message, MessageDict

__all__ = ["sayable", "with_ids", "with_unique_ids"]

_NOBODY: Final[deque[str | None]] = deque()


def sayable(message: Message) -> list[Message]:
    """*message* without its calls, which nobody will answer; nothing if it then says nothing.

    A call without its answer is refused, and so is a message without content (``docs/providers.md`` 3.3).
    """
    if not message.content:
        return []
    return [evolve(message, tool_calls=())]


def with_ids(message: Message, history: Iterable[AnyMessage]) -> Message:
    """*message* with an id for each call that has none: a provider wants to see one in the next request."""
    used = {name for each in (*history, message) for name in _ids_of(each)}
    fresh = (name for number in itertools.count(1) if (name := f"call_{number}") not in used)
    calls = [
        evolve(call, id=next(fresh)) if call.id is None else call for call in message.tool_calls
    ]
    return evolve(message, tool_calls=tuple(calls))


def with_unique_ids(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """*messages* with a new id for each call whose id an earlier one has, and the same for its result.

    Some models use the same ids in every turn, and some hosts refuse them then (``docs/providers.md`` 6.3). A result
    belongs to a call of the turn before it; where one turn has an id twice, the first result is that of the first call.
    """
    taken = {name for message in messages for name in _ids_of(message)}
    used: set[str | None] = set()
    waiting: dict[str | None, deque[str | None]] = {}
    written: list[AnyMessage] = []
    for message in messages:
        ids = _ids_of(message)
        if ids:
            names = [_unused(name, used, taken) for name in ids]
            waiting = {name: deque() for name in ids}
            for name, new in zip(ids, names, strict=True):
                waiting[name].append(new)
            written.append(message if names == ids else _with_call_ids(message, names))
        else:
            queue = waiting.get(_answered(message), _NOBODY)
            written.append(_answering(message, queue[0]) if queue else message)
            if len(queue) > 1:
                queue.popleft()
    return written


def _unused(name: str | None, used: set[str | None], taken: set[str | None]) -> str | None:
    """*name*, or one like it if an earlier call has it; entered into *used*. No name stays none."""
    new = name
    if name is not None and name in used:
        numbers = itertools.count(2)
        new = next(each for number in numbers if (each := f"{name}-{number}") not in taken | used)
    used.add(new)
    return new


def _ids_of(message: AnyMessage) -> list[str | None]:
    """The id of each call of an assistant's message."""
    if isinstance(message, Message):
        return [call.id for call in message.tool_calls]
    ids = [call.get("id") for call in _dicts_in(message)]
    return [each if isinstance(each, str) else None for each in ids]


def _dicts_in(message: MessageDict) -> list[Mapping[str, Any]]:
    """The calls of a message that is a dict; what is no call is left to the provider to refuse."""
    calls = message.get("tool_calls")
    if isinstance(calls, (list, tuple)) and all(isinstance(call, Mapping) for call in calls):
        return list(calls)
    return []


def _with_call_ids(message: AnyMessage, ids: Sequence[str | None]) -> AnyMessage:
    if isinstance(message, Message):
        pairs = zip(message.tool_calls, ids, strict=True)
        return evolve(message, tool_calls=tuple(evolve(call, id=new) for call, new in pairs))
    calls = zip(_dicts_in(message), ids, strict=True)
    renamed = [call if new is None else {**call, "id": new} for call, new in calls]
    return {**message, "tool_calls": renamed}


def _answered(message: AnyMessage) -> str | None:
    """The id that a message of role ``tool`` answers."""
    if isinstance(message, Message):
        return message.tool_call_id
    name = message.get("tool_call_id")
    return name if isinstance(name, str) else None


def _answering(message: AnyMessage, name: str | None) -> AnyMessage:
    if name is None or name == _answered(message):
        return message
    if isinstance(message, Message):
        return evolve(message, tool_call_id=name)
    return {**message, "tool_call_id": name}
