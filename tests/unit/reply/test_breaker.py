"""The values behind retries: breakers, budget, waits, windows and reactions; all pure."""

from __future__ import annotations

from typing import Any

import pytest

import kimi_async as kimi
from kimi_async import Breaker, Retries, RetryBudget
from kimi_async._reply._backoff import wait_before_retry
from kimi_async._reply._breaker import BreakerState
from kimi_async._reply._breakers import Breakers
from kimi_async._reply._budget import BudgetState
from kimi_async._reply._plan import Failed, PlanState, Raise, Send, no_problem
from kimi_async._reply._reactions import Reaction, counts_as_failure, reaction_to
from kimi_async._reply._retrying import retrying
from kimi_async._reply._shared import SharedState
from kimi_async._reply._watches import Watches
from kimi_async._reply._window import Window
from kimi_async._request._params import chat_request

RULES = Breaker()
ACE = kimi.AceDataCloud("test-key")
BROKE = kimi.ServerError("it broke", status=500)
REQUEST = chat_request("Hi", {}, model="kimi-k3", wire="stream")


def opened(failures: int = 5) -> BreakerState:
    breaker = BreakerState(RULES.window)
    for _ in range(failures):
        breaker.fail(RULES, 0.0, 0.5, probe=False)
    return breaker


def test_five_failures_in_a_row_open_a_breaker_and_one_success_between_does_not() -> None:
    breaker = opened(4)
    assert breaker.state(0) == "closed"
    breaker.succeed(0.0, probe=False)
    breaker.fail(RULES, 0.0, 0.5, probe=False)
    assert breaker.allows(0)
    assert breaker.failures(0.0) == (5, 6)
    assert opened().state(0) == "open"


def test_too_few_successes_open_a_breaker() -> None:
    breaker = BreakerState(RULES.window)
    for number in range(12):
        if number % 3:
            breaker.succeed(1.0, probe=False)
        else:
            breaker.fail(RULES, 1.0, 0.5, probe=False)
    assert breaker.state(1.0) == "open"


def test_one_probe_is_let_through_and_closes_or_opens_again() -> None:
    breaker = opened()
    assert breaker.due == 5
    assert not breaker.fail(RULES, 1.0, 0.5, probe=False)  # a request of before
    breaker.succeed(1.0, probe=False)
    assert not breaker.allows(4.9)
    assert not breaker.begin(4.9)
    assert breaker.state(5) == "half-open"
    assert breaker.begin(5)
    assert not breaker.allows(5)
    assert not breaker.begin(5)
    breaker.drop()
    assert breaker.begin(6)
    assert breaker.fail(RULES, 6.0, 0.5, probe=True)
    assert breaker.due == 16
    assert breaker.begin(16)
    assert breaker.succeed(16.0, probe=True)
    assert breaker.state(16) == "closed"
    assert breaker.failures(16.0) == (0, 0)


def test_the_time_doubles_to_a_limit_however_often_it_opens() -> None:
    breaker, now = opened(), 0.0
    for _ in range(2000):
        now = breaker.due
        breaker.begin(now)
        breaker.fail(RULES, now, 1.0, probe=True)
    assert breaker.due - now == RULES.max_open * 1.25


def test_breakers_of_many_models_are_bounded() -> None:
    breakers = Breakers()
    for number in range(300):
        breakers.watch(ACE, f"model-{number}", RULES, 0.0)
    assert len(breakers.health(ACE, 0.0)) == 256


def test_a_held_key_holds_models_that_are_asked_for_later() -> None:
    breakers = Breakers()
    breakers.watch(ACE, "one", RULES, 0.0)
    breakers.hold(ACE, "one", RULES, 0.0)
    assert not breakers.allows(ACE, "one", 1.0)
    assert not breakers.allows(ACE, "two", 1.0)
    assert {each.state for each in breakers.health(ACE, 1.0).values()} == {"open"}
    assert breakers.allows(kimi.AceDataCloud("other-key"), "one", 1.0)
    breakers.passed(ACE)
    assert breakers.allows(ACE, "three", 1.0)


@pytest.mark.parametrize(("seconds", "state"), [(19.0, "closed"), (21.0, "open")])
def test_a_slow_first_output_counts_as_a_failure(seconds: float, state: str) -> None:
    rules = Breaker(consecutive=1, slow_first_output=20)
    breakers = Breakers()
    watch = breakers.watch(ACE, "m", rules, 0.0)
    watch.first_output(seconds, seconds, lambda: 0.5)
    watch.succeed(seconds)  # the first result counts
    assert breakers.health(ACE, seconds)["m"].state == state


def test_a_probe_closes_its_breaker_with_the_first_output() -> None:
    breakers = Breakers()
    rules = Breaker(consecutive=1)
    breakers.watch(ACE, "m", rules, 0.0).fail(BROKE, started=False, now=0.0, chance=0.5)
    probe = breakers.watch(ACE, "m", rules, 6.0)
    probe.first_output(1.0, 7.0, lambda: 0.5)
    assert breakers.allows(ACE, "m", 7.0)
    probe.drop()  # the first result counts
    assert breakers.due(ACE, "m") == 0


def test_a_probe_that_is_dropped_gives_its_place_back() -> None:
    breakers = Breakers()
    rules = Breaker(consecutive=1)
    breakers.watch(ACE, "m", rules, 0.0).fail(BROKE, started=False, now=0.0, chance=0.5)
    probe = breakers.watch(ACE, "m", rules, 6.0)
    assert not breakers.allows(ACE, "m", 6.0)
    probe.drop()
    assert breakers.allows(ACE, "m", 6.0)


def test_a_hedge_is_not_paid_for_when_the_budget_is_empty() -> None:
    empty = Retries(budget=RetryBudget(ratio=0, per_second=0))
    settings = kimi.AsyncKimi(ACE, retries=empty)._caller.settings
    assert not Watches(SharedState(), settings, "m").pay(0.0)


def test_a_window_forgets_to_a_tenth_of_its_length() -> None:
    window = Window(10.0)
    window.add(1, 0.0)
    window.add(2, 0.5)
    window.add(4, 5.0)
    assert [window.total(now) for now in (5.0, 9.9, 10.5, 16.0)] == [7, 7, 4, 0]
    window.add(1, 16.0)
    window.clear()
    assert window.total(16.0) == 0


def test_a_window_of_no_length_still_counts() -> None:
    window = Window(0.0)
    window.add(1, 3.0)
    assert window.total(3.0) == 1


def test_a_budget_is_earned_by_requests_and_by_time() -> None:
    rules = RetryBudget(ratio=0.5, per_second=0.1, window=10)
    budget = BudgetState(rules.window)
    assert budget.allows(rules, 0.0)
    budget.spend(0.0)
    assert not budget.allows(rules, 0.0)
    for _ in range(2):
        budget.request(0.0)
    assert budget.allows(rules, 0.0)
    budget.spend(0.0)
    assert not budget.allows(rules, 9.0)
    assert budget.allows(rules, 11.0)


@pytest.mark.parametrize("left_at", [0.0, 9.0, 60.0])
def test_a_retry_that_was_not_sent_is_taken_back_once(left_at: float) -> None:
    """The wait before it can be longer than the window, and then the payment has left already."""
    rules = RetryBudget(ratio=0, per_second=0.1, window=10)
    budget = BudgetState(rules.window)
    budget.spend(0.0)
    assert budget.allows(rules, left_at) == (left_at > rules.window)
    budget.refund(0.0)
    assert budget.allows(rules, left_at)
    budget.spend(left_at)
    assert not budget.allows(rules, left_at)


def after(seconds: float | None) -> kimi.RateLimitError:
    return kimi.RateLimitError("too many", status=429, retry_after=seconds)


@pytest.mark.parametrize(
    ("error", "tries", "wait"),
    [
        (BROKE, 1, 0.25),
        (BROKE, 2, 0.5),
        (BROKE, 3, 1.0),
        (BROKE, 5000, 10.0),
        (kimi.OverloadedError("full", status=503), 1, 0.5),
        (after(None), 2, 1.0),
        (after(7), 1, 7.5),
        (after(60), 1, 60.5),
        (after(61), 1, None),
        (kimi.StreamInterrupted("it broke"), 1, 0.25),
    ],
)
def test_the_wait_before_a_retry(error: kimi.KimiError, tries: int, wait: float | None) -> None:
    assert wait_before_retry(Retries(), error, tries, 0.5) == wait


@pytest.mark.parametrize(
    ("error", "reaction", "counts"),
    [
        (kimi.TransportError("reset"), Reaction.SAME, True),
        (kimi.EmptyResponseError("empty"), Reaction.SAME, True),
        (kimi.ConnectTimeout(1), Reaction.SLOW, True),
        (kimi.FirstOutputTimeout(1), Reaction.SLOW, True),
        (kimi.TotalTimeout(1), Reaction.RAISE, False),
        (kimi.SlotTimeout(1), Reaction.RAISE, False),
        (after(None), Reaction.NEXT, False),
        (kimi.ConflictError("no", status=409), Reaction.ONCE, False),
        (kimi.APIError("no", status=408), Reaction.ONCE, False),
        (kimi.BadRequestError("no", status=400, code="NO_BALANCER_ERROR"), Reaction.ONCE, False),
        (kimi.QuotaExceededError("no", status=402), Reaction.KEY, False),
        (kimi.NotFoundError("no", status=404), Reaction.AWAY, False),
        (kimi.ProtocolError("no"), Reaction.AWAY, False),
        (kimi.ProtocolError("no", limit="body_bytes"), Reaction.RAISE, False),
        (kimi.BadRequestError("no", status=400), Reaction.RAISE, False),
        (kimi.ConfigurationError("no"), Reaction.RAISE, False),
        (BROKE, Reaction.SAME, True),
    ],
)
def test_the_reaction_to_an_error(error: kimi.KimiError, reaction: Reaction, counts: bool) -> None:
    assert reaction_to(error) is reaction
    assert counts_as_failure(error, started=False) is counts


def test_a_limit_of_the_day_is_not_waited_for() -> None:
    error = after(None)
    error.retryable = False
    assert reaction_to(error) is Reaction.KEY


def test_a_stream_that_breaks_counts_if_it_may_be_repeated() -> None:
    assert counts_as_failure(kimi.StreamInterrupted("it broke"), started=True)
    assert not counts_as_failure(kimi.ContentFilteredError("no", status=400), started=True)


def test_a_plan_without_a_client_sees_no_breaker() -> None:
    state = PlanState(providers=(ACE,), retries=Retries())
    failed = Failed(provider=ACE, error=BROKE, started=False)
    assert retrying(REQUEST, (), state, 0.0, 0.5) == Send(provider=ACE)
    again = Send(provider=ACE, after=0.25, paid=True)
    assert retrying(REQUEST, (failed,), state, 0.0, 0.5) == again
    assert retrying(REQUEST, (failed,) * 3, state, 0.0, 0.5) == Raise(BROKE)
    assert state.health.due(ACE) == 0
    assert no_problem(ACE) is None


def test_a_retry_that_cannot_end_in_time_is_not_made() -> None:
    state = PlanState(providers=(ACE,), retries=Retries(), deadline=0.2)
    failed = Failed(provider=ACE, error=BROKE, started=False)
    assert retrying(REQUEST, (failed,), state, 0.0, 0.5) == Raise(BROKE)


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Retries, {"attempts": 0}, "Retries.attempts must be a whole number from 1"),
        (Retries, {"ceiling": 2.0}, "Retries.ceiling must be a whole number from 1"),
        (Retries, {"base": -1}, "Retries.base must be a number from 0"),
        (Retries, {"cap": float("nan")}, "Retries.cap must be a number from 0"),
        (Retries, {"base": True}, "Retries.base must be a number from 0"),
        (Retries, {"budget": 5}, "Retries.budget must be a RetryBudget"),
        (Retries, {"base": 10**309}, "Retries.base must be a number from 0"),
        (RetryBudget, {"ratio": "much"}, "RetryBudget.ratio must be a number from 0"),
        (Breaker, {"minimum": None}, "Breaker.minimum must be a whole number from 1"),
        (Breaker, {"window": None}, "Breaker.window must be a number from 0"),
    ],
)
def test_rules_that_cannot_work(kind: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(kimi.ConfigurationError, match=words):
        kind(**settings)


def test_rules_that_work() -> None:
    assert Breaker(slow_first_output=None).slow_first_output is None
    assert Retries.none() == Retries(attempts=1, ceiling=1)
    assert Retries(base=0, cap=1.5).cap == 1.5
