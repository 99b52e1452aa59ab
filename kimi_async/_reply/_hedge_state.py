"""Keep the facts that decide about hedges: the times to the first output, and the number that may be sent; pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Hashable
from typing import Final

from kimi_async._reply._endpoints import keep

__all__ = ["FirstOutputs", "HedgeCap", "HedgeState"]

#: The number of requests that the percentile covers, and the number that it needs.
_WINDOW: Final = 1_000
_MINIMUM: Final = 20

#: One hedge costs as much as this number of requests brings: at most 5 % of the requests are hedges.
_PRICE: Final = 20
#: The largest number of hedges that can be saved for a bad moment.
_SAVED: Final = 5

#: The number of models whose first outputs are kept.
_MODELS: Final = 64


class FirstOutputs:
    """The times to the first output of the last 1,000 requests to one model of one provider, in seconds.

    A request that lost against its hedge is closed before its first output. It counts with its age at that time, which
    is the least that it would have taken. Without it, the slowest requests would be missing and the percentile would
    fall with each hedge.
    """

    def __init__(self) -> None:
        self._newest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Add the time of one request, and forget the oldest of more than 1,000."""
        if len(self._newest) == _WINDOW:
            oldest = self._newest.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._newest.append(seconds)
        insort(self._sorted, seconds)

    def percentile(self, percent: int) -> float | None:
        """Return the shortest time that at least *percent* of 100 requests do not exceed.

        Returns:
            Seconds, or ``None`` while fewer than 20 requests are known.
        """
        count = len(self._sorted)
        if count < _MINIMUM:
            return None
        return self._sorted[-(-count * percent // 100) - 1]


class HedgeCap:
    """The number of hedges that may be sent: one for each 20 requests, and at most five saved.

    A new client may send one hedge, so that its first slow request can have one.
    """

    def __init__(self) -> None:
        self._credit = _PRICE

    def count(self) -> None:
        """Count one request that may have a hedge."""
        self._credit = min(self._credit + 1, _PRICE * _SAVED)

    def take(self) -> bool:
        """Return whether a hedge may be sent now, and count it if so."""
        if self._credit < _PRICE:
            return False
        self._credit -= _PRICE
        return True


class HedgeState:
    """The state of hedging that all replies of a client share.

    Attributes:
        cap: The number of hedges that may be sent.
    """

    def __init__(self) -> None:
        self.cap = HedgeCap()
        self._outputs: dict[Hashable, FirstOutputs] = {}

    def outputs_of(self, model: Hashable) -> FirstOutputs:
        """Return the times of one model, to read them and to add to them.

        Args:
            model: Any name of one model of one provider. The times of the last 64 new models are kept.
        """
        outputs = self._outputs.get(model)
        return outputs or keep(self._outputs, model, FirstOutputs(), most=_MODELS)
