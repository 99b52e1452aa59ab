"""The client: settings, and how the parts are put together; nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self, Unpack

import httpx

from kimi_async._adapters import ChatAdapter, adapter_from_environment
from kimi_async._attempts import OnComplete, Reply
from kimi_async._errors import ConfigurationError
from kimi_async._models import ChatCompletion, Messages
from kimi_async._params import ChatParams, chat_request, check_headers
from kimi_async._settings import Timeouts
from kimi_async._stream import ChatStream
from kimi_async._transport import Transport

__all__ = ["AsyncKimi"]


class AsyncKimi:
    """A client for the Kimi models of one provider.

    Works with or without ``async with``; shared freely between the tasks of the event loop of its first use.

    Args:
        provider: The adapter (``AceDataCloud()``, ``Cloudsway()``); ``None`` takes it from the environment:
            ``KIMI_PROVIDER``, or the one provider whose key is set. What the adapter was not given (key, endpoint path)
            is also taken from there, now and not later.
        model: The model of calls that name none; ``KIMI_MODEL`` when ``None``. There is no default model: ids are
            retired within months.
        timeouts: The limits of every reply.
        on_complete: Called with the :class:`~kimi_async.ReplyRecord` of every reply, exactly once, when it has ended,
            however it ended. A plain callable; what it raises is logged and never raised.
        headers: Headers of every request. The authorization cannot be given here.
        http_client: An ``httpx.AsyncClient`` to send with; it is never closed here. ``None`` makes one.

    Raises:
        ConfigurationError: No provider, no key, or a setting that cannot work.
    """

    def __init__(
        self,
        provider: ChatAdapter | None = None,
        *,
        model: str | None = None,
        timeouts: Timeouts | None = None,
        on_complete: OnComplete | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._adapter = _adapter(provider)
        self._model = model or os.environ.get("KIMI_MODEL", "").strip() or None
        self._timeouts = Timeouts() if timeouts is None else timeouts
        self._on_complete = on_complete
        check_headers(headers or {}, "headers")
        self._transport = Transport(http_client, headers or {})

    def __repr__(self) -> str:
        # Also asked of a client that __init__ refused, by whoever prints a traceback with its locals.
        if not hasattr(self, "_transport"):
            return "<AsyncKimi>"
        return f"<AsyncKimi {self._adapter.name} model={self._model!r}>"

    @property
    def provider(self) -> ChatAdapter:
        """The adapter in use, with what the environment added; its ``repr`` shows no key."""
        return self._adapter

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the HTTP client, if it is our own; idempotent. Streams that still run are cut."""
        await self._transport.aclose()

    async def chat(
        self, messages: Messages, *, stream: bool = True, **params: Unpack[ChatParams]
    ) -> ChatCompletion:
        """Ask for one whole reply.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            stream: Ask for it as a stream and put it together: long thinking then meets no gateway's time limit, and
                a reply that breaks is in the error's ``partial``. ``False`` asks for one JSON body, and
                ``Timeouts.first_output`` covers the whole wait. The completion is the same.
            params: See :class:`~kimi_async.ChatParams`.

        Raises:
            KimiError: The reply could not be had whole.
        """
        return await self._open(messages, params, stream=stream).final()

    def stream(self, messages: Messages, **params: Unpack[ChatParams]) -> ChatStream:
        """Ask for one reply as events; nothing is sent until the stream is entered or read.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            params: See :class:`~kimi_async.ChatParams`.

        Raises:
            ConfigurationError: A parameter or message that cannot be sent, or no model.
        """
        return self._open(messages, params, stream=True)

    def _open(self, messages: Messages, params: ChatParams, *, stream: bool) -> ChatStream:
        adapter = self._adapter
        request = chat_request(messages, params, model=self._model, stream=stream)
        if request.model is None and adapter.needs_model:
            raise ConfigurationError(
                "no model: give model=... to AsyncKimi or to the call, or set KIMI_MODEL "
                f"({adapter.name} has no default)"
            )
        return ChatStream(
            Reply(
                adapter=adapter,
                model=request.model,
                wire_request=adapter.build_request(request),
                headers=params.get("extra_headers") or {},
                transport=self._transport,
                timeouts=self._timeouts,
                on_complete=self._on_complete,
            )
        )


def _adapter(provider: object) -> ChatAdapter:
    """The adapter to use, complete and checked."""
    if provider is None:
        found = adapter_from_environment(os.environ)
        if isinstance(found, str):
            raise ConfigurationError(found)
        provider = found
    if not isinstance(provider, ChatAdapter):
        kind = type(provider).__name__
        raise ConfigurationError(f"provider must be an adapter such as AceDataCloud(), not {kind}")
    adapter = provider.resolve(os.environ)
    adapter.check()
    return adapter
