"""Events and replies as JSON: all of them survive it, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import anyio
import attrs
import httpx
import pytest
from decoded_streams import STREAMS, body_of, events_of
from fake_host import FakeHost
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from json_strategies import chunks

import kimi_async as kimi
from kimi_async import ChatCompletion, StreamEnd, decode_event
from kimi_async.testing import recording


def every_field(reply: ChatCompletion) -> dict[str, Any]:
    """Those too that ``==`` leaves out."""
    return attrs.asdict(reply)


def check(event: kimi.StreamEvent) -> None:
    assert decode_event(event.to_json()) == event
    assert json.loads(event.to_json()) == json.loads(json.dumps(event.to_dict())) == event.to_dict()
    assert event.to_dict()["event"] == type(event).__name__


def check_reply(reply: ChatCompletion) -> None:
    read = ChatCompletion.from_json(reply.to_json())
    assert every_field(read) == every_field(attrs.evolve(reply, raw=None))
    assert json.loads(reply.to_json()) == json.loads(json.dumps(reply.to_dict())) == reply.to_dict()


@given(st.lists(chunks, max_size=5))
def test_each_event_and_reply_of_any_stream_survives_json(objects: list[object]) -> None:
    for event in events_of(body_of(objects)):
        check(event)
        if isinstance(event, StreamEnd):
            check_reply(event.completion)


@pytest.mark.parametrize("name", STREAMS)
def test_each_event_and_reply_of_a_recording_survives_json(name: str) -> None:
    *events, end = events_of(recording(name))
    assert events
    for event in [*events, end]:
        check(event)


INFO = kimi.ErrorInfo.of(kimi.RateLimitError("slow", status=429, code="rate", retry_after=2.5))


@pytest.mark.parametrize(
    "event",
    [
        kimi.AttemptFailed(INFO, 0.5, "acedata", 1),
        kimi.StreamContinued("cloudsway", 12),
        kimi.StreamRestarted("cloudsway", 0),
    ],
    ids=lambda event: type(event).__name__,
)
def test_the_events_of_a_new_attempt_survive_json(event: kimi.StreamEvent) -> None:
    check(event)


@pytest.mark.anyio
async def test_a_reply_keeps_its_record_and_its_prefix_and_loses_its_raw_body() -> None:
    begun = [kimi.user("Hi"), kimi.assistant("Oh", partial=True)]
    client = FakeHost([recording("acedata/stream_reasoning_ko")]).client(checks="off")
    reply = attrs.evolve(await client.chat(begun, temperature=0.5), raw={"id": "c1"})
    assert reply.prefix is not None
    assert "raw" not in reply.to_dict()
    assert "raw" not in StreamEnd(reply).to_dict()["completion"]
    check_reply(reply)
    check(StreamEnd(reply))


def test_keys_of_a_later_version_are_ignored() -> None:
    assert decode_event(b'{"event":"Finish","reason":"stop","later":1}') == kimi.Finish("stop")
    assert ChatCompletion.from_json(b'{"provider":"x","later":1}') == ChatCompletion(provider="x")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "it is not JSON in UTF-8", id="nothing"),
        pytest.param(b'{"event":"Finish"', "it is not JSON in UTF-8", id="cut"),
        pytest.param(b'{"event":"Finish","reason":"\xff"}', "it is not JSON in UTF-8", id="bytes"),
        pytest.param(b"[]", "Expected `object`, got `array`", id="list"),
        pytest.param(b'{"reason":"stop"}', "missing required field `event`", id="no-tag"),
        pytest.param(b'{"event":"Nothing"}', "Invalid value 'Nothing' - at `$.event`", id="tag"),
        pytest.param(b'{"event":"Finish"}', "missing required field `reason`", id="field"),
        pytest.param(
            b'{"event":"ContentDelta","text":1}',
            "Expected `str`, got `int` - at `$.text`",
            id="type",
        ),
        pytest.param(
            b'{"event":"Finish","later":' + b"[" * 1_000_000, "nested too deeply", id="depth"
        ),
    ],
)
def test_anything_else_is_a_protocol_error(data: bytes, problem: str) -> None:
    with pytest.raises(kimi.ProtocolError) as caught:
        decode_event(data)
    assert caught.value.message.startswith("the data should be one event of kimi_async as JSON: ")
    assert problem in caught.value.message
    assert "to_json()" in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("data", [{"event": "Finish"}, None, 5])
def test_a_value_that_is_not_json_is_refused(data: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="the event is read from the JSON that"):
        decode_event(data)


def test_a_reply_that_is_none_is_a_protocol_error() -> None:
    with pytest.raises(kimi.ProtocolError, match=r"one reply .*: Expected `object`, got `array`"):
        ChatCompletion.from_json(b"[]")


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_no_event(data: bytes) -> None:
    with pytest.raises(kimi.ProtocolError):
        decode_event(data)


# Through a web framework

app = FastAPI()


async def a_client() -> AsyncGenerator[kimi.AsyncKimi]:
    async with FakeHost([recording("acedata/stream_reasoning_ko")]).client() as client:
        yield client


@app.get("/")
async def answer(client: Annotated[kimi.AsyncKimi, Depends(a_client)]) -> dict[str, Any]:
    return (await client.chat("Hi")).to_dict()


@pytest.mark.anyio
async def test_an_endpoint_of_fastapi_can_return_a_reply() -> None:
    transport = httpx.ASGITransport(app)
    with anyio.fail_after(10):
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            response = await browser.get("/")
    assert response.status_code == 200
    reply = ChatCompletion.from_json(response.content)
    assert StreamEnd(reply) == events_of(recording("acedata/stream_reasoning_ko"))[-1]
