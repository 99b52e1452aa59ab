"""The limits of one provider as values: when a request may be sent, and what is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kimi_async import ConfigurationError, RateLimitError, RateLimits, Usage
from kimi_async._reply._rates import LearnedLimit, MinuteLimit, Rates, Reservation, TokenEstimate

NONE = RateLimits()
TWENTY = RateLimits(concurrency=20)


def begin(rates: Rates, limits: RateLimits, count: int, now: float = 0.0) -> list[Reservation]:
    return [rates.begin(limits, 10, now) for _ in range(count)]


def refuse(rates: Rates, error: RateLimitError, limits: RateLimits, now: float) -> None:
    """Send one more request, which is refused."""
    rates.refused(error, rates.begin(limits, 10, now), limits, now)


def test_the_21st_request_waits_until_another_one_has_ended() -> None:
    rates = Rates()
    begin(rates, TWENTY, 19)
    assert rates.delay(TWENTY, 10, 0.0) == 0.0
    begin(rates, TWENTY, 1)
    assert rates.delay(TWENTY, 10, 0.0) == math.inf
    rates.in_flight -= 1
    assert rates.delay(TWENTY, 10, 0.0) == 0.0


def test_without_a_limit_every_request_is_sent() -> None:
    rates = Rates()
    begin(rates, NONE, 10_000)
    assert rates.delay(NONE, 10**9, 0.0) == 0.0


def test_a_request_of_the_last_minute_counts_for_61_seconds() -> None:
    rates, limits = Rates(), RateLimits(requests_per_minute=2)
    begin(rates, limits, 1, now=1.0)
    begin(rates, limits, 1, now=5.0)
    assert rates.delay(limits, 0, 6.0) == pytest.approx(56.0)
    assert rates.delay(limits, 0, 61.9) > 0.0
    assert rates.delay(limits, 0, 62.0) == 0.0


def test_a_request_that_is_larger_than_the_limit_waits_for_all_of_it() -> None:
    rates, limits = Rates(), RateLimits(tokens_per_minute=100)
    assert rates.delay(limits, 1_000, 0.0) == 0.0
    rates.begin(limits, 1, 0.0)
    assert rates.delay(limits, 1_000, 30.0) == pytest.approx(31.0)
    assert rates.delay(limits, 1_000, 61.0) == 0.0
    rates.begin(limits, 1_000, 61.0)
    assert rates.delay(limits, 1, 62.0) == pytest.approx(60.0)


def test_times_of_the_clock_of_another_event_loop_do_not_count() -> None:
    rates, limits = Rates(), RateLimits(requests_per_minute=1)
    begin(rates, limits, 1, now=10_000.0)
    refuse(rates, refusal(retry_after=30.0), limits, 10_000.0)
    assert rates.delay(limits, 0, 10_001.0) > 0.0
    assert rates.delay(limits, 0, 0.0) == 0.0


def test_the_real_usage_replaces_the_estimate() -> None:
    rates, limits = Rates(), RateLimits(tokens_per_minute=1_000)
    reserved = rates.begin(limits, 900, 0.0)
    assert rates.delay(limits, 200, 1.0) > 0.0
    usage = Usage(prompt_tokens=80, completion_tokens=20, total_tokens=100)
    rates.settle(reserved, 400, usage)
    rates.settle(reserved, 400, usage)  # a second time changes nothing
    assert rates.tokens.used(1.0) == 100
    assert rates.delay(limits, 900, 1.0) == 0.0


@pytest.mark.parametrize(
    ("usage", "used"),
    [
        (Usage(prompt_tokens=80, completion_tokens=20), 100),
        (Usage(prompt_tokens=80), 80),
        (Usage(completion_tokens=20), 900),
    ],
)
def test_a_usage_without_its_sum(usage: Usage, used: int) -> None:
    rates, limits = Rates(), RateLimits(tokens_per_minute=1_000)
    rates.settle(rates.begin(limits, 900, 0.0), 0, usage)
    assert rates.tokens.used(1.0) == used


def test_a_usage_that_comes_after_its_minute_changes_nothing() -> None:
    rates, limits = Rates(), RateLimits(tokens_per_minute=1_000)
    reserved = rates.begin(limits, 900, 0.0)
    assert rates.tokens.used(100.0) == 0
    rates.settle(reserved, 400, Usage(total_tokens=5))
    assert rates.tokens.used(100.0) == 0


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 120), st.floats(0.0, 30.0)), max_size=60)
)
def test_a_minute_never_holds_more_than_the_limit(
    requests: list[tuple[int, int, float]],
) -> None:
    """Each request waits as long as it is told, and its real usage is at most its estimate, or anything more."""
    minute, now, sent = MinuteLimit(), 1_000.0, list[tuple[float, int]]()
    for amount, real, pause in requests:
        now += pause
        while (delay := minute.delay(amount, 100.0, now)) > 0.0:
            now += delay
        spent = minute.spend(amount, now)
        difference = min(real, amount) - amount
        minute.settle(spent, difference)
        sent.append((now, amount + difference))
        assert sum(each for at, each in sent if now - 60.0 < at) <= 100
    assert minute.used(now + 200.0) == 0


def test_many_small_amounts_take_little_memory() -> None:
    minute = MinuteLimit()
    for number in range(100_000):
        minute.spend(1, number / 1_000)
    assert len(minute._spent) <= 1_001
    assert minute.used(100.0) <= 61_200


def test_the_estimate_learns_from_the_usage() -> None:
    estimate = TokenEstimate()
    assert estimate.tokens(4_000, 500) == 1_500
    assert estimate.tokens(0, None) == 1_024
    for _ in range(100):
        estimate.learn(4_000, Usage(prompt_tokens=2_000, completion_tokens=100))
    estimate.learn(0, Usage())
    assert estimate.tokens(4_000, None) == pytest.approx(2_100, rel=0.01)


# Refusals


def refusal(
    *, code: str | None = None, text: str = "slow", retry_after: float | None = None
) -> RateLimitError:
    return RateLimitError(text, status=429, code=code, retry_after=retry_after)


AT_ONCE = refusal(code="rate_limited")


@pytest.mark.parametrize("error", [AT_ONCE, refusal(text="reached max concurrency: 3")])
def test_a_refusal_for_too_many_at_once_lowers_that_limit(error: RateLimitError) -> None:
    rates, limits = Rates(), RateLimits(concurrency=20, requests_per_minute=1_000)
    *_, last = begin(rates, limits, 11)
    rates.refused(error, last, limits, 0.0)
    assert rates.limit(limits) == 7
    assert rates.requests.limit(1_000) == 1_000


def test_refusals_of_one_round_lower_the_limit_once() -> None:
    rates = Rates()
    sent = begin(rates, NONE, 25)
    for reserved in sent[20:]:
        rates.refused(AT_ONCE, reserved, NONE, 0.0)
        rates.in_flight -= 1
    assert rates.limit(NONE) == 16
    (later,) = begin(rates, NONE, 1)
    rates.refused(AT_ONCE, later, NONE, 0.0)
    assert rates.limit(NONE) == 14


def test_a_refusal_with_nothing_else_in_flight_leaves_one_request() -> None:
    rates = Rates()
    refuse(rates, AT_ONCE, TWENTY, 0.0)
    rates.in_flight -= 1
    assert rates.limit(TWENTY) == 1
    assert rates.delay(TWENTY, 1, 0.0) == 0.0


def test_successes_raise_the_limit_by_one_for_each_round() -> None:
    rates = Rates()
    *_, last = begin(rates, TWENTY, 21)
    rates.refused(AT_ONCE, last, TWENTY, 0.0)
    rates.in_flight = 14
    assert rates.limit(TWENTY) == 14
    limits = []
    for _ in range(200):
        rates.in_flight = min(20, math.floor(rates.limit(TWENTY)))
        rates.succeeded(TWENTY)
        limits.append(math.floor(rates.limit(TWENTY)))
    assert limits[12] == 14
    assert limits[15] == 15
    assert limits[-1] == 20
    assert rates.concurrency.value is None
    assert limits == sorted(limits)


def test_a_limit_that_is_not_used_is_not_raised() -> None:
    rates = Rates()
    *_, last = begin(rates, NONE, 21)
    rates.refused(AT_ONCE, last, NONE, 0.0)
    rates.in_flight = 1
    for _ in range(1_000):
        rates.succeeded(NONE)
    assert rates.limit(NONE) == 14


def test_a_refusal_for_a_minute_lowers_the_limits_of_a_minute() -> None:
    rates = Rates()
    limits = RateLimits(concurrency=5, requests_per_minute=100, tokens_per_minute=50)
    refuse(rates, refusal(), limits, 0.0)
    assert (rates.limit(limits), rates.requests.limit(100), rates.tokens.limit(50)) == (5, 70, 35)
    for _ in range(700):
        rates.succeeded(limits)
    assert (rates.requests.limit(100), rates.tokens.limit(50)) == (100, 50)


def test_a_refusal_of_an_unknown_kind_lowers_the_requests_at_once() -> None:
    rates = Rates()
    *_, last = begin(rates, NONE, 11)
    rates.refused(refusal(), last, NONE, 0.0)
    assert rates.limit(NONE) == 7


def test_nothing_is_sent_before_the_time_that_the_provider_names() -> None:
    rates = Rates()
    first, second = begin(rates, NONE, 2)
    rates.refused(refusal(retry_after=20.0), first, NONE, 100.0)
    rates.refused(refusal(retry_after=5.0), second, NONE, 101.0)
    rates.in_flight = 0
    assert rates.delay(NONE, 1, 110.0) == pytest.approx(10.0)
    assert rates.delay(NONE, 1, 120.0) == 0.0


def test_a_very_long_wait_concerns_only_the_reply_that_was_refused() -> None:
    rates = Rates()
    refuse(rates, refusal(retry_after=3_600.0), NONE, 0.0)
    assert rates.pause(0.0) == 0.0


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 64))
def test_a_learned_limit_stays_between_one_and_the_known_one(
    refused: list[bool], known: int
) -> None:
    learned = LearnedLimit()
    for number, is_refused in enumerate(refused, 1):
        if is_refused:
            learned.lower(learned.within(known), number=number, last=number)
        else:
            learned.succeed(known)
        assert 1.0 <= learned.within(known) <= known


# Headers


def headers(**figures: str) -> Mapping[str, str]:
    return {f"x-ratelimit-{name.replace('_', '-')}": text for name, text in figures.items()}


def test_headers_tell_a_limit_and_the_requests_of_others() -> None:
    rates = Rates()
    told = headers(limit_requests="10", remaining_requests="1", reset_requests="6s")
    rates.told(told, 0.0)
    assert rates.delay(NONE, 0, 0.0) == 0.0
    begin(rates, NONE, 1)
    assert rates.delay(NONE, 0, 0.0) == pytest.approx(6.0)
    assert rates.delay(NONE, 0, 6.0) == 0.0
    begin(rates, NONE, 9, 6.0)
    assert rates.delay(NONE, 0, 6.0) == pytest.approx(55.0)


def test_our_own_requests_are_not_counted_as_those_of_others() -> None:
    rates = Rates()
    rates.told(headers(limit_requests="10", remaining_requests="10"), 0.0)
    begin(rates, NONE, 5)
    rates.told(headers(remaining_requests="5"), 0.0)
    assert rates.requests.used(1.0) == 5
    rates.told(headers(remaining_requests="2", reset_requests="no time"), 0.0)
    assert rates.requests.used(1.0) == 8


@pytest.mark.parametrize(
    ("told", "pause"),
    [
        (headers(remaining="0", reset="12"), 12.0),
        (headers(remaining="0", reset="1m2s"), 0.0),
        (headers(remaining="0"), 0.0),
        (headers(remaining="1", reset="12"), 0.0),
        (headers(remaining_tokens="many"), 0.0),
        (headers(remaining_requests="3"), 0.0),
        (headers(limit_requests="0", remaining_requests="0"), 0.0),
    ],
)
def test_headers_without_a_unit_only_pause(told: Mapping[str, str], pause: float) -> None:
    rates = Rates()
    rates.told(told, 0.0)
    assert rates.delay(NONE, 0, 0.0) == pause


@pytest.mark.parametrize(
    "settings",
    [{"concurrency": 0}, {"requests_per_minute": 1.5}, {"tokens_per_minute": True}],
)
def test_a_limit_that_cannot_work_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=f"RateLimits.{next(iter(settings))} must be"):
        RateLimits(**settings)
