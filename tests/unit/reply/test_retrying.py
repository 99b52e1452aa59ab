"""Retries, fail-over and breakers before the first output, over fakes and in virtual time."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

import kimi_async as kimi
from kimi_async import AsyncKimi, Breaker, Retries, Timeouts
from kimi_async.testing import (
    ErrorReply,
    FakeTransport,
    Faulty,
    ReceivedRequest,
    Reply,
    ScriptedReply,
    SlowHeaders,
    virtual_time,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


def asked(fake: FakeTransport) -> list[str]:
    return [request.path.split("/")[1] for request in fake.requests]


def both(fake: FakeTransport, **options: Any) -> AsyncKimi:
    providers = [fake.acedata(), fake.cloudsway()]
    defaults: dict[str, Any] = {"provider": providers, "retries": Retries()}
    return fake.client(**(defaults | options))


def answers(acedata: ScriptedReply, cloudsway: ScriptedReply) -> FakeTransport:
    def answer(request: ReceivedRequest) -> ScriptedReply:
        return acedata if request.path.startswith("/acedata") else cloudsway

    return FakeTransport(answer)


A, B = "acedata", "cloudsway"
MUTE = Faulty(Reply("never"), SlowHeaders(1e6))
BUSY = ErrorReply(429, headers={"retry-after": "7"})


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        pytest.param([ErrorReply(500)], [A, A], id="5xx"),
        pytest.param([ErrorReply(500)] * 3, [A, A, A, B], id="5xx-used-up"),
        pytest.param([MUTE], [A, B], id="mute"),
        pytest.param([BUSY], [A, B], id="rate-limit"),
        pytest.param([BUSY, BUSY], [A, B, A], id="rate-limit-of-both"),
        pytest.param([ErrorReply(409)], [A, A], id="409"),
        pytest.param([ErrorReply(409)] * 2, [A, A, B], id="409-twice"),
        pytest.param([ErrorReply(401)], [A, B], id="key"),
        pytest.param([ErrorReply(402)], [A, B], id="money"),
        pytest.param([ErrorReply(404)], [A, B], id="model"),
    ],
)
async def test_who_is_asked_after_each_failure(
    failures: list[ScriptedReply], expected: list[str]
) -> None:
    fake = FakeTransport([*failures, Reply("Hello")])
    stream = both(fake).stream("Hi")
    events = [event async for event in stream]
    assert asked(fake) == expected
    assert [type(event) for event in events[: len(failures)]] == [kimi.AttemptFailed] * len(
        failures
    )
    assert [each.provider for each in stream.attempts] == expected


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_refused_request_is_sent_once(status: int) -> None:
    fake = FakeTransport([ErrorReply(status)])
    with pytest.raises(kimi.APIError):
        await both(fake).chat("Hi")
    assert asked(fake) == [A]


async def test_one_provider_raises_its_one_error() -> None:
    fake = FakeTransport([ErrorReply(500)] * 3)
    with pytest.raises(kimi.ServerError):
        await fake.client(retries=Retries()).chat("Hi")
    assert len(fake.requests) == 3


async def test_several_providers_raise_the_last_error_of_each() -> None:
    fake = FakeTransport([ErrorReply(404), ErrorReply(401)])
    with pytest.raises(kimi.ProviderUnavailableError) as caught:
        await both(fake).chat("Hi")
    assert [type(each) for each in caught.value.errors] == [
        kimi.NotFoundError,
        kimi.AuthenticationError,
    ]
    assert not caught.value.retryable


async def test_a_wait_that_is_too_long_is_not_taken() -> None:
    fake = FakeTransport([ErrorReply(429, headers={"retry-after": "61"})])
    with pytest.raises(kimi.RateLimitError) as caught:
        await fake.client(retries=Retries()).chat("Hi")
    assert caught.value.retry_after == 61


async def test_an_outage_of_both_costs_one_request_each_call() -> None:
    client = both(fake := answers(ErrorReply(500), ErrorReply(503)))

    async def fail(count: int) -> None:
        for _ in range(count):
            with pytest.raises(kimi.KimiError):
                await client.chat("Hi")

    await fail(20)
    assert [each.models["kimi-k3"].state for each in client.health().values()] != ["closed"] * 2
    before = len(fake.requests)
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(fail, 50)
    assert len(fake.requests) - before <= 1200


async def test_a_mute_provider_costs_one_first_output() -> None:
    fake = answers(MUTE, Reply("Hello"))
    client = both(fake, timeouts=Timeouts(first_output=10))
    begun = anyio.current_time()
    assert (await client.chat("Hi")).provider == B
    assert 10 <= anyio.current_time() - begun < 11


async def test_a_provider_is_isolated_and_restored() -> None:
    fake = FakeTransport([Reply("1"), Reply("2")])
    client = both(fake)
    client.isolate(A)
    assert client.health()[A].isolated
    assert not client.health()[A].available
    await client.chat("Hi")
    client.isolate(B)
    with pytest.raises(kimi.ProviderUnavailableError) as caught:
        await client.chat("Hi")
    assert len(caught.value.errors) == 2
    client.restore(A)
    await client.chat("Hi")
    assert asked(fake) == [B, A]
    with pytest.raises(kimi.ConfigurationError, match="no provider is named 'c'"):
        client.isolate("c")


@pytest.mark.parametrize("retries", [Retries(), Retries.none()], ids=["retries", "none"])
async def test_the_only_provider_is_isolated(retries: Retries) -> None:
    fake = FakeTransport([Reply("1")])
    client = fake.client(retries=retries)
    client.isolate(A)
    with pytest.raises(kimi.ProviderUnavailableError, match="isolate"):
        await client.chat("Hi")
    client.restore(A)
    assert (await client.chat("Hi")).text == "1"


async def test_a_breaker_opens_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeTransport([ErrorReply(500)] * 2 + [Reply("1")])
    client = fake.client(breaker=Breaker(consecutive=2))
    with caplog.at_level(logging.INFO, "kimi_async"):
        for _ in range(2):
            with pytest.raises(kimi.ServerError):
                await client.chat("Hi")
        assert client.health()[A].models["kimi-k3"].state == "open"
        await anyio.sleep(10)
        assert client.health()[A].models["kimi-k3"].state == "half-open"
        await client.chat("Hi")
    assert client.health()[A].models["kimi-k3"].state == "closed"
    lines = [record.message for record in caplog.records if "breaker" in record.message]
    assert [("opened" in line) for line in lines] == [True, False]


async def test_the_health_is_told_in_a_thread() -> None:
    client = FakeTransport([ErrorReply(500)]).client(breaker=Breaker(consecutive=1))
    unasked = client.health()[A]
    assert (unasked.models, unasked.available) == ({}, True)
    with pytest.raises(kimi.ServerError):
        await client.chat("Hi")
    with ThreadPoolExecutor() as thread:  # no event loop runs there
        health = thread.submit(client.health).result()
    assert health == client.health()
    assert health[A].models["kimi-k3"].opens_in > 0


async def test_a_cancelled_call_counts_neither_way() -> None:
    client = (answers(MUTE, MUTE)).client(retries=Retries(), breaker=Breaker(consecutive=1))
    with anyio.move_on_after(1):
        await client.chat("Hi")
    assert client.health()[A].models["kimi-k3"].requests == 0


async def test_a_provider_that_cannot_serve_the_request_is_skipped_with_its_reason() -> None:
    fake = FakeTransport([ErrorReply(404)])
    compatible = fake.moonshot()
    client = both(fake, provider=[fake.cloudsway(), compatible])
    thinking = kimi.Thinking(budget_tokens=2000)
    with pytest.raises(kimi.ProviderUnavailableError) as caught:
        await client.chat("Hi", thinking=thinking)
    assert len(fake.requests) == 1
    assert isinstance(caught.value.errors[1], kimi.ConfigurationError)


async def test_a_provider_that_is_known_to_refuse_the_request_is_skipped() -> None:
    fake = FakeTransport([ErrorReply(404)])
    client = both(fake, provider=[fake.acedata(), fake.moonshot()], model="kimi-k2.5")
    with pytest.raises(kimi.ProviderUnavailableError) as caught:
        await client.chat("Hi")
    assert len(fake.requests) == 1
    assert "it is known to refuse this request: model: this model was retired" in str(
        caught.value.errors[1]
    )


BUDGET = kimi.Thinking(budget_tokens=2000)
NO_BUDGET = "acedata is left out for this request: acedata has no thinking budget"
RETIRED = "moonshot is left out for this request: it is known to refuse this request: model"


@pytest.mark.parametrize(
    ("first", "params", "warning"),
    [
        ("acedata", {"model": "kimi-k3", "thinking": BUDGET}, NO_BUDGET),
        ("acedata", {"model": "kimi-k3", "thinking": BUDGET, "checks": "error"}, NO_BUDGET),
        ("moonshot", {"model": "kimi-k2.5"}, RETIRED),
        ("moonshot", {"model": "kimi-k2.5", "checks": "error"}, RETIRED),
    ],
    ids=["parameter", "parameter-strict", "refused", "refused-strict"],
)
async def test_a_first_provider_that_cannot_serve_the_request_is_skipped(
    first: str, params: dict[str, Any], warning: str
) -> None:
    fake = FakeTransport([Reply("Hello"), ErrorReply(404)])
    client = both(fake, provider=[getattr(fake, first)(), fake.cloudsway()])
    with pytest.warns(kimi.KimiWarning, match=warning):
        reply = await client.chat("Hi", **params)
    assert (reply.text, reply.provider, asked(fake)) == ("Hello", B, [B])
    with (
        pytest.warns(kimi.KimiWarning, match=warning),
        pytest.raises(kimi.ProviderUnavailableError) as caught,
    ):
        await client.chat("Hi", **params)
    unable, failed = caught.value.errors
    assert (type(unable), unable.provider) == (kimi.ConfigurationError, first)
    assert isinstance(failed, kimi.NotFoundError)


async def test_without_checks_a_provider_is_skipped_without_a_warning() -> None:
    fake = FakeTransport([Reply("Hello")])
    reply = await both(fake, checks="off").chat("Hi", thinking=BUDGET)
    assert reply.provider == B


async def test_when_no_provider_can_serve_the_request_each_reason_is_told() -> None:
    fake = FakeTransport([])
    thinking = kimi.Thinking(budget_tokens=2000, keep="all")
    with pytest.raises(kimi.ProviderUnavailableError) as caught:
        await both(fake).chat("Hi", thinking=thinking)
    assert str(caught.value).startswith(
        "no provider can serve this request: acedata: acedata has no thinking budget; leave budget_tokens out;"
        " cloudsway: cloudsway has no parameter for Thinking(keep=...)"
    )
    assert [(type(each), each.provider) for each in caught.value.errors] == [
        (kimi.ConfigurationError, A),
        (kimi.ConfigurationError, B),
    ]


async def test_a_request_that_each_provider_refuses_for_the_same_reason_is_a_wrong_one() -> None:
    fake = FakeTransport([Reply("Hello")])
    client = both(fake, provider=[fake.moonshot(), fake.moonshot(name="m2")], model="kimi-k2.5")
    with pytest.raises(kimi.ConfigurationError, match="the provider is known to refuse") as caught:
        await client.chat("Hi", checks="error")
    assert type(caught.value) is kimi.ConfigurationError
    with pytest.warns(kimi.KimiWarning, match="this model was retired"):
        reply = await client.chat("Hi")
    assert reply.provider == "moonshot"


@pytest.mark.parametrize("wire", ["stream", "json"])
async def test_names_of_models_and_both_wires(wire: Any) -> None:
    fake = FakeTransport([ErrorReply(404), Reply("Hello")])
    named = fake.cloudsway(models={"kimi-k3": "my-model"})
    client = both(fake, provider=[fake.acedata(), named], model="kimi-k3")
    reply = await client.chat("Hi", wire=wire)
    assert (reply.text, reply.provider) == ("Hello", B)
    assert [request.body["model"] for request in fake.requests] == ["kimi-k3", "my-model"]


# A client that is closed


CUT = Reply("Hello, you!", cut_after=2, end="reset")


@pytest.mark.parametrize(
    ("script", "options", "error", "partial"),
    [
        pytest.param([MUTE], {}, kimi.TransportError, None, id="sent"),
        pytest.param([MUTE] * 2, {"hedge_after": 1.0}, kimi.TransportError, None, id="hedged"),
        pytest.param([MUTE], {"hedge_after": 9.0}, kimi.TransportError, None, id="not-hedged-yet"),
        pytest.param([BUSY] * 2, {}, kimi.RateLimitError, None, id="wait"),
        pytest.param([CUT, BUSY, BUSY], {}, kimi.StreamInterrupted, "Hello, y", id="broken"),
    ],
)
async def test_a_call_of_a_client_that_is_closed_ends_at_once_with_its_last_error(
    script: list[ScriptedReply],
    options: dict[str, Any],
    error: type[kimi.KimiError],
    partial: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeTransport(script)
    client = both(fake, breaker=Breaker(consecutive=2), **options)
    began = anyio.current_time()
    errors: list[kimi.KimiError] = []

    async def ask() -> None:
        with pytest.raises(error) as caught:
            await client.chat("Hi")
        errors.append(caught.value)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.sleep(5)
        await client.aclose()
    assert anyio.current_time() == began + 5
    assert len(fake.requests) == len(script)
    shown = errors[0].partial
    assert (shown and shown.text) == partial
    assert "the breaker opened" not in caplog.text
