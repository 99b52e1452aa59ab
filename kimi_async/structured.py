"""Structured output: a type is told to the model as a JSON Schema, and its answer is read into that type.

:func:`question_for` makes the request, pure; :func:`answer_of` asks, and asks again when the answer does not fit;
:class:`ParsedStream` asks once and shows the answer while it grows. While nobody waits, nothing is held but the stream
of one reply.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Generic, Self, TypedDict, TypeGuard, TypeVar

import msgspec
from attrs import evolve, field, frozen

from kimi_async._caller import Caller
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._events import ContentDelta, StreamEvent
from kimi_async._json_text import read_json_text
from kimi_async._models import (
    AnyMessage,
    ChatCompletion,
    Message,
    Messages,
    as_sequence,
    system,
    user,
)
from kimi_async._protocol._fence import FenceRemover, without_fence
from kimi_async._protocol._partial_json import PartialJSON
from kimi_async._record import Usage
from kimi_async._request._media import text_part
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire
from kimi_async.tools._call_ids import sayable
from kimi_async.tools._run import sum_usage
from kimi_async.tools._schema import schema_of

__all__ = ["ParseRound", "Parsed", "ParsedStream", "Question", "answer_of", "question_for"]

T = TypeVar("T")

_IN_WORDS: Final = (
    "Answer with one JSON object and nothing else: no other text, no Markdown fence."
    " It must fit this JSON Schema:\n"
)
_AGAIN: Final = (
    "This answer does not fit: {}.\nAnswer again with the whole JSON, corrected, and nothing else."
)


@frozen
class ParseRound:
    """One reply on the way to a value.

    Attributes:
        completion: The reply.
        error: Why it did not fit: what was expected, and where. The model was told the same. ``None`` when it did fit.
    """

    completion: ChatCompletion
    error: str | None = None


@frozen(kw_only=True)
class Parsed(Generic[T]):
    """A value that a model gave.

    Attributes:
        value: The value, of the type that was asked for.
        completion: The reply that it was read from.
        rounds: All replies, those that did not fit first.
        usage: The usage of all rounds, each figure summed; a figure that one of them does not say is ``None``, and so
            is all of it when none says any.
    """

    value: T
    completion: ChatCompletion
    rounds: tuple[ParseRound, ...] = field(repr=False)
    usage: Usage | None


@frozen
class _Problem:
    """Why there is no value in a reply, and whether the model can mend that."""

    text: str
    can_be_mended: bool


@frozen(kw_only=True)
class Question(Generic[T]):
    """One question whose answer is a value.

    Attributes:
        caller: Opens the stream of each reply.
        messages: The messages of the first request.
        params: The parameters of every request.
        wire: Whether the replies are asked for as streams or as JSON bodies.
        into: The type that the text is read into: the type itself, or a dict that has it as ``value``.
        is_wrapped: Whether it is such a dict.
    """

    caller: Caller
    messages: tuple[AnyMessage, ...]
    params: CallParams
    wire: Wire
    into: Any
    is_wrapped: bool

    def open(self, messages: Messages, *, is_checked: bool = True) -> ChatStream:
        """Return the stream of one reply to *messages*; raises like ``Caller.open()``."""
        return self.caller.open(messages, self.params, wire=self.wire, is_checked=is_checked)

    def read(self, completion: ChatCompletion) -> T | _Problem:
        """Give the value of a reply, or what is wrong with it."""
        ending = _bad_ending(completion)
        if ending is not None:
            return _Problem(ending, can_be_mended=False)
        try:
            value = read_json_text(without_fence(completion.text), self.into)
        except ValueError as error:
            return _Problem(str(error), can_be_mended=True)
        answer: T = value["value"] if self.is_wrapped else value
        return answer


def question_for(
    caller: Caller, messages: Messages, params: CallParams, into: object, *, wire: Wire = "stream"
) -> Question[Any]:
    """Make the question, in the strictest form that the model is known to take.

    Args:
        caller: Opens the stream of each reply.
        messages: The messages, as the user gave them.
        params: The parameters, as the user gave them.
        into: The type of the answer.
        wire: Whether the replies are asked for as streams or as JSON bodies.

    Raises:
        ConfigurationError: Something cannot be sent, *into* has no JSON Schema or cannot be read into, or the format
            of the reply or a prefix is also given.
    """
    call = caller.prepare(messages, params, wire=wire)
    if call.prefix is not None:
        raise ConfigurationError("into= asks for a whole value, not for the rest of a prefix")
    if params.get("response_format") is not None:
        raise ConfigurationError("response_format is chosen for into=; leave it out")
    schema, target, is_wrapped = _target(into)
    asked: CallParams = {**params}
    said = as_sequence(messages)
    known = call.capabilities
    if known.json_schema.value:
        described = {"name": "answer", "schema": schema}
        asked["response_format"] = {"type": "json_schema", "json_schema": described}
    else:
        said = _with_words(said, _IN_WORDS + msgspec.json.encode(schema).decode())
        if known.json_object.value:
            asked["response_format"] = {"type": "json_object"}
    return Question(
        caller=caller,
        messages=said,
        params=asked,
        wire=wire,
        into=target,
        is_wrapped=is_wrapped,
    )


def _target(into: Any) -> tuple[dict[str, Any], Any, bool]:
    """The schema to ask with, what the answer is read into, and whether that wraps *into* in an object.

    Schemas must be those of objects, and JSON mode gives nothing else (``docs/providers.md`` 3.3).
    """
    make: Any = TypedDict  # with a type that type checkers cannot see
    wrapped = make("Answer", {"value": into})
    schema = schema_of(wrapped)
    inner = schema["properties"]["value"]
    if "$ref" in inner:
        inner = schema["$defs"][inner["$ref"].rpartition("/")[2]]
    if inner.get("type") == "object":
        return schema_of(into), into, False
    return schema, wrapped, True


def _with_words(messages: tuple[AnyMessage, ...], text: str) -> tuple[AnyMessage, ...]:
    """Return *messages* with *text* in their system message."""
    longer = _with_more(messages[0], text)
    return (system(text), *messages) if longer is None else (longer, *messages[1:])


def _with_more(message: AnyMessage, text: str) -> AnyMessage | None:
    """A system message with *text* behind what it says; ``None`` when it is none, or says nothing."""
    wire: Mapping[str, Any] = message.to_wire() if isinstance(message, Message) else message
    content = wire.get("content")
    if wire["role"] != "system":
        return None
    if isinstance(content, str):
        content = f"{content}\n\n{text}"
    elif isinstance(content, (list, tuple)):
        content = (*content, text_part(text))
    else:
        return None
    if isinstance(message, Message):
        return evolve(message, content=content)
    return {**message, "content": content}


def _bad_ending(completion: ChatCompletion) -> str | None:
    """Why the reply is no answer that could be mended; ``None`` when it is an answer."""
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


async def answer_of(question: Question[T], repairs: int) -> Parsed[T]:
    """Ask until the answer fits.

    Args:
        question: What is asked.
        repairs: How often the model is asked again after an answer that does not fit.

    Raises:
        ConfigurationError: *repairs* is no whole number from 0.
        OutputError: No answer fitted, or a reply was none.
        KimiError: A reply could not be had whole.
    """
    if type(repairs) is not int or repairs < 0:
        raise ConfigurationError(f"repairs must be a whole number from 0, not {repairs!r}")
    rounds: list[ParseRound] = []
    messages = question.messages
    while True:
        completion = await question.open(messages, is_checked=not rounds).final()
        read = question.read(completion)
        if not isinstance(read, _Problem):
            return _parsed(read, [*rounds, ParseRound(completion)])
        if len(rounds) == repairs or not read.can_be_mended:
            raise _unfit(read.text, completion)
        rounds.append(ParseRound(completion, read.text))
        messages = (*messages, *sayable(completion.message), user(_AGAIN.format(read.text)))


def _parsed(value: T, rounds: list[ParseRound]) -> Parsed[T]:
    return Parsed(
        value=value,
        completion=rounds[-1].completion,
        rounds=tuple(rounds),
        usage=sum_usage([each.completion.usage for each in rounds]),
    )


def _unfit(problem: str, completion: ChatCompletion) -> OutputError:
    error = OutputError(f"the reply is not what was asked for: {problem}", text=completion.text)
    return _of_reply(error, completion)


def _of_reply(error: OutputError, completion: ChatCompletion) -> OutputError:
    error.partial = completion
    error.record = completion.record
    error.provider = completion.provider
    return error


class ParsedStream(Generic[T]):
    """A value as it grows; made by ``client.stream_parse()``.

    An async context manager, and an async iterator of the value so far: one for each piece of the answer, from when
    something of it is certain. These are JSON values (dict, list, str, ...), because a half value fits no type, and
    there is one that grows: objects and lists are the same ones each time, so do not change them, and copy what is to
    stay. What :meth:`ToolCallDelta.partial() <kimi_async.ToolCallDelta.partial>` says of them holds here.

    Entering it sends the request and returns at the first output, and leaving it gives the connection back, as with
    :class:`~kimi_async.ChatStream`. For one task at a time; :meth:`aclose` may be called from any.
    """

    def __init__(self, question: Question[T]) -> None:
        self._question = question
        self._stream = question.open(question.messages)
        self._fence = FenceRemover()
        self._growing = PartialJSON()

    def __repr__(self) -> str:
        return f"<ParsedStream of {self._stream!r}>"

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The value as far as the next piece of the answer makes it certain.

        Raises:
            StopAsyncIteration: The reply is over; whether the value is whole, and fits, is for :meth:`final` to say.
            OutputError: No JSON text begins like this answer; raised again by every later call.
            KimiError: The reply did not end well.
            RuntimeError: Another task is already reading this stream.
        """
        while True:
            event = await self._next()
            if _is_answer(event) and self._shown():
                return self.value

    def events(self) -> AsyncIterator[StreamEvent]:
        """The events of the reply, in place of its values; :attr:`value` is up to date at each.

        Raises the same. Both take from one stream: what one of them gave, the other does not give again.
        """
        return _Events(self._next)

    async def _next(self) -> StreamEvent:
        self._feed("")  # raises again what it raised before
        event = await self._stream.__anext__()
        if _is_answer(event):
            self._feed(event.text)
        return event

    def _feed(self, text: str) -> None:
        try:
            self._growing.feed(self._fence.feed(text))
        except OutputError as error:
            raise _of_reply(error, self._stream.snapshot) from None

    def _shown(self) -> tuple[Any, ...]:
        """The value so far as the only item; nothing while nothing is certain."""
        value = self._growing.value
        if not self._question.is_wrapped:
            return () if value is None else (value,)
        return (value["value"],) if isinstance(value, dict) and "value" in value else ()

    @property
    def value(self) -> Any:
        """The value so far; ``None`` while nothing is certain."""
        return next(iter(self._shown()), None)

    @property
    def stream(self) -> ChatStream:
        """The reply under it, for ``snapshot``, ``response`` and ``record``; reading it is done here."""
        return self._stream

    async def final(self) -> Parsed[T]:
        """Read to the end and give the value, checked; what was not yet taken is skipped. May be called again.

        Raises:
            OutputError: The answer is not what was asked for; nothing is repaired in a stream. ``.text`` is what came,
                ``.partial`` the reply.
            KimiError: The reply did not end well.
            RuntimeError: Another task is already reading this stream.
        """
        completion = await self._stream.final()
        read = self._question.read(completion)
        if isinstance(read, _Problem):
            raise _unfit(read.text, completion)
        return _parsed(read, [ParseRound(completion)])

    async def aclose(self) -> None:
        """Leave the reply and give its connection back; from any task, idempotent, bounded in time."""
        await self._stream.aclose()


class _Events:
    """Not a generator, which trio would report when it is left before its end."""

    def __init__(self, take: Callable[[], Awaitable[StreamEvent]]) -> None:
        self._take = take

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        return await self._take()


def _is_answer(event: StreamEvent) -> TypeGuard[ContentDelta]:
    return isinstance(event, ContentDelta) and event.choice == 0
