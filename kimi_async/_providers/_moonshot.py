"""Moonshot's own platform (see the page Providers, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from kimi_async._protocol._chunk import ThinkingTags, ToolMarkers
from kimi_async._providers._base import (
    Provider,
    api_key_field,
    base_url_field,
    models_field,
)
from kimi_async._providers._capabilities import MOONSHOT, CapabilityTable
from kimi_async._rate_limits import DEFAULT_RATE_LIMITS, Limiter, RateLimits

__all__ = ["Moonshot"]


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
    capabilities: CapabilityTable = field(default=MOONSHOT, kw_only=True, repr=False)
    rate_limits: RateLimits | Limiter | None = field(
        default=DEFAULT_RATE_LIMITS, kw_only=True, repr=False
    )
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
