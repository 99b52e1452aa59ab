"""Messages that are sent and replies that come back: frozen values.

``None`` means absent and ``""`` present and empty, in both directions: a thinking model may refuse a history
whose empty reasoning was dropped (page Providers, 6.4). Nothing here tests truthiness of text.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

import msgspec
from attrs import evolve, field, frozen

from kimi_async._codec import decode, encode, plain
from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._finish_reasons import meaning_of
from kimi_async._json_text import read_json_text
from kimi_async._openai import finish_word, openai_head, openai_usage
from kimi_async._prefix import Prefix
from kimi_async._record import Outcome, ReplyRecord, Usage

if TYPE_CHECKING:
    from kimi_async._wire import ToolDefinition

__all__ = [
    "AnyMessage",
    "ChatCompletion",
    "Choice",
    "ContentPart",
    "Message",
    "MessageDict",
    "Messages",
    "ModelInfo",
    "NoAnswer",
    "ReasoningKey",
    "Thinking",
    "ThinkingDict",
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
    """

    id: str | None
    name: str
    arguments: str
    complete: bool = True
    type: str = "function"

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
        """The call as it is sent back in an assistant message; a missing id stays missing."""
        wire: dict[str, Any] = {} if self.id is None else {"id": self.id}
        wire["type"] = self.type
        wire["function"] = {"name": self.name, "arguments": self.arguments}
        return wire

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
    """Whether *part* is a text part without text."""
    return isinstance(part, Mapping) and part.get("type") == "text" and part.get("text") == ""


def _content(content: str | Iterable[ContentPart]) -> str | tuple[ContentPart, ...]:
    if isinstance(content, str):
        return content
    if isinstance(content, (bytes, Mapping)) or not isinstance(content, Iterable):
        kind = type(content).__name__
        raise ConfigurationError(f"content must be a text or a list of content parts, not {kind}")
    return tuple(content)


def system(content: str | Iterable[ContentPart], *, name: str | None = None) -> Message:
    """Make a message of role ``system``."""
    return Message(role="system", content=_content(content), name=name)


def user(content: str | Iterable[ContentPart], *, name: str | None = None) -> Message:
    """Make a message of role ``user`` from a text or from content parts."""
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
    if isinstance(value, PurePath):
        return str(value)
    if not hasattr(value, "model_dump"):
        raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")
    return value.model_dump(mode="json")


@frozen(kw_only=True)
class Thinking:
    """How a model is asked to think; each provider spells it in its own words.

    Attributes:
        enabled: Whether the model thinks at all, where it can be told.
        keep: ``"all"`` keeps the reasoning of earlier turns (K2.6 and K3 at Moonshot, K2.6 at Ace Data Cloud).
        budget_tokens: The largest number of tokens to think with (only Cloudsway documents it).
        effort: ``"low"``, ``"high"`` or ``"max"`` (the K3 family at Moonshot and Ace Data Cloud). Give it here or as
            ``reasoning_effort``, not in both places.

    Raises:
        ConfigurationError: A field has a value of a wrong type.
    """

    enabled: bool = True
    keep: Literal["all"] | None = None
    budget_tokens: int | None = None
    effort: str | None = None

    def __attrs_post_init__(self) -> None:
        budget = self.budget_tokens
        wanted = {
            "enabled must be True or False": isinstance(self.enabled, bool),
            "keep must be 'all' or None": self.keep in (None, "all"),
            "budget_tokens must be a whole number above 0, or None": (
                budget is None or (type(budget) is int and budget > 0)
            ),
            "effort must be a text such as 'low', or None": (
                self.effort is None or (isinstance(self.effort, str) and self.effort != "")
            ),
        }
        for problem, is_right in wanted.items():
            if not is_right:
                raise ConfigurationError(f"Thinking: {problem}")


class ThinkingDict(TypedDict, total=False):
    """A dict in the place of :class:`Thinking`, in the form that Moonshot documents.

    Attributes:
        type: ``"enabled"`` or ``"disabled"``.
        keep: As in :class:`Thinking`, and so are the others.
    """

    type: Required[Literal["enabled", "disabled"]]
    keep: Literal["all"] | None
    budget_tokens: int | None
    effort: str | None


@frozen(kw_only=True)
class ModelInfo:
    """One model of a provider's list; a field that the provider does not report is ``None``.

    Attributes:
        id: The name to ask for.
        created: Unix seconds.
        owned_by: Who the provider says owns it.
        context_length: Tokens of request and reply together (Moonshot).
        supports_image_in: Whether images are read (Moonshot; so below).
        supports_video_in: Whether videos are read.
        supports_reasoning: Whether it thinks.
        raw: The entry, unchanged.
    """

    id: str
    created: int | None = None
    owned_by: str | None = None
    context_length: int | None = None
    supports_image_in: bool | None = None
    supports_video_in: bool | None = None
    supports_reasoning: bool | None = None
    raw: Mapping[str, Any] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class Choice:
    """One of the ``n`` answers of a reply.

    Attributes:
        index: Its number, from 0.
        message: The message.
        finish_reason: The provider's own word (``"stop"``, ``"MAX_TOKENS"``), ``None`` while there is none;
            :attr:`outcome` is its meaning.
        logprobs: The log probabilities as the provider gave them, joined over the stream, or ``None``.
    """

    index: int
    message: Message
    finish_reason: str | None = None
    logprobs: Mapping[str, Any] | None = None

    @property
    def outcome(self) -> Outcome | None:
        """The meaning of the finish reason, whatever its spelling; ``None`` while there is none.

        ``"MAX_TOKENS"`` is ``"length"``, ``"end_turn"`` is ``"complete"``; a word that is not known is ``"other"``. The
        tool calls count more than the reason: a ``stop`` with complete tool calls is ``"tool_calls"`` (see the page
        Providers, section 6.2).
        """
        if self.finish_reason is None:
            return None
        has_calls = any(call.complete for call in self.message.tool_calls)
        return _outcome_of(self.finish_reason, has_calls=has_calls)

    def to_openai(self) -> dict[str, Any]:
        """Return the choice in OpenAI's shape; see :meth:`ChatCompletion.to_openai`."""
        message = self.message
        spelled: dict[str, Any] = {
            "role": message.role,
            "content": message.content,
            "refusal": message.refusal,
        }
        if message.reasoning_content is not None:
            spelled["reasoning_content"] = message.reasoning_content
        if message.tool_calls:
            spelled["tool_calls"] = [call.to_openai() for call in message.tool_calls]
        return {
            "index": self.index,
            "message": spelled,
            "finish_reason": finish_word(self.outcome),
            "logprobs": self.logprobs,
        }


def _outcome_of(reason: str, *, has_calls: bool) -> Outcome:
    match meaning_of(reason):
        case "natural":
            return "tool_calls" if has_calls else "complete"
        case "length" | "content_filter" as meaning:
            return meaning
        case _:
            return "other"


#: Why a reply holds thinking and no answer; see :attr:`ChatCompletion.no_answer`.
NoAnswer: TypeAlias = Literal["budget", "cut", "model"]


@frozen(kw_only=True)
class ChatCompletion:
    """One reply, complete or partial.

    Two completions are equal when their choices, models, providers and usage are equal: ids, times, the record
    and the raw body are left out of the comparison.

    Attributes:
        id: The provider's id of the reply; ``None`` when it gave none.
        model: The model that the provider named.
        created: Unix seconds, by the provider's clock.
        provider: Name of the provider.
        choices: The answers, by index; empty before any output.
        usage: Token counts, or ``None`` when the provider said nothing.
        request_id: Request or trace id of the response headers.
        record: The record of the reply; ``None`` on a snapshot of a running one.
        raw: The decoded JSON body of an unstreamed reply, unknown keys included; ``None`` for a stream.
        prefix: The text that the reply continues, when the last message was ``partial``.
    """

    id: str | None = field(default=None, eq=False)
    model: str | None = None
    created: int | None = field(default=None, eq=False)
    provider: str
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    request_id: str | None = field(default=None, eq=False)
    record: ReplyRecord | None = field(default=None, eq=False)
    raw: Mapping[str, Any] | None = field(default=None, eq=False, repr=False)
    prefix: Prefix | None = field(default=None, eq=False)

    @property
    def message(self) -> Message:
        """The message of choice 0; an empty assistant message before any output."""
        return self.choices[0].message if self.choices else _NOTHING_SAID

    @property
    def text(self) -> str:
        """The content of choice 0, ``""`` when there is none."""
        content = self.message.content
        return content if isinstance(content, str) else ""

    @property
    def reasoning(self) -> str:
        """The thinking of choice 0, ``""`` when there is none."""
        return self.message.reasoning_content or ""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of choice 0."""
        return self.message.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """The finish reason of choice 0, in the provider's word."""
        return self.choices[0].finish_reason if self.choices else None

    @property
    def outcome(self) -> Outcome | None:
        """The meaning of the finish reason of choice 0; ``None`` while there is none."""
        return self.choices[0].outcome if self.choices else None

    @property
    def full_text(self) -> str:
        """The prefix and the text of the reply, as one text (page Providers, 3.3, 6.4).

        Only :attr:`text` when there was no prefix, when the reply repeats it, and when it is known not to have been
        honoured: a reply that starts afresh is not glued to it.
        """
        return self.text if self.prefix is None else self.prefix.joined_with(self.text)

    @property
    def prefix_honoured(self) -> bool | None:
        """Whether the reply continues its prefix; ``None`` when there was none, or when it cannot be known."""
        return None if self.prefix is None else self.prefix.is_honoured_in(self.text)

    @property
    def no_answer(self) -> NoAnswer | None:
        """Why the model thought and then said nothing; ``None`` when it did answer, or did not think.

        ``"budget"``: the output limit was used up by thinking (raise ``max_tokens``); ``"cut"``: there is no finish
        reason, the reply broke or still runs; ``"model"``: it stopped by itself (page Providers, 6.2), and asking
        again may help.
        """
        message = self.message
        if self.text.strip() or message.tool_calls or message.refusal or not self.reasoning:
            return None
        outcome = self.outcome
        return "cut" if outcome is None else "budget" if outcome == "length" else "model"

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, into: type[T]) -> T: ...
    def json(self, into: Any = Any) -> Any:
        """Read :attr:`full_text` as JSON and, when *into* is given, check it against that type.

        Raw control characters inside strings are accepted, because models do write them; everything else is strict
        JSON.

        Args:
            into: A type that msgspec can validate (builtins, attrs classes, dataclasses, ``TypedDict``, ...).

        Raises:
            OutputError: The text is not JSON, or does not fit *into*; ``.text`` holds it.
        """
        text = self.full_text
        try:
            return read_json_text(text, into)
        except ValueError as error:
            problem = str(error)
        raise OutputError(
            f"the reply is not the JSON that was asked for: {problem}{self._why()}", text=text
        )

    def _why(self) -> str:
        """Return the usual reason for a reply that is not JSON."""
        if self.no_answer == "budget":
            return "; the output limit was used up by thinking, raise max_tokens"
        if self.no_answer is not None:
            return "; there is no answer, only thinking"
        if self.outcome == "length":
            return "; the output limit cut it, raise max_tokens"
        if self.text.lstrip().startswith("```"):
            return "; it stands in a Markdown fence, ask with response_format"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the reply as plain data, which any JSON encoder can write; ``raw`` is left out."""
        built = plain(evolve(self, raw=None))
        del built["raw"]
        return built

    def to_json(self) -> bytes:
        """Return :meth:`to_dict` as compact JSON in UTF-8; :meth:`from_json` reads it."""
        return encode(self.to_dict())

    @classmethod
    def from_json(cls, data: bytes) -> ChatCompletion:
        """Read a reply from the JSON that :meth:`to_json` gives.

        It is equal to the reply that was written, its ids, times and record included; ``raw`` is ``None``. Keys
        that this version does not know are ignored.

        Raises:
            ProtocolError: *data* is not JSON, or not such a reply.
        """
        reply: ChatCompletion = decode(data, ChatCompletion, "reply")
        return reply

    def to_openai(self) -> dict[str, Any]:
        """Return the reply in the shape of OpenAI's ``chat.completion``, as plain data.

        Reasoning is ``reasoning_content``, and a finish reason is OpenAI's word for its meaning (``None`` in a reply
        that broke). Ids and models that the provider did not name are ``""``, an unknown time is 0.
        """
        head = openai_head("chat.completion", id=self.id, model=self.model, created=self.created)
        choices = [choice.to_openai() for choice in self.choices]
        usage = {} if self.usage is None else {"usage": openai_usage(self.usage)}
        return {**head, "choices": choices, **usage}

    def with_record(self, record: ReplyRecord) -> ChatCompletion:
        """The same completion with its record."""
        return evolve(self, record=record, request_id=record.request_id)


_NOTHING_SAID = Message(role="assistant")
