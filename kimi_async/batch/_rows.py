"""The requests and results of a batch; pure."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from attrs import field, frozen

from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError, KimiError
from kimi_async._messages import Message, Messages, as_sequence
from kimi_async._models import ChatCompletion
from kimi_async._record import Usage
from kimi_async._to_json import encode_json

__all__ = ["BatchRequest", "BatchResult", "Requests", "cache_key_of", "refuse_twins", "request_of"]

if TYPE_CHECKING:
    import typing_extensions  # that of typing has no default before Python 3.13

    T = typing_extensions.TypeVar("T", default=None)
else:
    T = TypeVar("T")


@frozen
class BatchRequest(Generic[T]):
    """One request of a batch.

    Attributes:
        custom_id: The name of the request, which its result has too.
        messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
        params: The parameters of this request, over those of the batch; see :class:`~kimi_async.CallParams`.
        into: A type, to get the answer as a value of it, as with :meth:`AsyncKimi.parse`; ``None`` for the reply only.
    """

    custom_id: str
    messages: Messages = field(repr=False)
    params: CallParams = field(factory=CallParams, repr=False)
    into: type[T] | None = field(default=None, kw_only=True)


@frozen(kw_only=True)
class BatchResult(Generic[T]):
    """The outcome of one request of a batch: a reply or an error.

    Attributes:
        custom_id: The name of the request; of a request without one, its place as text: ``"0"`` for the first.
        index: The place of the request, from 0.
        reply: The complete reply; with ``into=`` the one whose answer fits. ``None`` after an error.
        value: The answer as a value; ``None`` without ``into=`` and after an error.
        error: The error that ended it; its ``partial`` holds the text that arrived. ``None`` after a success.
        usage: The sum of the usage of every reply and attempt of the request, also of those that failed; ``None`` when
            no provider reported any.
    """

    custom_id: str
    index: int
    reply: ChatCompletion | None = field(default=None, repr=False)
    value: T | None = field(default=None, repr=False)
    error: KimiError | None = None
    usage: Usage | None = None

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return self.error is None


#: The requests of a batch: texts, lists of messages or :class:`BatchRequest`, from a list, a generator or an async one.
Requests: TypeAlias = (
    "Iterable[BatchRequest[Any] | Messages] | AsyncIterable[BatchRequest[Any] | Messages]"
)


def request_of(index: int, item: object) -> BatchRequest[Any]:
    """Return the request for an item of the caller; the place is the name of one without.

    Raises:
        ConfigurationError: The item is not a request.
    """
    if isinstance(item, BatchRequest):
        if not isinstance(item.custom_id, str):
            raise ConfigurationError(
                f"custom_id must be a str, not {type(item.custom_id).__name__}"
            )
        params: object = item.params
        if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
            raise ConfigurationError("params of a BatchRequest must be a dict with names as keys")
        return item
    if isinstance(item, (str, Message, list, tuple)):
        return BatchRequest(str(index), item)
    raise ConfigurationError(
        f"item {index} of the batch is {type(item).__name__}; expected a text, a list of messages or a BatchRequest"
    )


def refuse_twins(requests: object) -> None:
    """Refuse a list in which two requests have one name.

    Other sources are not checked: they give their requests one by one, and the names of all would have to be kept.

    Raises:
        ConfigurationError: Two of its requests have one name.
    """
    places: dict[object, int] = {}
    for index, item in enumerate(requests if isinstance(requests, (list, tuple)) else ()):
        name = item.custom_id if isinstance(item, BatchRequest) else str(index)
        # A name of another type is an error of its own request only.
        first = places.setdefault(name, index) if isinstance(name, str) else index
        if first != index:
            raise ConfigurationError(
                f"requests[{index}] has the same custom_id as requests[{first}]; give each request its own"
            )


def cache_key_of(messages: Messages) -> str | None:
    """Return one key for all requests that have the same messages before their last one; ``None`` for one message.

    A cache holds the beginning of a prompt. The last message is where the requests of a batch differ. Messages that
    cannot be sent have no key, or one that is not used.
    """
    beginning = as_sequence(messages)[:-1] if isinstance(messages, Sequence) else ()
    if not beginning:
        return None
    wire: list[Mapping[str, Any]] = [
        each.to_wire() if isinstance(each, Message) else each for each in beginning
    ]
    text = encode_json(wire)
    return None if text is None else hashlib.sha256(text).hexdigest()[:32]
