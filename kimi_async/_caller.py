"""Prepare and open one call, for the client, a run, a parse and a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from attrs import evolve
from msgspec import Struct, field
from msgspec.structs import replace

from kimi_async._configuration import CallParams, ClientSettings
from kimi_async._errors import ConfigurationError, KimiError
from kimi_async._http._transport import Transport
from kimi_async._messages import Messages
from kimi_async._models import ChatCompletion, ModelInfo
from kimi_async._providers import Provider
from kimi_async._reply import (
    Call,
    Plan,
    Reply,
    SharedState,
    Stay,
    fetch,
    finishing,
    retrying,
    unavailable,
)
from kimi_async._request._checks import check_body, check_request, report, warn
from kimi_async._request._params import chat_request
from kimi_async._stream import ChatStream
from kimi_async._wire import ChatRequest, Finding, Wire, WireRequest

if TYPE_CHECKING:
    from kimi_async._prefix import Prefix
    from kimi_async._providers._capabilities import Capabilities

__all__ = ["Caller", "PreparedCall"]


class PreparedCall(Struct, frozen=True, kw_only=True):
    """One checked call, before its request is sent.

    Attributes:
        settings: The settings of this call.
        request: The request, before it is written in the form of a provider.
        headers: The headers of the client and of the call.
    """

    settings: ClientSettings
    request: ChatRequest
    headers: Mapping[str, str]

    @property
    def provider(self) -> Provider:
        """The provider that is asked first."""
        return self.settings.providers[0]

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities of the model at the provider that is asked first."""
        return self.provider.capabilities.for_model(self.request.model)

    @property
    def prefix(self) -> Prefix | None:
        """The text that the reply continues, or ``None``."""
        return self.provider.prefix_of(self.request)

    def build(self) -> WireRequest:
        """Return the request in the form of the provider that is asked first.

        Raises:
            ConfigurationError: A part of the request cannot be sent to this provider.
        """
        return self.provider.build_request(self.request)

    def preview(self) -> WireRequest:
        """Return the request of :meth:`build` with its findings; raises the same errors."""
        wire_request = self.build()
        return evolve(wire_request, findings=self._findings(wire_request, self.provider))

    def first_request(self, *, is_checked: bool) -> tuple[Provider, WireRequest]:
        """Return the first provider that can serve the request, and the request in its form.

        A warning tells the reason of each provider that is left out. With ``checks="warn"``, if each provider is left
        out, the first one for which the request can be written is asked.

        Args:
            is_checked: Whether ``checks`` applies.

        Raises:
            ConfigurationError: No provider can serve the request, each one for the same reason.
            ProviderUnavailableError: The same, for different reasons; all of them are in ``errors``.
        """
        problems: dict[str, KimiError] = {}
        sendable: list[_Built] = []
        for provider in self.settings.providers:
            try:
                built = self._built_for(provider, is_checked=is_checked)
            except KimiError as error:
                problems[provider.name] = error
                error.provider = provider.name
                continue
            problem = built.problem
            if problem is None:
                self._leave_out(problems)
                return self._reported(built)
            problems[provider.name] = problem
            sendable.append(built)
        one, *others = {error.message: error for error in problems.values()}.values()
        if sendable and (not others or self.settings.checks == "warn"):
            return self._reported(sendable[0])
        raise unavailable("no provider can serve this request", problems) if others else one

    def _built_for(self, provider: Provider, *, is_checked: bool = True) -> _Built:
        wire_request = provider.build_request(self.request)
        is_checked = is_checked and self.settings.checks != "off"
        findings = self._findings(wire_request, provider) if is_checked else ()
        return _Built(provider, wire_request, findings)

    def _reported(self, built: _Built) -> tuple[Provider, WireRequest]:
        report(built.findings, strict=self.settings.checks == "error")
        return built.provider, built.wire_request

    def _leave_out(self, problems: Mapping[str, KimiError]) -> None:
        if self.settings.checks != "off":
            for name, problem in problems.items():
                warn(f"{name} is left out for this request: {problem.message}")

    def problem_at(self, provider: Provider) -> KimiError | None:
        """Return the reason why *provider*, which is not asked first, cannot serve the request, or ``None``."""
        problem: KimiError | None
        try:
            problem = self._built_for(provider).problem
        except KimiError as error:
            problem = error
        if problem is not None:
            problem.provider = provider.name
        return problem

    def _findings(self, wire_request: WireRequest, provider: Provider) -> tuple[Finding, ...]:
        return (
            *check_request(self.request, provider),
            *check_body(len(wire_request.content), self.request, provider),
        )


class _Built(Struct, frozen=True):
    """The request in the form of one provider, and its findings."""

    provider: Provider
    wire_request: WireRequest
    findings: tuple[Finding, ...]

    @property
    def problem(self) -> ConfigurationError | None:
        """The reason why the provider is known to refuse the request, or ``None``."""
        refused = [str(each) for each in self.findings if each.level == "error"]
        if not refused:
            return None
        return ConfigurationError(f"it is known to refuse this request: {'; '.join(refused)}")


#: Decides on the requests of every reply; ``Retries.none()`` allows it one.
_PLAN: Final[Plan] = finishing(retrying)


class Caller(Struct, frozen=True):
    """The settings and the connections that the calls of one client share.

    Attributes:
        settings: The settings of every call.
        transport: The connections.
        shared: The state that replies over these connections share.
        stay: The conversation that the calls belong to; ``None`` = none.
    """

    settings: ClientSettings
    transport: Transport
    shared: SharedState = field(default_factory=SharedState)
    stay: Stay | None = None

    def for_conversation(self) -> Caller:
        """Return the caller of a new conversation; one that is made from a conversation has the same home."""
        return replace(self, stay=Stay() if self.stay is None else self.stay.copy())

    def for_turn(self, params: CallParams) -> Caller:
        """Return the caller of a new turn, whose replies stay with one provider."""
        stay = self.stay or self._stay_of(params) or Stay()
        stay.begin_turn()
        return replace(self, stay=stay)

    def _stay_of(self, params: CallParams) -> Stay | None:
        """Return the conversation that ``prompt_cache_key`` names, or ``None``."""
        key = params.get("prompt_cache_key")
        return None if key is None else self.shared.stays.of(str(key))

    def prepare(
        self, messages: Messages, params: CallParams, *, wire: Wire = "stream"
    ) -> PreparedCall:
        """Return a checked call, with its settings laid over those of the client.

        Args:
            messages: The messages of the caller.
            params: The parameters and settings of this call.
            wire: Whether the reply is asked for as a stream or as one JSON body.

        Raises:
            ConfigurationError: A message, parameter or setting that cannot be sent or cannot work, or no model.
        """
        if wire not in get_args(Wire):
            raise ConfigurationError('wire must be "stream" or "json"')
        settings, given = self.settings.for_call(cast("Mapping[str, Any]", params))
        request = chat_request(messages, given, model=settings.model, wire=wire)
        if request.model is None:
            _check_without_model(settings)
        headers = {**settings.headers, **(params.get("extra_headers") or {})}
        return PreparedCall(settings=settings, request=request, headers=headers)

    def open(
        self,
        messages: Messages,
        params: CallParams,
        *,
        wire: Wire = "stream",
        is_checked: bool = True,
        on_end: Callable[[ChatCompletion], None] | None = None,
    ) -> ChatStream:
        """Return the stream of one reply; nothing is sent before the stream is entered or read.

        Args:
            messages: The messages of the caller.
            params: The parameters and settings of this call.
            wire: Whether the reply is asked for as a stream or as one JSON body.
            is_checked: Whether ``checks`` applies. It does not apply to messages that the model wrote: they are sent
                back unchanged, and the caller cannot correct them.
            on_end: Called with the completion before the caller gets it.

        Raises:
            ConfigurationError: As in :meth:`prepare`, or the provider is known to refuse the request.
            ProviderUnavailableError: No provider can serve the request, each one for a reason of its own.
        """
        call = self.prepare(messages, params, wire=wire)
        first, wire_request = call.first_request(is_checked=is_checked)
        reply = Reply(
            Call(
                request=call.request,
                plan=_PLAN,
                settings=call.settings,
                first=first,
                wire_request=wire_request,
                headers=call.headers,
                transport=self.transport,
                shared=self.shared,
                stay=self.stay or self._stay_of(params),
                check=call.problem_at,
            )
        )
        return ChatStream(reply, on_end)

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """Return the models that the first provider lists; raises the same as ``client.models()``."""
        settings = self.settings
        provider = settings.providers[0]
        try:
            body = await fetch(
                provider,
                provider.build_models_request(),
                headers=settings.headers,
                transport=self.transport,
                timeouts=settings.timeouts,
                limits=settings.limits,
            )
            return provider.parse_models(body)
        except KimiError as error:
            error.provider, error.stage = provider.name, error.stage or "listing models"
            raise


def _check_without_model(settings: ClientSettings) -> None:
    """Refuse a call without a model where a provider needs one."""
    for provider in settings.providers:
        if provider.needs_model:
            raise ConfigurationError(
                "no model: give model=... to AsyncKimi or to the call, or set KIMI_MODEL "
                f"({provider.name} has no default)"
            )
