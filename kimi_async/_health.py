"""The health of the providers of a client, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

__all__ = ["BreakerHealth", "ProviderHealth"]


@frozen(kw_only=True)
class BreakerHealth:
    """The breaker of one model of one provider.

    Attributes:
        state: ``"closed"``: requests pass. ``"open"``: they go to the next provider. ``"half-open"``: the next one is
            a test.
        failures: The failures of the window (:class:`~kimi_async.Breaker`).
        requests: All requests of the window that count.
        opens_in: Seconds until a request is let through; 0 unless the breaker is open.
    """

    state: Literal["closed", "open", "half-open"]
    failures: int
    requests: int
    opens_in: float


@frozen(kw_only=True)
class ProviderHealth:
    """The health of one provider, as the requests of this client saw it.

    Attributes:
        isolated: Whether ``client.isolate()`` took it out.
        models: The breaker of each model that was asked for, by the name that is sent.
    """

    isolated: bool
    models: Mapping[str | None, BreakerHealth] = field(hash=False)

    @property
    def available(self) -> bool:
        """Whether it gets requests for at least one model, or was not asked yet."""
        open_ones = [each.state == "open" for each in self.models.values()]
        return not self.isolated and not (open_ones and all(open_ones))
