"""Messages of a conversation: frozen values, and the functions that make them.

``None`` means absent and ``""`` present and empty, in both directions: a thinking model may refuse a history
whose empty reasoning was dropped (page Providers, 6.4). Nothing here tests truthiness of text.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Required, TypeAlias, TypedDict, TypeVar, overload

import msgspec
from attrs import field, frozen

from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._json_text import read_json_text

if TYPE_CHECKING:
    from kimi_async._wire import ToolDefinition

__all__ = [
    "AnyMessage",
    "ContentPart",
    "Message",
    "MessageDict",
    "Messages",
    "ReasoningKey",
    "ToolCall",
    "as_sequence",
    "as_text",
    "assistant",
    "is_empty_text",
    "system",
    "tool_result",
    "user",
]

T = TypeVar("T")

#: One part of a message's content in the OpenAI form, ``{"type": "text", "text": ...}``; sent as it is.
ContentPart: TypeAlias = Mapping[str, Any]


#: The two names that hosts have for the thinking in a message (page Providers, 6.2).
ReasoningKey: TypeAlias = Literal["reasoning_content", "reasoning"]


def _empty_is_none(content: object) -> object:
    """Compare absent and empty content as equal.

    A stream opens with ``content: ""`` where the same reply as one body has ``null`` (page Providers, 6.2
    calls the three spellings the same thing); the value itself keeps its spelling.
    """
    return None if content == "" else content


@frozen(kw_only=True)
class ToolCall:
    """One call that the model asks for.

    Attributes:
        id: The provider's id, opaque, sent back unchanged; ``None`` when it gave none. Ids may repeat
            from one turn to the next (page Providers, 6.3).
        name: The tool's name; ``""`` only in a reply that was cut before the name came.
        arguments: The arguments as text, which should be JSON and need not be.
        complete: Whether the arguments are whole. ``False`` after a cut, ``length`` or ``content_filter``: such a
            call must not be executed.
        type: ``"function"``, or ``"builtin_function"`` for Moonshot's own tools.
        extra: Keys of a dict that have no field here, sent back unchanged; those of its function are in ``function``.

    Raises:
        ConfigurationError: ``arguments`` is not a text, or ``extra`` is not a dict.
    """

    id: str | None
    name: str
    arguments: str
    complete: bool = True
    type: str = "function"
    extra: Mapping[str, Any] = field(factory=dict, hash=False)

    def __attrs_post_init__(self) -> None:
        _require(self.arguments, str, "ToolCall.arguments", "the text of JSON")
        _require(self.extra, (dict, Mapping), "ToolCall.extra", "a dict")

    @overload
    def parse(self) -> Any: ...
    @overload
    def parse(self, into: builtins.type[T]) -> T: ...
    def parse(self, into: Any = Any) -> Any:
        """Read the arguments as JSON and, when *into* is given, check them against that type.

        Raw control characters inside strings are accepted, because models do write them; everything else is strict
        JSON.

        Args:
            into: A type that msgspec can validate (builtins, attrs classes, dataclasses, ``TypedDict``, ...), or a
                pydantic model.

        Raises:
            OutputError: The text is not JSON, or does not fit *into*; the message names the expected type and the
                place, and ``.text`` holds the arguments.
            ConfigurationError: Nothing can be read into *into*.
        """
        try:
            return read_json_text(self.arguments, into)
        except ValueError as error:
            problem = str(error)
        raise OutputError(
            f"the arguments of the tool call {self.name!r} do not fit: {problem}",
            text=self.arguments,
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the call as it is sent back in an assistant message; a missing id stays missing."""
        wire: dict[str, Any] = {} if self.id is None else {"id": self.id}
        wire["type"] = self.type
        wire["function"] = {"name": self.name, "arguments": self.arguments}
        return _with_extra(wire, self.extra)

    def to_openai(self) -> dict[str, Any]:
        """Return the call in OpenAI's shape: a missing id is ``""``, and every type is ``"function"``."""
        return {**self.to_wire(), "id": self.id or "", "type": "function"}


@frozen(kw_only=True)
class Message:
    """One message of a conversation, of any role; a reply holds one, and it can be sent back.

    Attributes:
        role: ``"system"``, ``"user"``, ``"assistant"`` or ``"tool"``.
        content: Text, or parts in the OpenAI form, or ``None``.
        reasoning_content: The model's thinking; kept, empty too, because several models want it back.
        refusal: The text of a refusal.
        tool_calls: The calls of an assistant message, in the model's order.
        tool_call_id: In a message of role ``tool``: the id of the call that it answers.
        name: The speaker; in partial mode it becomes part of the prefix (page Providers, 3.3).
        partial: Last message of role ``assistant``: a prefix that the model continues.
        reasoning_key: The name under which the thinking came, and under which it is sent back
            (page Providers, 6.2); left out of the comparison.
        extra: Keys that have no field here, such as ``tools`` in a message of role ``system`` (K3); sent unchanged.

    Raises:
        ConfigurationError: ``tool_calls`` is not a tuple of :class:`ToolCall`, or ``extra`` is not a dict.
    """

    role: str
    content: str | tuple[ContentPart, ...] | None = field(default=None, eq=_empty_is_none)
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    partial: bool = False
    reasoning_key: ReasoningKey = field(default="reasoning_content", eq=False, repr=False)
    extra: Mapping[str, Any] = field(factory=dict, hash=False)

    def __attrs_post_init__(self) -> None:
        _require(self.tool_calls, (tuple, list), "Message.tool_calls", "a tuple")
        for call in self.tool_calls:
            _require(call, ToolCall, "each of Message.tool_calls", "a ToolCall")
        _require(self.extra, (dict, Mapping), "Message.extra", "a dict")

    def to_wire(self) -> dict[str, Any]:
        """Return the message as JSON, without the fields that were not set.

        Empty text parts are left out, and so is empty content beside tool calls: Moonshot refuses an empty part, and
        every provider accepts a message without it (see the page Providers, sections 3.3 and 9).
        """
        wire: dict[str, Any] = {"role": self.role}
        content: str | list[ContentPart] | None = (
            [part for part in self.content if not is_empty_text(part)]
            if isinstance(self.content, tuple)
            else self.content
        )
        if content is not None and (content or not self.tool_calls):
            wire["content"] = content
        if self.reasoning_content is not None:
            wire[self.reasoning_key] = self.reasoning_content
        for key in ("refusal", "tool_call_id", "name"):
            value = getattr(self, key)
            if value is not None:
                wire[key] = value
        if self.tool_calls:
            wire["tool_calls"] = [call.to_wire() for call in self.tool_calls]
        if self.partial:
            wire["partial"] = True
        return _with_extra(wire, self.extra)


# (dict, Mapping) is a dict at once; Mapping by itself asks Python code.
def _require(value: object, kind: Any, name: str, form: str) -> None:
    """Refuse a value that would break :meth:`Message.to_wire`; other wrong values are found when it is sent."""
    if not isinstance(value, kind):
        raise ConfigurationError(f"{name} must be {form}, not {type(value).__name__}")


def _with_extra(wire: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Add the keys of *extra* that *wire* does not have, also to the objects in it, and return *wire*."""
    for key, value in extra.items():
        known = wire.setdefault(key, value)
        if known is not value and isinstance(known, dict) and isinstance(value, Mapping):
            _with_extra(known, value)
    return wire


class MessageDict(TypedDict, total=False):
    """One message as a dict in the OpenAI form; type checkers report a misspelt key.

    At run time any other key is sent too, except one that is a slip of the keyboard away from a key of this list that
    the message does not have.

    Attributes:
        role: ``"system"``, ``"developer"``, ``"user"``, ``"assistant"`` or ``"tool"``.
        content: Text, or parts in the OpenAI form.
        reasoning_content: The thinking of an assistant message.
        reasoning: The name that some hosts use for the same.
        refusal: The text of a refusal.
        tool_calls: The calls of an assistant message, in the OpenAI form.
        tool_call_id: In a message of role ``tool``: the id of the call that it answers.
        name: The speaker.
        partial: Whether the reply continues this text; only in the last message.
        tools: In a message of role ``system`` without content: tools that the model may call from here on (K3).
    """

    role: Required[str]
    content: str | Sequence[ContentPart] | None
    reasoning_content: str | None
    reasoning: str | None
    refusal: str | None
    tool_calls: Sequence[Mapping[str, Any]]
    tool_call_id: str
    name: str
    partial: bool
    tools: Sequence[ToolDefinition | Mapping[str, Any]] | None


#: One message, as a value or as a dict in the OpenAI form.
AnyMessage: TypeAlias = Message | MessageDict

#: The messages of a call: one text of the user, one message, or several as values or OpenAI-style dicts.
Messages: TypeAlias = str | Message | Sequence[AnyMessage]


def as_sequence(messages: Messages) -> tuple[AnyMessage, ...]:
    """Return *messages* one by one; the tuple does not change when the caller changes their list."""
    if isinstance(messages, str):
        return (user(messages),)
    return (messages,) if isinstance(messages, Message) else tuple(messages)


def is_empty_text(part: object) -> bool:
    """Return whether *part* is a text part without text."""
    return isinstance(part, Mapping) and part.get("type") == "text" and part.get("text") == ""


def _content(content: str | Iterable[ContentPart]) -> str | tuple[ContentPart, ...]:
    if isinstance(content, str):
        return content
    if isinstance(content, (bytes, Mapping)) or not isinstance(content, Iterable):
        kind = type(content).__name__
        raise ConfigurationError(f"content must be a text or a list of content parts, not {kind}")
    return tuple(content)


def system(content: str | Iterable[ContentPart], *, name: str | None = None) -> Message:
    """Make a message of role ``system``.

    Args:
        content: A text, or content parts.
        name: The name of the speaker.
    """
    return Message(role="system", content=_content(content), name=name)


def user(content: str | Iterable[ContentPart], *, name: str | None = None) -> Message:
    """Make a message of role ``user``.

    Args:
        content: A text, or content parts such as :func:`~kimi_async.text_part` and :func:`~kimi_async.image_part` make.
        name: The name of the speaker.
    """
    return Message(role="user", content=_content(content), name=name)


def assistant(
    content: str | Iterable[ContentPart] | None = None,
    *,
    reasoning_content: str | None = None,
    tool_calls: Iterable[ToolCall] = (),
    partial: bool = False,
    name: str | None = None,
) -> Message:
    """Make a message of role ``assistant``.

    A message of a reply can be sent back as it is (``reply.message``); this is for writing one.

    Args:
        content: The text or the parts, or ``None``.
        reasoning_content: The thinking before it; ``""`` is sent as ``""``.
        tool_calls: The calls that were asked for.
        partial: As the last message: the reply continues this text, where the provider honours it.
        name: The speaker.
    """
    return Message(
        role="assistant",
        content=None if content is None else _content(content),
        reasoning_content=reasoning_content,
        tool_calls=_calls(tool_calls),
        partial=partial,
        name=name,
    )


def _calls(calls: object) -> tuple[ToolCall, ...]:
    if isinstance(calls, Iterable):
        found: list[Any] = list(calls)
        if all(isinstance(each, ToolCall) for each in found):
            return tuple(found)
    raise ConfigurationError("tool_calls must be a list of ToolCall values")


def tool_result(call: ToolCall | str, content: object, *, name: str | None = None) -> Message:
    """Make the answer to one tool call.

    Args:
        call: The call that is answered, or its id.
        content: The result; a text is sent as it is, any other value as JSON.
        name: The tool's name; taken from *call* when that is a :class:`ToolCall`.

    Raises:
        ConfigurationError: *content* cannot be written as JSON.
    """
    if isinstance(call, ToolCall):
        call_id, name = call.id, name or call.name
    else:
        call_id = call
    return Message(role="tool", content=as_text(content), tool_call_id=call_id, name=name)


def as_text(content: object) -> str:
    """Return the text of a message of role ``tool`` for *content*; raises like :func:`tool_result`."""
    if isinstance(content, str):
        return content
    try:
        return msgspec.json.encode(content, enc_hook=_plain).decode()
    except UnicodeEncodeError:  # a half of a surrogate pair, as in the name of a file
        return _as_damaged_text(content)
    except (TypeError, ValueError, RecursionError) as error:
        problem = str(error)
    raise ConfigurationError(f"a tool result must be a text or a JSON value: {problem}")


def _as_damaged_text(content: object) -> str:
    plain = msgspec.to_builtins(content, str_keys=True, enc_hook=_plain)
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def _plain(value: Any) -> object:
    """Return a path or a pydantic model as JSON knows it; a model is known by its method: pydantic is not imported."""
    # Not at the top: most programs send no path, and all would pay for the import.
    from pathlib import PurePath

    if isinstance(value, PurePath):
        return str(value)
    if not hasattr(value, "model_dump"):
        raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")
    return value.model_dump(mode="json")
