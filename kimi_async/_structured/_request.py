"""Make the request for a value of a type, and read a reply into that type."""

from __future__ import annotations

from typing import Any, Final, Generic, TypedDict, TypeVar

import msgspec
from attrs import evolve, frozen

from kimi_async._caller import Caller
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError
from kimi_async._json_text import read_json_text
from kimi_async._messages import Message, Messages, system
from kimi_async._models import ChatCompletion
from kimi_async._protocol._fence import without_fence
from kimi_async._request._media import text_part
from kimi_async._request._message_values import as_messages
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire
from kimi_async.tools._schema import schema_of

__all__ = ["NoValue", "TypedRequest", "typed_request"]

T = TypeVar("T")

_IN_WORDS: Final = (
    "Answer with one JSON object and nothing else: no other text, no Markdown fence."
    " It must fit this JSON Schema:\n"
)


@frozen
class NoValue:
    """The reason why a reply has no value, and whether the model can correct it."""

    text: str
    can_be_mended: bool


@frozen(kw_only=True)
class TypedRequest(Generic[T]):
    """A request whose answer is read into a type.

    Attributes:
        caller: Opens the stream of each reply.
        messages: The messages of the first request.
        params: The parameters of every request.
        wire: Whether the replies are asked for as streams or as JSON bodies.
        into: The type that the text is read into: the type itself, or a dict that has it as ``value``.
        is_wrapped: Whether it is a dict with the key ``value``.
    """

    caller: Caller
    messages: tuple[Message, ...]
    params: CallParams
    wire: Wire
    into: Any
    is_wrapped: bool

    def open(self, messages: Messages, *, is_checked: bool = True) -> ChatStream:
        """Return the stream of one reply to *messages*; *is_checked* and the errors are those of ``Caller.open()``."""
        return self.caller.open(messages, self.params, wire=self.wire, is_checked=is_checked)

    def read(self, completion: ChatCompletion) -> T | NoValue:
        """Return the value of *completion*, or its problem."""
        ending = _bad_ending(completion)
        if ending is not None:
            return NoValue(ending, can_be_mended=False)
        try:
            value = read_json_text(without_fence(completion.text), self.into)
        except ValueError as error:
            return NoValue(str(error), can_be_mended=True)
        answer: T = value["value"] if self.is_wrapped else value
        return answer


def typed_request(
    caller: Caller, messages: Messages, params: CallParams, into: object, *, wire: Wire = "stream"
) -> TypedRequest[Any]:
    """Return the request, with the strictest form of schema that the model is known to accept.

    Args:
        caller: Opens the stream of each reply.
        messages: The messages of the user.
        params: The parameters of the user.
        into: The type of the answer.
        wire: Whether the replies are asked for as streams or as JSON bodies.

    Raises:
        ConfigurationError: A part of the request cannot be sent, *into* has no JSON Schema or no JSON can be read into
            it, or ``response_format`` or a prefix is also given.
    """
    call = caller.prepare(messages, params, wire=wire)
    if call.prefix is not None:
        raise ConfigurationError("into= asks for a complete value, not for the rest of a prefix")
    if params.get("response_format") is not None:
        raise ConfigurationError("response_format is chosen for into=; leave it out")
    schema, target, is_wrapped = _target(into)
    asked: CallParams = {**params}
    said = as_messages(messages)
    known = call.capabilities
    if known.json_schema.value:
        described = {"name": "answer", "schema": schema}
        asked["response_format"] = {"type": "json_schema", "json_schema": described}
    else:
        said = _with_words(said, _IN_WORDS + msgspec.json.encode(schema).decode())
        if known.json_object.value:
            asked["response_format"] = {"type": "json_object"}
    return TypedRequest(
        caller=caller.for_turn(params),
        messages=said,
        params=asked,
        wire=wire,
        into=target,
        is_wrapped=is_wrapped,
    )


def _target(into: Any) -> tuple[dict[str, Any], Any, bool]:
    """Return the schema for the request, the type to read the answer into, and whether that type wraps *into*.

    The schema must describe an object, and JSON mode gives only objects (Providers 3.3).
    """
    wrapped = _wrapped(into)
    schema = schema_of(wrapped)
    inner = schema["properties"]["value"]
    if "$ref" in inner:
        inner = schema["$defs"][inner["$ref"].rpartition("/")[2]]
    if inner.get("type") == "object":
        return schema_of(into), into, False
    return schema, wrapped, True


def _wrapped(into: Any) -> Any:
    make: Any = TypedDict  # Any, because the type of the key is known only at run time
    try:
        return make("Answer", {"value": into})
    except (TypeError, ValueError, SyntaxError, IndexError) as error:  # raised by typing
        problem = str(error)
    raise ConfigurationError(f"no JSON Schema can be made: into= is not a type: {problem}")


def _with_words(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Return *messages* with *text* in their system message."""
    longer = _with_more(messages[0], text)
    return (system(text), *messages) if longer is None else (longer, *messages[1:])


def _with_more(message: Message, text: str) -> Message | None:
    """Return *message* with *text* added at its end; ``None`` if it is not a system message or has no content."""
    content = message.content
    if message.role != "system" or content is None:
        return None
    if isinstance(content, str):
        return evolve(message, content=f"{content}\n\n{text}")
    return evolve(message, content=(*content, text_part(text)))


def _bad_ending(completion: ChatCompletion) -> str | None:
    """Return the reason why the reply holds no complete answer; ``None`` if it holds one."""
    if completion.no_answer == "budget":
        return "the output limit was used up by thinking, raise max_tokens"
    if completion.no_answer is not None:
        return "there is no answer, only thinking"
    if completion.message.refusal:
        return "the model refused"
    match completion.outcome:
        case "complete":
            return None
        case "length":
            return "the output limit cut it, raise max_tokens"
        case "content_filter":
            return "a content filter stopped it"
        case "tool_calls":
            return "the model called a tool in place of an answer"
        case _:
            return f"it ended with the unknown reason {completion.finish_reason!r}"
