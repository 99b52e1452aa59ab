"""Ace Data Cloud (see the page Providers, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from kimi_async._models import Thinking
from kimi_async._protocol._chunk import ThinkingTags, ToolMarkers
from kimi_async._providers._base import (
    Provider,
    api_key_field,
    base_url_field,
    models_field,
)
from kimi_async._providers._capabilities import ACEDATA, CapabilityTable
from kimi_async._rate_limits import Limiter, RateLimits

__all__ = ["AceDataCloud"]


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
    capabilities: CapabilityTable = field(default=ACEDATA, kw_only=True, repr=False)
    rate_limits: RateLimits | Limiter | None = field(
        default=RateLimits(concurrency=20), kw_only=True, repr=False
    )
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
