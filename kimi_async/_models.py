"""Replies and their parts: frozen values.

``None`` means absent and ``""`` present and empty, in both directions: a thinking model may refuse a history
whose empty reasoning was dropped (page Providers, 6.4). Nothing here tests truthiness of text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import (
    Any,
    Literal,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    overload,
)

from attrs import evolve, field, frozen
from msgspec import Struct

from kimi_async._codec import decode, encode, plain
from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._finish_reasons import meaning_of
from kimi_async._json_text import read_json_text
from kimi_async._messages import Message, ToolCall
from kimi_async._openai import finish_word, openai_head, openai_usage
from kimi_async._prefix import Prefix
from kimi_async._record import AttemptRecord, Outcome, ReplyRecord, Usage, unsent_record

__all__ = [
    "ChatCompletion",
    "Choice",
    "ModelInfo",
    "NoAnswer",
    "Thinking",
    "ThinkingDict",
]

T = TypeVar("T")


class Thinking(Struct, frozen=True, kw_only=True):
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

    def __post_init__(self) -> None:
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


class ModelInfo(Struct, frozen=True, kw_only=True):
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
    raw: Mapping[str, Any] = {}

    def __rich_repr__(self, /) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in super().__rich_repr__() if name != "raw"]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"ModelInfo({shown})"


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
        record: The record of the reply, or the record so far on a snapshot of a running one. One without attempts on a
            completion that no reply of a client made.
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
    record: ReplyRecord = field(default=unsent_record("cancelled", ""), eq=False, repr=False)
    raw: Mapping[str, Any] | None = field(default=None, eq=False, repr=False)
    prefix: Prefix | None = field(default=None, eq=False)

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The requests that were sent for the reply, oldest first."""
        return self.record.attempts

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
        if self.text.lstrip().startswith(("```", "~~~")):
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
            ConfigurationError: *data* is neither bytes nor a text.
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
        """Return the same completion with *record*, and with the request id in it."""
        return evolve(self, record=record, request_id=record.request_id)


_NOTHING_SAID = Message(role="assistant")
