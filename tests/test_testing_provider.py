from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from kimi_async.testing import Answer, ErrorReply, ReceivedRequest, Recording, Reply, Script
from kimi_async.testing._provider import ScriptedProvider

ACEDATA = "/kimi/chat/completions"
CLOUDSWAY = "/v1/ai/abc/chat/completions"


def ask(
    provider: ScriptedProvider,
    path: str = ACEDATA,
    *,
    method: str = "POST",
    authorization: str | None = "Bearer test-key",
    content: bytes = b"{}",
) -> Answer:
    headers = httpx.Headers({} if authorization is None else {"authorization": authorization})
    return provider.answer(method=method, path=path, headers=headers, content=content, connection=1)


def provider(*script: Any) -> ScriptedProvider:
    return ScriptedProvider(script, "test-key")


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        pytest.param(ACEDATA, {"reasoning_content", "reasoning"}, id="acedata"),
        pytest.param(ACEDATA + "?a=b", {"reasoning_content", "reasoning"}, id="with a query"),
        pytest.param(CLOUDSWAY, {"reasoning_content", "reasoning_details"}, id="cloudsway"),
        pytest.param(
            "/v1/ai/a/b/chat/completions",
            {"reasoning_content", "reasoning_details"},
            id="an endpoint path with a slash",
        ),
    ],
)
def test_the_path_decides_the_wire(path: str, shape: set[str]) -> None:
    answer = ask(provider(Reply("Hi")), path)
    message = json.loads(answer.body)["choices"][0]["message"]
    assert {key for key in message if key.startswith("reasoning")} == shape


@pytest.mark.parametrize(
    ("content", "is_stream"),
    [
        (b'{"stream": true}', True),
        (b'{"stream": false}', False),
        (b'{"stream": "True"}', False),
        (b"{}", False),
    ],
)
def test_only_json_true_asks_for_a_stream(content: bytes, *, is_stream: bool) -> None:
    answer = ask(provider(Reply("Hi")), content=content)
    assert answer.body.startswith(b"data: ") is is_stream


def test_model_and_number_of_the_request_reach_the_reply() -> None:
    fake = provider(Reply("Hi"), Reply("Hi"))
    ask(fake)
    body = json.loads(ask(fake, content=b'{"model": "kimi-k3"}').body)
    assert (body["model"], body["id"]) == ("kimi-k3", "chatcmpl-0000000000000002")


@pytest.mark.parametrize(
    ("path", "asked", "status", "error"),
    [
        pytest.param(
            "/nothing",
            {},
            404,
            {"code": "no_api", "message": "no route for POST /nothing"},
            id="unknown path",
        ),
        pytest.param(
            "/v1/ai/chat/completions",
            {},
            404,
            {"code": 404, "message": "no route for POST /v1/ai/chat/completions"},
            id="cloudsway, no endpoint path",
        ),
        pytest.param(
            ACEDATA,
            {"method": "GET"},
            404,
            {"code": "no_api", "message": f"no route for GET {ACEDATA}"},
            id="wrong method",
        ),
        pytest.param(
            ACEDATA,
            {"authorization": None},
            401,
            {"code": "invalid_token", "message": "the bearer key is missing or wrong"},
            id="no key",
        ),
        pytest.param(
            CLOUDSWAY,
            {"authorization": "Bearer other"},
            401,
            {"code": 401, "message": "the bearer key is missing or wrong"},
            id="cloudsway, wrong key",
        ),
        pytest.param(
            ACEDATA,
            {"content": b'{"model": '},
            400,
            {"code": "bad_request", "message": "the body is not a JSON object"},
            id="no JSON",
        ),
        pytest.param(
            ACEDATA,
            {"content": b"\xff"},
            400,
            {"code": "bad_request", "message": "the body is not a JSON object"},
            id="no UTF-8",
        ),
        pytest.param(
            CLOUDSWAY,
            {"content": b"[]"},
            400,
            {"code": 400, "message": "the body is not a JSON object"},
            id="cloudsway, no object",
        ),
    ],
)
def test_a_bad_request_is_refused_and_uses_up_no_reply(
    path: str, asked: dict[str, Any], status: int, error: dict[str, Any]
) -> None:
    fake = provider(Reply("Hi"))
    answer = ask(fake, path, **asked)
    envelope = json.loads(answer.body)
    assert (answer.status, envelope.get("error", envelope)) == (status, error)
    assert ask(fake).status == 200
    assert len(fake.requests) == 2


def test_a_used_up_script_says_so() -> None:
    fake = provider(Reply("Hi"))
    ask(fake)
    answer = ask(fake)
    assert (answer.status, json.loads(answer.body)["error"]) == (
        500,
        {"code": "script_used_up", "message": "the script is used up: it had 1 replies"},
    )


def test_replies_can_be_added() -> None:
    fake = provider()
    fake.add(ErrorReply(429), Recording("acedata/chat_hello"))
    assert [ask(fake).status for _ in range(3)] == [429, 200, 500]


def test_a_function_makes_the_reply_to_each_request() -> None:
    def script(request: ReceivedRequest) -> Reply:
        return Reply(request.body["messages"][0]["content"].upper())

    fake = ScriptedProvider(script, "test-key")
    body = json.loads(ask(fake, content=b'{"messages": [{"content": "hi"}]}').body)
    assert body["choices"][0]["message"]["content"] == "HI"
    fake.raise_failure()
    with pytest.raises(RuntimeError, match="is a function"):
        fake.add(Reply("Hi"))


def test_what_a_function_raises_is_answered_logged_and_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[Exception] = [AssertionError("first"), ValueError("second")]

    def script(request: ReceivedRequest) -> Reply:
        raise errors[len(fake.requests) - 1]

    typed: Script = script
    fake = ScriptedProvider(typed, "test-key")
    with caplog.at_level(logging.ERROR, "kimi_async.testing"):
        answers = [ask(fake), ask(fake)]
    assert [json.loads(answer.body)["error"] for answer in answers] == [
        {"code": "script_failed", "message": "the script raised AssertionError: first"},
        {"code": "script_failed", "message": "the script raised ValueError: second"},
    ]
    assert len(caplog.records) == 2
    with pytest.raises(AssertionError, match="first"):
        fake.raise_failure()


def test_a_request_is_kept_as_it_came_and_shows_no_key() -> None:
    fake = provider()
    ask(fake, CLOUDSWAY, content=b'{"model": "m"}')
    (request,) = fake.requests
    assert (request.method, request.path, request.provider) == ("POST", CLOUDSWAY, "cloudsway")
    assert (request.body, request.connection) == ({"model": "m"}, 1)
    assert request.headers["Authorization"] == "Bearer test-key"
    assert "test-key" not in repr(request)
