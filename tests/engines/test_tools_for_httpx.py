"""The tools for tests and tracing that people use with httpx, as their documentation shows them, over our clients."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
import sentry_sdk
from engines import ENGINES, OUR_ENGINES
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.transport import Transport as SentryTransport

import kimi_async as kimi
from kimi_async import AsyncKimi, Moonshot
from kimi_async.testing import FakeProvider, Reply

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

on_each_engine = pytest.mark.parametrize("engine", OUR_ENGINES)

#: The functions that the tools replace; Sentry leaves its own in their place.
REPLACED = (
    (httpx.Client, "send"),
    (httpx.AsyncClient, "send"),
    (httpx.HTTPTransport, "handle_request"),
    (httpx.AsyncHTTPTransport, "handle_async_request"),
    (httpcore.ConnectionPool, "handle_request"),
    (httpcore.AsyncConnectionPool, "handle_async_request"),
)


@pytest.fixture(autouse=True)
def originals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the functions back after each test."""
    for owner, name in REPLACED:
        monkeypatch.setattr(owner, name, getattr(owner, name))


#: A host that no test may reach; the name cannot be resolved.
NOWHERE = "https://kimi.invalid/v1"


def client_of(http: Any, url: str) -> AsyncKimi:
    return AsyncKimi(
        Moonshot("test-key", base_url=url),
        model="kimi-k3",
        http_client=http,
        retries=kimi.Retries.none(),
    )


@on_each_engine
async def test_pytest_httpx_answers(engine: str, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(
        url=f"{NOWHERE}/chat/completions",
        json={"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
    )
    async with ENGINES[engine]() as http:
        reply = await client_of(http, NOWHERE).chat("Hi", wire="json")
    assert reply.text == "Hello"
    (request,) = httpx_mock.get_requests()
    assert request.headers["authorization"] == "Bearer test-key"


@on_each_engine
@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
async def test_pytest_httpx_refuses_a_request_without_a_response(
    engine: str, httpx_mock: HTTPXMock
) -> None:
    async with ENGINES[engine]() as http:
        with pytest.raises(kimi.TransportError) as caught:
            await client_of(http, NOWHERE).chat("Hi")
    assert "No response can be found" in str(caught.value.cause)
    assert len(httpx_mock.get_requests()) == 1


@on_each_engine
async def test_a_cassette_of_vcrpy_records_and_replays(engine: str, tmp_path: Path) -> None:
    vcr: Any = import_module("vcr")  # it has no types
    cassette = str(tmp_path / "reply.yaml")
    async with FakeProvider([Reply("Hello from the host")]) as fake, ENGINES[engine]() as http:
        client = client_of(http, f"{fake.url}/moonshot/v1")
        for number in range(2):  # the second time from the cassette
            with vcr.use_cassette(cassette, record_mode="once") as tape:
                assert (await client.chat("Hi")).text == "Hello from the host"
            assert tape.play_count == number
        assert len(fake.requests) == 1


@on_each_engine
async def test_opentelemetry_sees_a_span(engine: str) -> None:
    """Also when it is switched on after the first request, whose functions were those of httpx."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracing = HTTPXClientInstrumentor()
    async with FakeProvider([Reply("One"), Reply("Two")]) as fake, ENGINES[engine]() as http:
        client = client_of(http, f"{fake.url}/moonshot/v1")
        assert (await client.chat("Hi")).text == "One"
        tracing.instrument(tracer_provider=provider)
        try:
            assert (await client.chat("Hi")).text == "Two"
        finally:
            tracing.uninstrument()
    (span,) = spans.get_finished_spans()
    assert span.name == "POST"


class Envelopes(SentryTransport):
    """Keeps the spans that would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def capture_envelope(self, envelope: Any) -> None:
        for item in envelope.items:
            payload = item.payload.json or {}
            self.operations += [span["op"] for span in payload.get("spans", [])]


@pytest.fixture
def envelopes() -> Iterator[Envelopes]:
    envelopes = Envelopes()
    sentry_sdk.init(
        "https://key@sentry.invalid/1",
        transport=envelopes,
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[HttpxIntegration()],
    )
    yield envelopes
    sentry_sdk.init()


async def test_sentry_sees_a_span(envelopes: Envelopes) -> None:
    """One test for all engines, because Sentry replaces functions once in a process."""
    for engine in OUR_ENGINES:
        async with FakeProvider([Reply("Hello")]) as fake, ENGINES[engine]() as http:
            with sentry_sdk.start_transaction(name="a test"):
                assert (await client_of(http, f"{fake.url}/moonshot/v1").chat("Hi")).text == "Hello"
    sentry_sdk.flush()
    assert envelopes.operations.count("http.client") == len(OUR_ENGINES)
