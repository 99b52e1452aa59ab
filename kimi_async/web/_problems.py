"""Describe errors as a browser may see them: a status, a fixed sentence, and the seconds to wait.

The words of a provider can quote the messages of a request or name an account. So no text of an error leaves the
service, only the name of its class and the sentence of this table. The log tells the cause of a status 500, which the
browser cannot see.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

from kimi_async import _errors as errors
from kimi_async._codec import encode
from kimi_async._errors import ErrorInfo, KimiError

__all__ = ["ErrorAnswer", "Problem", "error_answer", "internal_problem", "problem_of", "shown"]

_logger: Final = logging.getLogger("kimi_async")

#: Seconds of ``Retry-After`` where a wait helps and no provider named one.
DEFAULT_WAIT: Final = 5

#: The status of a failure of the service itself; only the log tells its cause.
_INTERNAL: Final = 500


@frozen
class _Row:
    """The answer to the errors of one class.

    Attributes:
        kind: The class.
        status: The HTTP status.
        wait: Whether the same request may succeed later, so that ``Retry-After`` is sent.
        message: The sentence for the browser.
    """

    kind: type[KimiError]
    status: int
    wait: bool
    message: str


_BUSY: Final = "The model is busy; try again later."
_UNREACHED: Final = "The model provider is unavailable; try again later."
_SETUP: Final = "This service is not set up correctly."
_UNREADABLE: Final = "The answer of the model provider could not be read."

#: The first row that fits decides, so a class stands before its parents.
TABLE: Final = (
    _Row(errors.RateLimitError, 429, True, "Too many requests; try again later."),
    _Row(errors.OverloadedError, 503, True, _BUSY),
    _Row(errors.SlotTimeout, 503, True, _BUSY),
    _Row(errors.ServerError, 503, True, _UNREACHED),
    _Row(errors.ConflictError, 503, True, _UNREACHED),
    _Row(errors.ProviderUnavailableError, 503, True, _UNREACHED),
    _Row(errors.QuotaExceededError, 503, False, "This service has no allowance left."),
    _Row(errors.KimiTimeoutError, 504, False, "The model did not answer in time."),
    _Row(errors.TransportError, 503, True, _UNREACHED),
    _Row(errors.ContentFilteredError, 400, False, "A content filter refused the request."),
    _Row(errors.ContextLengthError, 400, False, "The request is too long for the model."),
    _Row(errors.BadRequestError, 400, False, "The model provider refused the request."),
    _Row(errors.AuthenticationError, _INTERNAL, False, _SETUP),
    _Row(errors.PermissionDeniedError, _INTERNAL, False, _SETUP),
    _Row(errors.NotFoundError, _INTERNAL, False, _SETUP),
    _Row(errors.ConfigurationError, _INTERNAL, False, _SETUP),
    _Row(errors.APIError, 502, False, "The model provider refused the request."),
    _Row(errors.ProtocolError, 502, False, _UNREADABLE),
    _Row(errors.StreamInterrupted, 502, False, "The answer broke before its end."),
    _Row(errors.OutputError, 502, False, "The answer does not have the form that was asked for."),
    _Row(errors.KimiError, _INTERNAL, False, "This service failed."),
)


@frozen(kw_only=True)
class Problem:
    """One error as a browser may see it.

    Attributes:
        type: Name of the error's class, such as ``"RateLimitError"``.
        message: A sentence of this library, without words of the provider.
        status: The HTTP status that the error has before the first output.
        retry_after: Whole seconds after which the request may be sent again, or ``None``.
    """

    type: str
    message: str
    status: int
    retry_after: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are in a body; the keys of OpenAI's error objects are among them."""
        return {
            "type": self.type,
            "message": self.message,
            "param": None,
            "code": None,
            "retry_after": self.retry_after,
        }


@frozen(kw_only=True)
class ErrorAnswer:
    """The HTTP response to a request whose reply failed before its first output.

    Attributes:
        status: The HTTP status.
        headers: Content type, caching and, if a wait helps, ``retry-after``.
        body: A JSON object with the key ``error``; it names neither key nor prompt.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def error_answer(error: KimiError) -> ErrorAnswer:
    """Return the HTTP response for *error*; the page Streaming in FastAPI has the table of statuses.

    The cause of a status 500 is logged, at the level ``ERROR``.
    """
    problem = problem_of(error)
    if problem.status == _INTERNAL:
        _log(error)
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    body = encode({"error": problem.to_dict()})
    return ErrorAnswer(status=problem.status, headers=headers, body=body)


def _log(error: KimiError) -> None:
    """Log the cause of a status 500, without the words of the error, which may quote the prompt."""
    status, request_id = None, error.record.request_id
    if isinstance(error, errors.APIError):
        status, request_id = error.status, error.request_id or request_id
    facts = {"provider": error.provider, "status": status, "request id": request_id}
    known = "; ".join(f"{name}: {fact}" for name, fact in facts.items() if fact)
    # The words of a ConfigurationError are ours.
    words = f": {error.message}" if isinstance(error, errors.ConfigurationError) else ""
    tail = f" [{known}]" if known else ""
    _logger.error("answered with status 500: %s%s%s", type(error).__name__, words, tail)


def problem_of(error: KimiError) -> Problem:
    """Return *error* as a browser may see it."""
    row = next(row for row in TABLE if isinstance(error, row.kind))
    return Problem(
        type=type(error).__name__,
        message=row.message,
        status=row.status,
        retry_after=_wait(error) if row.wait else None,
    )


def _wait(error: KimiError) -> int | None:
    """Return the shortest wait that a provider named, else the default; ``None`` if waiting does not help."""
    named = min(_named_waits(error), default=None)
    if named is not None:
        return math.ceil(named)
    helps = error.retryable or isinstance(error, errors.ProviderUnavailableError)
    return DEFAULT_WAIT if helps else None


def _named_waits(error: KimiError) -> Iterator[float]:
    inner = error.errors if isinstance(error, errors.ProviderUnavailableError) else (error,)
    for each in inner:
        if isinstance(each, errors.APIError) and each.retry_after is not None:
            yield each.retry_after


def internal_problem() -> Problem:
    """Return the problem for an exception that is not of this library, such as that of a tool."""
    return Problem(type="InternalError", message="This service failed.", status=_INTERNAL)


#: The sentence of each class, by its name: an event holds the name only.
_MESSAGES: Final = {row.kind.__name__: row.message for row in TABLE}


def shown(error: ErrorInfo) -> ErrorInfo:
    """Return the error of an event without the words of the provider."""
    message = _MESSAGES.get(error.name, "The model provider failed.")
    return ErrorInfo(name=error.name, message=message, retry_after=error.retry_after)
