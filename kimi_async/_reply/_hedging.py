"""Send the hedges of one reply, within the cap, and note the times to the first output."""

from __future__ import annotations

from collections.abc import Callable

from kimi_async._errors import KimiError, RateLimitError
from kimi_async._http._event_loop import loop_clock
from kimi_async._providers import Provider
from kimi_async._reply._attempt import Attempt
from kimi_async._reply._endpoints import endpoint_of
from kimi_async._reply._hedge_state import FirstOutputs
from kimi_async._reply._plan import Hedge
from kimi_async._reply._race import Race, Raced
from kimi_async._reply._shared import SharedState
from kimi_async._reply._watches import Watches

__all__ = ["Hedging"]


class Hedging:
    """The hedges of one reply.

    Args:
        shared: The state that all replies of the client share.
        watches: The breakers, and the budget of retries, which pays for a hedge.
        after: Seconds, or a percentile such as ``"p95"``.
        model: The model, by the name that the caller gave.
        problem_of: Returns the reason why a provider cannot serve the request, or ``None``.
    """

    __slots__ = ("_after", "_model", "_problem_of", "_shared", "_state", "_watches")

    def __init__(
        self,
        shared: SharedState,
        watches: Watches,
        after: float | str,
        model: str | None,
        problem_of: Callable[[Provider], KimiError | None],
    ) -> None:
        self._shared = shared
        self._state = shared.hedges
        self._watches = watches
        self._after = after
        self._model = model
        self._problem_of = problem_of

    def delay(self, provider: Provider) -> float | None:
        """Return the seconds between a request to *provider* and its hedge; ``None`` = no hedge."""
        if not isinstance(self._after, str):
            return self._after
        return self._outputs_of(provider).percentile(int(self._after[1:]))

    def _outputs_of(self, provider: Provider) -> FirstOutputs:
        return self._state.outputs_of(endpoint_of(provider, self._model))

    async def start(
        self,
        first: Attempt,
        hedge: Hedge | None,
        make_attempt: Callable[[Provider], Attempt | None],
    ) -> Raced:
        """Start *first*, and its *hedge* if it is needed and the cap allows it.

        Args:
            first: The attempt that starts at once.
            hedge: The second request; ``None`` = there is none.
            make_attempt: Makes the attempt of a provider; ``None`` = no more requests can be sent.
        """

        def make_second(failure: KimiError | None) -> Attempt | None:
            assert hedge is not None
            if failure is not None and not _starts_hedge(failure):
                return None
            now = loop_clock()()
            provider = next((each for each in hedge.providers if self._is_ready(each, now)), None)
            if provider is None or not self._state.cap.take() or not self._watches.pay(now):
                return None
            return make_attempt(provider)

        if hedge is None:
            raced = Raced(first, await first.start())
        else:
            self._state.cap.count()
            raced = await Race(first, make_second).run(hedge.after)
        self._note(raced.attempt)
        if raced.loser is not None:
            self._note(raced.loser)
        return raced

    def _is_ready(self, provider: Provider, now: float) -> bool:
        """Return whether *provider* can serve the request now, without a wait for its limits."""
        # A provider whose breaker is open gets its probe from a request of its own, and not from one that may lose.
        return (
            self._watches.health.is_closed(provider)
            and not self._shared.gates.is_full(provider, now)
            and self._problem_of(provider) is None
        )

    def _note(self, attempt: Attempt) -> None:
        """Note the time to the first output; a loser that was closed counts with its age."""
        if isinstance(self._after, str) and attempt.failure is None and attempt.is_sent:
            self._outputs_of(attempt.provider).add(attempt.waited)


def _starts_hedge(error: KimiError) -> bool:
    """Return whether the second request of a hedge is sent at once after the first one failed with *error*.

    It is not sent after a rate limit: a hedge would send more requests while the providers ask for fewer. It is not
    sent after an error that a second request would meet too.
    """
    return error.retryable and not isinstance(error, RateLimitError)
