"""``AsyncKimi.models``: the lists of providers, and the failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from fake_host import ACE, FakeHost
from msgspec.structs import replace

import kimi_async as kimi
from kimi_async import AsyncKimi, ModelInfo, Provider, Timeouts
from kimi_async.testing import (
    Answer,
    ErrorReply,
    FakeProvider,
    ModelList,
    RawReply,
    ScriptedReply,
    Send,
    Wait,
)

pytestmark = pytest.mark.anyio

ADAPTERS: dict[str, Callable[..., Provider]] = {
    "acedata": FakeProvider.acedata,
    "cloudsway": FakeProvider.cloudsway,
    "moonshot": FakeProvider.moonshot,
    "openai": FakeProvider.compatible,
}

each_provider = pytest.mark.parametrize("name", ADAPTERS)

K3 = ModelInfo(
    id="kimi-k3",
    created=1790000000,
    owned_by="moonshot",
    context_length=1_048_576,
    supports_image_in=True,
    supports_video_in=False,
    supports_reasoning=True,
)


@each_provider
async def test_the_models_of_every_provider(name: str) -> None:
    async with FakeProvider(models=[K3, ModelInfo(id="bare")]) as fake:
        async with AsyncKimi(ADAPTERS[name](fake), headers={"X-Team": "a"}) as client:
            models = await client.models()
            assert fake.open_connections == 1  # read to its end, so kept
    assert [replace(model, raw={}) for model in models] == [K3, ModelInfo(id="bare")]
    created = "1790000000" if name == "cloudsway" else 1790000000
    assert [model.raw.get("created") for model in models] == [created, None]
    (request,) = fake.requests
    assert (request.method, request.path, request.body) == ("GET", f"/{name}/v1/models", None)
    sent = ("accept", "authorization", "x-team", "content-type")
    assert [request.headers.get(header) for header in sent] == [
        "application/json",
        "Bearer test-key",
        "a",
        None,
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acedata", "kimi-k3"),
        ("cloudsway", "MaaS_Kimi_K2.5_20260127"),
        ("moonshot", "kimi-k3"),
        ("openai", "moonshotai/Kimi-K2.6"),
    ],
)
async def test_the_models_that_a_fake_lists_by_itself(name: str, expected: str) -> None:
    async with FakeProvider() as fake, AsyncKimi(ADAPTERS[name](fake)) as client:
        first, *_ = await client.models()
    assert (first.id, first.created, first.owned_by) == (expected, 1770992031, "moonshot")
    assert first.context_length == (1_048_576 if name == "moonshot" else None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"data": []}', [], id="none"),
        pytest.param(b' \r\n {"data": [{"id": "a"}]} \n', [{"id": "a"}], id="padded"),
        pytest.param(b'\xef\xbb\xbf{"data": [{"id": "a"}]}', [{"id": "a"}], id="byte order mark"),
        pytest.param(b'{"data": [{}, null, "a", {"id": ""}, {"id": 7}]}', [], id="without an id"),
        pytest.param(
            b'{"data": [{"id": "a", "created": "1770992031"}]}',
            [{"id": "a", "created": 1770992031}],
            id="created is text",
        ),
        pytest.param(
            '{"data": [{"id": "a", "created": "١٢"}, {"id": "b", "created": "soon"}]}'.encode(),
            [{"id": "a"}, {"id": "b"}],
            id="created is no number",
        ),
        pytest.param(
            b'{"data": [{"id": "a", "created": "1234567890123456789"}]}',
            [{"id": "a"}],
            id="created is endless",
        ),
        pytest.param(
            b'{"data": [{"id": "a", "created": -1, "owned_by": "", "context_length": "8",'
            b' "supports_image_in": 1, "supports_video_in": null, "supports_reasoning": "yes"}]}',
            [{"id": "a", "context_length": 8}],
            id="values of the wrong type",
        ),
        pytest.param(
            b'{"error": null, "code": null, "data": [{"id": "a"}]}', [{"id": "a"}], id="no error"
        ),
    ],
)
async def test_values(body: bytes, expected: list[dict[str, Any]]) -> None:
    async with FakeProvider(models=RawReply(body)) as fake, AsyncKimi(fake.acedata()) as client:
        models = await client.models()
    assert [replace(model, raw={}) for model in models] == [ModelInfo(**item) for item in expected]


async def test_what_is_not_known_stays_reachable() -> None:
    reply = RawReply(b'{"data": [{"id": "a", "permission": [1]}]}')
    async with FakeProvider(models=reply) as fake, AsyncKimi(fake.acedata()) as client:
        (model,) = await client.models()
    assert model == ModelInfo(id="a", raw={"id": "a", "permission": [1]})


HTML = {"content-type": "text/html"}
PAGE = "<html><body>Bad gateway</body></html>"
SHORT = Timeouts(first_output=0.05, idle=30)


@pytest.mark.parametrize(
    ("reply", "expected", "message"),
    [
        pytest.param(ErrorReply(401), kimi.AuthenticationError, "Unauthorized", id="401"),
        pytest.param(
            ErrorReply(403, "disabled"), kimi.PermissionDeniedError, "Forbidden", id="403"
        ),
        pytest.param(ErrorReply(404), kimi.NotFoundError, "Not Found", id="404"),
        pytest.param(
            ErrorReply(404, headers=HTML, body=PAGE), kimi.NotFoundError, "Bad", id="404 HTML"
        ),
        pytest.param(ErrorReply(429), kimi.RateLimitError, "Too Many", id="429"),
        pytest.param(
            ErrorReply(502, headers=HTML, body=PAGE), kimi.ServerError, "Bad", id="502 HTML"
        ),
        pytest.param(
            RawReply(status=302, headers={"location": "/x"}), kimi.APIError, "base_url", id="302"
        ),
        pytest.param(
            ErrorReply(401, cut_at=-1, end="reset"),
            kimi.AuthenticationError,
            "Unauthorized",
            id="401, cut",
        ),
        pytest.param(
            ErrorReply(200, "used_up"), kimi.QuotaExceededError, "OK", id="an error in a success"
        ),
        pytest.param(
            RawReply(b'{"error": "no", "data": []}'), kimi.APIError, "no", id="an error and a list"
        ),
        pytest.param(
            RawReply(PAGE, headers=HTML), kimi.ProtocolError, "a list called data", id="HTML"
        ),
        pytest.param(RawReply(), kimi.ProtocolError, "a list called data", id="an empty body"),
        pytest.param(RawReply(b"{}"), kimi.ProtocolError, "a list called data", id="no list"),
        pytest.param(
            RawReply(b'{"data": {"id": "a"}}'), kimi.ProtocolError, "called data", id="an object"
        ),
        pytest.param(
            RawReply(b'[{"id": "a"}]'), kimi.ProtocolError, "called data", id="a bare list"
        ),
        pytest.param(
            ModelList(cut_at=-1), kimi.ProtocolError, "called data", id="cut, with a polite end"
        ),
        pytest.param(
            ModelList(cut_at=9, end="hangup"), kimi.TransportError, "broke", id="cut, hung up"
        ),
        pytest.param(
            ModelList(cut_at=9, end="reset"), kimi.TransportError, "broke", id="cut, reset"
        ),
        pytest.param(
            RawReply(b"{", headers={"content-length": "9"}),
            kimi.TransportError,
            "broke",
            id="shorter than it said",
        ),
    ],
)
async def test_errors(reply: ScriptedReply, expected: type[kimi.KimiError], message: str) -> None:
    async with FakeProvider(models=reply) as fake:
        async with AsyncKimi(fake.acedata()) as client:
            with pytest.raises(kimi.KimiError, match=message) as caught:
                await client.models()
        await fake.wait_until(lambda: not fake.open_connections)
    assert type(caught.value) is expected
    assert caught.value.provider == "acedata"
    assert len(fake.requests) == 1


@each_provider
async def test_a_wrong_key_is_refused_in_the_words_of_each(name: str) -> None:
    async with FakeProvider() as fake:
        async with AsyncKimi(ADAPTERS[name](fake, api_key="other")) as client:
            with pytest.raises(kimi.AuthenticationError, match="wrong") as caught:
                await client.models()
    assert (caught.value.status, caught.value.provider) == (401, name)


@pytest.mark.parametrize(
    ("reply", "timeouts", "expected"),
    [
        pytest.param(
            Answer(steps=(Wait(None),)), SHORT, kimi.FirstOutputTimeout, id="nothing after headers"
        ),
        pytest.param(
            ModelList(cut_at=9, end="stall"), SHORT, kimi.FirstOutputTimeout, id="a stall"
        ),
        pytest.param(
            ModelList(cuts="bytes", pace=0.01), SHORT, kimi.FirstOutputTimeout, id="a drip"
        ),
        pytest.param(
            ErrorReply(500, cut_at=9, end="stall"),
            SHORT,
            kimi.FirstOutputTimeout,
            id="a stall in an error",
        ),
        pytest.param(
            ModelList(cut_at=9, end="stall"),
            Timeouts(total=0.05),
            kimi.TotalTimeout,
            id="a stall, in all",
        ),
    ],
)
async def test_timeouts(
    reply: ScriptedReply, timeouts: Timeouts, expected: type[kimi.KimiError]
) -> None:
    async with FakeProvider(models=reply) as fake:
        async with AsyncKimi(fake.moonshot(), timeouts=timeouts) as client:
            with pytest.raises(expected) as caught:
                await client.models()
            await fake.wait_until(lambda: not fake.open_connections)
    assert caught.value.provider == "moonshot"


async def test_the_read_timeout_of_the_http_client_is_a_timeout() -> None:
    client = FakeHost([b"{", httpx.ReadTimeout("so long")]).client(ACE)
    with pytest.raises(kimi.FirstOutputTimeout):
        await client.models()


async def test_it_waits_as_long_as_it_takes_where_nothing_limits_it() -> None:
    timeouts = Timeouts(first_output=None, idle=None)
    async with FakeProvider(models=ModelList(["a"], cuts=[5], pace=0.001)) as fake:
        async with AsyncKimi(fake.acedata(), timeouts=timeouts) as client:
            assert [model.id for model in await client.models()] == ["a"]


async def test_nobody_there() -> None:
    async with FakeProvider() as fake:
        provider = fake.acedata()
    async with AsyncKimi(provider) as client:
        with pytest.raises(kimi.TransportError, match="no connection") as caught:
            await client.models()
    assert caught.value.provider == "acedata"


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("limit", ["body_bytes", "nesting"])
async def test_a_huge_body_is_refused(limit: str, over: int) -> None:
    limits = {
        "body_bytes": kimi.Limits(body_bytes=14 - over),
        "nesting": kimi.Limits(nesting=3 - over),
    }[limit]
    async with FakeProvider(models=RawReply(b'{"data": [{}]}')) as fake:
        async with AsyncKimi(fake.acedata(), limits=limits) as client:
            if over:
                with pytest.raises(kimi.ProtocolError, match=f"the limit '{limit}' of") as caught:
                    await client.models()
                assert (caught.value.limit, caught.value.stage) == (limit, "listing models")
            else:
                assert await client.models() == ()


async def test_of_a_huge_error_body_only_the_beginning_is_read() -> None:
    steps = (Send(b"x" * kimi.Limits().error_body_bytes), Wait(None))
    async with FakeProvider(models=Answer(status=503, steps=steps)) as fake:
        async with AsyncKimi(fake.acedata()) as client:
            with pytest.raises(kimi.OverloadedError, match="xxx"):
                await client.models()
            await fake.wait_until(lambda: not fake.open_connections)


async def test_a_cancellation_gives_the_connection_back() -> None:
    async with FakeProvider(models=ModelList(cut_at=9, end="stall")) as fake:
        async with AsyncKimi(fake.acedata()) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.models)
            await fake.wait_until(lambda: fake.active_requests == 1)
            tasks.cancel_scope.cancel()
        await fake.wait_until(lambda: not fake.open_connections)
