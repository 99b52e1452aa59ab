"""Structured output: the model gets a type as a JSON Schema, and its answer is read into that type.

:func:`question_for` makes the request and is pure. :func:`answer_of` sends it, and asks again when the answer does not
fit. :class:`ParsedStream` sends it once and shows the answer while it grows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Generic, Self, TypedDict, TypeGuard, TypeVar

import msgspec
from attrs import evolve, field, frozen

from kimi_async._caller import Caller
from kimi_async._closing import ClosedAtExit
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._events import ContentDelta, StreamEvent, StreamRestarted
from kimi_async._json_text import read_json_text
from kimi_async._messages import Message, Messages, system, user
from kimi_async._models import ChatCompletion
from kimi_async._protocol._fence import FenceRemover, without_fence
from kimi_async._protocol._partial_json import PartialJSON
from kimi_async._record import Usage
from kimi_async._request._media import text_part
from kimi_async._request._message_values import as_messages
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
        error: The reason why it did not fit: the expected type and the place. The model got the same text. ``None``
            if the reply fits.
    """

    completion: ChatCompletion
    error: str | None = None


@frozen(kw_only=True)
class Parsed(Generic[T]):
    """The value in the answer of a model, with all replies that led to it.

    Attributes:
        value: The value, of the type that was asked for.
        completion: The reply that it was read from.
        rounds: All replies, oldest first; only the last one fits.
        usage: The sum of the usage of all rounds. A figure that one round does not report is ``None``; the whole is
            ``None`` if no figure is left.
    """

    value: T
    completion: ChatCompletion
    rounds: tuple[ParseRound, ...] = field(repr=False)
    usage: Usage | None


@frozen
class _Problem:
    """The reason why a reply has no value, and whether the model can correct it."""

    text: str
    can_be_mended: bool


@frozen(kw_only=True)
class Question(Generic[T]):
    """A request whose answer is a value.

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

    def read(self, completion: ChatCompletion) -> T | _Problem:
        """Return the value of *completion*, or its problem."""
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
    """Return the question, with the strictest form of schema that the model is known to accept.

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
    return Question(
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
    make: Any = TypedDict  # Any, because the type of the key is known only at run time
    wrapped = make("Answer", {"value": into})
    schema = schema_of(wrapped)
    inner = schema["properties"]["value"]
    if "$ref" in inner:
        inner = schema["$defs"][inner["$ref"].rpartition("/")[2]]
    if inner.get("type") == "object":
        return schema_of(into), into, False
    return schema, wrapped, True


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


def check_repairs(repairs: object) -> None:
    """Refuse a value that is not a count.

    Raises:
        ConfigurationError: *repairs* is not a whole number from 0.
    """
    if type(repairs) is not int or repairs < 0:
        raise ConfigurationError(f"repairs must be a whole number from 0, not {repairs!r}")


async def answer_of(question: Question[T], repairs: int) -> Parsed[T]:
    """Ask the model until its answer fits, and return the value.

    Args:
        question: The question.
        repairs: How often the model is asked again after an answer that does not fit.

    Raises:
        ConfigurationError: *repairs* is not a whole number from 0.
        OutputError: No answer fits, or a reply has no answer.
        KimiError: A reply failed.
    """
    check_repairs(repairs)
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


class ParsedStream(ClosedAtExit, Generic[T]):
    """A growing value; made by ``client.stream_parse()``.

    It is an async context manager and an async iterator of the value so far, once for each piece of the answer. The
    first value comes when some part of it is certain. The values are JSON values (dict, list, str, ...), because an
    incomplete value fits no type. Each step extends the same objects and lists, so do not change them, and copy those
    that you keep. After a restart the value grows anew, in new objects. See also
    :meth:`ToolCallDelta.partial() <kimi_async.ToolCallDelta.partial>`.

    Entering the stream sends the request and returns at the first output. Leaving it gives the connection back, as with
    :class:`~kimi_async.ChatStream`. Only one task at a time may read it; any task may call :meth:`aclose`.
    """

    def __init__(self, question: Question[T]) -> None:
        self._question = question
        self._stream = question.open(question.messages)
        self._begin()

    def _begin(self) -> None:
        self._fence = FenceRemover()
        self._growing = PartialJSON()

    def __repr__(self) -> str:
        return f"<ParsedStream of {self._stream!r}>"

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """Return the value so far, after the next piece of the answer.

        Raises:
            StopAsyncIteration: The reply has ended; :meth:`final` checks whether the value is complete and fits.
            OutputError: No JSON text begins like this answer; raised again by every later call.
            KimiError: The reply failed.
            RuntimeError: Another task is already reading this stream.
        """
        while True:
            event = await self._next()
            if _is_answer(event) and self._shown():
                return self.value

    def events(self) -> AsyncIterator[StreamEvent]:
        """Return an iterator of the events of the reply; :attr:`value` is up to date at each of them.

        It raises the errors of iterating over the values. Both read the same stream, so an event that one of them
        took does not reach the other.
        """
        return _Events(self._next)

    async def _next(self) -> StreamEvent:
        self._feed("")  # raises an earlier error again
        event = await self._stream.__anext__()
        if _is_answer(event):
            self._feed(event.text)
        elif isinstance(event, StreamRestarted):
            self._begin()
        return event

    def _feed(self, text: str) -> None:
        try:
            self._growing.feed(self._fence.feed(text))
        except OutputError as error:
            raise _of_reply(error, self._stream.snapshot) from None

    def _shown(self) -> tuple[Any, ...]:
        """Return the value so far as the only item; an empty tuple while no part of it is certain."""
        value = self._growing.value
        if not self._question.is_wrapped:
            return () if value is None else (value,)
        return (value["value"],) if isinstance(value, dict) and "value" in value else ()

    @property
    def value(self) -> Any:
        """The value so far; ``None`` while no part of it is certain."""
        return next(iter(self._shown()), None)

    @property
    def is_ready(self) -> bool:
        """Whether the next event, or the end, was read already, so that taking it does not wait."""
        return self._stream.is_ready

    @property
    def stream(self) -> ChatStream:
        """The stream of the reply, for its ``snapshot``, ``response`` and ``record``; do not read events from it."""
        return self._stream

    async def final(self) -> Parsed[T]:
        """Read to the end and return the checked value; values not yet taken are skipped. May be called again.

        Raises:
            OutputError: The answer does not fit; a stream does not ask again. ``.text`` is the text that arrived, and
                ``.partial`` the reply.
            KimiError: The reply failed.
            RuntimeError: Another task is already reading this stream.
        """
        completion = await self._stream.final()
        read = self._question.read(completion)
        if isinstance(read, _Problem):
            raise _unfit(read.text, completion)
        return _parsed(read, [ParseRound(completion)])

    async def aclose(self) -> None:
        """End the reply and give its connection back. Any task may call it, more than once; it returns soon."""
        await self._stream.aclose()


class _Events:
    """An iterator of events; not a generator, because trio warns about a generator that is not read to its end."""

    def __init__(self, take: Callable[[], Awaitable[StreamEvent]]) -> None:
        self._take = take

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        return await self._take()


def _is_answer(event: StreamEvent) -> TypeGuard[ContentDelta]:
    return isinstance(event, ContentDelta) and event.choice == 0
