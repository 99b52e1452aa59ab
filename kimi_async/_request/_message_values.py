"""Messages in the OpenAI form to :class:`~kimi_async.Message` values; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from kimi_async._errors import ConfigurationError
from kimi_async._messages import AnyMessage, Message, MessageDict, Messages, ToolCall
from kimi_async._request._params import check_message

__all__ = ["Said", "as_messages", "message_of"]

#: The messages of one turn: a text of the user, a message, or several.
Said: TypeAlias = Messages | MessageDict | Iterable[AnyMessage]


def as_messages(messages: Said) -> tuple[Message, ...]:
    """Return *messages* as values that do not change when the caller changes theirs.

    Raises:
        ConfigurationError: They are neither a text, nor a message, nor several messages, or a key of a dict has a value
            of a wrong type.
    """
    if isinstance(messages, str):
        return (Message(role="user", content=messages),)
    said: Any = (messages,) if isinstance(messages, (Message, Mapping)) else messages
    if isinstance(said, (bytes, bytearray)) or not isinstance(said, Iterable):
        kind = type(messages).__name__
        raise ConfigurationError(
            f"a turn is a text, a Message, a dict, or several of them, not {kind}"
        )
    try:
        copies = [_plain_copy(each) if isinstance(each, Mapping) else each for each in said]
    except RecursionError:
        pass  # its traceback would hold the messages
    else:
        return tuple(_checked(each, place) for place, each in enumerate(copies))
    raise ConfigurationError("a message holds itself and cannot be written as JSON")


def _plain_copy(value: Any) -> Any:
    """Return a copy of the dicts and lists in *value*."""
    if isinstance(value, Mapping):
        return {key: _plain_copy(inner) for key, inner in value.items()}
    return list(map(_plain_copy, value)) if isinstance(value, (list, tuple)) else value


def _checked(given: Any, place: int) -> Message:
    if isinstance(given, Message):
        return given
    check_message(given, place)
    message = message_of(given)
    for key, form in _PARTS.items():
        if message.extra.get(key):
            raise ConfigurationError(f"messages[{place}]: {form}")
    return message


#: The form of the parts of those values that are lists.
_PARTS: Final[Mapping[str, str]] = {
    "tool_calls": (
        'each of tool_calls must be {"id": ..., "type": "function", "function": {"name": ..., "arguments": ...}},'
        " where arguments is the text of JSON"
    ),
}


def message_of(wire: Mapping[str, Any]) -> Message:
    """Return the message that *wire* describes.

    A key that has no field, or whose value its field cannot hold, goes to ``extra``. So does a key that ``to_wire()``
    would leave out (``None``, ``False``, no calls): the message is sent as it was given.

    Args:
        wire: The message in the OpenAI form, of dicts and lists.
    """
    extra = {**wire}
    fields: dict[str, Any] = {"role": str(extra.pop("role", None))}
    if "reasoning" in extra and "reasoning_content" not in extra:
        fields["reasoning_key"] = "reasoning"
    for key, read in _FIELDS.items():
        value = read(extra.get(key))
        if value is not None and (key != "reasoning" or "reasoning_key" in fields):
            fields["reasoning_content" if key == "reasoning" else key] = value
            del extra[key]
    return Message(**fields, extra=extra)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _true(value: object) -> bool | None:
    return True if value is True else None


def _content(value: object) -> str | tuple[dict[str, Any], ...] | None:
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return tuple(value)
    return _text(value)


class _WireFunction(msgspec.Struct):
    """The function of a call in the OpenAI form."""

    name: str
    arguments: str


class _WireCall(msgspec.Struct):
    """A call in the OpenAI form."""

    function: _WireFunction
    id: str | None = None
    type: str = "function"


def _calls(value: Any) -> tuple[ToolCall, ...] | None:
    if not value:
        return None
    try:
        calls = msgspec.convert(value, tuple[_WireCall, ...])
    except msgspec.ValidationError:
        return None
    return tuple(
        ToolCall(
            id=call.id,
            name=call.function.name,
            arguments=call.function.arguments,
            type=call.type,
            extra=_extra_of(raw),
        )
        for call, raw in zip(calls, value, strict=True)
    )


def _extra_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of *call* that a ``ToolCall`` has no field for; those of its function inside of ``function``."""
    extra = _without(call, ("id", "type", "function"))
    of_function = _without(call["function"], ("name", "arguments"))
    return {**extra, "function": of_function} if of_function else extra


def _without(wire: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: value for key, value in wire.items() if key not in keys}


#: The keys that a ``Message`` has a field for, and the function that returns its value, or ``None`` if it does not fit.
_FIELDS: Final[Mapping[str, Callable[[Any], object]]] = {
    "content": _content,
    "reasoning_content": _text,
    "reasoning": _text,
    "refusal": _text,
    "tool_calls": _calls,
    "tool_call_id": _text,
    "name": _text,
    "partial": _true,
}
