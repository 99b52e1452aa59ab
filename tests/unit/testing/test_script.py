from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from kimi_async import AceDataCloud, APIError, ModelInfo, ReplyDecoder
from kimi_async._providers._error_classes import class_of
from kimi_async.testing import (
    Answer,
    ErrorReply,
    FakeToolCall,
    FakeTransport,
    Finish,
    Hangup,
    ModelList,
    ProviderName,
    RawReply,
    Recording,
    RenderContext,
    Reply,
    ReplyChoice,
    ScriptedBody,
    Send,
    recording,
)
from kimi_async.testing._wires import WIRES

STREAM = RenderContext()
WHOLE = RenderContext(stream=False)


def sent(answer: Answer) -> list[bytes]:
    return [step.data for step in answer.steps if isinstance(step, Send)]


def chunks(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(piece.removeprefix(b"data: ")) for piece in sent(answer)[:-1]]


def test_a_reply_is_streamed_one_event_a_send() -> None:
    answer = Reply("Hello, you!", "ok").render(STREAM)
    assert (answer.status, answer.headers) == (200, (("content-type", "text/event-stream"),))
    pieces = sent(answer)
    assert all(piece.startswith(b"data: ") and piece.endswith(b"\n\n") for piece in pieces)
    assert (pieces[-1], answer.steps[-1]) == (b"data: [DONE]\n\n", Finish())
    deltas = [choice["delta"] for chunk in chunks(answer) for choice in chunk["choices"]]
    assert "".join(delta["content"] for delta in deltas) == "Hello, you!"


def test_a_reply_is_one_json_body_when_no_stream_was_asked() -> None:
    answer = Reply("Hello, you!").render(WHOLE)
    assert (answer.status, answer.headers) == (200, (("content-type", "application/json"),))
    (body,) = sent(answer)
    assert json.loads(body)["choices"][0]["message"]["content"] == "Hello, you!"


@pytest.mark.parametrize("text", [None, "", "text"])
@pytest.mark.parametrize("field", ["content", "reasoning", "refusal"])
@pytest.mark.parametrize("provider", WIRES)
def test_absent_and_empty_stay_apart_on_every_wire(
    provider: Any, field: str, text: str | None
) -> None:
    said: dict[str, Any] = {field: text}
    reply = Reply(**said)
    key = "reasoning_content" if field == "reasoning" and provider != "openai" else field
    (body,) = sent(reply.render(RenderContext(provider=provider, stream=False)))
    assert json.loads(body)["choices"][0]["message"].get(key) == text
    streamed = [
        choice["delta"].get(key)
        for chunk in chunks(reply.render(RenderContext(provider=provider)))
        for choice in chunk["choices"]
    ]
    assert [piece for piece in streamed if piece is not None] == {
        None: [],
        "": ["", ""] if field == "content" else [""],
        "text": ["", "text"] if field == "content" else ["text"],
    }[text]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            Reply("a"),
            {"id": "chatcmpl-0000000000000007", "model": "kimi-k3", "created": 1770992031},
            id="by default",
        ),
        pytest.param(
            Reply("a", id="", model="m", created=5),
            {"id": "", "model": "m", "created": 5},
            id="given",
        ),
        pytest.param(Reply("a", usage=None), {"usage": None}, id="no usage"),
    ],
)
def test_the_frame_of_a_reply(reply: Reply, expected: dict[str, Any]) -> None:
    asked = RenderContext(model="kimi-k3", number=7)
    first, *_, last = chunks(reply.render(asked))
    body = json.loads(reply.render(evolve(asked, stream=False)).body)
    assert body.items() >= expected.items()
    assert first.items() >= (expected | {"usage": None}).items()
    assert last["usage"] == body["usage"]


def test_several_choices_are_given_in_place_of_the_one() -> None:
    reply = Reply(choices=[ReplyChoice("a"), ReplyChoice("b", finish_reason="length")])
    body = json.loads(reply.render(WHOLE).body)
    said = [(item["message"]["content"], item["finish_reason"]) for item in body["choices"]]
    assert said == [("a", "stop"), ("b", "length")]
    with pytest.raises(ValueError, match="not both"):
        Reply("a", choices=[ReplyChoice("b")])


def test_lists_are_taken_for_tuples() -> None:
    reply = Reply(tool_calls=[FakeToolCall("f")])
    assert reply == Reply(tool_calls=(FakeToolCall("f"),))
    assert json.loads(reply.render(WHOLE).body)["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "options",
    [{"pace": -1.0}, {"end": "bang"}, {"chunk_chars": 0}],
    ids=lambda options: next(iter(options)),
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Reply("a", **options)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("Hello", cuts=[5], cut_at=10, end="hangup"),
        Recording("acedata/chat_hello", cuts=[5], cut_at=10, end="hangup"),
        ErrorReply(429, cuts=[5], cut_at=10, end="hangup"),
        ModelList(["kimi-k3"], cuts=[5], cut_at=10, end="hangup"),
        RawReply(b"data: 1234567890\n\n", cuts=[5], cut_at=10, end="hangup"),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_every_reply_takes_the_delivery_options(reply: ScriptedBody) -> None:
    whole = evolve(reply, cuts="whole", cut_at=None, end="finish").render(STREAM)
    answer = reply.render(STREAM)
    assert sent(answer) == [whole.body[:5], whole.body[5:10]]
    assert (answer.steps[-1], whole.steps[-1]) == (Hangup(), Finish())


def test_a_recorded_stream_is_sent_event_by_event() -> None:
    answer = Recording("acedata/stream_reasoning_ko").render(WHOLE)
    assert answer.body == recording("acedata/stream_reasoning_ko")
    assert (answer.status, answer.headers[0][1]) == (200, "text/event-stream")
    assert (len(sent(answer)), sent(answer)[-1]) == (18, b"data: [DONE]\n\n")


def test_a_recorded_body_is_json_even_to_a_stream_request() -> None:
    answer = Recording("acedata/error_500_api_error", status=500).render(STREAM)
    assert (answer.status, answer.headers[0][1]) == (500, "application/json")
    assert sent(answer) == [recording("acedata/error_500_api_error")]


def test_a_recording_is_given_as_a_file_or_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "mine.sse"
    path.write_bytes(b"data: [DONE]\n\n")
    assert Recording(path) == Recording(b"data: [DONE]\n\n")
    with pytest.raises(FileNotFoundError):
        Recording(tmp_path / "none.sse")


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        pytest.param(
            "acedata",
            {
                "success": False,
                "error": {"code": "too_many_requests", "message": "Too Many Requests"},
                "trace_id": "00000000-0000-4000-8000-000000000001",
            },
            id="acedata",
        ),
        pytest.param("cloudsway", {"code": 429, "message": "Too Many Requests"}, id="cloudsway"),
        pytest.param(
            "moonshot",
            {"error": {"type": "rate_limit_reached_error", "message": "Too Many Requests"}},
            id="moonshot",
        ),
        pytest.param(
            "openai",
            {
                "error": {
                    "message": "Too Many Requests",
                    "type": "Too Many Requests",
                    "param": None,
                    "code": 429,
                }
            },
            id="openai",
        ),
    ],
)
def test_an_error_comes_in_the_envelope_of_the_provider(provider: Any, expected: Any) -> None:
    answer = ErrorReply(429, headers={"Retry-After": "2"}).render(RenderContext(provider=provider))
    assert (answer.status, json.loads(answer.body)) == (429, expected)
    assert answer.headers == (("content-type", "application/json"), ("Retry-After", "2"))


def test_an_error_says_what_it_is_told_to() -> None:
    answer = ErrorReply(400, "content_filter", message="no", type="t").render(STREAM)
    assert json.loads(answer.body)["error"] == {
        "code": "content_filter",
        "message": "no",
        "type": "t",
    }


@pytest.mark.anyio
@pytest.mark.parametrize("provider", ["acedata", "cloudsway", "moonshot", "compatible"])
async def test_an_error_has_the_class_of_its_status_on_every_wire(provider: str) -> None:
    statuses = [
        *(status for status in range(400, 430) if status != 407),
        451,
        499,
        *range(500, 512),
        529,
    ]
    # 407 is the refusal of a proxy, whoever sends it.
    fake = FakeTransport(map(ErrorReply, statuses))
    client = fake.client(provider=getattr(fake, provider)())
    errors: list[APIError] = []
    for _ in statuses:
        with pytest.raises(APIError) as raised:
            await client.chat("Hi")
        errors.append(raised.value)
    assert [(error.status, type(error)) for error in errors] == [
        (status, class_of([], "", None, status)) for status in statuses
    ]


def test_an_error_has_any_status() -> None:
    answer = ErrorReply(529).render(RenderContext(provider="openai"))
    assert (answer.status, json.loads(answer.body)["error"]["message"]) == (529, "Unknown Error")


def test_usage_is_left_out_where_it_was_not_asked_for() -> None:
    asked = RenderContext(provider="openai", include_usage=False)
    assert not any("usage" in chunk for chunk in chunks(Reply("Hi").render(asked)))


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        pytest.param(None, ["MaaS_Kimi_K2.5_20260127"], id="by default"),
        pytest.param([], [], id="none"),
        pytest.param(["a", ModelInfo(id="b")], ["a", "b"], id="given"),
    ],
)
def test_a_list_of_models_is_json(models: Any, expected: list[str]) -> None:
    answer = ModelList(models).render(RenderContext(provider="cloudsway"))
    assert (answer.status, answer.headers) == (200, (("content-type", "application/json"),))
    assert [model["id"] for model in json.loads(answer.body)["data"]] == expected


def test_an_error_has_any_body() -> None:
    page = ErrorReply(504, headers={"content-type": "text/html"}, body="<html>…").render(STREAM)
    assert (page.headers, page.body) == ((("content-type", "text/html"),), "<html>…".encode())


@pytest.mark.parametrize("kind", [ErrorReply, partial(RawReply, b"")])
@pytest.mark.parametrize("status", [-1, 0, 99, 100, 199, 600])
def test_a_status_is_one_with_which_a_response_ends(kind: Any, status: int) -> None:
    with pytest.raises(ValueError, match=rf"must be an HTTP status from 200 to 599, not {status}$"):
        kind(status)


@pytest.mark.parametrize("empty", [{}, {"code": "", "message": ""}, {"body": b""}])
def test_an_error_inside_a_success_says_something(empty: Any) -> None:
    with pytest.raises(
        ValueError, match=r"ErrorReply\(200\) is an error inside a success and needs"
    ):
        ErrorReply(200, **empty)
    written = ErrorReply(200, message="no").render(STREAM)
    assert (written.status, b'"no"' in written.body) == (200, True)
    assert ErrorReply(302).render(STREAM).status == 302


@pytest.mark.parametrize("provider", WIRES)
def test_an_error_inside_a_success_is_read_as_one(provider: ProviderName) -> None:
    answer = ErrorReply(200, message="no").render(RenderContext(provider=provider))
    decoder = ReplyDecoder(AceDataCloud("test-key"))
    decoder.feed(b"".join(sent(answer)))
    decoder.close()
    assert isinstance(decoder.failure, APIError)
    assert decoder.failure.message == "no"


def test_a_raw_reply_is_sent_as_it_is() -> None:
    assert RawReply().render(STREAM) == Answer(headers=())
    answer = RawReply("data: é\n\n:\n\n", 201, headers={"X-A": "b"}, cut_after=1).render(STREAM)
    assert answer == Answer(
        status=201, headers=(("X-A", "b"),), steps=(Send("data: é\n\n".encode()),)
    )
