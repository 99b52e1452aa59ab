"""The base of all providers: the rules of a request, and the parsing that they share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, get_args
from urllib.parse import urlsplit

from attrs import evolve, field, fields_dict

from kimi_async._errors import APIError, ConfigurationError
from kimi_async._models import ModelInfo, Thinking
from kimi_async._protocol._chunk import Chunk, Done, ThinkingTags, ToolMarkers
from kimi_async._providers._errors import parse_error
from kimi_async._providers._fast_path import parse_fast
from kimi_async._providers._parsing import parse_any, parse_completion, parse_models
from kimi_async._providers._texts import excerpt_of, without_key
from kimi_async._rate_limits import DEFAULT_RATE_LIMITS, Limiter, RateLimits, rate_limits_problem
from kimi_async._wire import ChatRequest, WireRequest

if TYPE_CHECKING:  # imported together with a provider
    from kimi_async._prefix import Prefix
    from kimi_async._providers._capabilities import CapabilityTable

__all__ = ["Provider", "api_key_field", "base_url_field", "models_field", "rate_limits_field"]


def _stripped(value: str | None) -> str | None:
    if not isinstance(value, str):
        return value
    return value.strip() or None


def api_key_field() -> Any:
    """Return the attrs field of a key: blanks around the key are removed, and ``repr`` does not show it."""
    return field(default=None, repr=False, converter=_stripped)


def base_url_field(default: str) -> Any:
    """Return the attrs field of a base URL: blanks and the last slash are removed; ``repr`` hides a password."""
    return field(default=default, converter=_trimmed, repr=_without_password)


def _trimmed(url: str) -> str:
    return url.strip().rstrip("/") if isinstance(url, str) else url


def _without_password(url: object) -> str:
    return re.sub(r"//[^/]*@", "//[...]@", repr(url))


def models_field() -> Any:
    """Return the attrs field of the translation of model names."""
    return field(factory=dict, kw_only=True, converter=_as_names)


def _as_names(models: Mapping[str, str]) -> Mapping[str, str]:
    return dict(models) if isinstance(models, Mapping) else models


def rate_limits_field(default: RateLimits = DEFAULT_RATE_LIMITS) -> Any:
    """Return the attrs field of the limits of the requests with one key."""
    return field(default=default, kw_only=True, repr=False)


class Provider:
    """One provider: a frozen, stateless value that builds requests and parses replies.

    Attributes:
        name: The provider's short name, which events, completions, records and errors carry. Two providers of one
            client must not have the same name.
        api_key: The key, or ``None`` to take it from the environment.
        base_url: Everything before ``/chat/completions``.
        models: Translation of model names, ``{"kimi-k3": "the provider's own"}``; a name without an entry is sent
            unchanged.
        capabilities: The capabilities of each model family there; ``capabilities.override(...)`` changes them.
        rate_limits: The limits of the requests with this key: a :class:`~kimi_async.RateLimits`, or a
            :class:`~kimi_async.Limiter` of your own that several processes share. ``RateLimits()``, the default where
            no limit is known, only learns from refusals and headers. ``None`` learns nothing.
        allow_http: Whether a ``base_url`` without TLS may leave this machine.
        tool_markers: The setting for tool calls that the host has left in the text, in the markup of Kimi K2 or K3
            (see the page Providers, section 6.3): ``"pass"`` leaves them, so that a text that only quotes a call never
            becomes one; ``"parse"`` makes them the tool calls that they were meant to be; ``"hide"`` cuts them out.
        thinking_tags: The setting for thinking that the host has left in the content between ``<think>`` and
            ``</think>``, or before a ``</think>``: ``"pass"`` leaves it; ``"parse"`` makes it reasoning; ``"hide"``
            cuts it out. With the last two, a content that does not begin with the tag is held back until its end.
    """

    __slots__ = ()

    #: The value of ``KIMI_PROVIDER`` that selects this class.
    kind: ClassVar[str]
    #: The environment variable that :meth:`resolve` reads for each field.
    environment: ClassVar[Mapping[str, str]]
    needs_model: ClassVar[bool] = True

    api_key: str | None
    base_url: str
    models: Mapping[str, str]
    capabilities: CapabilityTable
    rate_limits: RateLimits | Limiter | None
    allow_http: bool
    tool_markers: ToolMarkers
    thinking_tags: ThinkingTags
    name: str

    def resolve(self, env: Mapping[str, str]) -> Self:
        """Return the provider with its missing fields filled from *env*.

        A field that *env* does not have either stays ``None``; :meth:`check` refuses it.
        """
        found = {
            key: env[variable]
            for key, variable in self.environment.items()
            if not getattr(self, key) and env.get(variable)
        }
        resolved: Self = evolve(cast(Any, self), **found)
        return resolved

    @property
    def has_own_base_url(self) -> bool:
        """Whether ``base_url`` differs from the default of the class."""
        return self.base_url != fields_dict(cast(Any, type(self)))["base_url"].default

    def check(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ConfigurationError: A key or path is missing or malformed, ``base_url`` is not an https URL, or another
                option has a value of a wrong kind.
        """
        for option, problem in self._problems():
            if problem is not None:
                raise ConfigurationError(f"{type(self).__name__}: {option} {problem}")

    def _problems(self) -> Iterator[tuple[str, str | None]]:
        """Yield each option with its problem, which names no secret value; ``None`` where there is none."""
        for key, variable in self.environment.items():
            problem = _problem_of(getattr(self, key))
            yield key, problem and f"{problem}; give {key}=... or set {variable}"
        yield "allow_http", None if type(self.allow_http) is bool else "must be True or False"
        yield "base_url", _problem_of_url(self.base_url, allow_http=self.allow_http)
        yield "models", None if _is_of_texts(self.models) else "must map names to names"
        yield "capabilities", _problem_of_capabilities(self.capabilities)
        yield "rate_limits", rate_limits_problem(self.rate_limits)
        yield "name", _problem_of_name(self.name)
        yield "tool_markers", _problem_of_word(self.tool_markers, get_args(ToolMarkers))
        yield "thinking_tags", _problem_of_word(self.thinking_tags, get_args(ThinkingTags))

    def authorization(self) -> str:
        """Return the value of the authorization header. No other method returns the key."""
        return f"Bearer {self.api_key}"

    @property
    def url(self) -> str:
        """The URL of a chat request."""
        return f"{self.base_url}/chat/completions"

    @property
    def models_url(self) -> str:
        """The URL of the list of models."""
        return f"{self.base_url}/models"

    def build_models_request(self) -> WireRequest:
        """Return the request for the list of models, without the key."""
        headers = {"accept": "application/json"}
        return WireRequest(method="GET", url=self.models_url, headers=headers)

    def parse_models(self, body: bytes) -> tuple[ModelInfo, ...]:
        """Return the list of models in *body*; raises the errors of :meth:`parse_completion`."""
        models = parse_models(body)
        if models is None:
            raise self.parse_error_object(body)
        return models

    def build_request(self, request: ChatRequest) -> WireRequest:
        """Return *request* in the form of this provider, without the key.

        Raises:
            ConfigurationError: This provider does not have one of the parameters.
        """
        body: dict[str, Any] = {}
        if request.model is not None:
            body["model"] = self.models.get(request.model, request.model)
        body["messages"] = list(request.messages)
        # Always sent, because the defaults of hosts differ (page Providers, 6.1); a JSON boolean (section 4).
        is_stream = request.wire == "stream"
        body["stream"] = is_stream
        if is_stream:
            body["stream_options"] = {"include_usage": True}
        body.update(self.spell(request.params))
        body.update(request.extra_body)
        accept = "text/event-stream, application/json" if is_stream else "application/json"
        headers = {"accept": accept, "content-type": "application/json"}
        return WireRequest(method="POST", url=self.url, headers=headers, body=body)

    def spell(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return *params* under the names that this provider uses.

        Raises:
            ConfigurationError: This provider does not have one of the parameters.
        """
        spelled = dict(params)
        thinking = spelled.pop("thinking", None)
        # Some models refuse a request with both parameters (Providers 4 and 7).
        if thinking is None or "reasoning_effort" in spelled:
            return spelled
        wanted = Thinking(enabled=thinking) if isinstance(thinking, bool) else thinking
        return {**spelled, **self.spell_thinking(wanted)}

    def spell_thinking(self, thinking: Thinking) -> dict[str, Any]:
        """Return the parameters for *thinking*: the ``thinking`` object in the form that Moonshot documents.

        Raises:
            ConfigurationError: A budget is given, and this provider has no parameter for it.
        """
        if thinking.budget_tokens is not None:
            raise ConfigurationError(f"{self.name} has no thinking budget; leave budget_tokens out")
        spelled = {
            "type": "enabled" if thinking.enabled else "disabled",
            "keep": thinking.keep,
            "effort": thinking.effort,
        }
        return {"thinking": {key: value for key, value in spelled.items() if value is not None}}

    def prefix_of(self, request: ChatRequest) -> Prefix | None:
        """Return the text that the reply to *request* continues: that of a last message with ``partial``."""
        last = request.messages[-1]
        text = last.get("content")
        if last.get("partial") is not True or not isinstance(text, str):
            return None
        from kimi_async._prefix import Prefix

        known = self.capabilities.for_model(request.model).partial_mode
        # An inferred value is only a careful guess: nobody has seen the reply to a prefix.
        certain = known.value or known.basis not in ("inferred", "unknown")
        return Prefix(text=text, honoured=known.value if certain else None)

    def parse_chunk(self, data: bytes) -> Chunk | Done:
        """Return the chunk in the data of one event of a stream.

        Args:
            data: One JSON object or ``[DONE]``.

        Raises:
            APIError: The object reports an error; its ``status`` is 200.
            ProtocolError: *data* is neither of the two, or a field of the reply has a wrong type.
        """
        chunk = parse_fast(data) or parse_any(data)
        if chunk is None:
            raise self.parse_error_object(data)
        return chunk

    def parse_completion(self, body: bytes) -> Chunk:
        """Return a complete JSON *body* as one chunk; raises the errors of :meth:`parse_chunk`."""
        chunk = parse_completion(body)
        if chunk is None:
            raise self.parse_error_object(body)
        return chunk

    def without_key(self, text: str) -> str:
        """Return *text*, which is of a host or of the HTTP client, with ``[key]`` in place of the key."""
        return without_key(text, self.api_key)

    def excerpt_of(self, body: bytes) -> str:
        """Return the beginning of a *body* that is not a reply, as one line without markup and without the key."""
        return excerpt_of(body, key=self.api_key)

    def parse_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> APIError:
        """Return the error in the response of an error status; the key is removed if the provider repeated it.

        Args:
            status: The status of the response.
            headers: Its headers.
            body: Its body.
            now: The time in Unix seconds, to turn a date in ``Retry-After`` into a wait.
        """
        error = parse_error(status, headers, body, now=now, key=self.api_key)
        error.provider = self.name
        return error

    def parse_error_object(self, data: bytes) -> APIError:
        """Return the error that *data*, the body of a response with status 200, reports as JSON or as text."""
        return self.parse_error(200, {}, data, now=0.0)


def _problem_of(value: object) -> str | None:
    """Return the problem of a key or a path, without quoting it; ``None`` if there is none."""
    if value is None or value == "":
        return "is missing"
    if not isinstance(value, str):
        return f"must be a text, not {type(value).__name__}"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "holds blanks, control or non-ASCII characters; copy only the value"
    return None


def _is_of_texts(models: object) -> bool:
    return isinstance(models, Mapping) and all(
        isinstance(text, str) for pair in models.items() for text in pair
    )


def _problem_of_capabilities(value: object) -> str | None:
    from kimi_async._providers._capabilities import CapabilityTable

    if isinstance(value, CapabilityTable):
        return None
    return (
        "must be a table, such as that of AceDataCloud().capabilities.override(partial_mode=True)"
    )


def _problem_of_name(name: object) -> str | None:
    if isinstance(name, str) and re.fullmatch(r"[\w.-]{1,64}", name):
        return None
    return "must be 1 to 64 letters, digits, '_', '-' or '.'"


def _problem_of_word(value: object, words: tuple[str, ...]) -> str | None:
    return None if value in words else f"must be one of {', '.join(map(repr, words))}"


def _problem_of_url(url: str, *, allow_http: bool) -> str | None:
    """Return the problem of a base URL, without quoting it, because it may hold a password."""
    # urlsplit() skips blanks and line ends, so the URL that it checks is not the URL that is sent.
    problem = _problem_of(url)
    if problem is not None:
        return problem
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("https", "http") or not host:
        return "must be a whole URL, https://host/path"
    # Search the text, because urlsplit() does not report an empty query, and the path added later would be its value.
    if parts.username is not None or "?" in url or "#" in url:
        return "must not hold a user name, a query or a fragment"
    if parts.path.endswith("/chat/completions"):
        return "must end before /chat/completions, which is added to it"
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        return "must be https, or the key would be sent without encryption; pass allow_http=True if that is meant"
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    import ipaddress  # only a URL without TLS needs it

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
