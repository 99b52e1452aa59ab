"""Ask the model until its answer fits a type."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from attrs import field, frozen

from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._messages import user
from kimi_async._models import ChatCompletion
from kimi_async._record import Usage, sum_usage
from kimi_async._structured._request import NoValue, TypedRequest
from kimi_async._wire import Wire
from kimi_async.tools._call_ids import sayable

__all__ = [
    "ParseParams",
    "ParseRound",
    "Parsed",
    "check_repairs",
    "no_value_error",
    "parse",
    "parsed_from",
    "with_reply",
]

T = TypeVar("T")

_AGAIN: Final = (
    "This answer does not fit: {}.\nAnswer again with the whole JSON, corrected, and nothing else."
)


class ParseParams(CallParams, total=False):
    """The options and parameters of one ``parse()``, with the defaults of :meth:`~kimi_async.AsyncKimi.parse`.

    That method explains the options, and :class:`~kimi_async.CallParams` the parameters.
    """

    repairs: int
    wire: Wire


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


def check_repairs(repairs: object) -> None:
    """Refuse a value that is not a count.

    Raises:
        ConfigurationError: *repairs* is not a whole number from 0.
    """
    if type(repairs) is not int or repairs < 0:
        raise ConfigurationError(f"repairs must be a whole number from 0, not {repairs!r}")


async def parse(request: TypedRequest[T], repairs: int) -> Parsed[T]:
    """Ask the model until its answer fits, and return the value.

    Args:
        request: The request.
        repairs: How often the model is asked again after an answer that does not fit.

    Raises:
        ConfigurationError: *repairs* is not a whole number from 0.
        OutputError: No answer fits, or a reply has no answer.
        KimiError: A reply failed.
    """
    check_repairs(repairs)
    rounds: list[ParseRound] = []
    messages = request.messages
    while True:
        completion = await request.open(messages, is_checked=not rounds).final()
        read = request.read(completion)
        if not isinstance(read, NoValue):
            return parsed_from(read, [*rounds, ParseRound(completion)])
        if len(rounds) == repairs or not read.can_be_mended:
            raise no_value_error(read.text, completion)
        rounds.append(ParseRound(completion, read.text))
        messages = (*messages, *sayable(completion.message), user(_AGAIN.format(read.text)))


def parsed_from(value: T, rounds: list[ParseRound]) -> Parsed[T]:
    """Return the result whose *value* was read from the last of *rounds*."""
    return Parsed(
        value=value,
        completion=rounds[-1].completion,
        rounds=tuple(rounds),
        usage=sum_usage([each.completion.usage for each in rounds]),
    )


def no_value_error(problem: str, completion: ChatCompletion) -> OutputError:
    """Return the error for a reply without a value."""
    error = OutputError(f"the reply is not what was asked for: {problem}", text=completion.text)
    return with_reply(error, completion)


def with_reply(error: OutputError, completion: ChatCompletion) -> OutputError:
    """Return *error* with the reply that it is about."""
    error.partial = completion
    error.record = completion.record
    error.provider = completion.provider
    return error
