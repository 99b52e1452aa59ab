"""Nothing of one response reaches another request, and a kept connection may be gone when it is used again."""

from __future__ import annotations

import anyio
import pytest
from engines import ENGINES, OUR_RUNS
from event_loops import Loop
from kept_host import KeptHost, answer

import kimi_async as kimi
from kimi_async import AsyncKimi, Timeouts
from kimi_async.testing import DrippingHeaders, FakeProvider, Faulty, NoHeaders, Reply, SlowHeaders

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize(("anyio_backend", "engine"), OUR_RUNS)]

WRONG = answer("of somebody else")

SURPLUS = {
    "a-response": WRONG,
    "two-responses": WRONG * 2,
    "the-beginning-of-a-head": WRONG[:9],
    "a-head": WRONG[:50],
    "no-http": b"more",
    "one-byte": b"H",
}


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
async def test_what_comes_in_one_write_with_an_answer_ends_the_connection(
    surplus: bytes, engine: str, anyio_backend: Loop
) -> None:
    async with KeptHost(lambda text: answer(text) + surplus) as host, ENGINES[engine]() as http:
        client = host.client(http)
        for number in range(5):
            assert (await client.chat(str(number))).text == str(number)
        assert host.connections == 5


@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
async def test_what_comes_over_an_idle_connection_ends_it(
    surplus: bytes, engine: str, anyio_backend: Loop
) -> None:
    async with KeptHost(surplus=surplus) as host, ENGINES[engine]() as http:
        client = host.client(http)
        for number in range(5):
            host.taken, host.surplus_sent = anyio.Event(), anyio.Event()
            assert (await client.chat(str(number))).text == str(number)
            host.taken.set()
            await host.surplus_sent.wait()
            await anyio.wait_all_tasks_blocked()
        assert host.connections == 5


async def test_a_cookie_is_never_sent_back(engine: str, anyio_backend: Loop) -> None:
    """It would go out with requests that have another key."""
    cookie = b"set-cookie: session=secret; path=/\r\n"
    async with KeptHost(lambda text: answer(text, cookie)) as host, ENGINES[engine]() as http:
        for _ in range(2):
            await host.client(http).chat("Hi")
    assert len(host.heads) == 2
    assert not any(b"cookie" in head.lower() for head in host.heads)


GONE = [Faulty(Reply("lost"), NoHeaders("hangup")), Faulty(Reply("lost"), NoHeaders("reset"))]


@pytest.mark.parametrize("gone", GONE, ids=["hangup", "reset"])
@pytest.mark.parametrize("size", [2, 1_000_000])
async def test_a_kept_connection_that_is_gone_costs_no_reply(
    gone: Faulty, size: int, engine: str, anyio_backend: Loop
) -> None:
    async with FakeProvider([Reply("one"), gone, Reply("two")]) as fake, ENGINES[engine]() as http:
        client = AsyncKimi(
            fake.acedata(), model="m", http_client=http, checks="off", retries=kimi.Retries.none()
        )
        assert (await client.chat("Hi")).text == "one"
        assert (await client.chat("x" * size)).text == "two"
        assert (len(fake.requests), fake.total_connections) == (3, 2)


@pytest.mark.parametrize("gone", GONE, ids=["hangup", "reset"])
async def test_it_is_sent_again_once_and_over_a_new_connection(
    gone: Faulty, engine: str, anyio_backend: Loop
) -> None:
    async with FakeProvider([Reply("one"), gone, gone]) as fake, ENGINES[engine]() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())
        await client.chat("Hi")
        with pytest.raises(kimi.TransportError):
            await client.chat("Hi")
        assert (len(fake.requests), fake.total_connections) == (3, 2)


async def test_it_is_not_sent_over_another_kept_connection(
    engine: str, anyio_backend: Loop
) -> None:
    """That one may be gone too."""
    script = [Faulty(Reply("one"), SlowHeaders(0.1))] * 2
    async with (
        FakeProvider([*script, GONE[0], Reply("two")]) as fake,
        ENGINES[engine]() as http,
    ):
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.chat, "Hi")
            tasks.start_soon(client.chat, "Hi")
        assert (await client.chat("Hi")).text == "two"
        assert fake.total_connections == 3


NOT_SENT_AGAIN = {
    "after-a-byte-of-the-answer": Faulty(
        Reply("lost"), DrippingHeaders(every=0, times=1), NoHeaders()
    ),
    "after-a-time-limit": Faulty(Reply("lost"), SlowHeaders()),
}


@pytest.mark.parametrize("fault", NOT_SENT_AGAIN.values(), ids=NOT_SENT_AGAIN)
async def test_it_is_not_sent_again(fault: Faulty, engine: str, anyio_backend: Loop) -> None:
    async with FakeProvider([Reply("one"), fault]) as fake, ENGINES[engine]() as http:
        limits = Timeouts(first_output=0.2, idle=0.2)
        client = AsyncKimi(
            fake.acedata(),
            model="m",
            http_client=http,
            timeouts=limits,
            retries=kimi.Retries.none(),
        )
        await client.chat("Hi")
        with pytest.raises(kimi.TransportError):
            await client.chat("Hi")
        assert (len(fake.requests), fake.total_connections) == (2, 1)


async def test_a_new_connection_that_breaks_is_a_failure(engine: str, anyio_backend: Loop) -> None:
    async with FakeProvider([GONE[0]]) as fake, ENGINES[engine]() as http:
        client = AsyncKimi(fake.acedata(), model="m", http_client=http, retries=kimi.Retries.none())
        with pytest.raises(kimi.TransportError):
            await client.chat("Hi")
        assert len(fake.requests) == 1
