"""The client: it holds the settings and starts replies, runs, parses and conversations."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, cast, overload

from msgspec.structs import replace

from kimi_async._caller import Caller
from kimi_async._closing import ClosedAtExit
from kimi_async._configuration import (
    CallParams,
    Checks,
    ClientOptions,
    ClientSettings,
    HedgeAfter,
    NoOptions,
    OnInterrupt,
    chosen_providers,
    refuse_settings,
)
from kimi_async._errors import ConfigurationError
from kimi_async._health import ProviderHealth
from kimi_async._hooks import Hook
from kimi_async._http._clients import HttpClient, checked_client
from kimi_async._http._event_loop import prepare_loop
from kimi_async._http._transport import Transport
from kimi_async._messages import Messages
from kimi_async._models import ChatCompletion, ModelInfo
from kimi_async._policies import DEFAULT_BREAKER, DEFAULT_RETRIES, Breaker, Retries
from kimi_async._providers import Provider
from kimi_async._record import OnComplete
from kimi_async._settings import Limits, Timeouts
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire, WireRequest

if TYPE_CHECKING:  # a plain reply does not need these modules, so they are imported on first use
    from kimi_async.batch import Batch, BatchRequest, Requests
    from kimi_async.conversation import Conversation
    from kimi_async.structured import Parsed, ParsedStream
    from kimi_async.tools._executor import Approve
    from kimi_async.tools._run import ToolRun

__all__ = ["AsyncKimi"]

T = TypeVar("T")


class AsyncKimi(ClosedAtExit):
    """A client for the Kimi models of one provider, or of several that stand in for each other.

    It works with or without ``async with``. All tasks of one event loop can share it. While nothing is in flight, it
    can move to another event loop, unless ``http_client`` was given.

    Args:
        provider: The provider (``AceDataCloud()``, ``Cloudsway()``, ...), or several in the order in which they are
            asked. ``None`` takes one from the environment: ``KIMI_PROVIDER``, or the only provider whose key is set.
            Missing fields of a provider (key, endpoint path) are also read from the environment, once, when the client
            is made.
        model: The model of calls that do not name one; ``None`` reads ``KIMI_MODEL``. The SDK has no default model,
            because providers retire models within months.
        timeouts: The limits of time of every reply; ``None`` is ``Timeouts()``.
        limits: The limits of size of every reply; ``None`` is ``Limits()``.
        max_concurrency: The largest number of replies in flight over the shared connections, together with those of
            clients made by :meth:`with_options`. Another reply waits until one of them ends; replies start in the
            order in which they began to wait. If the clients have different limits, those with the lower limit wait
            longer. ``None`` removes the limit.
        on_complete: Called with the :class:`~kimi_async.ReplyRecord` of every reply, exactly once, when the reply has
            ended in any way. It must not be async. An exception that it raises is logged and not raised.
        hooks: Called when a reply begins, each with a :class:`~kimi_async.CallInfo`. The object that a hook returns is
            called when attempts begin and end, and when the reply has ended; see :class:`~kimi_async.Observer`.
        retries: The rules of retries and fail-over; ``Retries.none()`` sends each request once. See the page Retries
            and fail-over.
        on_interrupt: The treatment of a reply that breaks after its first output. ``"raise"`` raises the error.
            ``"restart"`` begins the reply anew; :class:`~kimi_async.StreamRestarted` announces it.
            ``"continue"`` asks for the rest where the provider honours a prefix
            (:class:`~kimi_async.StreamContinued`), else it restarts. ``"auto"`` raises if you have got an event of
            the reply, and else does the same as ``"continue"``. See the page Retries and fail-over.
        breaker: The rules by which a provider that keeps failing gets no requests for a while.
        hedge_after: Seconds after which a request without output gets a hedge: a second request, to the next provider.
            The first output wins and the other request is closed. ``"p95"`` waits as long as 95 of 100 requests of the
            last 1,000 took (any percentile from ``"p50"`` to ``"p99"``). At most 5 % of the requests get a hedge. It
            needs two providers; ``None`` sends no hedge. See the page Retries and fail-over.
        headers: Headers of every request. The authorization header cannot be set here.
        checks: The treatment of a request that the provider is known or likely to refuse, before it is sent.
            ``"warn"`` warns (:class:`~kimi_async.KimiWarning`), because the rules of providers change within months.
            ``"error"`` raises ConfigurationError if the refusal is known, and warns if it is only likely. ``"off"``
            does not check. A request that contradicts itself is refused unless ``checks`` is ``"off"``.
        http_client: The ``httpx.AsyncClient`` or ``httpx2.AsyncClient`` that sends the requests; see
            :func:`~kimi_async.http_client` and :func:`~kimi_async.aiohttp_client`. The caller closes it. ``None``
            makes one, which :meth:`aclose` closes.
        unknown: Any other name is refused; the error tells the right one.

    Raises:
        ConfigurationError: The provider or the key is missing, or a setting cannot work.
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
        retries: Retries = DEFAULT_RETRIES,
        on_interrupt: OnInterrupt = "auto",
        breaker: Breaker = DEFAULT_BREAKER,
        hedge_after: HedgeAfter = None,
        headers: Mapping[str, str] | None = None,
        checks: Checks = "warn",
        http_client: HttpClient | None = None,
        **unknown: Unpack[NoOptions],
    ) -> None:
        refuse_settings(unknown, "setting")
        settings = ClientSettings(
            providers=chosen_providers(provider),
            model=model or os.environ.get("KIMI_MODEL", "").strip() or None,
            timeouts=Timeouts() if timeouts is None else timeouts,
            limits=Limits() if limits is None else limits,
            max_concurrency=max_concurrency,
            on_complete=on_complete,
            hooks=hooks,
            retries=retries,
            on_interrupt=on_interrupt,
            breaker=breaker,
            hedge_after=hedge_after,
            headers={} if headers is None else headers,
            checks=checks,
        )
        self._caller = Caller(settings, Transport(checked_client(http_client)))

    def __repr__(self) -> str:
        # A tool that prints a traceback with its locals calls this also for a client that __init__ refused.
        if not hasattr(self, "_caller"):
            return "<AsyncKimi>"
        names = ", ".join(provider.name for provider in self.providers)
        return f"<AsyncKimi {names} model={self._caller.settings.model!r}>"

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The providers in their order, with the values from the environment; their ``repr`` does not show the key."""
        return self._caller.settings.providers

    @property
    def in_flight(self) -> int:
        """The number of replies in flight, over all clients that share these connections.

        It is 0 when nothing runs. If it stays above 0, some streams were neither read to their end nor closed.
        """
        return self._caller.transport.limiter.taken

    def health(self) -> dict[str, ProviderHealth]:
        """Return the health of each provider, by its name, as the requests of this client saw it.

        It needs no event loop, so an endpoint of a service can call it in a thread.
        """
        shared = self._caller.shared
        return {provider.name: shared.health(provider) for provider in self.providers}

    def isolate(self, name: str) -> None:
        """Send nothing to a provider until :meth:`restore`; replies that run are not touched.

        Args:
            name: The name of the provider, such as ``"acedata"``.

        Raises:
            ConfigurationError: No provider of this client has that name.
        """
        self._caller.shared.breakers.isolate(self._checked_name(name))

    def restore(self, name: str) -> None:
        """Undo :meth:`isolate`.

        Args:
            name: The name of the provider.

        Raises:
            ConfigurationError: No provider of this client has that name.
        """
        self._caller.shared.breakers.restore(self._checked_name(name))

    def _checked_name(self, name: str) -> str:
        names = [provider.name for provider in self.providers]
        if name not in names:
            raise ConfigurationError(
                f"no provider is named {name!r}; expected {' or '.join(names)}"
            )
        return name

    def with_options(self, **options: Unpack[ClientOptions]) -> Self:
        """Return a client with other settings and the same connections; closing one of the two closes both.

        Args:
            options: The settings that replace those of this client: the keys of :class:`ClientOptions`.

        Raises:
            ConfigurationError: A setting cannot work.
        """
        other = object.__new__(type(self))
        settings = self._caller.settings.with_options(cast("Mapping[str, Any]", options))
        other._caller = replace(self._caller, settings=settings)
        return other

    async def __aenter__(self) -> Self:
        await prepare_loop()
        return self

    async def aclose(self) -> None:
        """Close the HTTP client, unless the caller gave it; idempotent.

        Streams that still run are interrupted, and no reply is sent again: each ends with its last error.
        """
        self._caller.shared.gates.close()
        await self._caller.transport.aclose()

    async def chat(
        self, messages: Messages, *, wire: Wire = "stream", **params: Unpack[CallParams]
    ) -> ChatCompletion:
        """Send the messages and return the complete reply.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            wire: ``"stream"`` asks for a stream and joins its events. A gateway then does not end the request while a
                model thinks for a long time, and the error of a reply that breaks has the text so far in ``partial``.
                ``"json"`` asks for one JSON body; ``Timeouts.first_output`` then covers the whole wait. Both give the
                same completion.
            params: For example ``model="kimi-k3"``, ``temperature=0.6``, ``max_tokens=4000`` or ``thinking=True``; all
                are listed in :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`.

        Raises:
            KimiError: The reply failed.
        """
        return await self._caller.open(messages, params, wire=wire).final()

    def stream(self, messages: Messages, **params: Unpack[CallParams]) -> ChatStream:
        """Return one reply as a stream of events; the request is sent when the stream is entered or read.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            params: For example ``model="kimi-k3"``, ``temperature=0.6``, ``max_tokens=4000`` or ``thinking=True``; all
                are listed in :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`.

        Raises:
            ConfigurationError: A parameter or message cannot be sent, or the model is missing.
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
        """Run the tool loop: run the tools that the model calls and send the results, until the model answers.

        The first request is sent when the run is entered or read. The calls of one reply run concurrently. If a call
        fails, the model gets an error message in place of a result. A call fails when its tool raises, when it takes
        too long, when its arguments do not fit, or when the tool does not exist.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            max_steps: The largest number of replies. The calls of the last reply still run, so the conversation can be
                continued.
            tool_timeout: Seconds for one call; ``None`` removes the limit. A function that is not async cannot be
                stopped; its thread continues.
            tool_concurrency: The largest number of calls that run at the same time.
            on_tool_error: ``"raise"`` ends the run when a tool raises or takes too long, and raises the exception of
                the tool or ``TimeoutError``. Mistakes of the model are still reported to the model.
            approve: Called before each call, one call at a time. ``True`` lets the call run. ``False`` or
                :class:`~kimi_async.tools.Deny` refuses it. Another ``ToolCall`` runs in its place. It may be async;
                if it is not, it runs in a thread.
            rewrite_tool_ids: Whether a call gets a new id if an earlier call has the same one, because some hosts
                refuse it. Otherwise ids are sent back unchanged.
            wire: As in :meth:`chat`.
            params: See :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`; ``tools`` are the tools
                that run. They are the same for every request of the run.

        Raises:
            ConfigurationError: A parameter, message or tool cannot be sent, or the model is missing.
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
        """Return the answer of the model as a value of a type.

        The model gets the JSON Schema of the type, and the answer is checked against the type.

        Args:
            messages: One text of the user, or a list of messages (values or OpenAI-style dicts).
            into: The type, one of those that a parameter of a tool can have: builtins, ``Literal``, unions,
                ``TypedDict``, dataclasses, attrs classes, ``msgspec.Struct``, pydantic models. If its JSON is not an
                object, the model is asked for ``{"value": ...}``, and this method returns the inner value.
            repairs: How often the model is asked again. It then gets its answer and the error in it.
            wire: As in :meth:`chat`.
            params: See :class:`~kimi_async.ChatParams` and :class:`~kimi_async.CallParams`, for every round.

        Raises:
            OutputError: The last answer does not fit, or a reply has no answer (it was cut, filtered or refused, or
                has only thinking); the model is then not asked again. ``.text`` is the text that arrived, and
                ``.partial`` the reply.
            ConfigurationError: *into* has no JSON Schema, or a part of the request cannot be sent.
            KimiError: A reply failed.
        """
        from kimi_async._structured import parse, typed_request

        request = typed_request(self._caller, messages, params, into, wire=wire)
        return await parse(request, repairs)

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
        """Return a stream of a growing value of a type; the request is sent when the stream is entered or read.

        It takes the arguments of :meth:`parse`, except ``repairs`` and ``wire``: the caller has already seen parts of
        the value, so the model is not asked again.

        Raises:
            ConfigurationError: *into* has no JSON Schema, or a part of the request cannot be sent.
        """
        from kimi_async._structured import ParsedStream, typed_request

        return ParsedStream(typed_request(self._caller, messages, params, into))

    @overload
    def batch(
        self,
        requests: Iterable[Messages] | AsyncIterable[Messages],
        *,
        concurrency: int | None = None,
        ordered: bool = False,
        repairs: int = 1,
        **params: Unpack[CallParams],
    ) -> Batch[None]: ...
    @overload
    def batch(
        self,
        requests: Iterable[BatchRequest[T]] | AsyncIterable[BatchRequest[T]],
        *,
        concurrency: int | None = None,
        ordered: bool = False,
        repairs: int = 1,
        **params: Unpack[CallParams],
    ) -> Batch[T]: ...
    @overload
    def batch(
        self,
        requests: Requests,
        *,
        concurrency: int | None = None,
        ordered: bool = False,
        repairs: int = 1,
        **params: Unpack[CallParams],
    ) -> Batch[Any]: ...
    def batch(
        self,
        requests: Requests,
        *,
        concurrency: int | None = None,
        ordered: bool = False,
        repairs: int = 1,
        **params: Unpack[CallParams],
    ) -> Batch[Any]:
        """Return the results of many requests, as they come; the first read starts it.

        The requests are taken one by one, so that a generator may give any number of them. A request never raises: its
        :class:`~kimi_async.batch.BatchResult` has the reply or the error. Requests that begin with the same messages
        get one ``prompt_cache_key`` if the provider has it.

        Args:
            requests: Texts, lists of messages or :class:`~kimi_async.batch.BatchRequest`, from any iterable or async
                iterable. A generator that is not async runs on the event loop.
            concurrency: How many requests may run at the same time. The default is 20 for each provider. Twice as many
                results may wait for the reader; then no further request starts.
            ordered: Whether the results come in the order of the requests.
            repairs: As in :meth:`parse`, for requests with ``into=``.
            params: Parameters of every request, see :class:`~kimi_async.ChatParams` and
                :class:`~kimi_async.CallParams`.

        Raises:
            ConfigurationError: An argument cannot work, or two requests of a list have one ``custom_id``.
        """
        from kimi_async.batch._answer import make_batch

        return make_batch(
            self._caller,
            requests,
            params,
            concurrency=concurrency,
            ordered=ordered,
            repairs=repairs,
        )

    def preview(
        self, messages: Messages, *, wire: Wire = "stream", **params: Unpack[CallParams]
    ) -> WireRequest:
        """Return the request that :meth:`chat` or :meth:`stream` would send, without the key; send nothing.

        It takes the same arguments. Problems for which the provider is known or likely to refuse the request are in
        ``findings`` and not raised. The headers of the caller and the User-Agent are added when a request is sent.

        Raises:
            ConfigurationError: A parameter or message cannot be sent, or the model is missing.
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
        """Return a new conversation of several turns, or continue a saved one.

        Args:
            system: The text of the opening system message.
            messages: The messages so far, which are copied; a text is a message of the user.
            saved: The result of :meth:`Conversation.to_json`, in place of the two above.
            params: Parameters of every turn.

        Raises:
            ConfigurationError: *saved* cannot be read, or is given together with *system* or *messages*.
        """
        from kimi_async._history import first_history
        from kimi_async.conversation import Conversation

        return Conversation(self._caller, params, first_history(system, messages, saved))

    async def models(self) -> tuple[ModelInfo, ...]:
        """Return the models that the provider lists for this key; of several providers, the first one is asked.

        Raises:
            NotFoundError: The provider has no such list under this ``base_url``.
            KimiError: The list could not be read; ``Timeouts.first_output`` covers the whole wait.
        """
        return await self._caller.list_models()
