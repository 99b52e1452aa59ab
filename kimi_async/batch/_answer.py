"""Answer one request of a batch."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from attrs import frozen

from kimi_async._caller import Caller
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError, KimiError
from kimi_async._hooks import CallInfo, Observer
from kimi_async._messages import Message
from kimi_async._models import ChatCompletion
from kimi_async._record import ReplyRecord, Usage, total_usage
from kimi_async._request._params import check_names
from kimi_async._structured import check_repairs, parse, typed_request
from kimi_async.batch._batch import Batch, Rows
from kimi_async.batch._rows import (
    BatchRequest,
    BatchResult,
    Requests,
    cache_key_of,
    refuse_twins,
    request_of,
)

__all__ = ["make_batch"]

T = TypeVar("T")

#: The default for each provider: Ace Data Cloud allows 20 requests in flight (Providers 1.1).
_CONCURRENCY: Final = 20


def make_batch(
    caller: Caller,
    requests: Requests,
    params: CallParams,
    *,
    concurrency: int | None,
    ordered: bool,
    repairs: int,
) -> Batch[Any]:
    """Return the batch of :meth:`AsyncKimi.batch`, which explains the arguments; *caller* sends the requests.

    Raises:
        ConfigurationError: An argument cannot work.
    """
    if isinstance(requests, (str, bytes, Message, Mapping)) or not isinstance(
        requests, (Iterable, AsyncIterable)
    ):
        raise ConfigurationError(
            f"requests must be an iterable of texts, lists of messages or BatchRequests, not {type(requests).__name__}"
        )
    if concurrency is None:
        concurrency = _CONCURRENCY * len(caller.settings.providers)
    if type(concurrency) is not int or concurrency < 1:
        raise ConfigurationError("concurrency must be a whole number above 0, or None")
    check_repairs(repairs)
    refuse_twins(requests)
    _, shared = caller.settings.for_call(cast("Mapping[str, Any]", params))
    check_names(shared)
    answerer = _Answerer(caller, params, repairs)
    return Batch(Rows(answerer, requests, concurrency=concurrency, ordered=ordered))


@frozen
class _Answerer:
    """Answers the requests of one batch.

    Attributes:
        caller: Opens the stream of each reply.
        params: The parameters of every request.
        repairs: How often the model is asked again after an answer that does not fit its type.
    """

    caller: Caller
    params: CallParams
    repairs: int

    async def __call__(self, index: int, item: object) -> BatchResult[Any]:
        """Return the result of one item; an error of the request or of its reply is part of it."""
        custom_id, used = str(index), _UsedTokens()
        try:
            request = request_of(index, item)
            custom_id = request.custom_id
            reply, value = await self._ask(request, used)
        except KimiError as error:
            return BatchResult(custom_id=custom_id, index=index, error=error, usage=used.total())
        return BatchResult(
            custom_id=custom_id, index=index, reply=reply, value=value, usage=used.total()
        )

    async def _ask(
        self, request: BatchRequest[T], used: _UsedTokens
    ) -> tuple[ChatCompletion, T | None]:
        params = self._params_of(request, used)
        if request.into is None:
            return await self.caller.open(request.messages, params).final(), None
        typed = typed_request(self.caller, request.messages, params, request.into)
        parsed = await parse(typed, self.repairs)
        return parsed.completion, parsed.value

    def _params_of(self, request: BatchRequest[Any], used: _UsedTokens) -> CallParams:
        params: CallParams = {**self.params, **request.params}
        hooks: object = params.get("hooks", self.caller.settings.hooks)
        if isinstance(hooks, (list, tuple)):  # any other value is refused with the call
            params["hooks"] = (*hooks, used)
        if "prompt_cache_key" in params:
            return params
        key = cache_key_of(request.messages)
        if key is not None:
            call = self.caller.prepare(request.messages, params)
            if call.capabilities.cache_key.value:
                params["prompt_cache_key"] = key
        return params


class _UsedTokens(Observer):
    """Sums the usage of every reply of one request; it is its own hook."""

    def __init__(self) -> None:
        self._records: list[ReplyRecord] = []

    def __call__(self, _: CallInfo) -> Observer:
        return self

    def ended(self, record: ReplyRecord, _: ChatCompletion | None) -> None:
        self._records.append(record)

    def total(self) -> Usage | None:
        attempts = [attempt for record in self._records for attempt in record.attempts]
        return total_usage(attempts, complete=True)[0]
