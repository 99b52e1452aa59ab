"""No ``repr``, error, log record or traceback with its locals shows a key."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable

import httpx
import pytest
import rich.pretty
from fake_host import HELLO, Answer, FakeHost, delta, sse
from msgspec import Struct

import kimi_async as kimi
from kimi_async import AceDataCloud, AsyncKimi, Cloudsway, Provider
from kimi_async._prefix import Prefix
from kimi_async._wire import ChatRequest

pytestmark = pytest.mark.anyio

CANARY = "canary-4711"


def providers() -> list[Provider]:
    return [AceDataCloud(CANARY), Cloudsway(CANARY, "path")]


def test_values_do_not_show_the_key() -> None:
    for provider in providers():
        client = AsyncKimi(provider, model="m")
        stream = client.stream("Hi")
        assert CANARY not in repr([provider, client, client.providers, stream, stream._reply])
        assert CANARY not in str(vars(client._caller.transport))


BROKEN: dict[str, Answer] = {
    "status": httpx.Response(401, json={"error": {"code": "invalid_token", "message": "no"}}),
    "status-that-echoes-the-key": httpx.Response(401, text=f"key {CANARY} is unknown"),
    "request-id-that-echoes-the-key": httpx.Response(401, headers={"x-request-id": CANARY}),
    "connect": httpx.ConnectError("refused"),
    "connect-that-quotes-the-key": httpx.ConnectError(f"no route for {CANARY}"),
    "remote-protocol": httpx.RemoteProtocolError(f"illegal header: {f'x-key {CANARY}'.encode()!r}"),
    "local-protocol": httpx.LocalProtocolError(f"Illegal header value b'Bearer {CANARY}'"),
    "empty": [],
    "html": [f"<html>{CANARY}".encode()],
    "text": [f"nobody knows {CANARY}".encode()],
    "error-object": [sse(delta("a"), '{"error":{"message":"no"}}')],
    "broken-json": [sse(delta("a"), "{")],
    "cut": [sse(delta("a"))],
    "reset": [sse(delta("a")), httpx.ReadError("reset")],
    "reset-that-quotes-the-key": [sse(delta("a")), httpx.ReadError("x" * 190 + CANARY)],
    "too-large": [b"data: " + b"x" * (9 * 1024 * 1024)],
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_errors_do_not_show_the_key(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for provider in providers():
        client = FakeHost(answer).client(provider)
        with pytest.raises(kimi.KimiError) as caught:
            await client.chat("Hi")
        _check(caught.value)
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: AsyncKimi(AceDataCloud(f"{CANARY} and more")), id="blank in the key"),
        pytest.param(lambda: AsyncKimi(AceDataCloud(f"{CANARY}\n\x00")), id="control character"),
        pytest.param(lambda: AsyncKimi(Cloudsway(CANARY)), id="no path"),
        pytest.param(lambda: AsyncKimi(AceDataCloud(CANARY, "http://host.test")), id="no tls"),
        pytest.param(
            lambda: AsyncKimi(AceDataCloud(CANARY, f"https://u:{CANARY}@h.test")), id="in the url"
        ),
        pytest.param(lambda: AsyncKimi(AceDataCloud(CANARY)).stream("Hi"), id="no model"),
    ],
)
def test_refused_settings_do_not_show_the_key(make: Callable[[], object]) -> None:
    with pytest.raises(kimi.ConfigurationError) as caught:
        make()
    _check(caught.value)


def test_refused_environments_do_not_show_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", CANARY)
    monkeypatch.setenv("CLOUDSWAY_API_KEY", CANARY)
    monkeypatch.delenv("KIMI_PROVIDER", raising=False)
    monkeypatch.delenv("CLOUDSWAY_ENDPOINT_PATH", raising=False)
    with pytest.raises(kimi.ConfigurationError) as caught:
        AsyncKimi()
    _check(caught.value)
    monkeypatch.setenv("KIMI_PROVIDER", "cloudsway")
    with pytest.raises(kimi.ConfigurationError, match="endpoint_path is missing") as caught:
        AsyncKimi()
    _check(caught.value)


HIDING = [
    Prefix(text=CANARY, honoured=True),
    kimi.ModelInfo(id="m", raw={"key": CANARY}),
    ChatRequest(
        model="m",
        messages=({"role": "user", "content": CANARY},),
        wire="json",
        params={"user": CANARY},
        extra_body={"user": CANARY},
    ),
]


@pytest.mark.parametrize("value", HIDING, ids=lambda value: type(value).__name__)
def test_values_hide_a_text_from_rich_too(value: Struct) -> None:
    """A msgspec.Struct gives rich all of its fields, also those that its own repr leaves out."""
    for shown in (repr(value), rich.pretty.pretty_repr(value)):
        assert CANARY not in shown
        assert type(value).__name__ in shown


def test_a_struct_that_hides_a_field_hides_it_from_rich_too() -> None:
    kinds = [kind for kind in Struct.__subclasses__() if kind.__module__.startswith("kimi_async")]
    hiding = {kind for kind in kinds if "__repr__" in vars(kind)}
    assert hiding == {type(value) for value in HIDING}
    assert hiding == {kind for kind in kinds if "__rich_repr__" in vars(kind)}


async def test_records_and_replies_do_not_show_the_key() -> None:
    """Not even where the host echoes it in its headers."""
    records: list[kimi.ReplyRecord] = []
    echo = {"x-request-id": f"id-{CANARY}", "x-authorization": f"Bearer {CANARY}"}
    host = FakeHost(httpx.Response(200, headers=echo, content=HELLO))
    stream = host.client(AceDataCloud(CANARY), on_complete=records.append).stream("Hi")
    reply = await stream.final()
    assert stream.response is not None
    assert stream.response.request_id == reply.request_id == records[0].request_id == "id-[key]"
    assert stream.response.headers["x-authorization"] == "Bearer [key]"
    assert CANARY not in repr([reply, records, stream.response, stream.snapshot, vars(stream)])


def test_the_key_is_found_where_it_was_quoted() -> None:
    key = "it's\\a\"key"
    provider = AceDataCloud(key)
    said = f"{key}, {key!r}, {key.encode()!r}"
    assert provider.without_key(said) == "[key], '[key]', b'[key]'"
    assert AceDataCloud().without_key(said) == said


def _check(error: kimi.KimiError) -> None:
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    # The frames of this file hold the canary, as a caller's own frames may.
    trace.stack = traceback.StackSummary.from_list(
        [frame for frame in trace.stack if frame.filename != __file__]
    )
    assert trace.stack, "the traceback has frames of the library"
    shown = "".join(trace.format())
    assert CANARY[:8] not in shown  # nor a part of it
    assert CANARY not in repr(vars(error))
    assert error.__context__ is None
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert str(twin) == str(error)
        assert CANARY not in repr(vars(twin))
