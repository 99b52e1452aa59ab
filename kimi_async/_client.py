"""The client: settings, and how the parts are put together; nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, cast, overload

from attrs import evolve

from kimi_async._caller import Caller
from kimi_async._configuration import (
    CallParams,
    Checks,
    ClientOptions,
    ClientSettings,
    NoOptions,
    chosen_providers,
)
from kimi_async._errors import ConfigurationError, KimiError
from kimi_async._hooks import Hook
from kimi_async._http._cancellation import prepare_loop
from kimi_async._http._clients import HttpClient
from kimi_async._http._transport import Transport
from kimi_async._models import ChatCompletion, Messages, ModelInfo
from kimi_async._providers import Provider
from kimi_async._record import OnComplete
from kimi_async._reply import fetch
from kimi_async._request._borrowed import refuse_unknown
from kimi_async._settings import Limits, Timeouts
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire, WireRequest

if TYPE_CHECKING:  # what a plain reply does not need is loaded when it is used
    from kimi_async.conversation import Conversation
    from kimi_async.structured import Parsed, ParsedStream
    from kimi_async.tools._executor import Approve
    from kimi_async.tools._run import ToolRun

__all__ = ["AsyncKimi"]

T = TypeVar("T")


class AsyncKimi:
    """A client for the Kimi models of one provider.

    Works with or without ``async with``; shared freely between the tasks of one event loop. With
    nothing in flight it can be used on another loop, unless ``http_client`` was given.

    Args:
        provider: The provider (``AceDataCloud()``, ``Cloudsway()``, ...); ``None`` takes it from the environment:
            ``KIMI_PROVIDER``, or the one provider whose key is set. What the provider was not given (key, endpoint
            path) is also taken from there, now and not later.
        model: The model of calls that name none; ``KIMI_MODEL`` when ``None``. There is no default model: ids are
            retired within months.
        timeouts: The limits of time of every reply; ``None`` is ``Timeouts()``.
        limits: The limits of size of every reply; ``None`` is ``Limits()``.
        max_concurrency: A reply is begun while fewer than this many are in flight over the shared connections, those of
            clients made by :meth:`with_options` included; else it waits in line, first come, first served. Of clients
            with different limits, those with the lower one give way. ``None`` is no limit.
        on_complete: Called with the :class:`~kimi_async.ReplyRecord` of every reply, exactly once, when it has
            ended, however it ended. A plain callable; what it raises is logged and never raised.
        hooks: Called when a reply begins, each with a :class:`~kimi_async.CallInfo`; the object that one returns is
            told when attempts begin and end, and when the reply has ended, see :class:`~kimi_async.Observer`.
        headers: Headers of every request. The authorization cannot be given here.
        checks: The treatment of a request that the provider is known or likely to refuse, before it is sent:
            ``"warn"`` warns (:class:`~kimi_async.KimiWarning`), because what a provider refuses changes within months;
            ``"error"`` raises ConfigurationError for what is known and warns of the rest; ``"off"`` does not check.
            A request that contradicts itself is refused unless it is ``"off"``.
        http_client: An ``httpx.AsyncClient`` or ``httpx2.AsyncClient`` to send with, see
            :func:`~kimi_async.http_client` and :func:`~kimi_async.aiohttp_client`; it is never closed here. ``None``
            makes one.

    Raises:
        ConfigurationError: No provider, no key, or a setting that cannot work.
    """

    def __init__(
        self,
        provider: Provider | Sequence[Provider] | None = None,
        *,
        model: str | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        max_concurrency: int | None = 1000,
        on_complete: OnComplete | None = None,
        hooks: Sequence[Hook] = (),
        headers: Mapping[str, str] | None = None,
        checks: Checks = "warn",
        http_client: HttpClient | None = None,
        **unknown: Unpack[NoOptions],
    ) -> None:
        refuse_unknown(unknown, "setting", ClientOptions.__annotations__)
        settings = ClientSettings(
            providers=chosen_providers(provider),
            model=model or os.environ.get("KIMI_MODEL", "").strip() or None,
            timeouts=Timeouts() if timeouts is None else timeouts,
            limits=Limits() if limits is None else limits,
            max_concurrency=max_concurrency,
            on_complete=on_complete,
            hooks=hooks,
            headers={} if headers is None else headers,
            checks=checks,
        )
        self._caller = Caller(settings, Transport(http_client))

    def __repr__(self) -> str:
        # Also asked of a client that __init__ refused, by whoever prints a traceback with its locals.
        if not hasattr(self, "_caller"):
            return "<AsyncKimi>"
        names = ", ".join(provider.name for provider in self.providers)
        return f"<AsyncKimi {names} model={self._caller.settings.model!r}>"

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The providers in their order, with the values from the environment; their ``repr`` shows no key."""
        return self._caller.settings.providers

    @property
    def in_flight(self) -> int:
        """Replies begun and not yet left, over all clients that share these connections.

        0 when nothing runs. What stays above that belongs to streams that were neither read to their end nor closed.
        """
        return self._caller.transport.limiter.taken

    def with_options(self, **options: Unpack[ClientOptions]) -> Self:
        """The same client with other settings, sharing the connections; closing either closes both.

        Raises:
            ConfigurationError: A setting that cannot work.
        """
        other = object.__new__(type(self))
        settings = self._caller.settings.with_options(cast("Mapping[str, Any]", options))
        other._caller = evolve(self._caller, settings=settings)
        return other

    async def __aenter__(self) -> Self:
        await prepare_loop()
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
        await self._caller.transport.aclose()

    async def chat(
        self, messages: Messages, *, wire: Wire = "stream", **params: Unpack[CallParams]
    ) -> ChatCompletion:
        """Ask for one whole reply.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            wire: ``"stream"`` asks for a stream and joins its events: a gateway does not stop a model that thinks for
                long, and the error of a reply that breaks has the text so far in ``partial``. ``"json"`` asks for one
                JSON body; ``Timeouts.first_output`` then covers the whole wait. The completion is the same.
            params: See :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`.

        Raises:
            KimiError: The reply could not be had whole.
        """
        return await self._caller.open(messages, params, wire=wire).final()

    def stream(self, messages: Messages, **params: Unpack[CallParams]) -> ChatStream:
        """Ask for one reply as events; nothing is sent until the stream is entered or read.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            params: See :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`.

        Raises:
            ConfigurationError: A parameter or message that cannot be sent, or no model.
        """
        return self._caller.open(messages, params)

    def run(
        self,
        messages: Messages,
        *,
        max_steps: int = 20,
        tool_timeout: float | None = 60.0,
        tool_concurrency: int = 8,
        on_tool_error: Literal["return", "raise"] = "return",
        approve: Approve | None = None,
        rewrite_tool_ids: bool = False,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> ToolRun:
        """Ask, run the tools that the model calls, send it their results, and so on until it has its answer.

        Nothing is sent until the run is entered or read. The calls of one reply run side by side. What goes wrong with
        one (it raises, takes too long, has arguments that do not fit, is no tool at all) is told to the model in
        place of a result.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            max_steps: The most replies to ask for. The calls of the last one still run, so that the conversation can be
                gone on with.
            tool_timeout: Seconds for one call; ``None`` = no limit. A function that is not async cannot be stopped:
                its thread is left behind.
            tool_concurrency: How many calls run at once.
            on_tool_error: ``"raise"`` ends the run when a tool raises or takes too long (``TimeoutError``), and raises
                that. What the model does wrong is told to the model all the same.
            approve: Asked before each call, one after the other: ``True`` lets it run, ``False`` or
                :class:`~kimi_async.tools.Deny` does not, another ``ToolCall`` runs in its place. Sync (in a thread)
                or async.
            rewrite_tool_ids: Give a call whose id an earlier call has another id, for hosts that refuse it; ids are
                sent back as they came otherwise.
            wire: As in :meth:`chat`.
            params: See :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`; ``tools`` are those that
                run. They are the same for every request of the run.

        Raises:
            ConfigurationError: A parameter, message or tool that cannot be sent, or no model.
        """
        from kimi_async.tools._run import ToolRun

        return ToolRun(
            self._caller,
            messages,
            max_steps=max_steps,
            tool_timeout=tool_timeout,
            tool_concurrency=tool_concurrency,
            on_tool_error=on_tool_error,
            approve=approve,
            rewrite_tool_ids=rewrite_tool_ids,
            wire=wire,
            **params,
        )

    @overload
    async def parse(
        self,
        messages: Messages,
        into: type[T],
        *,
        repairs: int = 1,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> Parsed[T]: ...
    @overload
    async def parse(
        self,
        messages: Messages,
        into: Any,
        *,
        repairs: int = 1,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> Parsed[Any]: ...
    async def parse(
        self,
        messages: Messages,
        into: Any,
        *,
        repairs: int = 1,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> Parsed[Any]:
        """Ask for a value of a type: the model is told its JSON Schema, and the answer is checked here.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            into: What the parameter of a tool can be: builtins, ``Literal``, unions, ``TypedDict``, dataclasses, attrs
                classes, ``msgspec.Struct``, pydantic models. One whose JSON is no object is asked for as
                ``{"value": ...}``, which is taken off again.
            repairs: How often the model is shown its answer, with what is wrong in it, and asked again.
            wire: As in :meth:`chat`.
            params: See :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`, for every round.

        Raises:
            OutputError: The last answer does not fit, or a reply is none (cut, filtered, refused, only thinking), which
                is never repaired. ``.text`` is what came, ``.partial`` the reply.
            ConfigurationError: *into* has no JSON Schema, or something cannot be sent.
            KimiError: A reply could not be had whole.
        """
        from kimi_async.structured import answer_of, question_for

        question = question_for(self._caller, messages, params, into, wire=wire)
        return await answer_of(question, repairs)

    @overload
    def stream_parse(
        self, messages: Messages, into: type[T], **params: Unpack[CallParams]
    ) -> ParsedStream[T]: ...
    @overload
    def stream_parse(
        self, messages: Messages, into: Any, **params: Unpack[CallParams]
    ) -> ParsedStream[Any]: ...
    def stream_parse(
        self, messages: Messages, into: Any, **params: Unpack[CallParams]
    ) -> ParsedStream[Any]:
        """Ask for a value of a type, and see it grow; nothing is sent until the stream is entered or read.

        Takes what :meth:`parse` does, but repairs nothing: what was shown cannot be taken back.

        Raises:
            ConfigurationError: *into* has no JSON Schema, or something cannot be sent.
        """
        from kimi_async.structured import ParsedStream, question_for

        return ParsedStream(question_for(self._caller, messages, params, into))

    def preview(
        self, messages: Messages, *, wire: Wire = "stream", **params: Unpack[CallParams]
    ) -> WireRequest:
        """Return the request that :meth:`chat` or :meth:`stream` would send, without the key; send nothing.

        Takes what they do; what is known or likely to be refused is in ``findings`` and never raised here. The caller's
        own headers and the User-Agent are added when it is sent.

        Raises:
            ConfigurationError: A parameter or message that cannot be sent, or no model.
        """
        return self._caller.prepare(messages, params, wire=wire).preview()

    def conversation(
        self,
        *,
        system: str | None = None,
        messages: Messages = (),
        saved: str | bytes | None = None,
        **params: Unpack[CallParams],
    ) -> Conversation:
        """Begin a conversation of several turns, or go on with a saved one.

        Args:
            system: The text of its opening message.
            messages: The messages so far, copied; a text is one of the user.
            saved: What :meth:`Conversation.to_json` gave, in place of the two above.
            params: Parameters of every turn.

        Raises:
            ConfigurationError: *saved* cannot be read, or comes with a beginning.
        """
        from kimi_async._history import load_history, opening_history
        from kimi_async.conversation import Conversation

        if saved is None:
            history = opening_history(system, messages)
        elif system is not None or messages:
            raise ConfigurationError("a saved conversation has its beginning: give saved= alone")
        else:
            history = load_history(saved)
        return Conversation(self._caller, params, history)

    async def models(self) -> tuple[ModelInfo, ...]:
        """The models that the provider lists for this key.

        Raises:
            NotFoundError: The provider has no such list under this ``base_url``.
            KimiError: It could not be had; ``Timeouts.first_output`` covers the whole wait.
        """
        settings = self._caller.settings
        provider = settings.providers[0]
        try:
            body = await fetch(
                provider,
                provider.build_models_request(),
                headers=settings.headers,
                transport=self._caller.transport,
                timeouts=settings.timeouts,
                limits=settings.limits,
            )
            return provider.parse_models(body)
        except KimiError as error:
            error.provider, error.stage = provider.name, error.stage or "listing models"
            raise
