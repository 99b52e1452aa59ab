"""The state that all replies over the same connections share."""

from __future__ import annotations

from collections.abc import Hashable

from kimi_async._providers import Provider
from kimi_async._reply._gate import Gates
from kimi_async._reply._percentile import HedgeState
from kimi_async._reply._stay import Stay, Stays

__all__ = ["SharedState", "endpoint_of"]


class SharedState:
    """The state that the replies of one client, and of clients made from it, share.

    Attributes:
        hedges: The first outputs and the cap of hedges.
        gates: The limits of each provider, and the requests that wait for them.
        stays: The providers of conversations, by their ``prompt_cache_key``.
    """

    def __init__(self) -> None:
        self.hedges = HedgeState()
        self.gates = Gates()
        self.stays = Stays()

    def order(
        self, providers: tuple[Provider, ...], stay: Stay | None, now: float
    ) -> tuple[Provider, ...]:
        """Return *providers* in the order of asking: first the one to *stay* with, last those whose limits are full."""
        if len(providers) == 1:
            return providers
        kept: tuple[Provider, ...] = ()
        if stay is not None:
            kept, providers = stay.order(providers)
        return (*kept, *sorted(providers, key=lambda each: self.gates.is_full(each, now)))


def endpoint_of(provider: Provider, model: str | None) -> Hashable:
    """Return the key of one model of one provider: the base URL, the key and the model as it is sent."""
    sent = None if model is None else provider.models.get(model, model)
    return provider.base_url, provider.api_key, sent
