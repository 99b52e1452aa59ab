"""Cloudsway: its requests and its capabilities (see the page Providers, section 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from attrs import field, frozen

from kimi_async._errors import ConfigurationError
from kimi_async._models import Thinking
from kimi_async._protocol._chunk import ThinkingTags, ToolMarkers
from kimi_async._providers._base import (
    Provider,
    api_key_field,
    base_url_field,
    models_field,
    rate_limits_field,
)
from kimi_async._providers._capabilities import (
    Capabilities,
    CapabilityTable,
    captured,
    documented,
    unknown,
)
from kimi_async._rate_limits import Limiter, RateLimits

__all__ = ["Cloudsway"]

_CAPABILITIES: Final = CapabilityTable(
    Capabilities(
        # Documented and refuted: the K2.5 capture starts afresh instead of continuing the prefix.
        partial_mode=captured(False, "2.3, cloudsway/chat_partial"),
        cache_key=unknown(False, "2.3: not shown"),
        json_object=captured(True, "2.3, cloudsway/chat_json_object"),
        json_schema=unknown(False, "2.3: not shown"),
        thinking_switch=documented(True, "2.3: accepted words unclear"),
        effort=unknown((), "4"),
        tools=captured(True, "2.3, cloudsway/chat_tool_call"),
        tools_in_messages=unknown(False, "2.3"),
        tool_choice=documented(("auto",), "2.3: only auto is shown"),
        media=unknown(("text",), "4: not shown"),
        media_urls=unknown(True, "4: not shown"),
        max_body_bytes=unknown(None, "2.3"),
        fixed_sampling=documented({}, "2.3"),
        temperature=documented({}, "2.3: 0 to 2; the samples send 0.3 to K2.5"),
        max_output_tokens=documented(128_000, "2.3"),
        default_output_tokens=documented(1024, "2.3"),
        stop_limit=documented(4, "2.3"),
        stop_bytes=unknown(None, "2.3"),
        reasoning_back=unknown(False, "2.3: the sample with a tool result has none"),
        empty_reasoning=unknown(True, "2.3"),
        retired=unknown({}, "2.2"),
        refused=unknown((), "2.5"),
        usage_place=unknown("any", "5: no stream capture is known"),
    )
)


def _path(value: str | None) -> str | None:
    return value.strip().strip("/") or None if isinstance(value, str) else value


@frozen
class Cloudsway(Provider):
    """Kimi as sold by Cloudsway.

    Args:
        api_key: The access key; ``None`` takes it from ``CLOUDSWAY_API_KEY``.
        endpoint_path: The opaque id of the subscription, which picks the model; ``None`` takes it from
            ``CLOUDSWAY_ENDPOINT_PATH``.
        base_url: Everything before the endpoint path.
        max_tokens_default: Sent as ``max_tokens`` when the caller gives no limit, because the provider's own default
            of 1024 is eaten by thinking (see the page Providers, section 2.3).
        models: Translation of model names; the name is sent when one is given, and decides nothing there.
        capabilities: The capabilities of each model family there.
        rate_limits: The limits of the requests with one key; see :class:`~kimi_async.Provider`.
        allow_http: Whether a ``base_url`` without TLS may leave this machine.
        tool_markers: The setting for tool calls that arrive as text; see :class:`~kimi_async.Provider`.
        thinking_tags: The setting for thinking between tags in the content; see :class:`~kimi_async.Provider`.
        name: The name on events, records and errors; give each provider of one client its own.
        thinking_words: The words for thinking on and off in ``thinking.type``. Only ``"false"`` was ever seen
            (see the page Providers, section 2.3), the other is its counterpart.
    """

    kind: ClassVar[str] = "cloudsway"
    environment: ClassVar[Mapping[str, str]] = {
        "api_key": "CLOUDSWAY_API_KEY",
        "endpoint_path": "CLOUDSWAY_ENDPOINT_PATH",
    }
    needs_model: ClassVar[bool] = False

    api_key: str | None = api_key_field()
    endpoint_path: str | None = field(default=None, converter=_path)
    base_url: str = base_url_field("https://genaiapi.cloudsway.net/v1/ai")
    max_tokens_default: int = 32768
    models: Mapping[str, str] = models_field()
    capabilities: CapabilityTable = field(default=_CAPABILITIES, kw_only=True, repr=False)
    rate_limits: RateLimits | Limiter | None = rate_limits_field()
    allow_http: bool = field(default=False, kw_only=True)
    tool_markers: ToolMarkers = field(default="pass", kw_only=True)
    thinking_tags: ThinkingTags = field(default="pass", kw_only=True)
    name: str = field(default="cloudsway", kw_only=True)
    thinking_words: tuple[str, str] = field(default=("true", "false"), kw_only=True)

    def _problems(self) -> Iterator[tuple[str, str | None]]:
        """Yield each option with its problem; ``None`` where there is none."""
        yield from super()._problems()
        limit, words = self.max_tokens_default, self.thinking_words
        is_limit = type(limit) is int and limit > 0
        yield "max_tokens_default", None if is_limit else "must be a whole number from 1"
        are_words = isinstance(words, tuple) and [*map(type, words)] == [str, str]
        yield (
            "thinking_words",
            None if are_words else 'must be two words in a tuple, such as ("true", "false")',
        )

    @property
    def url(self) -> str:
        """The URL of a chat request: the endpoint path stands before ``/chat/completions``."""
        return f"{self.base_url}/{quote(self.endpoint_path or '', safe='/')}/chat/completions"

    @property
    def models_url(self) -> str:
        """The URL of the list of models, beside the endpoint paths (see the page Providers, section 2.1)."""
        parts = urlsplit(self.base_url)
        return parts._replace(path=parts.path.removesuffix("/ai") + "/models").geturl()

    def spell(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return *params* under the names that Cloudsway uses; an output limit is always sent."""
        spelled = super().spell(params)
        limit = spelled.pop("max_completion_tokens", None)
        spelled.setdefault("max_tokens", self.max_tokens_default if limit is None else limit)
        return spelled

    def spell_thinking(self, thinking: Thinking) -> dict[str, Any]:
        """Return the ``thinking`` object in the form that Cloudsway documents (see the page Providers, section 2.3).

        Raises:
            ConfigurationError: A ``keep`` or an ``effort`` is given, and Cloudsway has no parameter for it.
        """
        for name in ("keep", "effort"):
            if getattr(thinking, name) is not None:
                raise ConfigurationError(
                    f"cloudsway has no parameter for Thinking({name}=...); leave it out"
                )
        on, off = self.thinking_words
        spelled: dict[str, Any] = {"type": on if thinking.enabled else off}
        if thinking.budget_tokens is not None:
            spelled["budget_tokens"] = thinking.budget_tokens
        return {"thinking": spelled}
