"""Requests that are refused before they are paid for."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from check_cases import ACE, CASES, CLOUDSWAY, MOONSHOT, Case
from fake_host import HELLO, FakeHost
from hypothesis import given
from hypothesis import strategies as st
from json_strategies import anything
from paths import DATA

import kimi_async as kimi
from kimi_async import AsyncKimi, KimiWarning
from kimi_async._request._checks import check_request
from kimi_async._wire import ChatRequest

pytestmark = pytest.mark.anyio

REQUESTS = DATA / "requests"
TOO_MANY = "only 0.95 is accepted"
TURN = [
    kimi.user("Hi"),
    kimi.assistant(
        reasoning_content="Hm.", tool_calls=[kimi.ToolCall(id="f:0", name="f", arguments="{}")]
    ),
    kimi.tool_result("f:0", "1"),
    kimi.assistant("So."),
]

CONTRADICTIONS = {name: case for name, case in CASES.items() if case.contradiction}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.mark.fact("6.3/same-id-twice-in-one")
@each_case
def test_a_request_that_would_be_wasted(case: Case) -> None:
    client = AsyncKimi(case.provider, model=case.model)
    (found,) = client.preview(case.bad_messages, **case.bad).findings
    assert (found.code, found.where, found.level) == (
        case.code,
        case.where,
        "error" if case.error or case.contradiction else "warning",
    )
    assert case.text in found.message
    assert str(found) == f"{case.where}: {found.message} ({case.code})"


@each_case
def test_the_same_put_right_passes(case: Case) -> None:
    client = AsyncKimi(case.provider, model=case.model)
    assert client.preview(case.good_messages, **case.good).findings == ()


def test_every_code_is_in_the_table() -> None:
    assert {*MOONSHOT.capabilities.default.refused.value} <= {case.code for case in CASES.values()}


@each_case
async def test_an_error_is_raised_and_a_warning_is_given(case: Case) -> None:
    host = FakeHost([HELLO])
    client = host.client(case.provider, model=case.model)
    strict: dict[str, Any] = {**case.bad, "checks": "error"}
    lenient: dict[str, Any] = {**case.bad, "checks": "warn"}
    if case.error or case.contradiction:
        with pytest.raises(kimi.ConfigurationError, match="known to refuse this request") as caught:
            await client.chat(case.bad_messages, **strict)
        assert case.text in str(caught.value)
        assert host.requests == []
    if case.contradiction:
        with pytest.raises(kimi.ConfigurationError, match="no provider can answer") as caught:
            await client.chat(case.bad_messages, **lenient)
        assert case.text in str(caught.value)
        assert host.requests == []
    else:
        with pytest.warns(KimiWarning) as warned:
            await client.chat(case.bad_messages, **lenient)
        assert case.text in str(warned.list[0].message)
        assert warned.list[0].filename == __file__  # the line of the caller
        assert len(host.requests) == 1


@pytest.mark.parametrize("case", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
async def test_a_contradiction_is_sent_only_without_checks(case: Case) -> None:
    host = FakeHost([HELLO])
    client = host.client(case.provider, model=case.model, checks="off")
    assert (await client.chat(case.bad_messages, **case.bad)).text
    assert len(host.requests) == 1


async def test_what_is_done_with_a_finding_can_be_chosen() -> None:
    host = FakeHost(*[[HELLO]] * 3)
    client = host.client(MOONSHOT, checks="warn")
    with pytest.warns(KimiWarning, match=TOO_MANY):
        await client.stream("Hi", top_p=0.5).final()
    await client.chat("Hi", top_p=0.5, checks="off")
    await client.with_options(checks="off").chat("Hi", top_p=0.5)
    with pytest.raises(kimi.ConfigurationError, match=TOO_MANY):
        await client.chat("Hi", top_p=0.5, checks="error")
    assert len(host.requests) == 3


async def test_all_errors_are_told_at_once_and_nothing_that_a_user_said() -> None:
    client = FakeHost().client(MOONSHOT, checks="error")
    with pytest.raises(kimi.ConfigurationError) as caught:
        await client.chat([kimi.user("secret"), kimi.user("")], top_p=0.5, n=2)
    assert str(caught.value) == (
        "the provider is known to refuse this request:"
        " top_p: only 0.95 is accepted; leave it out (fixed-sampling);"
        " n: only 1 is accepted; leave it out (fixed-sampling);"
        " messages[1]: it has neither content nor calls; leave it out (empty-message)."
        " checks='warn' sends it anyway."
    )


def test_an_unknown_way_is_refused() -> None:
    for checks in ("strict", None):
        with pytest.raises(kimi.ConfigurationError, match="checks must be one of 'error', 'warn'"):
            FakeHost().client(checks=checks)


def test_the_caller_knows_better() -> None:
    told = MOONSHOT.capabilities.override(refused=(), fixed_sampling={})
    (found,) = (
        FakeHost()
        .client(kimi.Moonshot("k", capabilities=told))
        .preview([kimi.user("")], top_p=0.5)
        .findings
    )
    assert (found.code, found.level) == ("empty-message", "warning")


@pytest.mark.parametrize("path", sorted(REQUESTS.rglob("*.json")), ids=lambda path: path.stem)
def test_what_the_providers_show_is_no_error(path: Path) -> None:
    shown = json.loads(path.read_text("utf-8"))
    messages = shown.pop("messages")
    # `stream` and the words of `thinking` are spelled by the provider.
    params = {key: value for key, value in shown.items() if key not in ("stream", "thinking")}
    findings = FakeHost().client(CLOUDSWAY).preview(messages, **params).findings
    assert {finding.level for finding in findings} <= {"warning"}
    assert {finding.code for finding in findings} <= {"partial"}


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["content", "tool_calls", "partial", "tool_call_id", "tools"]),
            anything,
        )
    )
)
def test_whatever_a_message_holds_it_is_looked_at(parts: list[dict[str, object]]) -> None:
    messages = tuple({"role": role, **part} for part in parts for role in ("assistant", "tool"))
    request = ChatRequest(model="kimi-k3", messages=messages or ({"role": "user"},), wire="stream")
    for provider in (ACE, CLOUDSWAY, MOONSHOT):
        for finding in check_request(request, provider):
            assert finding.where.startswith("messages[")


def test_a_long_history_costs_little() -> None:
    """Its cost grows with the number of messages, and not with their square."""

    def seconds(turns: int) -> float:
        history = tuple(message.to_wire() for _ in range(turns) for message in TURN)
        request = ChatRequest(model="kimi-k2.6", messages=history, wire="stream")
        best = float("inf")
        for _ in range(5):
            begun = time.process_time()
            assert check_request(request, MOONSHOT) == ()
            best = min(best, time.process_time() - begun)
        return best

    assert seconds(4_000) < 100 * max(seconds(100), 1e-4)
