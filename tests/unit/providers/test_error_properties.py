"""Any response is an error of ours, and no key is ever on it."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from json_strategies import anything, loosely, texts
from parsed_errors import KEY, NOW, as_json, assert_hidden
from provider_error_cases import (
    WORDS,
)

from kimi_async._errors import APIError
from kimi_async._providers._errors import parse_error

WORD_LIST = [word for words in WORDS.values() for word in words.split()]
words = texts | st.sampled_from(WORD_LIST) | st.integers(0, 600)
flat = {
    "code": words,
    "message": texts,
    "msg": texts,
    "detail": texts,
    "type": words,
    "trace_id": texts,
    "request_id": texts,
}
inner = loosely(**flat)
envelopes = loosely(
    success=st.booleans(),
    error=texts | loosely(metadata=loosely(raw=inner | inner.map(json.dumps) | texts), **flat),
    **flat,
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "x-request-id", "trace-id", "location"]) | texts, st.text()
)


def assert_sound(error: APIError, status: int) -> None:
    """Check that an error is one of ours, with all fields, and can be printed and pickled."""
    assert isinstance(error, APIError)
    assert error.status == status
    assert error.message
    for text in (error.code, error.type, error.trace_id):
        assert text is None or (isinstance(text, str) and text not in {"", "<nil>", "null"})
    assert error.request_id is None or error.request_id
    assert error.retry_after is None or 0 <= error.retry_after < math.inf
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))


@given(
    status=st.integers(-1, 1_000),
    headers=headers,
    body=st.binary() | envelopes.map(as_json) | anything.map(as_json),
    now=st.floats(0, 1e10),
    key=st.none() | st.text("ab1:", min_size=1),
)
def test_any_response_is_an_error(
    status: int, headers: dict[str, str], body: bytes, now: float, key: str | None
) -> None:
    assert_sound(parse_error(status, headers, body, now=now, key=key), status)


dates = st.datetimes().map(lambda date: date.strftime("%a, %d %b %Y %H:%M:%S "))


@given(
    value=st.text() | st.builds("{}{}".format, dates, st.sampled_from(["GMT", "", "-0000", "+9"]))
)
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    assert_sound(parse_error(429, {"retry-after": value}, b"", now=NOW), 429)


keys = st.text("abcXYZ019-_.~+/=", min_size=8)


@given(
    key=keys,
    where=st.lists(st.sampled_from(["@", "Bearer @", "no", "@@"]), min_size=1, max_size=4),
    envelope=envelopes,
    status=st.sampled_from([200, 307, 401, 500]),
    escape=st.sampled_from(["/", "=", "a", " "]),
    as_text=st.booleans(),
)
def test_no_key_is_ever_on_an_error(
    key: str, where: list[str], envelope: Any, status: int, escape: str, as_text: bool
) -> None:
    body = json.dumps({"a": where, "error": where[0], "b": envelope, where[-1]: {"message": where}})
    body = body.replace("@", key if as_text else key.replace(escape, f"\\u{ord(escape):04x}"))
    sent = f"<p>{body}" if as_text else body
    error = parse_error(
        status, {"x-request-id": where[0].replace("@", key)}, sent.encode(), now=NOW, key=key
    )
    assert_hidden(error, key)


def test_nesting_at_the_limit_of_the_interpreter() -> None:
    for depth in range(1, 1_200, 3):
        body = b'{"error":' * depth + b"1" + b"}" * depth
        assert parse_error(500, {}, body, now=NOW, key=KEY).status == 500
