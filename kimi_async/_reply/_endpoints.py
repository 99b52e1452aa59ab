"""The name under which the state of one model of one provider is kept; pure."""

from __future__ import annotations

from typing import TypeAlias

from kimi_async._providers import Provider

__all__ = ["Endpoint", "endpoint_of"]

#: The base URL, the key, and the model as it is sent.
Endpoint: TypeAlias = tuple[str, str | None, str | None]


def endpoint_of(provider: Provider, model: str | None) -> Endpoint:
    """Return the endpoint of *model*, by the name that the caller gave."""
    sent = None if model is None else provider.models.get(model, model)
    return provider.base_url, provider.api_key, sent
