"""Moonshot's own platform: its requests and its capabilities (see the page Providers, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from attrs import field, frozen
from msgspec.structs import replace

from kimi_async._protocol._chunk import ThinkingTags, ToolMarkers
from kimi_async._providers._base import (
    Provider,
    api_key_field,
    base_url_field,
    models_field,
    rate_limits_field,
)
from kimi_async._providers._capabilities import (
    SECOND_READING,
    Capabilities,
    CapabilityTable,
    documented,
    inferred,
    reported,
    unknown,
)
from kimi_async._rate_limits import Limiter, RateLimits

__all__ = ["Moonshot"]

_FIXED: Final[Mapping[str, float]] = {
    "top_p": 0.95,
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}
_REFUSED: Final = (
    "fixed-sampling",
    "temperature",
    "tool-choice",
    "tool-name",
    "repeated-tool",
    "tool-schema",
    "empty-message",
    "empty-text",
    "missing-reasoning",
    "empty-reasoning",
    "dangling-result",
    "missing-result",
    "tools-in-message",
    "schema-form",
    "retired-model",
    "media-url",
    "body-size",
)
_RETIRED: Final[Mapping[str, str]] = {
    "kimi-k2": "2026-05-25",
    "kimi-k2-thinking": "2026-05-25",
    "kimi-k2.5": "2026-08-31",
    "moonshot-v1": "2026-08-31",
}
_K2: Final = Capabilities(
    partial_mode=documented(True, "3.3"),
    cache_key=documented(True, "3.3"),
    json_object=documented(True, "3.3"),
    json_schema=documented(True, "3.3"),
    thinking_switch=documented(True, "3.2"),
    effort=documented((), "3.3: K3 family only"),
    tools=documented(True, "3.3"),
    tools_in_messages=documented(False, "3.3: K3 only"),
    tool_choice=documented(
        ("auto", "none", "function when not thinking"),
        "3.3: required is for K3 only, a named one clashes with thinking",
    ),
    media=documented(("text", "image_url", "video_url"), "3.3"),
    media_urls=documented(False, "3.3: a data URL or ms://id"),
    max_body_bytes=documented(100_000_000, "3.3"),
    fixed_sampling=documented(_FIXED, "3.3"),
    temperature=documented({"thinking": (1, 1), "not thinking": (0.6, 0.6)}, "3.3"),
    max_output_tokens=unknown(None, "3.3"),
    default_output_tokens=documented(32_768, "3.3"),
    stop_limit=documented(5, "3.3"),
    stop_bytes=documented(32, "3.3"),
    reasoning_back=documented(True, "3.3"),
    empty_reasoning=reported(False, "9.3: a blank is accepted"),
    retired=documented(_RETIRED, "3.2, 9.1", SECOND_READING),
    refused=documented(_REFUSED, "3.3, 3.5, 9.2, 9.3", SECOND_READING),
    usage_place=documented("choice", "3.4"),
)
_K3: Final = replace(
    _K2,
    partial_mode=inferred(False, "6.4: K3 ends after reasoning when prefilled"),
    thinking_switch=documented(True, "9.2", SECOND_READING),
    effort=documented(("low", "high", "max"), "3.3"),
    tools_in_messages=documented(True, "3.3, 9.2", SECOND_READING),
    tool_choice=documented(
        ("auto", "none", "required"), "3.3, 9.2: the named form is refused", SECOND_READING
    ),
    temperature=documented({"thinking": (0, 1), "not thinking": (0, 1)}, "9.2", SECOND_READING),
    max_output_tokens=documented(1_048_576, "3.3"),
    default_output_tokens=documented(131_072, "3.3"),
    empty_reasoning=unknown(True, "9.3: K2.5 and K2.6 only"),
)
_K31: Final = replace(
    _K3,
    thinking_switch=documented(False, "3.2: always thinks"),
    tools_in_messages=inferred(True, "9.2: told of K3", SECOND_READING),
    tool_choice=inferred(_K3.tool_choice.value, "9.2: told of K3", SECOND_READING),
    temperature=inferred(_K3.temperature.value, "9.2: told of K3", SECOND_READING),
)

_CAPABILITIES: Final = CapabilityTable(
    _K2,
    {
        "kimi-k2-thinking": replace(_K2, empty_reasoning=reported(True, "9.3")),
        "kimi-k2.7": replace(
            _K2,
            thinking_switch=documented(False, "3.2: always thinks"),
            empty_reasoning=unknown(True, "9.3: K2.5 and K2.6 only"),
        ),
        "kimi-k3": _K3,
        "kimi-k3.1": _K31,
    },
)


@frozen
class Moonshot(Provider):
    """Kimi as sold by Moonshot itself.

    Args:
        api_key: The key; ``None`` takes it from ``MOONSHOT_API_KEY``.
        base_url: Everything before ``/chat/completions``. Keys of platform.kimi.com belong to
            ``https://api.moonshot.cn/v1``; on the other base they give a 401 (see the page Providers, section 3.1).
        models: Translation of model names.
        capabilities: The capabilities of each model family there.
        rate_limits: The limits of the requests with one key; see :class:`~kimi_async.Provider`.
        allow_http: Whether a ``base_url`` without TLS may leave this machine.
        tool_markers: The setting for tool calls that arrive as text; see :class:`~kimi_async.Provider`.
        thinking_tags: The setting for thinking between tags in the content; see :class:`~kimi_async.Provider`.
        name: The name on events, records and errors; give each provider of one client its own.
    """

    kind: ClassVar[str] = "moonshot"
    environment: ClassVar[Mapping[str, str]] = {"api_key": "MOONSHOT_API_KEY"}

    api_key: str | None = api_key_field()
    base_url: str = base_url_field("https://api.moonshot.ai/v1")
    models: Mapping[str, str] = models_field()
    capabilities: CapabilityTable = field(default=_CAPABILITIES, kw_only=True, repr=False)
    rate_limits: RateLimits | Limiter | None = rate_limits_field()
    allow_http: bool = field(default=False, kw_only=True)
    tool_markers: ToolMarkers = field(default="pass", kw_only=True)
    thinking_tags: ThinkingTags = field(default="pass", kw_only=True)
    name: str = field(default="moonshot", kw_only=True)

    def spell(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return *params* under the names that Moonshot uses: ``max_completion_tokens``, as ``max_tokens`` is old."""
        spelled = super().spell(params)
        limit = spelled.pop("max_tokens", None)
        if limit is not None:
            spelled.setdefault("max_completion_tokens", limit)
        return spelled
