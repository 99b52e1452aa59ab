from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from kimi_async.testing import (
    Answer,
    ErrorReply,
    ModelList,
    Models,
    ReceivedRequest,
    Recording,
    RenderContext,
    Reply,
)
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
    host: str = "127.0.0.1:8000",
) -> Answer:
    headers = httpx.Headers({"host": host})
    if authorization is not None:
        headers["authorization"] = authorization
    served = provider.serve(
        method=method, path=path, headers=headers, content=content, connection=1
    )
    provider.finish(served)
    return served.answer


def provider(*script: Any) -> ScriptedProvider:
    return ScriptedProvider(script, "test-key", {})


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        pytest.param("", "/acedata/kimi/chat/completions", "acedata", id="acedata"),
        pytest.param("", "/acedata/v1/chat/completions", "acedata", id="acedata, unified"),
        pytest.param("", "/cloudsway/v1/ai/x/chat/completions", "cloudsway", id="cloudsway"),
        pytest.param("", "/moonshot/v1/chat/completions", "moonshot", id="moonshot"),
        pytest.param("", "/openai/v1/chat/completions", "openai", id="openai"),
        pytest.param("", "/openai/v1/chat/completions?a=b", "openai", id="with a query"),
        pytest.param(
            "", "/cloudsway/v1/ai/a/b/chat/completions", "cloudsway", id="a slash in the endpoint"
        ),
        pytest.param("api.acedata.cloud", ACEDATA, "acedata", id="acedata's host"),
        pytest.param(
            "api.acedata.cloud", "/v1/chat/completions", "acedata", id="acedata's host, unified"
        ),
        pytest.param("genaiapi.cloudsway.net:443", CLOUDSWAY, "cloudsway", id="cloudsway's host"),
        pytest.param("api.moonshot.ai", "/v1/chat/completions", "moonshot", id="moonshot's host"),
        pytest.param("api.moonshot.cn", "/v1/chat/completions", "moonshot", id="its other host"),
        pytest.param("openai.test", "/v1/chat/completions", "openai", id="a compatible host"),
        pytest.param("", ACEDATA, "acedata", id="acedata's path"),
        pytest.param("", CLOUDSWAY, "cloudsway", id="cloudsway's path"),
        pytest.param("", "/v1/chat/completions", "moonshot", id="moonshot's path"),
        pytest.param("api.moonshot.ai", ACEDATA, None, id="a path of another's"),
        pytest.param("", "/moonshot/kimi/chat/completions", None, id="a path of another's, named"),
        pytest.param("", "/moonshot", None, id="nothing but a name"),
    ],
)
def test_the_path_and_the_host_decide_the_wire(host: str, path: str, expected: str | None) -> None:
    fake = provider(Reply("Hi"))
    answer = ask(fake, path, host=host)
    (request,) = fake.requests
    assert (request.provider, answer.status) == (expected, 404 if expected is None else 200)


@pytest.mark.parametrize(
    ("host", "path", "first"),
    [
        pytest.param("", "/acedata/v1/models", "kimi-k3", id="acedata"),
        pytest.param("", "/cloudsway/v1/models", "MaaS_Kimi_K2.5_20260127", id="cloudsway"),
        pytest.param("", "/moonshot/v1/models", "kimi-k3", id="moonshot"),
        pytest.param("", "/openai/v1/models", "moonshotai/Kimi-K2.6", id="openai"),
        pytest.param(
            "genaiapi.cloudsway.net", "/v1/models", "MaaS_Kimi_K2.5_20260127", id="by the host"
        ),
        pytest.param("", "/v1/models", "kimi-k3", id="by nothing"),
    ],
)
def test_every_provider_lists_its_models(host: str, path: str, first: str) -> None:
    """Which uses up no reply and needs no body."""
    fake = provider(Reply("Hi"))
    answer = ask(fake, path, method="GET", content=b"", host=host)
    assert (answer.status, json.loads(answer.body)["data"][0]["id"]) == (200, first)
    assert ask(fake).body == Reply("Hi").render(RenderContext(stream=False, number=2)).body


@pytest.mark.parametrize(
    ("models", "status"),
    [
        pytest.param(["a"], 200, id="names"),
        pytest.param(ModelList(["a"]), 200, id="a list that is a reply"),
        pytest.param(ErrorReply(404), 404, id="an error"),
    ],
)
def test_what_the_list_of_models_is_can_be_said(models: Models, status: int) -> None:
    fake = ScriptedProvider([], "test-key", {"models": models})
    answers = [ask(fake, "/v1/models", method="GET") for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param({"method": "POST"}, 404, id="wrong method"),
        pytest.param({"authorization": "Bearer other"}, 401, id="wrong key"),
    ],
)
def test_a_bad_request_for_the_models_is_refused(asked: dict[str, str], status: int) -> None:
    options: dict[str, Any] = {"method": "GET"} | asked
    assert ask(provider(), "/v1/models", **options).status == status


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(b'{"include_usage": true}', 1, id="asked for"),
        pytest.param(b'{"include_usage": false}', 0, id="not asked for"),
        pytest.param(b"null", 0, id="no options"),
    ],
)
def test_usage_is_asked_for_by_the_options_of_the_stream(options: bytes, expected: int) -> None:
    content = b'{"stream": true, "stream_options": ' + options + b"}"
    answer = ask(provider(Reply("Hi")), "/openai/v1/chat/completions", content=content)
    assert answer.body.count(b'"usage"') == expected


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
            "/cloudsway/v1/ai/chat/completions",
            {},
            404,
            {"code": 404, "message": "no route for POST /cloudsway/v1/ai/chat/completions"},
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
        pytest.param(
            "/moonshot/v1/chat/completions",
            {"authorization": "Bearer other"},
            401,
            {
                "type": "invalid_authentication_error",
                "message": "the bearer key is missing or wrong",
            },
            id="moonshot, wrong key",
        ),
        pytest.param(
            "/openai/v1/nothing",
            {},
            404,
            {
                "message": "no route for POST /openai/v1/nothing",
                "type": "Not Found",
                "param": None,
                "code": 404,
            },
            id="openai, unknown path",
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


def test_replies_can_be_added() -> None:
    fake = provider()
    fake.add(ErrorReply(429), Recording("acedata/chat_hello"))
    assert [ask(fake).status for _ in range(2)] == [429, 200]


def test_a_function_makes_the_reply_to_each_request() -> None:
    def script(request: ReceivedRequest) -> Reply:
        return Reply(request.body["messages"][0]["content"].upper())

    fake = ScriptedProvider(script, "test-key", {})
    body = json.loads(ask(fake, content=b'{"messages": [{"content": "hi"}]}').body)
    assert body["choices"][0]["message"]["content"] == "HI"
    fake.raise_failure(None)
    with pytest.raises(RuntimeError, match="is a function"):
        fake.add(Reply("Hi"))


def test_a_request_is_kept_as_it_came_and_shows_no_key() -> None:
    fake = provider(Reply("Hi"))
    ask(fake, CLOUDSWAY, content=b'{"model": "m"}')
    (request,) = fake.requests
    assert (request.method, request.path, request.provider) == ("POST", CLOUDSWAY, "cloudsway")
    assert (request.body, request.connection) == ({"model": "m"}, 1)
    assert request.headers["Authorization"] == "Bearer test-key"
    assert "test-key" not in repr(request)
