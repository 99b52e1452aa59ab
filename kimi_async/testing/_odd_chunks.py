"""Oddities of the chunks: the key of the reasoning, the place of the usage, finish reasons, nulls and ids. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kimi_async.testing._oddity import JSON, Change, Objects, Oddity, each

__all__ = ["CHUNK_ODDITIES", "choices_of"]


def choices_of(chunk: JSON) -> Iterator[JSON]:
    """Return the choices of a chunk or body."""
    yield from chunk["choices"] or ()


def _each_choice(change: Callable[[JSON], object]) -> Change:
    def changed(chunk: JSON) -> None:
        for choice in choices_of(chunk):
            change(choice)

    return each(changed)


def _each_message(change: Callable[[JSON], object]) -> Change:
    """Return a change of every ``delta`` or ``message``."""
    return _each_choice(lambda choice: change(choice["delta" if "delta" in choice else "message"]))


# Reasoning


def _reasoning_under(*keys: str) -> Change:
    def change(message: JSON) -> None:
        text = _take_reasoning(message)
        message.update(dict.fromkeys(keys, text) if text is not None else {})

    return _each_message(change)


def _take_reasoning(message: JSON) -> str | None:
    texts = [message.pop("reasoning_content", None), message.pop("reasoning", None)]
    return next((text for text in texts if text is not None), None)


def _reasoning_details(message: JSON) -> None:
    text = _take_reasoning(message)
    if text is not None:
        message["reasoning_details"] = [{"type": "reasoning.text", "text": text}]


def _null_reasoning(message: JSON) -> None:
    message.setdefault("reasoning_content", None)


# Usage


def _take_usage(chunks: Objects) -> Any:
    """Remove the usage from a stream, with the chunks that hold nothing else, and return it."""
    holders = [*chunks, *(choice for chunk in chunks for choice in choices_of(chunk))]
    found = [holder.pop("usage", None) for holder in holders]
    chunks[:] = [chunk for chunk in chunks if chunk["choices"]]
    return next((usage for usage in reversed(found) if usage is not None), None)


def _usage_at(*, choice: bool = False, finish: bool = False, last: bool = False) -> Change:
    def changed(chunks: Objects) -> Objects:
        usage = _take_usage(chunks)
        if usage is None:
            return chunks
        finishing = chunks[-1]
        if choice:
            finishing["choices"][0]["usage"] = usage
        if finish:
            finishing["usage"] = usage
        return [*chunks, finishing | {"choices": [], "usage": usage}] if last else chunks

    return changed


def _no_usage(body: JSON) -> None:
    body.pop("usage", None)


def _float_counts(holder: JSON) -> None:
    usage = holder.get("usage")
    if usage is not None:
        usage.update(
            {name: float(count) for name, count in usage.items() if isinstance(count, int)}
        )


# Finish reasons

_UPPER_CASE: Final = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALLS",
    "content_filter": "SAFETY",
}
_ANTHROPIC: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def _spelled(words: Mapping[str, str | None], other: str | None = None) -> Change:
    """Return a change of the finish reasons; those that *words* does not have become *other*, or stay."""

    def change(choice: JSON) -> None:
        reason = choice["finish_reason"]
        if reason is not None:
            choice["finish_reason"] = words.get(reason, reason if other is None else other)

    return _each_choice(change)


def _no_reason(choice: JSON) -> None:
    choice["finish_reason"] = None


def _finish_twice(chunks: Objects) -> Objects:
    doubled: Objects = []
    for chunk in chunks:
        doubled.append(chunk)
        if any(choice["finish_reason"] is not None for choice in choices_of(chunk)):
            again = copy.deepcopy(chunk)
            for choice in choices_of(again):
                choice["delta"] = {}
            doubled.append(again)
    return doubled


# Other fields


def _role(message: JSON) -> None:
    message["role"] = "assistant"


def _null_content(message: JSON) -> None:
    message["content"] = message.get("content") or None


def _null_choices(chunk: JSON) -> None:
    chunk["choices"] = chunk["choices"] or None


def _changing_ids(chunks: Objects) -> Objects:
    for number, chunk in enumerate(chunks[1:], 1):
        chunk["id"] = f"gen-{number}"
        chunk["created"] += number
    return chunks


def _empty_list(choice: JSON) -> None:
    choice["delta"] = choice["delta"] or []


def _text_index(choice: JSON) -> None:
    choice["index"] = str(choice["index"])


def _both(name: str, section: str, effect: str, change: Change) -> Oddity:
    """Return an oddity of streams and of JSON bodies."""
    return Oddity(name=name, section=section, effect=effect, chunks=change, body=change)


def _streamed(name: str, section: str, effect: str, change: Change) -> Oddity:
    return Oddity(name=name, section=section, effect=effect, chunks=change)


CHUNK_ODDITIES: Final = (
    _both(
        "reasoning-content",
        "1.4",
        "the thinking is under `reasoning_content`",
        _reasoning_under("reasoning_content"),
    ),
    _both(
        "reasoning",
        "6.2",
        "the thinking is under `reasoning`",
        _reasoning_under("reasoning"),
    ),
    _both(
        "reasoning-both",
        "6.2",
        "the thinking is under both keys, with equal text",
        _reasoning_under("reasoning_content", "reasoning"),
    ),
    _both(
        "reasoning-details",
        "6.2",
        "the thinking is in a list under `reasoning_details`",
        _each_message(_reasoning_details),
    ),
    _both(
        "reasoning-null",
        "6.2",
        "`reasoning_content` is null in every delta without thinking",
        _each_message(_null_reasoning),
    ),
    _streamed("usage-in-choice", "3.4", "the usage is in the choice", _usage_at(choice=True)),
    _streamed("usage-at-finish", "6.2", "the usage is in the last chunk", _usage_at(finish=True)),
    _streamed(
        "usage-trailing", "1.4", "the usage is in a chunk without choices", _usage_at(last=True)
    ),
    _streamed(
        "usage-twice",
        "6.2",
        "the usage is in the last chunk, and in one more without choices",
        _usage_at(finish=True, last=True),
    ),
    Oddity(
        name="usage-missing",
        section="1.4",
        effect="the usage is left out",
        chunks=_usage_at(),
        body=each(_no_usage),
    ),
    _both("usage-floats", "6.5", "counts are written as `9.0`", each(_float_counts)),
    _both("finish-upper-case", "6.5", "`STOP`, `MAX_TOKENS`, `SAFETY`", _spelled(_UPPER_CASE)),
    _both("finish-anthropic", "6.5", "`end_turn`, `max_tokens`, `tool_use`", _spelled(_ANTHROPIC)),
    _both(
        "finish-unknown",
        "6.2",
        "every reason is `unexpected_state`",
        _spelled({}, "unexpected_state"),
    ),
    _both("finish-error", "6.5", "every reason is `network_error`", _spelled({}, "network_error")),
    _both("finish-missing", "6.2", "the finish reason is null", _each_choice(_no_reason)),
    _both(
        "finish-stop-with-calls",
        "6.2",
        "the reason is `stop`, although there are tool calls",
        _spelled({}, "stop"),
    ),
    _streamed("finish-twice", "6.2", "the finish reason comes in two chunks", _finish_twice),
    _streamed("role-repeated", "6.2", "every delta has the role", _each_message(_role)),
    _streamed(
        "content-null", "6.2", "a delta without text has null content", _each_message(_null_content)
    ),
    _streamed(
        "choices-null", "6.2", "null in place of an empty list of choices", each(_null_choices)
    ),
    _streamed("ids-changing", "6.2", "`id` and `created` change in the stream", _changing_ids),
    _streamed("delta-list", "6.5", "an empty delta is `[]`", _each_choice(_empty_list)),
    _both("index-text", "6.5", "the index of a choice is a text", _each_choice(_text_index)),
)
