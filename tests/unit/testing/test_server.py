from __future__ import annotations

import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from event_loops import EVERY_LOOP, Loop

from kimi_async import AsyncKimi
from kimi_async.testing import (
    Answer,
    ErrorReply,
    FakeProvider,
    Finish,
    Hangup,
    Oddity,
    RawReply,
    ReceivedRequest,
    Recording,
    Repeat,
    Reply,
    Reset,
    ScriptedBody,
    Send,
    Step,
    Wait,
    oddities,
    recording,
    split_events,
)
from kimi_async.testing._anything import answer_anything
from kimi_async.testing._server import url_of

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=EVERY_LOOP)
def anyio_backend(request: pytest.FixtureRequest) -> Loop:
    loop: Loop = request.param
    return loop


KO = "acedata/stream_reasoning_ko"
ACEDATA = "/kimi/chat/completions"
CLOUDSWAY = "/v1/ai/abc/chat/completions"
ASKED = {"model": "kimi-k3", "stream": True}


@asynccontextmanager
async def client_of(fake: FakeProvider) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {fake.api_key}"}
    async with httpx.AsyncClient(base_url=fake.url, headers=headers, timeout=5) as client:
        yield client


async def read(response: httpx.Response) -> tuple[bytes, type[Exception] | None]:
    """Read a body to its end or until it breaks; return the bytes and the failure."""
    received = bytearray()
    try:
        async for piece in response.aiter_raw():
            received += piece
    except httpx.HTTPError as error:
        return bytes(received), type(error)
    return bytes(received), None


def raw_request(*, version: str = "1.1", extra: str = "", body: str = "{}") -> bytes:
    head = f"POST {ACEDATA} HTTP/{version}\r\nhost: x\r\nauthorization: Bearer test-key\r\n"
    return f"{head}{extra}content-length: {len(body)}\r\n\r\n{body}".encode()


@asynccontextmanager
async def connected(fake: FakeProvider) -> AsyncGenerator[anyio.abc.SocketStream]:
    port = int(fake.url.rpartition(":")[2])
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        yield stream


async def receive_all(stream: anyio.abc.SocketStream) -> bytes:
    received = bytearray()
    async for data in stream:
        received += data
    return bytes(received)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (ACEDATA, "acedata"),
        (CLOUDSWAY, "cloudsway"),
        ("/moonshot/v1/chat/completions", "moonshot"),
        ("/openai/v1/chat/completions", "openai"),
    ],
)
async def test_the_same_script_serves_all_wires_streamed_and_whole(path: str, name: str) -> None:
    async with FakeProvider([Reply("Hello")] * 2) as fake, client_of(fake) as client:
        streamed = await client.post(path, json=ASKED)
        whole = await client.post(path, json={**ASKED, "stream": False})
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert streamed.text.startswith("data: {")
    assert whole.json()["choices"][0]["message"]["content"] == "Hello"
    assert [request.provider for request in fake.requests] == [name, name]


async def test_each_send_is_one_http_chunk() -> None:
    async with (
        FakeProvider([Recording(KO)]) as fake,
        client_of(fake) as client,
        client.stream("POST", ACEDATA, json=ASKED) as response,
    ):
        pieces = [piece async for piece in response.aiter_raw()]
    assert tuple(pieces) == split_events(recording(KO))


@pytest.mark.parametrize(
    "reply",
    [
        Recording(KO, cut_at=700, cuts="whole"),
        Recording(KO, cut_at=700, cuts="bytes"),
        Recording(KO, cut_at=700, cuts=[1, 500, 501]),
        Recording(KO, cut_at=700, pace=0.0001),
    ],
    ids=["whole", "bytes", "offsets", "paced"],
)
async def test_the_client_gets_the_bytes_however_they_are_delivered(reply: ScriptedBody) -> None:
    async with FakeProvider([reply]) as fake, client_of(fake) as client:
        response = await client.post(ACEDATA, json=ASKED)
    assert response.content == recording(KO)[:700]


async def test_every_adapter_reaches_it() -> None:
    async with FakeProvider([Reply("Hello", "ok")] * 4, models=["kimi-k3"]) as fake:
        for provider in (
            fake.acedata(),
            fake.cloudsway(endpoint_path="abc"),
            fake.moonshot(),
            fake.compatible(models={"kimi-k3": "mine"}),
        ):
            async with AsyncKimi(provider, model="kimi-k3") as client:
                reply = await client.chat("Hi")
                (model,) = await client.models()
            assert (reply.text, reply.reasoning, model.id) == ("Hello", "ok", "kimi-k3")
    assert [request.path for request in fake.requests] == [
        "/acedata/kimi/chat/completions",
        "/acedata/v1/models",
        "/cloudsway/v1/ai/abc/chat/completions",
        "/cloudsway/v1/models",
        "/moonshot/v1/chat/completions",
        "/moonshot/v1/models",
        "/openai/v1/chat/completions",
        "/openai/v1/models",
    ]
    assert fake.requests[-2].body["model"] == "mine"


async def test_the_key_can_be_chosen() -> None:
    async with FakeProvider(api_key="other") as fake, client_of(fake) as client:
        response = await client.post(ACEDATA, headers={"authorization": "Bearer test-key"})
    assert (response.status_code, fake.acedata().api_key) == (401, "other")


async def test_errors_have_their_status_headers_and_envelope() -> None:
    reply = ErrorReply(429, headers={"retry-after": "2"})
    async with FakeProvider([reply]) as fake, client_of(fake) as client:
        response = await client.post(ACEDATA, json=ASKED)
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.json()["error"]["code"] == "too_many_requests"


async def test_a_function_scripts_and_replies_are_added_while_it_runs() -> None:
    def script(request: ReceivedRequest) -> Reply:
        return Reply(f"{request.method} {request.connection}")

    async with FakeProvider(script) as fake, client_of(fake) as client:
        response = await client.post(ACEDATA, json={})
    assert response.json()["choices"][0]["message"]["content"] == "POST 1"
    async with FakeProvider() as fake, client_of(fake) as client:
        fake.add(Reply("Hi"))
        assert (await client.post(ACEDATA, json={})).status_code == 200


@pytest.mark.parametrize(
    ("end", "expected"),
    [("finish", None), ("hangup", httpx.RemoteProtocolError), ("reset", httpx.ReadError)],
)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_a_body_ends_as_the_script_says(
    end: Any, expected: type[Exception] | None, *, stream: bool
) -> None:
    reply = Reply("Hello", cut_at=150, end=end)
    async with FakeProvider([reply]) as fake, client_of(fake) as client:
        async with client.stream("POST", ACEDATA, json={"stream": stream}) as response:
            received, broken = await read(response)
        await fake.wait_until(lambda: fake.open_connections == (1 if expected is None else 0))
    assert (len(received), broken) == (150, expected)


async def test_connections_are_kept_alive() -> None:
    async with FakeProvider([Reply("Hi")] * 3) as fake, client_of(fake) as client:
        for _ in range(3):
            await client.post(ACEDATA, json=ASKED)
        assert (fake.open_connections, fake.total_connections) == (1, 1)
        async with client_of(fake) as other:
            await other.get("/nothing")
            assert (fake.open_connections, fake.total_connections) == (2, 2)
        await fake.wait_until(lambda: fake.open_connections == 1)
    assert [request.connection for request in fake.requests] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    "asked",
    [{"version": "1.0"}, {"extra": "connection: close\r\n"}],
    ids=["HTTP/1.0", "connection: close"],
)
async def test_a_connection_that_is_not_kept_alive_is_closed(asked: dict[str, Any]) -> None:
    async with FakeProvider([RawReply(b"Hi")]) as fake, connected(fake) as stream:
        await stream.send(raw_request(**asked))
        received = await receive_all(stream)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"Hi" in received


async def test_requests_that_come_at_once_are_answered_in_turn() -> None:
    replies = [RawReply(b"one"), RawReply(b"two")]
    async with FakeProvider(replies) as fake, connected(fake) as stream:
        await stream.send(raw_request() + raw_request(extra="connection: close\r\n"))
        received = await receive_all(stream)
    assert received.index(b"one") < received.index(b"two")
    assert [request.connection for request in fake.requests] == [1, 1]


async def test_a_hang_up_is_noticed_while_the_server_waits() -> None:
    reply = Recording(KO, cut_after=1, end="stall")
    async with FakeProvider([reply]) as fake, client_of(fake) as client:
        async with client.stream("POST", ACEDATA, json=ASKED) as response:
            assert await anext(response.aiter_raw()) == split_events(recording(KO))[0]
            assert (fake.active_requests, fake.open_connections) == (1, 1)
        await fake.wait_until(lambda: not fake.active_requests and not fake.open_connections)


async def test_a_hang_up_is_noticed_while_the_server_writes() -> None:
    """More than the socket's buffers hold, to a client that reads nothing."""
    async with FakeProvider([Answer(steps=(Send(b"x" * 32_000_000),))]) as fake:
        async with connected(fake) as stream:
            await stream.send(raw_request())
            await fake.wait_until(lambda: fake.active_requests == 1)
        await fake.wait_until(lambda: fake.open_connections == 0)


async def test_what_comes_while_the_server_waits_hides_no_hang_up() -> None:
    async with FakeProvider([Answer(steps=(Wait(None),))]) as fake:
        async with connected(fake) as stream:
            await stream.send(raw_request())
            await fake.wait_until(lambda: fake.active_requests == 1)
            await stream.send(raw_request())
        await fake.wait_until(lambda: fake.open_connections == 0)
    assert len(fake.requests) == 1


async def test_a_reset_by_the_client_is_a_hang_up() -> None:
    async with FakeProvider([Answer(steps=(Wait(None),))]) as fake:
        port = int(fake.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(raw_request())
            await fake.wait_until(lambda: fake.active_requests == 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await fake.wait_until(lambda: fake.open_connections == 0)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"garbage\r\n\r\n", id="garbage"),
        pytest.param(raw_request()[:-1], id="a request without its end"),
    ],
)
async def test_what_is_not_http_is_refused(sent: bytes) -> None:
    async with FakeProvider([Reply("Hi")]) as fake, connected(fake) as stream:
        await stream.send(sent)
        await stream.send_eof()
        received = await receive_all(stream)
        await fake.wait_until(lambda: fake.open_connections == 0)
    assert received.startswith(b"HTTP/1.1 400")
    assert fake.requests == []


#: Bodies of requests that are not what a client should send.
ODD_BODIES = [
    b"",
    b"[" * 100_000,
    b"5",
    b'{"messages": 5}',
    b'{"messages": [5]}',
    b'{"messages": [{"role": "assistant", "tool_calls": 5}]}',
    b'{"messages": [{"role": "assistant", "tool_calls": [5]}]}',
    b'{"messages": [{"role": "assistant", "tool_calls": [{"function": 5}]}]}',
    b'{"messages": [{"role": null, "content": {}}], "tools": 5, "stream_options": 5}',
    b'{"model": 5, "max_tokens": -5, "response_format": 5, "tools": [5]}',
]


@pytest.mark.parametrize("chosen", [[], oddities()], ids=["plain", "odd"])
async def test_no_body_of_a_request_ends_the_server(chosen: list[Oddity]) -> None:
    lines: list[str] = []
    async with FakeProvider(answer_anything, log=lines.append, oddities=chosen) as fake:
        async with httpx.AsyncClient(base_url=fake.url, timeout=None) as client:
            for body in ODD_BODIES:
                headers = {"authorization": f"Bearer {fake.api_key}"}
                await client.post(ACEDATA, content=body, headers=headers)
        assert len(fake.requests) == len(ODD_BODIES)
    assert len(lines) == len(ODD_BODIES)


@pytest.mark.parametrize("waits", [False, True], ids=["ends", "waits"])
async def test_an_exception_of_the_log_reaches_the_user(waits: bool) -> None:
    def log(line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        async with FakeProvider(Reply("Hello"), log=log) as fake:
            async with AsyncKimi(fake.acedata(), model="m") as client:
                assert (await client.chat("Hi")).text == "Hello"
            if waits:
                await fake.wait_until(lambda: False)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("here", "http://here:80")],
)
def test_the_url_of_an_address(host: str, url: str) -> None:
    assert url_of(host, 80) == url


async def test_a_connection_that_asks_nothing_is_left_alone() -> None:
    async with FakeProvider() as fake:
        async with connected(fake):
            await fake.wait_until(lambda: fake.open_connections == 1)
        await fake.wait_until(lambda: fake.open_connections == 0)
    assert (fake.total_connections, fake.requests) == (1, [])


@pytest.mark.parametrize("length", ["3", "30"], ids=["too short", "too long"])
async def test_a_wrong_content_length_ends_the_connection(length: str) -> None:
    reply = RawReply(b"Hello", headers={"content-length": length})
    async with FakeProvider([reply]) as fake, client_of(fake) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(ACEDATA, json=ASKED)
        await fake.wait_until(lambda: fake.open_connections == 0)


async def test_steps_can_be_given_by_hand() -> None:
    answer = Answer(status=202, steps=(Send(b"data: 1\n\n"), Send(b""), Wait(0), Hangup()))
    async with (
        FakeProvider([answer]) as fake,
        client_of(fake) as client,
        client.stream("POST", ACEDATA, json=ASKED) as response,
    ):
        outcome = await read(response)
    assert response.status_code == 202
    assert outcome == (b"data: 1\n\n", httpx.RemoteProtocolError)


async def test_lines_that_are_sent_before_the_headers_follow_the_status_line() -> None:
    """Byte for byte, each line as it is sent: the client must cope with headers that are not there yet."""
    lines: tuple[Step, ...] = (Wait(0), Send(b"x-one: 1\r\n"), Send(b"x-two: 2\r\n"), Finish())
    answer = Answer(before_headers=lines, headers=(("content-length", "2"),), steps=(Send(b"Hi"),))
    async with FakeProvider([answer]) as fake, connected(fake) as stream:
        await stream.send(raw_request(extra="connection: close\r\n"))
        received = await receive_all(stream)
    assert received.startswith(b"HTTP/1.1 200 \r\nx-one: 1\r\nx-two: 2\r\ncontent-length: 2\r\n")
    assert received.endswith(b"\r\n\r\nHi")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param((Hangup(),), httpx.RemoteProtocolError, id="hangup"),
        pytest.param((Send(b"x: 1\r\n"), Hangup()), httpx.RemoteProtocolError, id="hangup within"),
        pytest.param((Reset(),), httpx.ReadError, id="reset"),
        pytest.param((Send(b"x: 1\r\n"), Reset()), httpx.ReadError, id="reset within"),
    ],
)
async def test_a_connection_breaks_before_the_headers_are_there(
    steps: tuple[Step, ...], expected: type[Exception]
) -> None:
    answer = Answer(before_headers=steps, steps=(Send(b"never sent"),))
    async with FakeProvider([answer]) as fake, client_of(fake) as client:
        with pytest.raises(expected):
            await client.post(ACEDATA, json=ASKED)
        await fake.wait_until(lambda: fake.open_connections == 0)


async def test_what_repeats_ends_when_the_client_hangs_up() -> None:
    drip = Repeat((Send(b": hi\n\n"), Wait(0.001)))
    async with FakeProvider([Answer(steps=(drip,))]) as fake, client_of(fake) as client:
        async with client.stream("POST", ACEDATA, json=ASKED) as response:
            pieces = response.aiter_raw()
            assert [await anext(pieces) for _ in range(3)] == [b": hi\n\n"] * 3
        await fake.wait_until(lambda: fake.open_connections == 0)


async def test_wait_until_gives_up_with_the_counts() -> None:
    async with FakeProvider() as fake, client_of(fake) as client:
        await client.get("/nothing")
        with pytest.raises(TimeoutError, match="1 of 1 connections open, 0 of 1 requests active"):
            await fake.wait_until(lambda: fake.open_connections == 9, timeout=0.01)
        await fake.wait_until(lambda: len(fake.requests) == 1)


async def test_the_url_is_known_once_it_runs() -> None:
    fake = FakeProvider()
    with pytest.raises(RuntimeError, match="not running"):
        _ = fake.url
    async with fake:
        assert fake.url.startswith("http://127.0.0.1:")


async def test_leaving_cuts_the_replies_under_way() -> None:
    async with httpx.AsyncClient(headers={"authorization": "Bearer test-key"}) as client:
        async with FakeProvider([Recording(KO, end="stall")]) as fake, connected(fake):
            request = client.build_request("POST", fake.url + ACEDATA, json=ASKED)
            response = await client.send(request, stream=True)
        assert (fake.open_connections, fake.active_requests) == (0, 0)
        received, broken = await read(response)
    assert recording(KO).startswith(received)
    assert broken is httpx.RemoteProtocolError


async def test_exceptions_of_the_block_come_out_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        async with FakeProvider():
            _ = 1 / 0


async def test_a_cancellation_goes_through() -> None:
    fake = FakeProvider([Recording(KO, end="stall")])
    with anyio.CancelScope() as scope:
        async with (
            fake,
            client_of(fake) as client,
            client.stream("POST", ACEDATA, json=ASKED),
        ):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert (fake.open_connections, fake.active_requests) == (0, 0)


async def test_an_endpoint_path_may_hold_a_slash() -> None:
    async with (
        FakeProvider([Reply("Hi")]) as fake,
        AsyncKimi(fake.cloudsway(endpoint_path="a/b")) as client,
    ):
        assert (await client.chat("Hi")).text == "Hi"


async def test_many_connections_at_once() -> None:
    async with FakeProvider([Reply("Hi", end="stall")] * 50) as fake:
        async with client_of(fake) as client, anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(partial(client.post, ACEDATA, json=ASKED))
            await fake.wait_until(lambda: fake.active_requests == 50)
            tasks.cancel_scope.cancel()
        await fake.wait_until(lambda: fake.open_connections == 0)


def test_code_without_an_event_loop_runs_it_in_a_thread() -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FakeProvider([Recording(KO)])) as fake,
    ):
        headers = {"authorization": f"Bearer {fake.api_key}"}
        response = httpx.post(fake.url + ACEDATA, json=ASKED, headers=headers)
    assert response.content == recording(KO)


async def test_a_script_may_clear_the_requests() -> None:
    """A run of many thousands would fill the memory."""

    def script(_: ReceivedRequest) -> Reply:
        fake.requests.clear()
        return Reply("Hello")

    async with FakeProvider(script) as fake:
        async with AsyncKimi(fake.acedata(), model="m") as client:
            for _ in range(2):
                assert (await client.chat("Hi")).text == "Hello"
    assert not fake.requests
