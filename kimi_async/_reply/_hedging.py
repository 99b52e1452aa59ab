"""Send the hedges of one reply, within the cap, and note the times to the first output."""

from __future__ import annotations

from collections.abc import Callable

from kimi_async._errors import KimiError
from kimi_async._providers import Provider
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._endpoints import endpoint_of
from kimi_async._reply._percentile import HedgeState
from kimi_async._reply._plan import Hedge, starts_hedge
from kimi_async._reply._race import Raced, race

__all__ = ["Hedging"]


class Hedging:
    """The hedges of one reply.

    Args:
        state: The state that all replies of the client share.
        after: Seconds, or a percentile such as ``"p95"``.
        model: The model, by the name that the caller gave.
        pay: Pays for a hedge from the budget of retries; returns whether the budget allowed it.
    """

    def __init__(
        self, state: HedgeState, after: float | str, model: str | None, pay: Callable[[], bool]
    ) -> None:
        self._state = state
        self._pay = pay
        self._after = after
        self._model = model

    def delay(self, provider: Provider) -> float | None:
        """Return the seconds between a request to *provider* and its hedge; ``None`` = no hedge."""
        return self._state.delay(endpoint_of(provider, self._model), self._after)

    async def start(
        self,
        first: Attempt,
        hedge: Hedge | None,
        make_attempt: Callable[[Provider], Attempt],
    ) -> Raced:
        """Start *first*, and its *hedge* if it is needed and the cap allows it.

        Args:
            first: The attempt that starts at once.
            hedge: The second request; ``None`` = there is none.
            make_attempt: Makes the attempt of a provider.
        """

        def make_second(failure: KimiError | None) -> Attempt | None:
            assert hedge is not None
            if failure is not None and not starts_hedge(failure):
                return None
            if not self._state.cap.take() or not self._pay():
                return None
            return make_attempt(hedge.provider)

        if hedge is None:
            raced = Raced(first, await first.start())
        else:
            self._state.cap.count()
            raced = await race(first, hedge.after, make_second)
        self._note(raced.attempt)
        if raced.loser is not None:
            self._note(raced.loser)
        return raced

    def _note(self, attempt: Attempt) -> None:
        """Note the time to the first output; a loser that was closed counts with its age."""
        if isinstance(self._after, str) and attempt.failure is None:
            self._state.add(endpoint_of(attempt.provider, self._model), attempt.waited)
