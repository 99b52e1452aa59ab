"""Reading of errors, the same for every provider: by shape and code, never by who sent it.

A reseller passes on what stands behind it, so any provider's envelope and words can come from any host
(``docs/providers.md`` 0, 1.5, 2.5, 3.5, 6.4).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

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
from kimi_async._json_text import decode_object

__all__ = ["excerpt_of", "parse_error", "request_id_of", "without_key"]

#: Characters of a body without JSON that are kept as its text.
_EXCERPT_CHARS: Final = 300

#: Codes, types and names that decide whatever the status is, in lower case.
_BY_WORD: Final[Mapping[str, type[APIError]]] = {
    # Ace Data Cloud (docs/providers.md 1.5); "token" there is the API key.
    "bad_request": BadRequestError,
    "no_token": AuthenticationError,
    "token_mismatched": AuthenticationError,
    "invalid_token": AuthenticationError,
    "token_expired": AuthenticationError,
    "api_not_implemented": NotFoundError,
    "no_api": NotFoundError,
    "used_up": QuotaExceededError,
    "disabled": PermissionDeniedError,
    "forbidden": ContentFilteredError,
    "too_many_requests": RateLimitError,
    "api_error": ServerError,
    "timeout": ServerError,
    # Cloudsway (docs/providers.md 2.5): no route to a backend, which passes; a wrong endpoint path, which does not.
    "no_balancer_error": ServerError,
    "no_provider_error": ServerError,
    "no_passageway": ServerError,
    "model_type_not_found": NotFoundError,
    "ai_passageway_group_is_empty_error": NotFoundError,
    "no_endpoint": NotFoundError,
    # Moonshot (docs/providers.md 3.5).
    "content_filter": ContentFilteredError,
    "invalid_authentication_error": AuthenticationError,
    "incorrect_api_key_error": AuthenticationError,
    "permission_denied_error": PermissionDeniedError,
    "resource_not_found_error": NotFoundError,
    "engine_overloaded_error": OverloadedError,
    "rate_limit_reached_error": RateLimitError,
    "exceeded_current_quota_error": QuotaExceededError,
    "server_error": ServerError,
    "unexpected_output": ServerError,
    "server_unavailable": OverloadedError,
    # The OpenAI words that compatible hosts use.
    "invalid_api_key": AuthenticationError,
    "insufficient_quota": QuotaExceededError,
    "context_length_exceeded": ContextLengthError,
    "rate_limit_exceeded": RateLimitError,
    "model_not_found": NotFoundError,
}

#: Wordings that decide where only the message tells; each with the statuses at which it is trusted. Compiled when an
#: error is read, and kept by ``re``: most programs see none, and all would pay 3 ms for them.
_BY_MESSAGE: Final[tuple[tuple[str, frozenset[int], type[APIError]], ...]] = tuple(
    (pattern, frozenset(statuses), kind)
    for pattern, statuses, kind in (
        (
            r"context (length|window)|maximum context|model token limit|too many tokens|prompt is too long",
            (200, 400, 413, 422),
            ContextLengthError,
        ),
        (
            r"content.?filter|high risk|(?<!case[- ])\bsensitive|moderation|unsafe content",
            (200, 400, 403),
            ContentFilteredError,
        ),
        # A flattened 429 that is about money is final (docs/providers.md 6.4).
        (
            (
                r"insufficient.{0,20}(quota|credit|fund)|current quota|billing|recharge"
                r"|\bbalance\b|account.{0,40}suspended|余额|欠费"
            ),
            (200, 402, 403, 429),
            QuotaExceededError,
        ),
        (r"overloaded|over capacity|too busy", (200, 429, 500, 502, 503), OverloadedError),
        (r"rate.?limit|too many requests", (200,), RateLimitError),
    )
)

_BY_STATUS: Final[Mapping[int, type[APIError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: NotFoundError,
    408: ServerError,
    409: ConflictError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}

#: A rate that is counted by the day does not pass while a program waits (docs/providers.md 3.5).
_BY_THE_DAY: Final = r"\b[TR]PD\b|per day|\bdaily\b"

#: What stands where the key stood.
_BLOT: Final = "[key]"

_REDIRECTED: Final = (
    "the provider answers with a redirect; redirects are not followed, because they could carry the key elsewhere:"
    " check base_url"
)

_REQUEST_ID_IN_TEXT: Final = r"\(request id:\s*([\w.-]{4,100})\)"
_REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "x-trace-id", "trace-id")


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The id under which the provider logged the request, by its response headers (names in lower case)."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What one error object says, empty and ``<nil>`` values left out."""

    code: str | None
    type: str | None
    message: str | None
    trace_id: str | None
    request_id: str | None

    def without(self, key: str | None) -> _Facts:
        """The same facts with the key blotted out of them."""
        if key is None:
            return self
        texts = msgspec.structs.asdict(self).items()
        return _Facts(**{name: text and without_key(text, key) for name, text in texts})


def parse_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    key: str | None = None,
) -> APIError:
    """Read the error of a response, or of one event of a stream.

    Args:
        status: The HTTP status; 200 for an error inside a success.
        headers: The response headers, names in lower case.
        body: The bytes: JSON of any known envelope, text, or HTML.
        now: Unix seconds, against which a date in ``Retry-After`` is read.
        key: The API key, which is blotted out of everything that the error holds.

    Returns:
        The error, of the class that its code, its message or its status say, in this order of weight.
    """
    body = _without(key, body.strip())
    raw = decode_object(body)
    facts = _facts(raw) if raw is not None else _facts({"message": _excerpt(body)})
    inner = _inner_facts(raw)
    kind = _classify(status, facts, inner)
    said = msgspec.structs.replace(
        facts,
        message=_REDIRECTED if 300 <= status < 400 else facts.message or inner.message,
        request_id=facts.request_id or request_id_of(headers),
    ).without(key)
    error = kind(
        said.message or f"HTTP {status} without a message",
        status=status,
        code=said.code,
        type=said.type,
        trace_id=said.trace_id,
        request_id=said.request_id,
        body=raw if raw is not None else _excerpt(body) or None,
        retry_after=_retry_after(headers, now),
    )
    if kind is RateLimitError and re.search(_BY_THE_DAY, error.message, re.IGNORECASE):
        error.retryable = False
    return error


def without_key(text: str, key: str) -> str:
    """*text* with the key blotted out, also where Python has quoted it, as exceptions do with what they are about."""
    return text.replace(repr(key)[1:-1], _BLOT).replace(key, _BLOT)


def _without(key: str | None, body: bytes) -> bytes:
    """*body* with the key blotted out, also where its JSON escapes characters of the key, as PHP and Gson do."""
    if key is None:
        return body
    raw = decode_object(body)
    if raw is None:
        return body.replace(key.encode(), _BLOT.encode())
    return msgspec.json.encode(raw).replace(msgspec.json.encode(key)[1:-1], _BLOT.encode())


def _classify(status: int, facts: _Facts, inner: _Facts) -> type[APIError]:
    words = [word for word in (inner.code, inner.type, facts.code, facts.type) if word is not None]
    by_word = next((_BY_WORD[word.lower()] for word in words if word.lower() in _BY_WORD), None)
    if by_word is not None:
        return by_word
    if status < 400:
        # A status in the body stands for the one that the envelope hides.
        numbers = [
            int(word) for word in words if word.isascii() and word.isdigit() and len(word) == 3
        ]
        status = next((number for number in numbers if 400 <= number < 600), status)
    said = " ".join(text for text in (facts.message, inner.message, facts.code, facts.type) if text)
    for pattern, statuses, kind in _BY_MESSAGE:
        if status in statuses and re.search(pattern, said, re.IGNORECASE):
            return kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return ServerError
    return BadRequestError if status >= 400 else APIError


def _facts(raw: Mapping[str, Any]) -> _Facts:
    """Read one level of an envelope: ``error`` as object or text, or the flat form."""
    error = raw.get("error")
    inside: Mapping[str, Any] = error if isinstance(error, dict) else {}
    message = error if isinstance(error, str) else None
    for key in ("message", "msg", "detail"):
        message = _word(message) or _word(inside.get(key)) or _word(raw.get(key))
    found = re.search(_REQUEST_ID_IN_TEXT, message or "", re.IGNORECASE)
    return _Facts(
        code=_word(inside.get("code")) or _word(raw.get("code")),
        type=_word(inside.get("type")) or (None if error else _word(raw.get("type"))),
        message=message,
        trace_id=_word(raw.get("trace_id")) or _word(inside.get("trace_id")),
        request_id=_word(raw.get("request_id"))
        or _word(inside.get("request_id"))
        or (found.group(1) if found else None),
    )


def _inner_facts(raw: Mapping[str, Any] | None) -> _Facts:
    """Unwrap ``error.metadata.raw``, the upstream's own error, as object or as text (``docs/providers.md`` 6.4)."""
    inner: Any = raw
    for key in ("error", "metadata", "raw"):
        inner = inner.get(key) if isinstance(inner, dict) else None
    if isinstance(inner, str):
        inner = decode_object(inner.encode("utf-8", "replace")) or {"message": inner}
    return _facts(inner if isinstance(inner, dict) else {})


def _word(value: Any) -> str | None:
    """A code or text, ints as text; ``None`` for what stands for nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and value not in ("", "<nil>", "null") else None


def excerpt_of(body: bytes, *, key: str | None) -> str:
    """The beginning of a body that is no reply, as one line of text without markup and without the key."""
    return _excerpt(_without(key, body))


def _excerpt(body: bytes) -> str:
    """The beginning of a body that is no JSON, as one line of text without markup."""
    text = body[: 20 * _EXCERPT_CHARS].decode("utf-8", "replace")
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1>|$)|<!--.*?(-->|$)|<[^>]*(>|$)", " ", text)
    return " ".join(text.split())[:_EXCERPT_CHARS]


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait by ``Retry-After``, in either of its two forms; never negative."""
    return next(_retry_after_forms(headers.get("retry-after", "").strip(), now), None)


def _retry_after_forms(value: str, now: float) -> Iterator[float]:
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        yield float(value)
    elif value:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return
        # A date without a zone, as in the oldest form of an HTTP date, is in UTC and not in this machine's time.
        yield max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
