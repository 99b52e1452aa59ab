"""The bytes of each kind of end in each format, compared with those in tests/data/web/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import DATA
from starlette.testclient import TestClient
from web_cases import CASES, EVENT_CASES, FORMATS, Case, app, encoded, run

import kimi_async as kimi
from kimi_async.testing import ErrorReply, FakeToolCall, Reply
from kimi_async.web import Format, asgi_body
from kimi_async.web._ai_sdk import AISDKEncoder
from kimi_async.web._event_stream import EventsEncoder
from kimi_async.web._formats import sse
from kimi_async.web._openai_stream import OpenAIEncoder
from kimi_async.web._text import TextEncoder

pytestmark = pytest.mark.anyio


def expected(case: str, format: str) -> str:
    """Return the body of *case* as it is in the file of *format*."""
    _, _, rest = (DATA / "web" / f"{format}.txt").read_text("utf-8").partition(f"## {case}\n")
    return rest.partition("\n## ")[0]


async def body_of(case: Case, format: Format) -> str:
    body = asgi_body(case.stream(), format)
    pieces = [piece async for piece in body]
    await body.aclose()
    return b"".join(pieces).decode()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", CASES)
async def test_the_body_of_each_case(name: str, format: Format) -> None:
    assert await body_of(CASES[name], format) == expected(name, format)


HALF: Final = r'{"city": "a\ud800", "\udfff": [5]}'
HALVES: Final = {
    "call": Case([Reply(tool_calls=[FakeToolCall("weather", HALF)]), Reply("Done.")], run),
    "value": Case([Reply(HALF)], lambda client: client.stream_parse("Hi", into=dict)),
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", HALVES)
async def test_half_a_character_does_not_end_a_body(name: str, format: Format) -> None:
    """JSON can express it, and UTF-8 cannot."""
    assert (await body_of(HALVES[name], format)).endswith(("Done.", HALF, "}\n\n", "[DONE]\n\n"))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", CASES)
async def test_no_word_of_the_provider_about_a_failure_is_shown(name: str, format: Format) -> None:
    body = await body_of(CASES[name], format)
    assert "secret" not in body
    assert "test-key" not in body


@pytest.mark.parametrize("encoder", [EventsEncoder, AISDKEncoder])
@pytest.mark.parametrize("name", EVENT_CASES)
async def test_the_bodies_of_attempts(
    name: str, encoder: type[EventsEncoder | AISDKEncoder]
) -> None:
    form = "events" if encoder is EventsEncoder else "ai-sdk"
    assert encoded(encoder(), EVENT_CASES[name]).decode() == expected(name, form)


TEXTS: Final = st.text(min_size=1) | st.sampled_from(['""', '"', "\\", "\n\n", "\u2028"])
PIECES: Final = st.one_of(
    st.builds(kimi.ContentDelta, TEXTS, st.integers(0, 1)),
    st.builds(kimi.ReasoningDelta, TEXTS, st.integers(0, 1)),
    st.builds(kimi.RefusalDelta, TEXTS, st.integers(0, 1)),
)


@given(TEXTS, TEXTS, st.lists(PIECES))
def test_the_chunks_of_any_pieces(
    id: str, model: str, pieces: list[kimi.ContentDelta | kimi.ReasoningDelta | kimi.RefusalDelta]
) -> None:
    events = [kimi.StreamStart(id, model, 7, "acedata"), *pieces]
    expected = b"".join(map(sse, kimi.to_openai_chunks(events)))
    assert b"".join(map(OpenAIEncoder().feed, events)) == expected


@given(st.lists(PIECES))
def test_the_parts_of_any_pieces(
    pieces: list[kimi.ContentDelta | kimi.ReasoningDelta | kimi.RefusalDelta],
) -> None:
    parts: list[tuple[bool, str]] = []
    for piece in pieces:
        is_reasoning = isinstance(piece, kimi.ReasoningDelta)
        if piece.choice == 0:
            same = parts.pop()[1] if parts and parts[-1][0] == is_reasoning else ""
            parts.append((is_reasoning, same + piece.text))
    body = b"".join(map(AISDKEncoder().feed, pieces)).removesuffix(b"\n\n")
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n\n") if line]
    told = {
        chunk["id"]: (chunk["type"] == "reasoning-start", "")
        for chunk in chunks
        if chunk["type"].endswith("-start")
    }
    for chunk in chunks:
        is_reasoning, text = told[chunk["id"]]
        told[chunk["id"]] = (is_reasoning, text + chunk.get("delta", ""))
    assert [*told.values()] == parts


@pytest.mark.parametrize("encoder", [TextEncoder, OpenAIEncoder])
@pytest.mark.parametrize("name", ["continued", "restarted-before-output"])
async def test_other_attempts_are_one_text(
    name: str, encoder: type[TextEncoder | OpenAIEncoder]
) -> None:
    form = "text" if encoder is TextEncoder else "openai"
    assert encoded(encoder(), EVENT_CASES[name]).decode() == expected(name, form)


async def test_the_events_can_be_decoded() -> None:
    body = await body_of(CASES["complete"], "events")
    *events, end = body.removesuffix("\n\n").split("\n\n")
    decoded = [kimi.decode_event(event.removeprefix("data: ").encode()) for event in events]
    assert [event.text for event in decoded if isinstance(event, kimi.ContentDelta)] == [
        *("Hello, y", "ou!")
    ]
    last = decoded[-1]
    assert isinstance(last, kimi.StreamEnd)
    assert (last.completion.text, last.completion.attempts) == ("Hello, you!", ())
    assert end.startswith('event: end\ndata: {"outcome":"complete"')


def over_openai(case: str) -> openai.AsyncOpenAI:
    http_client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app))
    url = f"http://service.test/openai/{case}"
    return openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http_client, max_retries=0)


async def read_by_openai(case: str) -> Sequence[Any]:
    async with over_openai(case) as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        return [chunk async for chunk in stream]


@pytest.mark.parametrize(
    ("case", "text", "reason", "told"),
    [
        ("complete", "Hello, you!", "stop", ("complete", None)),
        ("length", "Hello, you", "length", ("length", None)),
        ("only-thinking", "", "stop", ("complete", "model")),
        ("only-thinking-at-the-limit", "", "length", ("length", "budget")),
        ("run", "Let me look.\n\nAgain.\n\n21 degrees.", "stop", ("complete", None)),
        ("run-with-pending", "A map.", "tool_calls", ("tool_calls", None)),
        ("run-out-of-steps", "", "length", ("tool_calls", None)),
    ],
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_chunks_are_read_by_openai(
    case: str, text: str, reason: str, told: tuple[str, str | None], anyio_backend: str
) -> None:
    *chunks, last = await read_by_openai(case)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == text
    assert chunks[-1].choices[0].finish_reason == reason
    assert (last.kimi["outcome"], last.kimi["no_answer"]) == told
    assert last.usage.total_tokens


@pytest.mark.parametrize("case", ["cut", "overloaded", "unfit"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_failure_is_raised_by_openai(case: str, anyio_backend: str) -> None:
    with pytest.raises(openai.APIError):
        await read_by_openai(case)


@pytest.mark.parametrize("format", FORMATS)
def test_the_headers_of_a_response(format: str) -> None:
    response = TestClient(app).get(f"/{format}/complete")
    assert response.status_code == 200
    headers = response.headers
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["content-type"] == (
        "text/plain; charset=utf-8" if format == "text" else "text/event-stream"
    )
    assert ("x-vercel-ai-ui-message-stream" in headers) is (format == "ai-sdk")
    assert "content-length" not in headers


def test_the_service_of_the_cases_answers_with_attempts_and_refusals() -> None:
    service = TestClient(app)
    assert service.get("/text/continued").text == "Hello"
    assert service.get("/text/refused").status_code == 500


@pytest.mark.parametrize("format", FORMATS)
async def test_a_body_raises_what_fails_before_the_first_output(format: Format) -> None:
    body = asgi_body(Case([ErrorReply(401)]).stream(), format)
    with pytest.raises(kimi.AuthenticationError):
        await anext(body)
    await body.aclose()


@pytest.mark.parametrize("unknown", ["html", "TEXT", None, ["text"]])
def test_an_unknown_format_is_refused(unknown: Any) -> None:
    with pytest.raises(kimi.ConfigurationError, match="there are text, events, openai, ai-sdk"):
        asgi_body(CASES["complete"].stream(), unknown)


def test_another_value_is_refused() -> None:
    reply: Any = httpx.Response(200)
    with pytest.raises(kimi.ConfigurationError, match="not of a value of type Response"):
        asgi_body(reply)
