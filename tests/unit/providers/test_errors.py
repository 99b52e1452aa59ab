"""Every response with a failure becomes an error of the right class, without the key."""

from __future__ import annotations

import json
import pickle
import time

import pytest
from parsed_errors import KEY, NOW, as_json, assert_hidden
from provider_error_cases import (
    JSON,
    PROVIDERS,
    SHAPES,
    WORDINGS,
    WORDS,
    Case,
    Said,
)

from kimi_async import AceDataCloud, Cloudsway, Moonshot, OpenAICompatible, Provider
from kimi_async._errors import APIError, NotFoundError, RateLimitError
from kimi_async._providers import request_id_of
from kimi_async._providers._errors import parse_error

ADAPTERS: list[Provider] = [
    AceDataCloud(KEY),
    Cloudsway(KEY, "path"),
    Moonshot(KEY),
    OpenAICompatible(KEY, "https://h"),
]
each_provider = pytest.mark.parametrize("provider", ADAPTERS, ids=lambda provider: provider.name)


def facts(error: APIError) -> Said:
    return Said(
        type(error),
        error.message,
        code=error.code,
        type=error.type,
        trace_id=error.trace_id,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )


CASES = PROVIDERS | SHAPES | WORDINGS


@pytest.mark.fact(
    "1.5/400-bad-request",
    "1.5/400-no-token",
    "1.5/400-or-401-token-mismatched",
    "1.5/400-api-not-implemented",
    "1.5/401-invalid-token-token-expired",
    "1.5/402-x402-body",
    "1.5/403-used-up",
    "1.5/403-disabled",
    "1.5/403-forbidden",
    "1.5/404-no-api",
    "1.5/429-too-many-requests",
    "1.5/500-api-error",
    "1.5/504-timeout",
    "2.5/400-bad-request",
    "2.5/400-no-balancer-error-no",
    "2.5/400-model-type-not-found",
    "2.5/401",
    "2.5/403",
    "2.5/404",
    "2.5/409",
    "2.5/429",
    "2.5/500-503-504",
    "3.5/400-content-filter",
    "3.5/400-invalid-request-error",
    "3.5/401-invalid-authentication-error-incorrect",
    "3.5/403-permission-denied-error",
    "3.5/404-resource-not-found-error",
    "3.5/413",
    "3.5/429-engine-overloaded-error",
    "3.5/429-rate-limit-reached-error",
    "3.5/429-exceeded-current-quota-error",
    "3.5/499-client-closed-request",
    "3.5/500-server-error-unexpected-output",
    "3.5/503-server-unavailable",
    "3.5/504-html-page-no-json",
    "6.1/blank-padding-before-a-json",
    "6.1/html-on-502-504",
    "6.4/flat-code-20015-message-data",
    "6.4/error-type-nil-request-id",
    "6.4/error-metadata-raw-holding-the",
    "6.4/quota-wording-inside-a-flattened",
    "6.5/fastapi-s-422-detail-loc",
    "6.5/403-access-terminated-error-with",
    "6.5/400-total-message-size-10176584",
    "6.5/responsemetadata-error-response-error-with",
    "6.5/parameters-and-tools-whose-names",
)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_an_error_says(case: Case) -> None:
    sent = case.body if isinstance(case.body, bytes) else as_json(case.body)
    error = parse_error(case.status, case.headers, sent, now=NOW)
    assert facts(error) == case.said
    assert error.status == case.status


@each_provider
def test_every_adapter_reads_every_envelope_and_says_who_it_is(provider: Provider) -> None:
    for case in PROVIDERS.values():
        sent = case.body if isinstance(case.body, bytes) else as_json(case.body)
        error = provider.parse_error(case.status, case.headers, sent, now=NOW)
        assert (facts(error), error.provider) == (case.said, provider.name)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"code":1}, "more":[null]}', {"error": {"code": 1}, "more": [None]}),
        (b"<h1>no</h1>\nsuch", "no such"),
        (b'["no"]', '["no"]'),
        (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, '{"a":' * 60),
        (b"", None),
        (b"<br>", None),
    ],
)
@pytest.mark.parametrize("key", [None, KEY])
def test_the_body_is_kept_as_json_or_as_the_beginning_of_its_text(
    body: bytes, expected: object, key: str | None
) -> None:
    assert parse_error(400, {}, body, now=NOW, key=key).body == expected


@pytest.mark.parametrize(
    ("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words.split()]
)
def test_a_word_decides_alone(kind: type[APIError], word: str) -> None:
    for place in ("code", "type"):
        for spelled in (word, word.upper()):
            for status in (200, 418, 507):
                body = as_json({"error": {place: spelled, "message": "no"}})
                error = parse_error(status, {}, body, now=NOW)
                assert (type(error), getattr(error, place)) == (kind, spelled)


@pytest.mark.fact("3.5/429-rate-limit-reached-error")
@pytest.mark.parametrize(
    ("message", "retryable"),
    [
        ("request reached organization TPD rate limit, current: 1500127, limit: 1500000", False),
        ("reached the limit of 100 requests per day", False),
        ("Daily limit reached", False),
        ("request reached organization TPM rate limit, current: 64127, limit: 64000", True),
        ("request reached organization max concurrency: 3, please try again after 1 seconds", True),
        ("httpd: try again", True),
    ],
)
def test_a_rate_of_the_day_is_not_tried_again(message: str, retryable: bool) -> None:
    body = as_json({"error": {"type": "rate_limit_reached_error", "message": message}})
    error = parse_error(429, {}, body, now=NOW)
    assert (type(error), error.retryable) == (RateLimitError, retryable)
    assert pickle.loads(pickle.dumps(error)).retryable is retryable


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
@pytest.mark.parametrize("body", [b"", b"<h1>Moved</h1>", b'{"message":"moved"}'])
def test_a_redirect_says_why_it_is_not_followed(status: int, body: bytes) -> None:
    error = parse_error(status, {"location": "https://elsewhere"}, body, now=NOW)
    assert facts(error) == Said(
        APIError,
        "the provider answers with a redirect; redirects are not followed, because they could"
        " carry the key elsewhere: check base_url",
    )
    assert error.status == status
    assert not error.retryable


# A ``Retry-After`` at ``NOW``, and the seconds that it asks for.
WAITS: dict[str, tuple[str, float | None]] = {
    "seconds": ("30", 30.0),
    "zero": ("0", 0.0),
    "float": ("1.5", 1.5),
    "blanks": (" 7 ", 7.0),
    "date": ("Wed, 21 Oct 2015 07:28:00 GMT", 100.0),
    "date-in-another-zone": ("Wed, 21 Oct 2015 09:28:00 +0200", 100.0),
    "date-of-rfc-850": ("Wednesday, 21-Oct-15 07:28:00 GMT", 100.0),
    "date-of-asctime": ("Wed Oct 21 07:28:00 2015", 100.0),
    "date-without-zone": ("Wed, 21 Oct 2015 07:28:00 -0000", 100.0),
    "date-gone-by": ("Wed, 21 Oct 2015 07:26:00 GMT", 0.0),
    "negative": ("-5", None),
    "rubbish": ("soon", None),
    "empty": ("", None),
    "exponent": ("1e3", None),
    "nan": ("nan", None),
    "infinite": ("inf", None),
    "other-digits": ("٣", None),
    "too-long": ("9" * 10, None),
    "impossible-date": ("Wed, 32 Oct 2015 07:28:00 GMT", None),
    "impossible-year": ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
}


@pytest.mark.fact("3.5/429-engine-overloaded-error")
@pytest.mark.parametrize(("value", "seconds"), WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("zone", ["UTC", "XYZ-9"])
def test_retry_after_in_every_time_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str, value: str, seconds: float | None
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        error = parse_error(429, {"retry-after": value}, b"", now=NOW)
    time.tzset()
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, "", 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, "", 9.0),
        ({"x-retry-after": "7"}, "", 7.0),
        ({"retry-after": "soon", "x-retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 100.0),
        ({"retry-after": "2"}, "please try again after 1 seconds", 2.0),
        ({}, "please try again after 1 seconds", 1.0),
        ({}, "Rate limit reached. Please try again in 6m20.4s. Visit the page", 380.4),
        ({}, "try again in 120ms", 0.12),
        ({}, "Please retry your request in 1 hour", 3600.0),
        ({}, "retry after 5 milliseconds or 3 s", 0.005),
        ({}, "wait for 2 minutes 3 secs", 123.0),
        ({}, "try again in 3 models", None),
        ({}, "try again in a while, or 3 s", None),
        ({}, "reached 3 s", None),
    ],
)
def test_the_wait_by_other_headers_and_by_words(
    headers: dict[str, str], text: str, seconds: float | None
) -> None:
    error = parse_error(429, headers, as_json({"message": text or "no"}), now=NOW)
    assert error.retry_after == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "no", "retry_after": 3}}, 3.0),
        ({"error": {"message": "no", "details": [{"retryDelay": "34s"}]}}, 34.0),
        ({"error": {"message": "try again in 5 s", "retry_after": "soon"}}, 5.0),
    ],
)
def test_the_wait_by_a_field_of_the_error(body: JSON, seconds: float) -> None:
    assert parse_error(429, {}, as_json(body), now=NOW).retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({}, None),
        ({"cf-ray": "f", "x-msh-trace-id": "e", "msh-request-id": "c"}, "c"),
        ({"cf-ray": "f", "x-msh-trace-id": "e"}, "e"),
        ({"cf-ray": "f"}, "f"),
        ({"x-request-id": "a", "request-id": "b", "x-trace-id": "c", "trace-id": "d"}, "a"),
        ({"trace-id": "d", "x-trace-id": "c", "request-id": "b"}, "b"),
        ({"trace-id": "d", "x-trace-id": "c"}, "c"),
        ({"trace-id": "d", "x-trace-id": ""}, "d"),
        ({"X-Request-Id": "a"}, None),  # names come in lower case
    ],
)
def test_request_id_of_headers(headers: dict[str, str], request_id: str | None) -> None:
    assert request_id_of(headers) == request_id
    assert parse_error(500, headers, b"", now=NOW).request_id == request_id


@pytest.mark.fact("6.4/error-type-nil-request-id")
@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        ({"request_id": "1", "error": {"request_id": "2", "message": "(request id: 3333)"}}, "1"),
        ({"error": {"request_id": "2", "message": "(request id: 3333)"}}, "2"),
        ({"error": {"message": "no (Request ID:3333) x"}}, "3333"),
        ({"error": "no (request id: 3333)"}, "3333"),
        ({"error": {"message": "(request id: 333)"}}, "header"),  # too short for one
        ({"error": {"message": "(request id: 33 33)"}}, "header"),
        ({"request_id": "<nil>"}, "header"),
    ],
)
def test_request_id_of_the_body_before_that_of_the_headers(body: JSON, request_id: str) -> None:
    error = parse_error(400, {"x-request-id": "header"}, as_json(body), now=NOW)
    assert error.request_id == request_id


@pytest.mark.parametrize(
    ("body", "trace_id"),
    [
        ({"trace_id": "1", "error": {"trace_id": "2"}}, "1"),
        ({"trace_id": None, "error": {"trace_id": 2}}, "2"),
        ({"error": {"metadata": {"raw": {"trace_id": "3"}}}}, None),
    ],
)
def test_trace_id(body: JSON, trace_id: str | None) -> None:
    assert parse_error(400, {}, as_json(body), now=NOW).trace_id == trace_id


# The key.


SPELLED = {
    "plain": KEY,
    "php": KEY.replace("/", "\\/"),
    "gson": KEY.replace("=", "\\u003d"),
    "all-escaped": "".join(f"\\u{ord(char):04x}" for char in KEY),
}
ECHOES = {
    "message": '{"error":{"message":"bad key @"}}',
    "error-text": '{"error":"bad key @"}',
    "code": '{"code":"@","message":"no"}',
    "type": '{"error":{"type":"@"}}',
    "trace_id": '{"trace_id":"@"}',
    "request_id": '{"request_id":"@"}',
    "request-id-in-the-text": '{"message":"no (request id: @)"}',
    "an-unknown-key": '{"headers":{"Authorization":["Bearer @"]}}',
    "the-name-of-a-key": '{"@":1}',
    "raw-object": '{"error":{"metadata":{"raw":{"message":"bad key @"}}}}',
    "raw-text": '{"error":{"metadata":{"raw":"bad key @"}}}',
}


@each_provider
@pytest.mark.parametrize("spelled", SPELLED.values(), ids=SPELLED)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_the_key_is_blotted_out_of_an_echo(provider: Provider, echo: str, spelled: str) -> None:
    error = provider.parse_error(401, {}, echo.replace("@", spelled).encode(), now=NOW)
    assert_hidden(error, KEY)
    assert "[key]" in json.dumps(error.body)
    assert KEY.encode() not in pickle.dumps(error)


@each_provider
def test_the_key_is_blotted_out_of_everything_else(provider: Provider) -> None:
    nested = json.dumps({"message": f"bad key {KEY}"}).replace("/", "\\/")
    bodies = [
        f"<h1>bad key {KEY}</h1>".encode(),
        f'["{KEY}"]'.encode(),
        b"\xff" + KEY.encode(),
        as_json({"error": {"metadata": {"raw": nested}}}),
    ]
    for body in bodies:
        error = provider.parse_error(401, {"x-request-id": f"a-{KEY}"}, body, now=NOW)
        assert_hidden(error, KEY)
        assert error.request_id == "a-[key]"
        assert "[key]" in error.message


@each_provider
def test_the_key_is_blotted_out_of_an_error_in_a_stream(provider: Provider) -> None:
    body = as_json({"error": {"message": f"bad key {KEY}"}})
    for read in (provider.parse_chunk, provider.parse_completion):
        with pytest.raises(APIError, match=r"^bad key \[key\]") as caught:
            read(body)
        assert_hidden(caught.value, KEY)


@pytest.mark.parametrize("key", ["k", "wrong", "key", "sk-1234"])
def test_a_short_key_is_left_because_it_is_a_part_of_words(key: str) -> None:
    body = as_json({"message": f"token: the key is missing or {key}"})
    assert parse_error(401, {}, body, now=NOW, key=key).message.startswith("token: the key is")


def test_the_key_is_cut_out_in_one_pass() -> None:
    key = "[key]key"
    body = as_json({"message": f"{key} and {key}{key}"})
    assert parse_error(401, {}, body, now=NOW, key=key).message == "[key] and [key][key]"


def test_the_key_is_not_left_in_half_where_a_text_is_cut() -> None:
    key = "secret-0123456789"
    body = as_json({"message": "a" * 490 + key, "code": "c" * 195 + key})
    error = parse_error(401, {}, body, now=NOW, key=key)
    assert (error.message, error.code) == ("a" * 490 + "[key]", "c" * 195 + "[key]")
    text = parse_error(401, {}, b"a" * 290 + key.encode(), now=NOW, key=key)
    assert text.message == "a" * 290 + "[key]"


def test_an_adapter_without_key_reads_errors_too() -> None:
    error = AceDataCloud().parse_error(404, {}, b'{"message":"None"}', now=NOW)
    assert facts(error) == Said(NotFoundError, "None")
