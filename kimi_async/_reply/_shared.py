"""The state that all replies over the same connections share."""

from __future__ import annotations

from collections.abc import Hashable

from kimi_async._providers import Provider
from kimi_async._reply._percentile import HedgeState

__all__ = ["SharedState", "endpoint_of"]


class SharedState:
    """The state that the replies of one client, and of clients made from it, share.

    Attributes:
        hedges: The first outputs and the cap of hedges.
    """

    def __init__(self) -> None:
        self.hedges = HedgeState()


def endpoint_of(provider: Provider, model: str | None) -> Hashable:
    """Return the key of one model of one provider: the base URL, the key and the model as it is sent."""
    sent = None if model is None else provider.models.get(model, model)
    return provider.base_url, provider.api_key, sent
