"""The moving percentile of the first outputs, and the cap of the hedges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kimi_async._reply._hedge_state import FirstOutputs, HedgeCap, HedgeState


def outputs_of(seconds: list[float]) -> FirstOutputs:
    outputs = FirstOutputs()
    for each in seconds:
        outputs.add(each)
    return outputs


@given(st.lists(st.floats(0, 100), min_size=20, max_size=200), st.integers(50, 99))
def test_so_many_requests_do_not_exceed_the_percentile(seconds: list[float], percent: int) -> None:
    found = outputs_of(seconds).percentile(percent)
    assert found in seconds
    assert 100 * sum(each <= found for each in seconds) >= percent * len(seconds)
    assert 100 * sum(each < found for each in seconds) < percent * len(seconds)


@given(
    st.lists(st.floats(0, 100), max_size=50), st.lists(st.floats(0, 100), min_size=1, max_size=9)
)
def test_only_the_last_thousand_requests_count(old: list[float], some: list[float]) -> None:
    new = [some[number % len(some)] for number in range(1_000)]
    for percent in (50, 95, 99):
        assert outputs_of(old + new).percentile(percent) == outputs_of(new).percentile(percent)


def test_a_few_requests_have_no_percentile() -> None:
    outputs = outputs_of([1.0] * 19)
    assert outputs.percentile(95) is None
    outputs.add(2.0)
    assert (outputs.percentile(95), outputs.percentile(99)) == (1.0, 2.0)


def test_the_times_of_64_models_are_kept() -> None:
    state = HedgeState()
    for number in range(65):
        for _ in range(20):
            state.outputs_of(number).add(float(number))
    assert [state.outputs_of(number).percentile(50) for number in (1, 64, 0)] == [1.0, 64.0, None]


def test_a_new_client_may_send_one_hedge() -> None:
    cap = HedgeCap()
    assert [cap.take(), cap.take()] == [True, False]


@given(st.lists(st.integers(0, 100), max_size=50), st.integers(0, 3))
def test_the_cap_holds_for_any_order(requests: list[int], wanted: int) -> None:
    """Of any number of requests in a row, 5 % may have a hedge, and at most five more."""
    cap = HedgeCap()
    sent: list[tuple[int, int]] = [(0, 0)]
    for number in requests:
        for _ in range(number):
            cap.count()
        hedges = sum(cap.take() for _ in range(wanted * number))
        sent.append((sent[-1][0] + number, sent[-1][1] + hedges))
    for at, (requests_before, hedges_before) in enumerate(sent):
        for requests_after, hedges_after in sent[at:]:
            assert hedges_after - hedges_before <= (requests_after - requests_before) / 20 + 5


def test_every_twentieth_request_may_have_a_hedge() -> None:
    cap = HedgeCap()
    hedges = 0
    for _ in range(10_000):
        cap.count()
        hedges += cap.take()
    assert hedges == 501
