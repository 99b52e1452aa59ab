"""The settings that all fakes have: prefixes, rate limits, latency, the log, and fakes side by side."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from random import Random
from typing import Any

import anyio
import httpx
import pytest

import kimi_async as kimi
from kimi_async.testing import (
    Answer,
    ErrorReply,
    Exponential,
    FakeProvider,
    FakeRateLimits,
    FakeTransport,
    Faulty,
    Latency,
    LogNormal,
    MissingDone,
    Reply,
    Seconds,
    Send,
    Uniform,
    Wait,
    virtual_time,
)
from kimi_async.testing._received import log_line

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


# Prefixes

PARTIAL = {"role": "assistant", "content": "Once", "partial": True}


@pytest.mark.parametrize(
    ("messages", "content", "said"),
    [
        pytest.param([PARTIAL], "Once upon", " upon", id="a prefix"),
        pytest.param([PARTIAL], "Twice", "Twice", id="another beginning"),
        pytest.param([PARTIAL], None, None, id="a reply without content"),
        pytest.param([PARTIAL, {"role": "user"}], "Once", "Once", id="not the last message"),
        pytest.param([PARTIAL | {"partial": "true"}], "Once", "Once", id="partial is not true"),
        pytest.param([PARTIAL | {"content": None}], "Once", "Once", id="no text"),
        pytest.param(["Once"], "Once", "Once", id="not a message"),
        pytest.param([], "Once", "Once", id="no message"),
        pytest.param(None, "Once", "Once", id="no messages"),
    ],
)
async def test_a_reply_leaves_out_the_prefix_of_its_request(
    messages: object, content: str | None, said: str | None
) -> None:
    fake = FakeTransport([Reply(content)], api_key=None, honours_prefix=True)
    async with httpx.AsyncClient(transport=fake) as client:
        url = "https://kimi.test/kimi/chat/completions"
        response = await client.post(url, json={"model": "m", "messages": messages})
    assert response.json()["choices"][0]["message"]["content"] == said


@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize("wire", ["stream", "json"])
async def test_a_prefix_is_continued_or_not(honours: bool, wire: kimi.Wire) -> None:
    fake = FakeTransport([Reply("Once upon")], honours_prefix=honours)
    messages = [kimi.user("Tell"), kimi.assistant("Once", partial=True)]
    client = fake.client(provider=fake.moonshot(), checks="off")
    reply = await client.chat(messages, wire=wire)
    assert reply.text == (" upon" if honours else "Once upon")


# Rate limits


async def refused(client: kimi.AsyncKimi, **params: Any) -> kimi.RateLimitError:
    with pytest.raises(kimi.RateLimitError) as caught:
        await client.chat("Hi", **params)
    return caught.value


async def test_too_many_requests_at_once_are_refused_as_ace_data_cloud_does() -> None:
    fake = FakeTransport(Reply("Hi"), rate_limits=FakeRateLimits(concurrency=20))
    client = fake.client(provider=fake.acedata(rate_limits=None))
    streams = [client.stream("Hi") for _ in range(20)]
    for stream in streams:
        await anext(stream)
    error = await refused(client)
    assert error.code == "rate_limited"
    assert error.body == {
        "success": False,
        "error": {
            "code": "rate_limited",
            "message": "Concurrency limit exceeded for this token.",
        },
    }
    await streams[0].aclose()
    assert (await client.chat("Hi")).text == "Hi"
    for stream in streams:
        await stream.aclose()


async def test_moonshot_refuses_in_its_own_words() -> None:
    fake = FakeTransport([Reply("Hi")], rate_limits=FakeRateLimits(concurrency=1))
    client = fake.client(provider=fake.moonshot(rate_limits=None))
    async with client.stream("Hi"):
        error = await refused(client)
    assert error.type == "rate_limit_reached_error"
    assert error.message == "Your account reached max concurrency: 1"


async def test_a_script_that_fails_holds_no_place() -> None:
    replies: Iterator[Any] = iter([None, Reply("Hi")])
    fake = FakeTransport(
        lambda _: next(replies),
        rate_limits=FakeRateLimits(concurrency=1),
    )
    with pytest.raises(BaseException, match="returned NoneType"):
        await fake.client().chat("Hi")
    assert (await fake.client().chat("Hi")).text == "Hi"


async def test_requests_per_minute() -> None:
    fake = FakeTransport(Reply("Hi"), rate_limits=FakeRateLimits(requests_per_minute=2))
    client = fake.client(provider=fake.acedata(rate_limits=None))
    async with client.stream("Hi") as stream:
        assert stream.response is not None
        headers = {
            name: value
            for name, value in stream.response.headers.items()
            if name.startswith("x-ratelimit")
        }
    assert headers == {
        "x-ratelimit-limit": "2",
        "x-ratelimit-remaining": "1",
        "x-ratelimit-reset": "60",
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "60",
    }
    await anyio.sleep(20)
    await client.chat("Hi")
    error = await refused(client)
    assert (error.code, error.retry_after) == ("too_many_requests", 40)
    await anyio.sleep(40)
    await client.chat("Hi")
    assert (await refused(client)).retry_after == 20


async def test_tokens_per_minute_count_the_output_limit() -> None:
    limits = FakeRateLimits(tokens_per_minute=1_000, requests_per_minute=10)
    fake = FakeTransport(Reply("Hi"), rate_limits=limits)
    client = fake.client(provider=fake.moonshot(rate_limits=None))
    await client.chat("Hi", max_tokens=600)
    error = await refused(client, max_tokens=600)
    assert error.retry_after == 60
    assert "1000 tokens per minute, please try again after 60 seconds" in error.message
    await client.chat("Hi", max_tokens=100)
    await anyio.sleep(60)
    await client.chat("Hi", max_tokens=5_000)  # more than the limit: it needs an empty window
    await refused(client)
    assert fake.requests[0].body["max_completion_tokens"] == 600


async def test_the_list_of_models_has_no_limit() -> None:
    fake = FakeTransport(rate_limits=FakeRateLimits(requests_per_minute=1))
    assert [await fake.client().models() for _ in range(3)]


@pytest.mark.parametrize("name", ["concurrency", "requests_per_minute", "tokens_per_minute"])
def test_a_limit_is_a_count(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        FakeRateLimits(**{name: 0})
    wrong: dict[str, Any] = {name: "1"}
    with pytest.raises(TypeError, match=name):
        FakeRateLimits(**wrong)


# Latency


@pytest.mark.parametrize(
    ("distribution", "median"),
    [
        pytest.param(Uniform(1, 3), 2, id="uniform"),
        pytest.param(LogNormal(median=2, p95=10), 2, id="lognormal"),
        pytest.param(Exponential(2), 1.386, id="exponential"),
    ],
)
def test_a_distribution(distribution: Uniform | LogNormal | Exponential, median: float) -> None:
    random = Random(1)
    drawn = [distribution.draw(random) for _ in range(5_000)]
    assert min(drawn) >= 0
    assert statistics.median(drawn) == pytest.approx(median, rel=0.1)


def test_a_twentieth_of_a_lognormal_is_above_its_p95() -> None:
    random = Random(1)
    above = [LogNormal(median=2, p95=10).draw(random) > 10 for _ in range(5_000)]
    assert sum(above) / 5_000 == pytest.approx(0.05, abs=0.01)


def test_the_waits_of_an_answer() -> None:
    answer = Answer(steps=(Send(b"a"), Send(b"b"), Send(b"c")))
    late = Latency(headers=1, first=2, between=3).apply(answer, 1)
    assert late.before_headers == (Wait(1),)
    waits = [step.seconds for step in late.steps if isinstance(step, Wait)]
    assert waits == [2, 3, 3]
    assert Latency().apply(answer, 1) == answer


async def times(*, seed: int, overlapping: bool) -> list[float]:
    latency = Latency(first=LogNormal(median=1, p95=5), seed=seed)
    fake = FakeTransport(Reply("Hi"), latency=latency)
    client = fake.client()
    taken = [0.0] * 5

    async def ask(number: int) -> None:
        started = anyio.current_time()
        await client.chat("Hi")
        taken[number] = round(anyio.current_time() - started, 6)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(ask, number)
            if not overlapping:
                await anyio.sleep(1_000)
            await anyio.sleep(0.001)
    return taken


async def test_the_times_are_those_of_the_seed() -> None:
    first = await times(seed=1, overlapping=False)
    assert len({*first}) == 5
    assert first == await times(seed=1, overlapping=True)
    assert first != await times(seed=2, overlapping=False)


@pytest.mark.parametrize("seconds", [True, "1", None, Uniform])
def test_a_latency_is_seconds_or_a_distribution(seconds: Seconds) -> None:
    with pytest.raises(
        TypeError, match="first of Latency must be a number of seconds or a distribution"
    ):
        Latency(first=seconds)


# The log


async def test_messages_are_read_as_values() -> None:
    call = kimi.ToolCall(id="a:0", name="a", arguments="{}")
    messages = [
        kimi.system("Be brief."),
        kimi.user([{"type": "text", "text": "Hi"}]),
        kimi.assistant(None, reasoning_content="Hm.", tool_calls=[call]),
        kimi.tool_result(call, "1", name="a"),
        kimi.Message(role="assistant", content="So", partial=True, extra={"weight": 1}),
    ]
    fake = FakeTransport([Reply("!")])
    await fake.client(checks="off").chat(messages)
    assert fake.requests[0].messages == tuple(messages)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(None, 0, id="no body"),
        pytest.param({}, 0, id="no messages"),
        pytest.param({"messages": "Hi"}, 0, id="not a list"),
        pytest.param({"messages": ["Hi", {"role": "user"}]}, 1, id="not an object"),
        pytest.param(
            {"messages": [{"role": "assistant", "reasoning": "Hm", "tool_calls": [{}]}]},
            1,
            id="reasoning, and an empty call",
        ),
    ],
)
async def test_messages_that_are_none_are_left_out(body: Any, expected: int) -> None:
    fake = FakeTransport(Reply("Hi"))
    async with httpx.AsyncClient(transport=fake) as client:
        key = {"authorization": "Bearer test-key"}
        await client.post("https://kimi.test/acedata/kimi/chat/completions", json=body, headers=key)
    assert len(fake.requests[0].messages) == expected


async def test_a_line_of_the_log_has_no_content() -> None:
    fake = FakeTransport([Reply("Hi")])
    await fake.client(model="m\x1b[2J").chat("secret")
    line = log_line(fake.requests[0], 200, 1.234)
    assert line == (
        "POST /acedata/kimi/chat/completions 200 provider=acedata "
        'model="m\\u001b[2J" stream messages=1 1.23s'
    )


# Scripts, keys, hosts and providers


@pytest.mark.parametrize("reply", [Reply("Hi"), Faulty(Reply("Hi"), MissingDone())])
async def test_one_reply_answers_every_request(reply: Reply | Faulty) -> None:
    fake = FakeTransport(reply)
    assert [(await fake.client().chat("Hi")).text for _ in range(3)] == ["Hi"] * 3
    with pytest.raises(RuntimeError, match="a function or one reply"):
        fake.add(reply)


async def test_any_key_is_accepted_if_none_is_set() -> None:
    fake = FakeTransport(Reply("Hi"), api_key=None)
    assert (await fake.client().chat("Hi")).text == "Hi"
    assert (await fake.client(provider=fake.acedata(api_key="other-key")).chat("Hi")).text == "Hi"


@pytest.mark.parametrize(
    ("answers_as", "path", "expected"),
    [
        ("cloudsway", "/v1/chat/completions", "cloudsway"),
        ("openai", "/v1/chat/completions", "openai"),
        ("acedata", "/v1/chat/completions", "acedata"),
        ("acedata", "/moonshot/v1/chat/completions", "moonshot"),
        (None, "/v1/chat/completions", "moonshot"),
    ],
)
async def test_a_path_without_a_provider(answers_as: Any, path: str, expected: str) -> None:
    fake = FakeTransport([Reply("Hi")], api_key=None, answers_as=answers_as)
    async with httpx.AsyncClient(transport=fake) as client:
        await client.post(f"https://kimi.test{path}", json={})
    assert fake.requests[0].provider == expected


async def test_two_transports_are_two_providers() -> None:
    first = FakeTransport([ErrorReply(400)], host="first.test")
    second = FakeTransport([Reply("Hi")], host="second.test")
    client = first.client(second, provider=[first.acedata(), second.cloudsway()])
    with pytest.raises(kimi.BadRequestError):
        await client.chat("Hi", provider=first.acedata())
    assert (await client.chat("Hi", provider=second.cloudsway())).text == "Hi"
    assert (len(first.requests), len(second.requests)) == (1, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"answers_as": "kimi"},
        {"honours_prefix": "yes"},
        {"rate_limits": 20},
        {"latency": 1.0},
        {"limit": 5},
    ],
)
def test_a_setting_that_is_wrong_is_refused(options: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        FakeTransport(**options)
    with pytest.raises((TypeError, ValueError)):
        FakeProvider(**options)
