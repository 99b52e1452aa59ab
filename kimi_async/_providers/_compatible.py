"""Any other host with an OpenAI-compatible API: its requests, and the careful values of its capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from attrs import field, frozen

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
    inferred,
    unknown,
)
from kimi_async._rate_limits import Limiter, RateLimits

__all__ = ["OpenAICompatible"]

#: Only the OpenAI API of such a host is known.
_CAPABILITIES: Final = CapabilityTable(
    Capabilities(
        partial_mode=unknown(False, "the host's own documentation"),
        cache_key=unknown(False, "the host's own documentation"),
        json_object=inferred(True, "the OpenAI wire"),
        json_schema=unknown(False, "the host's own documentation"),
        thinking_switch=unknown(False, "the host's own documentation"),
        effort=unknown((), "the host's own documentation"),
        tools=inferred(True, "the OpenAI wire"),
        tools_in_messages=unknown(False, "the host's own documentation"),
        tool_choice=inferred(TOOL_CHOICES, "the OpenAI wire"),
        media=inferred(("text", "image_url"), "the OpenAI wire"),
        media_urls=inferred(True, "the OpenAI wire"),
        max_body_bytes=unknown(None, "the host's own documentation"),
        fixed_sampling=unknown({}, "the host's own documentation"),
        temperature=unknown({}, "the host's own documentation"),
        max_output_tokens=unknown(None, "the host's own documentation"),
        default_output_tokens=unknown(None, "the host's own documentation"),
        stop_limit=inferred(4, "the OpenAI wire"),
        stop_bytes=unknown(None, "the host's own documentation"),
        reasoning_back=unknown(False, "the host's own documentation"),
        empty_reasoning=unknown(True, "the host's own documentation"),
        retired=unknown({}, "the host's own documentation"),
        refused=unknown((), "the host's own documentation"),
        usage_place=inferred("last chunk", "the OpenAI wire"),
    )
)


@frozen
class OpenAICompatible(Provider):
    """Kimi on any host with an OpenAI-compatible API: open weights, a router, a gateway of your own.

    Parameters are sent unchanged, because nothing is known about the host.

    Args:
        api_key: The key; ``None`` takes it from ``OPENAI_API_KEY``.
        base_url: Everything before ``/chat/completions``; ``""`` takes it from ``OPENAI_BASE_URL``.
        models: Translation of model names.
        capabilities: The capabilities of each model family there.
        rate_limits: The limits of the requests with one key; see :class:`~kimi_async.Provider`.
        allow_http: Whether a ``base_url`` without TLS may leave this machine.
        tool_markers: The setting for tool calls that arrive as text; see :class:`~kimi_async.Provider`.
        thinking_tags: The setting for thinking between tags in the content; see :class:`~kimi_async.Provider`.
        name: The name on events, records and errors; give each provider of one client its own.
    """

    kind: ClassVar[str] = "openai"
    environment: ClassVar[Mapping[str, str]] = {
        "api_key": "OPENAI_API_KEY",
        "base_url": "OPENAI_BASE_URL",
    }

    api_key: str | None = api_key_field()
    base_url: str = base_url_field("")
    models: Mapping[str, str] = models_field()
    capabilities: CapabilityTable = field(default=_CAPABILITIES, kw_only=True, repr=False)
    rate_limits: RateLimits | Limiter | None = rate_limits_field()
    allow_http: bool = field(default=False, kw_only=True)
    tool_markers: ToolMarkers = field(default="pass", kw_only=True)
    thinking_tags: ThinkingTags = field(default="pass", kw_only=True)
    name: str = field(default="openai", kw_only=True)
