"""Ace Data Cloud: its requests and its capabilities (see the page Providers, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from attrs import field, frozen
from msgspec.structs import replace

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
    TOOL_CHOICES,
    Capabilities,
    CapabilityTable,
    captured,
    documented,
    inferred,
    unknown,
)
from kimi_async._rate_limits import Limiter, RateLimits

__all__ = ["AceDataCloud"]

_ACE: Final = Capabilities(
    partial_mode=unknown(False, "1.3: undocumented"),
    cache_key=unknown(False, "1.3: undocumented"),
    json_object=documented(True, "1.3"),
    json_schema=documented(True, "1.3: newer spec only"),
    thinking_switch=documented(False, "1.3: marked for kimi-k2.6 only"),
    effort=documented((), "1.3: marked for kimi-k3 only"),
    tools=documented(True, "1.3: newer spec only"),
    tools_in_messages=unknown(False, "1.3"),
    tool_choice=documented(TOOL_CHOICES, "1.3: newer spec only"),
    media=documented(("text", "image_url", "file"), "1.3"),
    media_urls=unknown(True, "1.3"),
    max_body_bytes=unknown(None, "1.3"),
    fixed_sampling=documented({"n": 1}, "1.3: 1 to 128 in the older spec"),
    temperature=documented({}, "1.3: 0 to 2; the quick start sends 0.7 to K2.5"),
    max_output_tokens=unknown(None, "7: 16384 in one version of the guide for K3"),
    default_output_tokens=documented(None, "1.3"),
    stop_limit=documented(4, "1.3"),
    stop_bytes=unknown(None, "1.3"),
    reasoning_back=unknown(False, "1.3: sent back as received"),
    empty_reasoning=unknown(True, "1.3"),
    retired=unknown({}, "1.2"),
    refused=unknown((), "1.5"),
    usage_place=captured("last chunk", "1.4, acedata/stream_reasoning_ko"),
)

_CAPABILITIES: Final = CapabilityTable(
    _ACE,
    {
        "kimi-k2.6": replace(
            _ACE,
            thinking_switch=documented(True, "1.3"),
            reasoning_back=inferred(True, "1.3, 6.4"),
        ),
        "kimi-k3": replace(
            _ACE,
            effort=documented(("low", "high", "max"), "1.3: the prose promises max alone"),
            reasoning_back=inferred(True, "1.3, 6.4"),
            usage_place=documented("last chunk", "1.4"),
        ),
    },
)


@frozen
class AceDataCloud(Provider):
    """Kimi as sold by Ace Data Cloud.

    Args:
        api_key: The token; ``None`` takes it from ``ACEDATACLOUD_API_TOKEN``.
        base_url: Everything before ``/chat/completions``. The unified ``https://api.acedata.cloud/v1`` works too
            (see the page Providers, section 1.1).
        models: Translation of model names.
        capabilities: The capabilities of each model family there.
        rate_limits: The limits of the requests with one key; see :class:`~kimi_async.Provider`. The
            default is 20 in flight (see the page Providers, section 1.1).
        allow_http: Whether a ``base_url`` without TLS may leave this machine.
        tool_markers: The setting for tool calls that arrive as text; see :class:`~kimi_async.Provider`.
        thinking_tags: The setting for thinking between tags in the content; see :class:`~kimi_async.Provider`.
        name: The name on events, records and errors; give each provider of one client its own.
    """

    kind: ClassVar[str] = "acedata"
    environment: ClassVar[Mapping[str, str]] = {"api_key": "ACEDATACLOUD_API_TOKEN"}

    api_key: str | None = api_key_field()
    base_url: str = base_url_field("https://api.acedata.cloud/kimi")
    models: Mapping[str, str] = models_field()
    capabilities: CapabilityTable = field(default=_CAPABILITIES, kw_only=True, repr=False)
    rate_limits: RateLimits | Limiter | None = rate_limits_field(RateLimits(concurrency=20))
    allow_http: bool = field(default=False, kw_only=True)
    tool_markers: ToolMarkers = field(default="pass", kw_only=True)
    thinking_tags: ThinkingTags = field(default="pass", kw_only=True)
    name: str = field(default="acedata", kw_only=True)

    @property
    def models_url(self) -> str:
        """The URL of the list of models, which only the unified base has (see the page Providers, section 1.1)."""
        return f"{self.base_url.removesuffix('/kimi').removesuffix('/v1')}/v1/models"

    def spell_thinking(self, thinking: Thinking) -> dict[str, Any]:
        """Return the parameters for *thinking*; an effort is a parameter of its own (see the page Providers, 1.3).

        Raises:
            ConfigurationError: A budget is given, and Ace Data Cloud has no parameter for it.
        """
        spelled = super().spell_thinking(thinking)
        effort = spelled["thinking"].pop("effort", None)
        if effort is None or not thinking.enabled:
            return spelled
        # Only K2.6 takes the object and only K3 the effort, so the object is sent only with a keep.
        alone = {} if thinking.keep is None else spelled
        return {**alone, "reasoning_effort": effort}
