"""The tables of ``test_errors.py``: error responses, and the errors that are read from them.

A row named after a number is about that section of ``docs/providers.md``; the others are about no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from kimi_async._errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ContentFilteredError,
    ContextLengthError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)

JSON: TypeAlias = dict[str, Any]


@frozen
class Said:
    """The fields of one error, without its status and body."""

    kind: type[APIError]
    message: str
    code: str | None = None
    type: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


@frozen
class Case:
    """One response, and the error that is read from it."""

    status: int
    body: JSON | bytes
    said: Said
    headers: Mapping[str, str] = field(factory=dict)


def ace(status: int, code: str, kind: type[APIError]) -> Case:
    body = {"success": False, "error": {"code": code, "message": "no"}, "trace_id": "t-1"}
    return Case(status, body, Said(kind, "no", code=code, trace_id="t-1"))


def cloudsway(status: int, code: str, kind: type[APIError]) -> Case:
    return Case(status, {"code": code, "message": "no"}, Said(kind, "no", code=code))


def moonshot(status: int, type: str, kind: type[APIError], message: str = "no") -> Case:
    body = {"error": {"type": type, "message": message}}
    return Case(status, body, Said(kind, message, type=type))


def wording(status: int, message: str, kind: type[APIError]) -> Case:
    return Case(status, {"error": {"message": message}}, Said(kind, message))


def wordless(status: int) -> str:
    name = next((known.phrase for known in HTTPStatus if known == status), "")
    return f"HTTP {status} {name}".rstrip() + ", without a message"


def silent(status: int, kind: type[APIError]) -> Case:
    return Case(status, b"", Said(kind, wordless(status)))


PROVIDERS: Final[dict[str, Case]] = {
    "1.5-400-bad_request": ace(400, "bad_request", BadRequestError),
    "1.5-400-no_token": ace(400, "no_token", AuthenticationError),
    "1.5-400-token_mismatched": ace(400, "token_mismatched", AuthenticationError),
    "1.5-401-token_mismatched": ace(401, "token_mismatched", AuthenticationError),
    "1.5-400-api_not_implemented": ace(400, "api_not_implemented", NotFoundError),
    "1.5-401-invalid_token": ace(401, "invalid_token", AuthenticationError),
    "1.5-401-token_expired": ace(401, "token_expired", AuthenticationError),
    "1.5-402-x402": Case(
        402,
        {"x402Version": 1, "error": "X-PAYMENT header is required", "accepts": []},
        Said(QuotaExceededError, "X-PAYMENT header is required"),
    ),
    "1.5-403-used_up": ace(403, "used_up", QuotaExceededError),
    "1.5-403-disabled": ace(403, "disabled", PermissionDeniedError),
    "1.5-403-forbidden": ace(403, "forbidden", ContentFilteredError),
    "1.5-404-no_api": ace(404, "no_api", NotFoundError),
    "1.5-429-too_many_requests": ace(429, "too_many_requests", RateLimitError),
    "1.1-429-rate_limited": ace(429, "rate_limited", RateLimitError),
    "1.5-500-api_error": ace(500, "api_error", ServerError),
    "1.5-504-timeout": ace(504, "timeout", ServerError),
    "1.5-without-success": Case(
        403,
        {"error": {"code": "used_up", "message": "no"}, "trace_id": "t-1"},
        Said(QuotaExceededError, "no", code="used_up", trace_id="t-1"),
    ),
    "1.5-error-text": Case(
        500, {"success": False, "error": "fetch failed"}, Said(ServerError, "fetch failed")
    ),
    "1.5-error-null": Case(
        500,
        {"success": False, "error": None, "trace_id": "t-1"},
        Said(ServerError, wordless(500), trace_id="t-1"),
    ),
    "1.5-error-missing": Case(500, {"success": False}, Said(ServerError, wordless(500))),
    "2.5-400": wording(400, "Bad Request", BadRequestError),
    "2.5-400-filtered": wording(
        400, "The response was blocked by the content filter", ContentFilteredError
    ),
    "2.5-400-NO_BALANCER_ERROR": cloudsway(400, "NO_BALANCER_ERROR", ServerError),
    "2.5-400-NO_PROVIDER_ERROR": cloudsway(400, "NO_PROVIDER_ERROR", ServerError),
    "2.5-400-NO_PASSAGEWAY": cloudsway(400, "NO_PASSAGEWAY", ServerError),
    "2.5-400-MODEL_TYPE_NOT_FOUND": cloudsway(400, "MODEL_TYPE_NOT_FOUND", NotFoundError),
    "2.5-400-AI_PASSAGEWAY_GROUP_IS_EMPTY_ERROR": cloudsway(
        400, "AI_PASSAGEWAY_GROUP_IS_EMPTY_ERROR", NotFoundError
    ),
    "2.5-400-NO_ENDPOINT": cloudsway(400, "NO_ENDPOINT", NotFoundError),
    "2.5-401": silent(401, AuthenticationError),
    "2.5-403": wording(403, "IP address is not on the allow list", PermissionDeniedError),
    "2.5-404": silent(404, NotFoundError),
    "2.5-409": silent(409, ConflictError),
    "2.5-429": silent(429, RateLimitError),
    "2.5-500": silent(500, ServerError),
    "2.5-503": silent(503, OverloadedError),
    "2.5-504": silent(504, ServerError),
    "2.5-text": Case(400, b"  no such\n thing ", Said(BadRequestError, "no such thing")),
    "3.5-400-content_filter": moonshot(400, "content_filter", ContentFilteredError),
    "3.5-400-invalid_request_error": moonshot(
        400, "invalid_request_error", BadRequestError, "tool_call_id a is not found"
    ),
    "3.5-400-too-many-tokens": moonshot(
        400,
        "invalid_request_error",
        ContextLengthError,
        "Your request exceeded model token limit: 262144",
    ),
    "3.5-400-high-risk": moonshot(
        400,
        "invalid_request_error",
        ContentFilteredError,
        "The request was rejected because it was considered high risk",
    ),
    "3.5-401-invalid_authentication_error": moonshot(
        401, "invalid_authentication_error", AuthenticationError
    ),
    "3.5-401-incorrect_api_key_error": moonshot(
        401, "incorrect_api_key_error", AuthenticationError
    ),
    "3.5-403-permission_denied_error": moonshot(
        403, "permission_denied_error", PermissionDeniedError
    ),
    "3.5-404-resource_not_found_error": moonshot(404, "resource_not_found_error", NotFoundError),
    "9-403-weekly-limit": moonshot(
        403,
        "access_terminated_error",
        QuotaExceededError,
        "You've reached your weekly usage limit",
    ),
    "9-403-other-client": moonshot(
        403,
        "access_terminated_error",
        PermissionDeniedError,
        "Kimi For Coding is currently only available for Coding Agents",
    ),
    "9-200-other-client": moonshot(
        200,
        "access_terminated_error",
        PermissionDeniedError,
        "Kimi For Coding is currently only available for Coding Agents",
    ),
    "9-400-message-size": moonshot(
        400,
        "invalid_request_error",
        ContextLengthError,
        "total message size 10176584 exceeds limit 2097152",
    ),
    "3.5-413": silent(413, BadRequestError),
    "3.5-429-engine_overloaded_error": Case(
        429,
        {"error": {"type": "engine_overloaded_error", "message": "overloaded"}},
        Said(
            OverloadedError,
            "overloaded",
            type="engine_overloaded_error",
            retry_after=3.0,
            request_id="x-1",
        ),
        {"retry-after": "3", "x-trace-id": "x-1"},
    ),
    "3.5-429-rate_limit_reached_error": Case(
        429,
        {
            "error": {
                "type": "rate_limit_reached_error",
                "message": "Your account reached max request: 3, please try again after 1 seconds",
            }
        },
        Said(
            RateLimitError,
            "Your account reached max request: 3, please try again after 1 seconds",
            type="rate_limit_reached_error",
            retry_after=1.0,
        ),
    ),
    "3.5-429-exceeded_current_quota_error": moonshot(
        429, "exceeded_current_quota_error", QuotaExceededError
    ),
    "3.5-499-client_closed_request": moonshot(499, "client_closed_request", BadRequestError),
    "3.5-500-server_error": moonshot(500, "server_error", ServerError),
    "3.5-500-unexpected_output": moonshot(500, "unexpected_output", ServerError),
    "3.5-503-server_unavailable": moonshot(503, "server_unavailable", OverloadedError),
    "3.5-code-beside-type": Case(
        401,
        {"error": {"type": "invalid_authentication_error", "code": 401, "message": "no"}},
        Said(AuthenticationError, "no", type="invalid_authentication_error", code="401"),
    ),
}

HTML: Final = b"""\
<!DOCTYPE html><html><head><title>504 Gateway
Time-out</title><STYLE>body { color: red }</STYLE><script src="a">alert("x")</script></head>
<body><!-- <p>hidden</p> --><h1>504 Gateway Time-out</h1><hr>nginx &amp; friends</body></html>"""

SHAPES: Final[dict[str, Case]] = {
    "6.4-error-object-in-a-stream": Case(
        200,
        {"error": {"message": "The engine is currently overloaded", "type": "x"}},
        Said(OverloadedError, "The engine is currently overloaded", type="x"),
    ),
    "6.4-error-beside-no-choices": Case(
        200,
        {"choices": [], "error": {"code": "rate_limit_exceeded", "message": "no"}},
        Said(RateLimitError, "no", code="rate_limit_exceeded"),
    ),
    "6.4-error-text": Case(200, {"error": "no"}, Said(APIError, "no")),
    "6.4-flat": Case(
        400,
        {"code": 20015, "message": "no", "data": None},
        Said(BadRequestError, "no", code="20015"),
    ),
    "6.4-flat-code-as-text": Case(
        400, {"code": "E1", "msg": "no"}, Said(BadRequestError, "no", code="E1")
    ),
    "6.4-flat-detail": Case(422, {"detail": "no"}, Said(BadRequestError, "no")),
    "6.4-flat-message-before-msg-before-detail": Case(
        400, {"detail": "3", "msg": "2", "message": "1"}, Said(BadRequestError, "1")
    ),
    "6.4-flat-status-in-a-success": Case(
        200, {"code": 429, "message": "slow down"}, Said(RateLimitError, "slow down", code="429")
    ),
    "6.4-flat-status-as-text-in-a-success": Case(
        200,
        {"object": "error", "code": "503", "message": "no"},
        Said(OverloadedError, "no", code="503"),
    ),
    "6.4-status-as-type-in-a-success": Case(
        200,
        {"error": {"type": "401", "message": "no"}},
        Said(AuthenticationError, "no", type="401"),
    ),
    "6.4-number-that-is-no-status": Case(
        200, {"error": {"code": 999, "message": "no"}}, Said(APIError, "no", code="999")
    ),
    "6.4-number-too-long-for-a-status": Case(
        200, {"error": {"code": "0429", "message": "no"}}, Said(APIError, "no", code="0429")
    ),
    "6.4-number-in-another-script": Case(
        200, {"error": {"code": "٤٢٩", "message": "no"}}, Said(APIError, "no", code="٤٢٩")
    ),
    "6.4-status-of-the-response-wins-over-the-body": Case(
        404, {"error": {"code": 500, "message": "no"}}, Said(NotFoundError, "no", code="500")
    ),
    "6.4-code-true": Case(400, {"code": True, "message": "no"}, Said(BadRequestError, "no")),
    "6.4-nil": Case(
        400,
        {
            "error": {"type": "<nil>", "code": "", "message": "no (request id: 2026-AB.c_1)"},
            "type": "error",
        },
        Said(BadRequestError, "no (request id: 2026-AB.c_1)", request_id="2026-AB.c_1"),
    ),
    "6.4-null-as-text": Case(
        500,
        {"error": {"code": "null", "message": "null"}, "message": "no"},
        Said(ServerError, "no"),
    ),
    "6.4-type-beside-the-error": Case(
        400, {"type": "error", "error": {"message": "no"}}, Said(BadRequestError, "no")
    ),
    "6.4-type-of-the-flat-form": Case(
        500,
        {"type": "server_unavailable", "message": "no"},
        Said(OverloadedError, "no", type="server_unavailable"),
    ),
    "6.4-type-inside-before-type-outside": Case(
        500,
        {"type": "a", "error": {"type": "b"}, "message": "no"},
        Said(ServerError, "no", type="b"),
    ),
    "6.4-code-inside-before-code-outside": Case(
        500,
        {"code": "a", "error": {"code": "b"}, "message": "no"},
        Said(ServerError, "no", code="b"),
    ),
    "6.4-raw-object": Case(
        502,
        {
            "error": {
                "message": "Provider returned error",
                "code": 502,
                "metadata": {
                    "raw": {"object": "error", "message": "no money", "code": "insufficient_quota"},
                    "provider_name": "x",
                },
            }
        },
        Said(QuotaExceededError, "Provider returned error: no money", code="502"),
    ),
    "6.4-raw-text": Case(
        400,
        {
            "error": {
                "message": "Provider returned error",
                "metadata": {"raw": '{"error":{"type":"content_filter","message":"no"}}'},
            }
        },
        Said(ContentFilteredError, "Provider returned error: no"),
    ),
    "6.4-raw-status-in-a-success": Case(
        200,
        {"error": {"message": "no", "code": 500, "metadata": {"raw": {"code": 400}}}},
        Said(BadRequestError, "no", code="500"),
    ),
    "6.4-raw-wording": Case(
        429,
        {"error": {"message": "no", "metadata": {"raw": "insufficient account balance"}}},
        Said(QuotaExceededError, "no: insufficient account balance"),
    ),
    "6.4-raw-message-for-want-of-one": Case(
        400,
        {"error": {"metadata": {"raw": '{"message":"inner"}'}}},
        Said(BadRequestError, "inner"),
    ),
    "6.4-raw-odd": Case(
        400, {"error": {"message": "no", "metadata": {"raw": 5}}}, Said(BadRequestError, "no")
    ),
    "6.4-metadata-odd": Case(
        400, {"error": {"message": "no", "metadata": []}}, Said(BadRequestError, "no")
    ),
    "6.4-word-inside-before-word-outside": Case(
        429,
        {"error": {"code": "too_many_requests", "metadata": {"raw": {"type": "used_up"}}}},
        Said(QuotaExceededError, wordless(429), code="too_many_requests"),
    ),
    "6.4-code-before-type": Case(
        400,
        {"error": {"code": "used_up", "type": "server_error", "message": "no"}},
        Said(QuotaExceededError, "no", code="used_up", type="server_error"),
    ),
    "6.4-unknown-code-then-known-type": Case(
        400,
        {"error": {"code": "E1", "type": "server_error", "message": "no"}},
        Said(ServerError, "no", code="E1", type="server_error"),
    ),
    "6.4-word-before-wording": Case(
        429,
        {"error": {"type": "rate_limit_reached_error", "message": "see your billing page"}},
        Said(RateLimitError, "see your billing page", type="rate_limit_reached_error"),
    ),
    "6.4-wording-of-a-code": Case(
        400,
        {"error": {"code": "output_moderation", "message": "no"}},
        Said(ContentFilteredError, "no", code="output_moderation"),
    ),
    "6.4-wording-of-a-type": Case(
        200,
        {"error": {"type": "overloaded_error", "message": "no"}},
        Said(OverloadedError, "no", type="overloaded_error"),
    ),
    "6.1-504-html": Case(
        504,
        HTML,
        Said(ServerError, "504 Gateway Time-out 504 Gateway Time-out nginx &amp; friends"),
    ),
    "6.1-502-html-cut": Case(
        502, b"<h1>Bad Gateway</h1><script>x", Said(ServerError, "Bad Gateway")
    ),
    "6.1-502-html-cut-in-a-tag": Case(502, b"<h1>Bad</h1><a href=", Said(ServerError, "Bad")),
    "6.1-502-html-cut-in-a-comment": Case(502, b"<h1>Bad</h1><!-- x", Said(ServerError, "Bad")),
    "6.1-502-html-without-text": Case(502, b"<html><hr/></html>", Said(ServerError, wordless(502))),
    "6.1-502-long-text": Case(502, b"ab " * 9_000, Said(ServerError, ("ab " * 100)[:299])),
    "6.1-502-not-utf-8": Case(502, b"caf\xe9", Said(ServerError, "caf\ufffd")),
    "6.1-padding-and-byte-order-mark": Case(
        400, b'\n \xef\xbb\xbf {"code":"E1","message":"no"}', Said(BadRequestError, "no", code="E1")
    ),
    "empty": silent(502, ServerError),
    "blank": Case(502, b" \r\n", Said(ServerError, wordless(502))),
    "json-list": Case(500, b'["no"]', Said(ServerError, "no")),
    "json-list-of-errors": Case(
        429,
        b'[{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}]',
        Said(RateLimitError, "no", code="429"),
    ),
    "json-list-that-is-cut": Case(500, b'["no', Said(ServerError, '["no')),
    "json-text": Case(500, b'"no"', Said(ServerError, "no")),
    "json-text-that-holds-an-object": Case(
        400, b'"{\\"error\\":{\\"message\\":\\"no\\"}}"', Said(BadRequestError, "no")
    ),
    "deep": Case(500, b"[" * 100_000, Said(ServerError, "[" * 300)),
    "message-list": Case(500, {"error": {"message": ["no"]}}, Said(ServerError, "no")),
    "message-number": Case(500, {"message": 5}, Said(ServerError, "5")),
    "message-fraction": Case(500, {"message": 1.5}, Said(ServerError, '{"message":1.5}')),
    "message-object": Case(500, {"message": {"reason": "no"}}, Said(ServerError, "no")),
    "message-holds-json": Case(
        429,
        {"error": {"message": '{"error":{"code":"used_up","message":"no more"}}', "code": "x"}},
        Said(QuotaExceededError, "no more", code="x"),
    ),
    "message-holds-broken-json": Case(
        400, {"message": '{"error":'}, Said(BadRequestError, '{"error":')
    ),
    "error-list": Case(500, {"error": ["no", "never"]}, Said(ServerError, "no; never")),
    "error-list-of-objects": Case(
        400,
        {"error": [{"code": "E1", "message": "a"}, {"code": "E2", "message": "b"}]},
        Said(BadRequestError, "a; b", code="E1"),
    ),
    "error-true": Case(400, {"error": True, "message": "no"}, Said(BadRequestError, "no")),
    "error-number": Case(400, {"error": 5}, Said(BadRequestError, "5")),
    "error-name-beside-a-message": Case(
        403,
        {"timestamp": "2026", "status": 403, "error": "Forbidden", "message": "no", "path": "/v1"},
        Said(ContentFilteredError, "Forbidden: no"),
    ),
    "error-name-in-the-message": Case(
        400, {"error": "bad", "message": "bad"}, Said(BadRequestError, "bad")
    ),
    "error-in-an-error": Case(
        400,
        {"error": {"error": {"message": "no", "code": "model_not_found"}}},
        Said(NotFoundError, "no", code="model_not_found"),
    ),
    "errors": Case(400, {"errors": [{"message": "no"}]}, Said(BadRequestError, "no")),
    "detail-of-fastapi": Case(
        422,
        {"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing"}]},
        Said(BadRequestError, "body.model: field required", type="missing"),
    ),
    "detail-of-fastapi-two": Case(
        422,
        {
            "detail": [
                {"loc": ["body", "messages", 0], "msg": "no list", "input": "secret prompt"},
                {"loc": [], "msg": "no"},
            ]
        },
        Said(BadRequestError, "body.messages.0: no list; no"),
    ),
    "detail-object": Case(
        400, {"detail": {"code": "E1", "message": "no"}}, Said(BadRequestError, "no", code="E1")
    ),
    "detail-object-in-a-success": Case(
        200,
        {"detail": {"error": {"message": "no", "type": "overloaded_error"}}},
        Said(OverloadedError, "no"),
    ),
    "error_code-in-a-success": Case(
        200,
        {"error_code": 336003, "error_msg": "the max length of current question is 8"},
        Said(ContextLengthError, "the max length of current question is 8", code="336003"),
    ),
    "words-by-their-field": Case(
        400, {"stream": ["no", "yes"], "x": 1}, Said(BadRequestError, "stream: no; yes")
    ),
    "words-in-an-unknown-object": Case(
        400, {"fault": {"faultstring": "no"}}, Said(BadRequestError, "no")
    ),
    "words-in-objects-of-other-names": Case(
        400, {"a": {"b": {"message": "no"}}}, Said(BadRequestError, "a: b: no")
    ),
    "no-known-words": Case(
        400, {"who": "me", "why": None, "ok": False}, Said(BadRequestError, '{"who":"me"}')
    ),
    "no-known-words-in-a-list": Case(
        400, {"who": [{"me": 1.5}, True]}, Said(BadRequestError, '{"who":[{"me":1.5}]}')
    ),
    "words-beyond-any-depth": Case(
        400,
        {"a": {"a": {"a": {"a": {"a": {"a": {"a": "no"}}}}}}},
        Said(BadRequestError, '{"a":{"a":{"a":{"a":{"a":{"a":"..."}}}}}}'),
    ),
    "words-of-a-field-named-like-a-fact": Case(
        400,
        {"detail": {"model": "is required"}},
        Said(BadRequestError, '{"detail":{"model":"is required"}}'),
    ),
    "words-of-fields-named-like-facts": Case(
        400,
        {"errors": {"id": ["is required"], "type": ["is unknown"]}},
        Said(BadRequestError, "id: is required"),
    ),
    "one-word-of-a-field-of-the-head": Case(
        400,
        {"detail": {"model": "required"}},
        Said(BadRequestError, '{"detail":{"model":"required"}}'),
    ),
    "words-in-the-data": Case(
        400, {"success": False, "data": {"message": "no"}}, Said(BadRequestError, "data: no")
    ),
    "a-text-in-the-data": Case(
        400,
        {"success": False, "data": "no such thing"},
        Said(BadRequestError, '{"data":"no such thing"}'),
    ),
    "no-words-in-the-head": Case(
        500,
        {"id": "a", "model": "m", "created": 1, "choices": [{"delta": {"content": "x"}}]},
        Said(ServerError, wordless(500)),
    ),
    "minimax": Case(
        200,
        {"base_resp": {"status_code": 1004, "status_msg": "login fail: no key"}, "choices": None},
        Said(AuthenticationError, "login fail: no key", code="1004"),
    ),
    "minimax-money": Case(
        200,
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        Said(QuotaExceededError, "insufficient balance", code="1008"),
    ),
    "volcengine-gateway": Case(
        400,
        {"ResponseMetadata": {"RequestId": "r-1", "Error": {"Code": "E", "Message": "no"}}},
        Said(BadRequestError, "no", code="E", request_id="r-1"),
    ),
    "tencent-cloud": Case(
        200,
        {
            "Response": {
                "Error": {"Code": "AuthFailure", "Message": "Unauthorized"},
                "RequestId": "r-1",
            }
        },
        Said(AuthenticationError, "Unauthorized", code="AuthFailure", request_id="r-1"),
    ),
    "aws": Case(
        400,
        {"__type": "com.amazon#ThrottlingException", "Message": "Rate exceeded"},
        Said(RateLimitError, "Rate exceeded", type="com.amazon#ThrottlingException"),
    ),
    "volcengine-money": Case(
        403,
        {"error": {"code": "AccountOverdueError", "type": "Forbidden", "message": "no"}},
        Said(QuotaExceededError, "no", code="AccountOverdueError", type="Forbidden"),
    ),
    "dashscope-in-a-success": Case(
        200,
        {"code": "InvalidParameter", "message": "no", "request_id": "r-1"},
        Said(BadRequestError, "no", code="InvalidParameter", request_id="r-1"),
    ),
    "a-code-in-camel-case": Case(
        400,
        {"error": {"code": "ContextWindowExceededError", "message": "no"}},
        Said(ContextLengthError, "no", code="ContextWindowExceededError"),
    ),
    "error-in-a-delta": Case(
        200,
        {"choices": [{"delta": {"error": {"message": "no", "code": 503}}}]},
        Said(OverloadedError, "no", code="503"),
    ),
    "error_code-17-in-a-success": Case(
        200,
        {"error_code": 17, "error_msg": "Open api daily request limit reached"},
        Said(QuotaExceededError, "Open api daily request limit reached", code="17"),
    ),
    "403-daily-limit": Case(
        403,
        {
            "error": {
                "type": "access_terminated_error",
                "message": "You've reached your daily limit",
            }
        },
        Said(QuotaExceededError, "You've reached your daily limit", type="access_terminated_error"),
    ),
    "status_code-in-a-success": Case(
        200,
        {"error": {"message": "no call", "code": "tool_use_failed", "status_code": 400}},
        Said(BadRequestError, "no call", code="tool_use_failed"),
    ),
    "status_code-before-the-status": Case(
        500,
        {"error": {"message": "no", "statusCode": "404"}},
        Said(NotFoundError, "no", code="404"),
    ),
    "status-that-is-no-error": Case(500, {"message": "no", "status": 200}, Said(ServerError, "no")),
    "hint-in-a-success": Case(
        200,
        {"error": {"message": "no", "type": "authentication_error"}},
        Said(AuthenticationError, "no", type="authentication_error"),
    ),
    "hint-beside-a-status": Case(
        404,
        {"error": {"message": "no", "type": "invalid_request_error"}},
        Said(NotFoundError, "no", type="invalid_request_error"),
    ),
    "403-pre_consume_token_quota_failed": Case(
        403,
        {"error": {"message": "no", "code": "pre_consume_token_quota_failed"}},
        Said(QuotaExceededError, "no", code="pre_consume_token_quota_failed"),
    ),
    "llama.cpp-context-size": Case(
        200,
        {"code": 400, "message": "the request exceeds the available context size"},
        Said(ContextLengthError, "the request exceeds the available context size", code="400"),
    ),
    "words-beside-a-number": Case(400, {"error": 17, "message": "no"}, Said(BadRequestError, "no")),
    "a-title-beside-the-words": Case(
        400,
        {"title": "No entry.", "detail": "It is 3", "status": 403},
        Said(PermissionDeniedError, "No entry: It is 3"),
    ),
    "keys-in-capitals": Case(
        400,
        {"ErrorMessage": "no", "ErrorCode": "E1", "RequestID": "r-1", "traceId": "t-1"},
        Said(BadRequestError, "no", code="E1", request_id="r-1", trace_id="t-1"),
    ),
    "a-key-in-two-spellings": Case(
        400,
        {"type": "x", "__type": "no such thing"},
        Said(BadRequestError, '{"__type":"no such thing"}', type="x"),
    ),
    "keys-in-short": Case(
        200, {"err": {"code": "E1", "errMsg": "no"}}, Said(APIError, "no", code="E1")
    ),
    "an-inner-error": Case(
        400,
        {"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "no"}},
        Said(ContentFilteredError, "no", code="ResponsibleAIPolicyViolation"),
    ),
    "hint-in-camel-case-in-a-success": Case(
        200,
        {"error": {"code": "NotFoundError", "message": "no"}},
        Said(NotFoundError, "no", code="NotFoundError"),
    ),
    "a-wait-with-a-fraction": Case(
        429, {"message": "no", "retryAfter": 1.5}, Said(RateLimitError, "no", retry_after=1.5)
    ),
    "a-wait-in-words-of-a-field": Case(
        429,
        {"message": "no", "retry_after": "2 seconds"},
        Said(RateLimitError, "no", retry_after=2.0),
    ),
    "a-wait-after-the-word": Case(
        429, {"message": "wait 30 seconds"}, Said(RateLimitError, "wait 30 seconds", retry_after=30)
    ),
    "json-null": Case(500, b"null", Said(ServerError, wordless(500))),
    "null-as-text-alone": Case(500, {"error": "null"}, Said(ServerError, wordless(500))),
    "several-lines": Case(400, {"message": " a\n\tb\r\n \u2028c "}, Said(BadRequestError, "a b c")),
    "control-characters": Case(
        400, {"message": "a\x1b[31mb\u202ec\x00"}, Said(BadRequestError, r"a\x1b[31mb\u202ec\x00")
    ),
    "long-message": Case(
        400, {"message": "ab " * 40_000}, Said(BadRequestError, ("ab " * 167)[:500])
    ),
    "long-facts": Case(
        400,
        {"message": "no", "code": "c" * 300, "type": "t\n" * 9, "trace_id": "d" * 300},
        Said(BadRequestError, "no", code="c" * 200, type=" ".join("t" * 9), trace_id="d" * 200),
    ),
    "status-alone-405": silent(405, NotFoundError),
    "status-alone-408": silent(408, ServerError),
    "status-alone-410": silent(410, BadRequestError),
    "status-alone-422": silent(422, BadRequestError),
    "status-alone-424": silent(424, ServerError),
    "status-alone-529": silent(529, OverloadedError),
    "status-alone-599": silent(599, ServerError),
    "status-alone-200": Case(
        200, b"", Said(APIError, "the reply holds an error without a message")
    ),
}

# Wordings decide where only the message tells, at the statuses at which they are trusted.
WORDINGS: Final[dict[str, Case]] = {
    f"{status}-{message}": wording(status, message, kind)
    for statuses, message, kind in (
        ((200, 400, 413, 422), "This model's maximum context length is 8192", ContextLengthError),
        ((200, 400, 413, 422), "Too many tokens in the messages", ContextLengthError),
        ((400,), "larger than the context window", ContextLengthError),
        ((400,), "prompt is too long", ContextLengthError),
        ((429,), "maximum context exceeded", RateLimitError),
        ((200, 400, 403), "blocked by content-filter", ContentFilteredError),
        ((200, 400, 403), "the input holds sensitive words", ContentFilteredError),
        ((400,), "unsafe content", ContentFilteredError),
        ((400,), "stopped by moderation", ContentFilteredError),
        ((400,), "model names are case-sensitive", BadRequestError),
        ((403,), "header names are case sensitive", PermissionDeniedError),
        ((400,), "insensitive", BadRequestError),
        ((500,), "content filter", ServerError),
        ((200, 402, 403, 429), "Insufficient account balance", QuotaExceededError),
        ((200, 403, 429), "You exceeded your current quota", QuotaExceededError),
        ((429,), "check your plan and billing details", QuotaExceededError),
        ((429,), "please recharge", QuotaExceededError),
        ((429,), "insufficient_quota", QuotaExceededError),
        ((403,), "insufficient credits", QuotaExceededError),
        ((429,), "insufficient funds", QuotaExceededError),
        ((429,), "your account org-1 <ak-1> is suspended", QuotaExceededError),
        ((429,), "账户余额不足", QuotaExceededError),
        ((403,), "账号已欠费", QuotaExceededError),
        ((400, 403, 500), "billing", QuotaExceededError),
        ((403, 429), "Your balance", QuotaExceededError),
        ((400,), "brackets must balance", BadRequestError),
        ((400, 403), "the monthly limit of your plan is reached", QuotaExceededError),
        ((400, 429), "user quota is not enough", QuotaExceededError),
        ((429,), "Quota exceeded for requests per minute", RateLimitError),
        ((429,), "Throttling: quota exceeded", RateLimitError),
        ((200, 429), "Concurrency limit exceeded", RateLimitError),
        ((200, 400), "API key not valid", AuthenticationError),
        ((200, 400), "the model kimi-x does not exist", NotFoundError),
        ((400,), "tool_call_id a is not found", BadRequestError),
        ((200,), "upstream failed", ServerError),
        ((200,), "service temporarily unavailable", OverloadedError),
        ((200, 400, 413, 422, 500), "the request exceeds the context size", ContextLengthError),
        ((200,), "no", APIError),
        ((429,), "the load balancer is full", RateLimitError),
        ((403,), "rebalanced", PermissionDeniedError),
        ((200, 429, 500, 502, 503), "engine Overloaded", OverloadedError),
        ((500,), "we are over capacity", OverloadedError),
        ((502,), "server too busy", OverloadedError),
        ((504,), "overloaded", ServerError),
        ((200,), "rate limit reached", RateLimitError),
        ((200,), "Too Many Requests", RateLimitError),
        ((400,), "rate limit", BadRequestError),
        ((400, 403, 503), "Rate limit exceeded", RateLimitError),
        ((400,), "you have exceeded the rate limit", RateLimitError),
        ((400,), "rate_limit_exceeded", RateLimitError),
        # Names of the caller say nothing about the class.
        ((400,), "unknown tool 'billing_lookup'", BadRequestError),
        ((400,), "tools.0.function.name: billing_lookup is too short", BadRequestError),
        ((400,), "the function `top_up` has no description", BadRequestError),
        ((400,), "cannot stop up the drain", BadRequestError),
        ((400,), 'Unknown parameter: "context_size"', BadRequestError),
        ((400,), "Unrecognized request argument supplied: context_size", BadRequestError),
        ((400,), "parameter context_length must be a number", BadRequestError),
        ((400,), "'content_filter' is not a known parameter", BadRequestError),
        ((400,), "body.content_filter: Extra inputs are not permitted", BadRequestError),
        ((400,), "content_filter must be a boolean", BadRequestError),
        ((400,), "blocked by content_filter", ContentFilteredError),
        ((400,), "Error code: 400 - {'error': {'code': 'insufficient_quota'}}", QuotaExceededError),
        ((400,), 'failed: {"error":{"code":"context_length_exceeded"}}', ContextLengthError),
        ((400, 429), "please top up your account", QuotaExceededError),
        ((400, 413), "Input token length too long", ContextLengthError),
        ((400,), "the maximum prompt length is 8192", ContextLengthError),
        ((400,), "the input is longer than the maximum sequence length 8192", ContextLengthError),
        (
            (422,),
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 and 20",
            ContextLengthError,
        ),
        ((400,), "`inputs` must have less than 4096 tokens. Given: 5000", ContextLengthError),
        ((400,), "输入内容过长", ContextLengthError),
        ((403,), "The free tier of the model has been exhausted", QuotaExceededError),
        ((200, 400, 403), "You have hit your daily limit", QuotaExceededError),
        ((429,), "You have hit your daily limit", RateLimitError),
        ((200,), "login fail: carry the API secret key", AuthenticationError),
        ((400,), "无效的令牌", AuthenticationError),
        ((200,), "Access token invalid or no longer valid", AuthenticationError),
        ((200,), "input new_sensitive", ContentFilteredError),
        ((400,), "the prompt triggers the content management policy", ContentFilteredError),
        ((400,), "Prompt 超长", ContextLengthError),
        ((400,), "Budget has been exceeded! Current cost: 10.2", QuotaExceededError),
        ((400,), "You have used up your daily free allocation", QuotaExceededError),
        ((403,), "Out of call volume quota", QuotaExceededError),
        ((200, 500, 503), "服务器繁忙，请稍后重试", OverloadedError),
        ((200, 400, 503), "当前请求过多", RateLimitError),
        ((429,), "Throttled: {'type': 'insufficient_quota'}", QuotaExceededError),
    )
    for status in statuses
}

# Words that decide without a code, at statuses that mean something else.
WORDS: Final[Mapping[type[APIError], str]] = {
    BadRequestError: "bad_request",
    AuthenticationError: "no_token token_mismatched invalid_token token_expired"
    " invalid_authentication_error incorrect_api_key_error invalid_api_key",
    PermissionDeniedError: "disabled permission_denied_error",
    NotFoundError: "api_not_implemented no_api model_type_not_found"
    " ai_passageway_group_is_empty_error no_endpoint resource_not_found_error model_not_found",
    QuotaExceededError: "used_up exceeded_current_quota_error insufficient_quota",
    ContentFilteredError: "forbidden content_filter",
    ContextLengthError: "context_length_exceeded",
    RateLimitError: "too_many_requests rate_limit_reached_error rate_limit_exceeded",
    OverloadedError: "engine_overloaded_error server_unavailable",
    ServerError: "api_error timeout no_balancer_error no_provider_error no_passageway server_error"
    " unexpected_output",
}
