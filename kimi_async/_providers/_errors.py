"""Read errors, the same way for every provider: by shape, code and words, never by the host that sent them.

A reseller passes on the errors of the hosts that it uses, so any provider's envelope and words can come from any host
(see the page Providers, sections 0, 1.5, 2.5, 3.5 and 6.4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from kimi_async._errors import APIError, RateLimitError
from kimi_async._json_text import decode_object
from kimi_async._providers._envelopes import read_envelope
from kimi_async._providers._error_classes import class_of
from kimi_async._providers._texts import excerpt_of, one_line, value_without_key, without_key
from kimi_async._providers._waits import seconds_to_wait

__all__ = ["parse_error", "request_id_of"]

#: A rate that is counted by the day does not pass while a program waits (see the page Providers, section 3.5).
_BY_THE_DAY: Final = r"\b[TR]PD\b|per day|\bdaily\b"

_REDIRECTED: Final = (
    "the provider answers with a redirect; redirects are not followed, because they could carry the key elsewhere:"
    " check base_url"
)

#: Cloudflare's own id comes last: it is of use only where the provider gives none.
_REQUEST_ID_HEADERS: Final = (
    *("x-request-id", "request-id", "msh-request-id", "x-trace-id", "trace-id", "x-msh-trace-id"),
    "cf-ray",
)
#: Codes, types and ids are short; a longer one is cut.
_FACT_CHARS: Final = 200


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the id under which the provider logged the request, by its response headers (names in lower case)."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


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
        key: The API key, which is cut out of everything that the error holds.

    Returns:
        The error, of the class that ``_error_classes`` gives.
    """
    body = body.strip()
    raw = decode_object(body)
    envelope = read_envelope(_wrapped(body, key) if raw is None else raw)
    inner_status = envelope.status
    if inner_status is None and status < 400:
        # A number in the body stands for the status that the envelope hides.
        inner_status = envelope.number
    kind = class_of(envelope.kinds, envelope.text, inner_status, status)

    def shown(text: str | None, chars: int = _FACT_CHARS) -> str | None:
        return (one_line(without_key(text, key), chars) or None) if text else None

    message = _REDIRECTED if 300 <= status < 400 else shown(envelope.message, 500)
    error = kind(
        message or _without_words(status),
        status=status,
        code=shown(envelope.code),
        type=shown(envelope.type),
        trace_id=shown(envelope.trace_id),
        request_id=shown(envelope.request_id or request_id_of(headers)),
        body=_kept(raw, body, key),
        retry_after=seconds_to_wait(headers, envelope.wait, envelope.message or "", now),
    )
    if kind is RateLimitError and re.search(_BY_THE_DAY, error.message, re.IGNORECASE):
        error.retryable = False
    return error


def _without_words(status: int) -> str:
    if status < 300:
        return "the reply holds an error without a message"
    from http import HTTPStatus

    name = next((known.phrase for known in HTTPStatus if known == status), "")
    return f"HTTP {status} {name}".rstrip() + ", without a message"


def _wrapped(body: bytes, key: str | None) -> dict[str, Any]:
    """Return a body that is not an object as one: a list of errors, a text in quotes, or plain text."""
    if body.startswith((b"[", b'"')):
        wrapped = decode_object(b'{"error":' + body + b"}")
        if wrapped is not None:
            return wrapped
    return {"message": excerpt_of(body, key=key)}


def _kept(raw: dict[str, Any] | None, body: bytes, key: str | None) -> Any:
    """Return the body for ``APIError.body``: the object, or the beginning of its text."""
    if raw is not None:
        try:
            return value_without_key(raw, key)
        except RecursionError:
            pass  # deeper than any envelope
    return excerpt_of(body, key=key) or None
