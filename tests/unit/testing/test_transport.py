from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

import kimi_async as kimi
from kimi_async import AsyncKimi
from kimi_async.testing import (
    Answer,
    Drip,
    ErrorReply,
    FakeTransport,
    Faulty,
    Finish,
    Hangup,
    Recording,
    Repeat,
    Reply,
    Reset,
    Send,
    Stall,
    Step,
    Wait,
    recording,
    split_events,
    virtual_time,
)

pytestmark = pytest.mark.anyio

KO = "acedata/stream_reasoning_ko"
CHAT = "https://kimi.test/acedata/kimi/chat/completions"
HEADERS = {"authorization": "Bearer test-key"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return virtual_time(request.param)


def http_client(fake: FakeTransport, **settings: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=fake, headers=HEADERS, **settings)


async def post(fake: FakeTransport, timeout: httpx.Timeout | None = None) -> httpx.Response:
    async with http_client(fake, timeout=timeout) as client:
        return await client.post(CHAT, json={"stream": True})


async def test_every_adapter_reaches_it() -> None:
    fake = FakeTransport([Reply("Hello", "ok")] * 4, models=["kimi-k3"], api_key="other")
    for provider in (fake.acedata(), fake.cloudsway(), fake.moonshot(), fake.compatible()):
        client = fake.client(provider=provider)
        reply = await client.chat("Hi")
        (model,) = await client.models()
        assert (reply.text, reply.reasoning, model.id) == ("Hello", "ok", "kimi-k3")
    assert [request.path for request in fake.requests[::2]] == [
        "/acedata/kimi/chat/completions",
        "/cloudsway/v1/ai/test-endpoint/chat/completions",
        "/moonshot/v1/chat/completions",
        "/openai/v1/chat/completions",
    ]
    assert {request.connection for request in fake.requests} == {0}


async def test_the_host_of_a_provider_is_answered_as_from_there() -> None:
    async with (
        http_client(FakeTransport([Reply("Hello")])) as client,
        AsyncKimi(kimi.Moonshot("test-key"), model="kimi-k3", http_client=client) as moonshot,
    ):
        assert (await moonshot.chat("Hi")).provider == "moonshot"


async def test_a_client_takes_the_options_of_every_client() -> None:
    fake = FakeTransport([Reply("Hello")])
    reply = await fake.client(provider=fake.cloudsway(), model="kimi-k3").chat("Hi")
    assert (reply.provider, fake.requests[0].body["model"]) == ("cloudsway", "kimi-k3")


async def test_each_send_is_one_read_and_empty_ones_are_none() -> None:
    pieces = split_events(recording(KO))
    steps = [step for piece in pieces for step in (Send(piece), Send(b""))]
    fake = FakeTransport([Recording(KO), Answer(steps=tuple(steps))])
    async with http_client(fake) as client:
        for _ in range(2):
            async with client.stream("POST", CHAT, json={}) as response:
                assert tuple([piece async for piece in response.aiter_raw()]) == pieces
    assert (fake.active_requests, fake.lost_connections) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "expected", "seconds"),
    [
        pytest.param({"connect": None}, httpx.ConnectTimeout, 2, id="no connection"),
        pytest.param({"connect": 2.5}, httpx.ConnectTimeout, 2, id="slow to connect"),
        pytest.param({"write": None}, httpx.WriteTimeout, 3, id="not sent"),
        pytest.param({"connect": 1, "write": 4}, httpx.WriteTimeout, 4, id="slow to send"),
    ],
)
async def test_connecting_and_sending_take_the_time_that_they_are_given(
    settings: dict[str, Any], expected: type[Exception], seconds: float
) -> None:
    fake = FakeTransport([Reply("Hello")], **settings)
    with pytest.raises(expected):
        await post(fake, httpx.Timeout(None, connect=2, write=3))
    assert anyio.current_time() == seconds
    assert (fake.requests, fake.active_requests, fake.lost_connections) == ([], 0, 1)


async def test_what_takes_less_than_its_timeout_only_takes_time() -> None:
    fake = FakeTransport([Reply("Hello", pace=4)], connect=1, write=2)
    await post(fake, httpx.Timeout(5, connect=2, write=3))
    assert anyio.current_time() == 1 + 2 + 3 * 4
    assert (fake.active_requests, fake.lost_connections) == (0, 0)


HELLO_AND = (Send(b": hi\n\n"),)


@pytest.mark.parametrize(
    ("answer", "expected", "seconds"),
    [
        pytest.param(Answer(before_headers=(Wait(None),)), httpx.ReadTimeout, 5, id="no headers"),
        pytest.param(Answer(before_headers=(Wait(6),)), httpx.ReadTimeout, 5, id="slow headers"),
        pytest.param(
            Answer(before_headers=(Wait(3), Wait(3))), httpx.ReadTimeout, 5, id="waits add up"
        ),
        pytest.param(
            Answer(before_headers=(Wait(3), Send(b"a: b\r\n"), Wait(6))),
            httpx.ReadTimeout,
            8,
            id="within the headers",
        ),
        pytest.param(
            Answer(before_headers=(Wait(3), Hangup())), httpx.RemoteProtocolError, 3, id="hangup"
        ),
        pytest.param(Answer(before_headers=(Reset(),)), httpx.ReadError, 0, id="reset"),
        pytest.param(
            Answer(steps=(*HELLO_AND, Wait(3), Wait(3))), httpx.ReadTimeout, 5, id="slow body"
        ),
        pytest.param(
            Answer(steps=(*HELLO_AND, Wait(3), Send(b""), Wait(3))),
            httpx.ReadTimeout,
            5,
            id="nothing is no read",
        ),
        pytest.param(
            Answer(steps=(Wait(3), *HELLO_AND, Wait(None))), httpx.ReadTimeout, 8, id="silent body"
        ),
        pytest.param(
            Answer(steps=(*HELLO_AND, Hangup())), httpx.RemoteProtocolError, 0, id="body cut"
        ),
        pytest.param(Answer(steps=(*HELLO_AND, Reset())), httpx.ReadError, 0, id="body reset"),
    ],
)
async def test_a_broken_answer_raises_what_a_broken_connection_raises(
    answer: Answer, expected: type[Exception], seconds: float
) -> None:
    fake = FakeTransport([answer])
    with pytest.raises(expected) as caught:
        await post(fake, httpx.Timeout(5))
    assert type(caught.value) is expected
    assert anyio.current_time() == seconds
    assert (len(fake.requests), fake.active_requests, fake.lost_connections) == (1, 0, 1)


async def test_lines_that_are_sent_before_the_headers_are_headers() -> None:
    steps: tuple[Step, ...] = (Send(b"x-one: 1\r\nx-two"), Wait(1), Send(b":2\r\n"), Finish())
    response = await post(FakeTransport([Answer(before_headers=steps, headers=(("a", "b"),))]))
    assert dict(response.headers) == {"x-one": "1", "x-two": "2", "a": "b"}


async def test_headers_without_end_take_every_read_timeout() -> None:
    lines = Repeat((Wait(4), Send(b"x: y\r\n")))
    fake = FakeTransport([Answer(before_headers=(lines,))])
    with anyio.move_on_after(3602) as scope:
        await post(fake, httpx.Timeout(5))
    assert (scope.cancelled_caught, anyio.current_time()) == (True, 3602)
    assert (fake.active_requests, fake.lost_connections) == (0, 1)


async def test_the_server_goes_on_while_the_client_is_busy() -> None:
    """Four events, one each second: the first two wait for the reader, which then waits for the others."""
    fake = FakeTransport([Answer(steps=(Send(b"1"), *(Wait(1), Send(b"x")) * 3))])
    times: list[float] = []
    async with http_client(fake) as client, client.stream("POST", CHAT, json={}) as response:
        async for _ in response.aiter_raw():
            times.append(anyio.current_time())
            await anyio.sleep(1.5 if len(times) == 1 else 0)
    assert times == [0, 1.5, 2, 3]


async def test_a_reply_that_is_left_early_is_given_back_and_costs_its_connection() -> None:
    fake = FakeTransport([Reply("Hello, you there!"), Reply("Hello")])
    async with fake.client().stream("Hi") as stream:
        assert isinstance(await anext(stream), kimi.StreamStart)
        assert (fake.active_requests, fake.lost_connections) == (1, 0)
    assert (fake.active_requests, fake.lost_connections) == (0, 1)
    await stream.aclose()
    assert (await fake.client().chat("Hi")).text == "Hello"
    assert (fake.active_requests, fake.lost_connections) == (0, 1)


async def test_a_body_that_is_closed_twice_counts_once() -> None:
    fake = FakeTransport([Reply("Hello")])
    request = httpx.Request("POST", CHAT, json={}, headers=HEADERS)
    response = await fake.handle_async_request(request)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    for _ in range(2):
        await response.stream.aclose()
    assert (fake.active_requests, fake.lost_connections) == (0, 1)


async def test_a_request_that_is_cancelled_is_given_back() -> None:
    fake = FakeTransport([Faulty(Reply("Hello"), Stall(after_event=0))])
    with anyio.move_on_after(60) as scope:
        await fake.client().chat("Hi")
    assert (scope.cancelled_caught, fake.active_requests, fake.lost_connections) == (True, 0, 1)


async def test_replies_are_added_while_it_runs() -> None:
    fake = FakeTransport()
    fake.add(ErrorReply(429), Faulty(Reply("Hello"), Drip(times=3)))
    with pytest.raises(kimi.RateLimitError):
        await fake.client().chat("Hi")
    assert (await fake.client().chat("Hi")).text == "Hello"
