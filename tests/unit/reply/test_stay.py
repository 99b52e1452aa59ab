"""A conversation stays with its provider, and goes back to it only between turns."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import kimi_async as kimi
from kimi_async import AsyncKimi, RateLimits
from kimi_async._reply._stay import Stay, Stays
from kimi_async.testing import FakeToolCall, FakeTransport, Faulty, Reply, SlowHeaders, virtual_time
from kimi_async.tools import tool

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


A, B, C = (
    kimi.OpenAICompatible("key-of-a-test", f"https://{name}.test", name=name) for name in "abc"
)


def order(stay: Stay) -> str:
    kept, others = stay.order((A, B, C))
    return "".join(each.name for each in kept) + "|" + "".join(each.name for each in others)


def test_a_turn_stays_and_the_next_turn_goes_back() -> None:
    stay = Stay()
    assert order(stay) == "|abc"
    stay.answered("b")
    assert order(stay) == "b|ac"
    stay.answered("c")
    assert order(stay) == "cb|a"
    stay.begin_turn()
    assert order(stay) == "bc|a"
    assert order(stay.copy()) == "b|ac"
    stay.answered("gone")
    assert order(stay) == "b|ac"


def test_the_keys_that_were_used_last_are_remembered() -> None:
    stays = Stays()
    first, second = stays.of("first"), stays.of("second")
    for number in range(1_022):
        stays.of(str(number))
    assert stays.of("first") is first
    stays.of("one more")
    assert stays.of("first") is first
    assert stays.of("second") is not second


def two(fake: FakeTransport, limit: int = 1) -> AsyncKimi:
    limits = RateLimits(concurrency=limit)
    a = kimi.AceDataCloud("test-key", fake.acedata().base_url, rate_limits=limits)
    return fake.client(provider=[a, fake.cloudsway()])


def slow(text: str = "Hello") -> Faulty:
    return Faulty(Reply(text), SlowHeaders(10.0))


async def providers_beside_another_call(client: AsyncKimi, *calls: Any) -> list[str]:
    """Return the providers that answer *calls* while another call fills the limit of the first provider."""
    names: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(client.chat, "Hi")
        await anyio.wait_all_tasks_blocked()
        for call in calls:
            names.append((await call()).provider)
    return names


async def test_a_conversation_waits_for_its_provider() -> None:
    fake = FakeTransport([Reply("Hello"), slow(), Reply("Hello"), Reply("Hello"), Reply("Hello")])
    client = two(fake)
    talk = client.conversation()
    assert (await talk.send("Hi")).provider == "acedata"
    fork = talk.fork()
    assert await providers_beside_another_call(
        client, lambda: client.chat("Hi"), lambda: talk.send("Hi"), lambda: fork.send("Hi")
    ) == ["cloudsway", "acedata", "acedata"]


async def test_a_conversation_that_began_elsewhere_stays_there() -> None:
    fake = FakeTransport([slow(), Reply("Hello"), Reply("Hello")])
    client = two(fake)
    talk = client.conversation()
    assert await providers_beside_another_call(client, lambda: talk.send("Hi")) == ["cloudsway"]
    assert (await talk.send("Hi")).provider == "cloudsway"


async def test_calls_with_one_cache_key_stay() -> None:
    fake = FakeTransport([slow()] + [Reply("Hello")] * 4)
    client = two(fake)

    async def ask(key: str) -> kimi.ChatCompletion:
        return await client.chat("Hi", prompt_cache_key=key, checks="off")

    assert await providers_beside_another_call(client, lambda: ask("one")) == ["cloudsway"]
    assert (await ask("one")).provider == "cloudsway"
    assert (await ask("two")).provider == "acedata"


async def test_a_run_is_one_conversation() -> None:
    @tool
    async def weather(city: str) -> str:
        """Return the weather.

        Args:
            city: The city.
        """
        return f"Rain in {city}"

    call = Reply(tool_calls=[FakeToolCall("weather", {"city": "Oslo"})])
    fake = FakeTransport([slow(), call, Reply("Rain")])
    client = two(fake)

    async def run() -> kimi.ChatCompletion:
        result = await client.run("Weather?", tools=[weather]).final()
        assert [each.provider for each in result.completions] == ["cloudsway", "cloudsway"]
        return result.completion

    assert await providers_beside_another_call(client, run) == ["cloudsway"]
