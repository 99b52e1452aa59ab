"""Every exception that leaves this library.

::

    KimiError
    ├─ ConfigurationError            refused before anything was sent
    ├─ TransportError                no connection, or it broke before any output     (retryable)
    │  └─ KimiTimeoutError           also a builtin TimeoutError                       (retryable)
    │     ├─ ConnectTimeout  WriteTimeout  FirstOutputTimeout
    │     ├─ IdleTimeout  ProgressTimeout  SlotTimeout
    │     └─ TotalTimeout            the caller's own end: not retryable
    ├─ APIError                      the provider said no
    │  ├─ BadRequestError  AuthenticationError  PermissionDeniedError  NotFoundError  ConflictError
    │  ├─ QuotaExceededError  ContentFilteredError  ContextLengthError
    │  └─ RateLimitError  OverloadedError  ServerError                                 (retryable)
    ├─ ProtocolError                 bytes that broke the contract
    │  └─ EmptyResponseError         a 200 with nothing in it                          (retryable)
    ├─ StreamInterrupted             output had begun, and broke or ended without a finish reason (retryable)
    ├─ ProviderUnavailableError      every provider was tried or is switched off
    └─ OutputError                   arguments or structured output that do not fit

Rules that hold for all of them:

- Misuse of the API (iterating one stream from two tasks, say) is a ``RuntimeError`` outside this tree,
  so that catching network trouble never hides a programming mistake.
- They can be pickled and copied, with everything they carry.
- A foreign exception is never chained to one of these: its traceback would hold the frames, and so the
  headers, of the HTTP client. Its type and text are kept in ``cause`` instead.
- No message holds a key, a prompt or a header value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from kimi_async._record import AttemptRecord, ReplyRecord, unsent_record

if TYPE_CHECKING:
    from kimi_async._models import ChatCompletion

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "ConnectTimeout",
    "ContentFilteredError",
    "ContextLengthError",
    "EmptyResponseError",
    "ErrorInfo",
    "FirstOutputTimeout",
    "IdleTimeout",
    "KimiError",
    "KimiTimeoutError",
    "KimiWarning",
    "NotFoundError",
    "OutputError",
    "OverloadedError",
    "PermissionDeniedError",
    "ProgressTimeout",
    "ProtocolError",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RateLimitError",
    "ServerError",
    "SlotTimeout",
    "StreamInterrupted",
    "TotalTimeout",
    "TransportError",
    "WriteTimeout",
]


class KimiError(Exception):
    """The root of the tree.

    Args:
        message: The problem and the expectation; no key, prompt or header value.

    Attributes:
        message: The same text, without the context that ``str()`` adds.
        provider: The provider's name (``"acedata"``), or ``None`` before one was chosen.
        output_shown: Whether events of the reply were handed to the caller, so that a repeat would repeat output.
        stage: How far the reply was: ``"waiting for a slot"``, ``"connecting"``, ``"sending"``,
            ``"waiting for the first output"``, ``"streaming"``; ``"listing models"``; else ``None``.
        retryable: Whether the same request may succeed when it is sent again.
        advice: The next step for the reader of the message, printed after it; empty where the message says it.
    """

    retryable: bool = False
    advice: str = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.provider: str | None = None
        self._partial: ChatCompletion | None = None
        self._record: ReplyRecord | None = None
        self.output_shown = False
        self.stage: str | None = None

    # A property, because ``StreamInterrupted`` narrows its type.
    @property
    def partial(self) -> ChatCompletion | None:
        """The part of the reply that had arrived, or ``None`` before any output."""
        return self._partial

    @partial.setter
    def partial(self, partial: ChatCompletion) -> None:
        self._partial = partial

    @property
    def record(self) -> ReplyRecord:
        """The record of the reply; one without attempts if the error is not that of one reply."""
        return self._record or unsent_record("error", self.provider or "")

    @record.setter
    def record(self, record: ReplyRecord) -> None:
        self._record = record

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """The requests that were sent for the reply, oldest first."""
        return self.record.attempts

    def __str__(self) -> str:
        context = "; ".join(f"{name}: {value}" for name, value in self._context() if value)
        text = f"{self.message} [{context}]" if context else self.message
        if not self.advice:
            return text
        return f"{text}{'' if text.endswith((']', '.', '?', '!')) else '.'} {self.advice}"

    def _context(self) -> list[tuple[str, object]]:
        """Facts for ``str()``, in print order; empty ones are left out."""
        known = [("provider", self.provider), ("request id", self.record.request_id)]
        return [*known, ("stage", self.stage)]

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with only ``args`` and cannot rebuild the richer constructors.
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(cls: type[KimiError], args: tuple[object, ...]) -> KimiError:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


class KimiWarning(UserWarning):
    """A request that the provider is likely to refuse, or to answer other than it seems to ask."""


class ConfigurationError(KimiError):
    """No key, no model, an unknown provider or a bad argument; nothing was sent."""


class TransportError(KimiError):
    """The connection could not be made, or broke before any output.

    Attributes:
        cause: Type and text of the HTTP client's exception, or ``None``.
    """

    retryable = True
    advice = "Send it again; if that does not help, check base_url, the network and the proxy."

    def __init__(self, message: str, *, stage: str | None = None, cause: str | None = None) -> None:
        super().__init__(message)
        self.stage = stage
        self.cause = cause

    def _context(self) -> list[tuple[str, object]]:
        return [*super()._context(), ("cause", self.cause)]


class KimiTimeoutError(TransportError, TimeoutError):
    """One limit of ``Timeouts`` ran out; also a builtin ``TimeoutError``.

    Args:
        seconds: The limit that ran out, in seconds.

    Attributes:
        limit: The name of the field of ``Timeouts`` (``"idle"``).
        seconds: Its value, in seconds.
    """

    advice = "Send it again, or raise the limit."
    limit: ClassVar[str] = ""
    expectation: ClassVar[str] = ""

    def __init__(
        self, seconds: float, *, stage: str | None = None, cause: str | None = None
    ) -> None:
        text = f"the limit {self.limit!r} ran out: {self.expectation} within {seconds:g} s"
        super().__init__(text, stage=stage, cause=cause)
        self.seconds = seconds


class ConnectTimeout(KimiTimeoutError):
    """No connection (TCP and TLS) within ``Timeouts.connect``."""

    limit = "connect"
    advice = "Send it again, or raise Timeouts(connect=...)."
    expectation = "no connection"


class WriteTimeout(KimiTimeoutError):
    """The request could not be written within ``Timeouts.write``."""

    limit = "write"
    advice = "Send it again, or raise Timeouts(write=...)."
    expectation = "the request could not be sent"


class FirstOutputTimeout(KimiTimeoutError):
    """No reasoning, content, refusal, tool call or finish reason within ``Timeouts.first_output``."""

    limit = "first_output"
    advice = "Send it again, or raise Timeouts(first_output=...)."
    expectation = "no model output came"


class IdleTimeout(KimiTimeoutError):
    """Not one byte within ``Timeouts.idle``; comments count as bytes."""

    limit = "idle"
    advice = "Send it again, or raise Timeouts(idle=...)."
    expectation = "not one byte came"


class ProgressTimeout(KimiTimeoutError):
    """Bytes may have come, but no model output within ``Timeouts.progress``."""

    limit = "progress"
    advice = "Send it again, or raise Timeouts(progress=...)."
    expectation = "no further model output came"


class SlotTimeout(KimiTimeoutError):
    """No free slot of ``max_concurrency`` within ``Timeouts.slot`` or ``total``; nothing was sent.

    ``limit`` is ``"slot"``, and ``seconds`` the shorter one of the two.
    """

    limit = "slot"
    expectation = "no slot was free"
    advice = (
        "Nothing was sent. Ask for less at a time, close streams early, or raise max_concurrency."
    )


class TotalTimeout(KimiTimeoutError):
    """``Timeouts.total`` ran out; it covers every attempt, so it is never retried."""

    limit = "total"
    advice = "Raise Timeouts(total=...) if it may take longer."
    expectation = "the reply was not complete"
    retryable = False


class APIError(KimiError):
    """The provider said no, with an HTTP status or inside a 200.

    Attributes:
        status: HTTP status of the response; 200 when the error came inside the body.
        code: The provider's own code (``"used_up"``), as text, or ``None``.
        type: The provider's own type (``"rate_limit_reached_error"``), or ``None``.
        trace_id: Ace Data Cloud's id to quote to its support, or ``None``.
        request_id: The request id of header or body, or ``None``.
        body: The decoded JSON body, or the beginning of a text body, or ``None``.
        retry_after: Seconds that the provider asks to wait, or ``None``.
    """

    advice = "Ask the provider, and quote the id."

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        type: str | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
        body: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.type = type
        self.trace_id = trace_id
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after

    def _context(self) -> list[tuple[str, object]]:
        return [
            ("provider", self.provider),
            ("stage", self.stage),
            ("status", self.status),
            ("code", self.code),
            ("type", self.type),
            ("trace id", self.trace_id),
            ("request id", self.request_id or self.record.request_id),
            ("retry after", self.retry_after and f"{self.retry_after:g} s"),
        ]


class BadRequestError(APIError):
    """The request is malformed, or a parameter is not accepted."""

    advice = "Change the request."


class AuthenticationError(APIError):
    """The key is missing, wrong, expired, or belongs to another service."""

    advice = "Check the key, and that it belongs to this provider and service."


class PermissionDeniedError(APIError):
    """The key is switched off, or the caller's address is not on the allow list."""

    advice = "See to the key and the addresses it may be used from at the provider."


class NotFoundError(APIError):
    """The path or the model does not exist there (any more)."""

    advice = "Check the model name and base_url; model ids are retired within months."


class ConflictError(APIError):
    """A change at the provider got in the way; worth one more try."""

    advice = "Send it once more."


class QuotaExceededError(APIError):
    """Money or allowance is gone; waiting does not help."""

    advice = "Top up or raise the allowance at the provider."


class ContentFilteredError(APIError):
    """Moderation refused the input or the output."""

    advice = "Change the messages."


class ContextLengthError(APIError):
    """More tokens than the model's context holds."""

    advice = "Shorten the messages, or lower the output limit."


class RateLimitError(APIError):
    """Too many requests or tokens; see ``retry_after``.

    Not ``retryable`` when the message says that the limit is one of the day (page Providers, 3.5).
    """

    retryable = True
    advice = "Wait, then send fewer at a time."


class OverloadedError(APIError):
    """The provider is short of capacity; not the caller's allowance."""

    retryable = True
    advice = "Wait, then send it again."


class ServerError(APIError):
    """The provider, or a service that it uses, failed."""

    retryable = True
    advice = "Send it again."


class ProtocolError(KimiError):
    """Bytes that broke the contract: no event stream, no JSON, or more than ``Limits`` allows.

    Attributes:
        limit: The name of the field of ``Limits`` that was exceeded (``"event_bytes"``), or ``None``.
    """

    advice = "Check base_url; if it is right, the provider broke the contract."

    def __init__(self, message: str, *, limit: str | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        if limit is not None:
            self.advice = f"Raise limits=Limits({limit}=...) if replies like this are expected."


def over_limit(limit: str, value: int, what: str) -> ProtocolError:
    """Return the error for a reply of which *what* exceeds the field *limit* of ``Limits``."""
    return ProtocolError(f"{what} is over the limit {limit!r} of {value}", limit=limit)


class EmptyResponseError(ProtocolError):
    """A success status, and no reply in it."""

    retryable = True
    advice = "Send it again."


class StreamInterrupted(KimiError):
    """Raised when a reply ended or broke without a finish reason, or with one by which the host gives up.

    Attributes:
        cause: Type and text of the exception that broke it, or ``None`` for a polite end.
    """

    retryable = True
    advice = "Sending it again begins anew."

    def __init__(self, message: str, *, cause: str | None = None) -> None:
        super().__init__(message)
        self.cause = cause

    @property
    def partial(self) -> ChatCompletion:
        """Everything that arrived before the break; without choices before any output."""
        from kimi_async._models import ChatCompletion  # it imports this module

        return self._partial or ChatCompletion(provider=self.provider or "")

    @partial.setter
    def partial(self, partial: ChatCompletion) -> None:
        self._partial = partial

    def _context(self) -> list[tuple[str, object]]:
        return [*super()._context(), ("cause", self.cause)]


class ProviderUnavailableError(KimiError):
    """Every provider failed or is switched off.

    Attributes:
        errors: The last error of each provider, in the order they were tried.
    """

    advice = "The last error of each provider is in .errors."

    def __init__(self, message: str, *, errors: tuple[KimiError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class OutputError(KimiError):
    """Tool arguments or structured output that do not fit the type that was asked for.

    Attributes:
        text: The whole text of the model.
    """

    advice = "The text of the model is in .text; tell the model what does not fit, or ask again."

    def __init__(self, message: str, *, text: str) -> None:
        super().__init__(message)
        self.text = text


class ErrorInfo(Struct, frozen=True, kw_only=True):
    """One error as a plain value, for events and other processes.

    Attributes:
        name: Name of the error's class, such as ``"RateLimitError"``.
        message: The error's message.
        status: HTTP status, or ``None`` where the error has none.
        code: The provider's own code as text, or ``None``.
        retry_after: Seconds that the provider asks to wait, or ``None``.
    """

    name: str
    message: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, error: KimiError) -> ErrorInfo:
        """Return the facts of *error*."""
        name, message = type(error).__name__, error.message
        if not isinstance(error, APIError):
            return cls(name=name, message=message)
        return cls(
            name=name,
            message=message,
            status=error.status,
            code=error.code,
            retry_after=error.retry_after,
        )
