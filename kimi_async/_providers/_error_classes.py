"""Choose the class of an error: tables from codes, words and statuses to a class; pure.

A reseller passes on the errors of the hosts that it uses, so any provider's codes and words can come from any host (see
the page Providers, sections 1.5, 2.5, 3.5 and 6.4). :func:`class_of` asks the tables in this order:

1. :data:`CODES`: a code or type with only one meaning decides, whatever the status is.
2. :data:`WORDINGS`: the first wording that the text or a code matches, at the statuses where it is trusted.
3. The status that the error object itself names, then the HTTP status: :data:`STATUSES`.
4. :data:`HINTS`: codes and types that say little, for an error inside a success.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

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

__all__ = ["CODES", "HINTS", "STATUSES", "WORDINGS", "Wording", "class_of"]

#: Codes and types that decide, in lower case.
CODES: Final[Mapping[str, type[APIError]]] = {
    # Ace Data Cloud (1.1, 1.5); "token" is the API key there.
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
    "rate_limited": RateLimitError,
    "api_error": ServerError,
    "timeout": ServerError,
    # Cloudsway (2.5): no route to a backend, which passes; a wrong endpoint path, which does not.
    "no_balancer_error": ServerError,
    "no_provider_error": ServerError,
    "no_passageway": ServerError,
    "model_type_not_found": NotFoundError,
    "ai_passageway_group_is_empty_error": NotFoundError,
    "no_endpoint": NotFoundError,
    # Moonshot (3.5).
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
    # Volcengine: its type beside them is "Forbidden".
    "accountoverdueerror": QuotaExceededError,
    "accessdenied": PermissionDeniedError,
    "access_denied": PermissionDeniedError,
}

#: Codes and types with which hosts name a whole family of errors: the text or the status knows more. The case and the
#: joints between their words do not matter: ``NotFoundError`` is ``not_found_error``.
HINTS: Final[Mapping[str, type[APIError]]] = {
    "invalid_request_error": BadRequestError,
    "invalid_request": BadRequestError,
    "invalid_argument": BadRequestError,
    "invalid_parameter": BadRequestError,
    "bad_request_error": BadRequestError,
    "tool_use_failed": BadRequestError,
    "json_validate_failed": BadRequestError,
    "authentication_error": AuthenticationError,
    "unauthenticated": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "permission_denied": PermissionDeniedError,
    "access_terminated_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "not_found": NotFoundError,
    "rate_limit_error": RateLimitError,
    "resource_exhausted": RateLimitError,
    "overloaded_error": OverloadedError,
    "unavailable": OverloadedError,
    "service_unavailable": OverloadedError,
    "internal_server_error": ServerError,
    "internal_error": ServerError,
    "deadline_exceeded": ServerError,
    "upstream_error": ServerError,
    "bad_gateway": ServerError,
    "gateway_timeout": ServerError,
}


def _joined(word: str) -> str:
    return re.sub("[^a-z0-9]", "", word)


_JOINED_HINTS: Final = {_joined(word): kind for word, kind in HINTS.items()}

#: Names that a text quotes or names as a parameter: they are the caller's own words and say nothing about the class. A
#: quoted word after ``code`` or ``type`` is the host's word and stays.
_NAMES: Final = r"""(?ix)
    (?P<kept> ["']? \b (?: code | type | status | reason | error ) \\?["']? \s* [:=] \s* \\?["'`] [\w.\-]+ )
    | ["'`\u2018\u201c] [\w.\-\[\]/:]+ ["'`\u2019\u201d]
    | \b body (?: \. [\w\-]+ )+
    | (?<= \b ) (?: param(?:eter)? | argument | field | key | property | keyword | option | function | tool )s?
      (?: \s supplied | \s name | \s named )? \s* :? \s* [\w.]*_[\w.]*
    """


class Wording(Struct, frozen=True):
    """One way in which the text or the code of an error says its class.

    Attributes:
        pattern: A regular expression, for any case.
        statuses: The statuses at which it is trusted; ``None``: all of them.
        kind: The class.
    """

    pattern: str
    statuses: frozenset[int] | None
    kind: type[APIError]


def _at(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


#: The patterns are compiled when an error is read, and kept by ``re``: most programs see no error, and all would pay
#: 3 ms for them.
WORDINGS: Final[tuple[Wording, ...]] = (
    Wording(
        r"context[ -]?(length|window|size)|context_(length|window|size)_exceeded|exceed.{0,40}context_"
        r"|max(imum)? (context|(prompt|input|sequence|request)( tokens?)? length)|model token limit"
        r"|too many (input |prompt )?tokens|(prompt|input|text|message|request)s?( \w+)? (is |are )?too long"
        r"|(input|prompt)( tokens?)? length|token (length|count) .{0,40}(too long|exceed|limit)"
        r"|tokens? \+ .{0,30}must be <=|must have less than \d+ tokens|longer than the (maximum|model)"
        r"|total message size|message size .{0,40}exceed|reduce the length of|(max|maximum) length of current question"
        r"|exceed.{0,30}max(imum)?.{0,20}tokens|超长|最大.{0,4}长度|上下文.{0,4}长度|输入.{0,6}过长",
        _at(200, 400, 413, 422, 500),
        ContextLengthError,
    ),
    Wording(
        r"content[ -]?(filter|policy|management policy)|responsible ?ai ?policy|new_sensitive"
        r"|\b(by|the) content_(filter|policy)|content_(filter|policy)_\w|high risk"
        r"|(?<!case[- ])\bsensitive|moderation|unsafe content|data.?inspection|policy violation"
        r"|safety (system|filter|check)|违规|敏感",
        _at(200, 400, 403, 422),
        ContentFilteredError,
    ),
    # Words that mean money only, also beside those of a rate.
    Wording(r"insufficient[ _]quota|exceeded your current quota", None, QuotaExceededError),
    # A rate of short time, in words that also speak of a quota: it passes.
    Wording(
        r"throttl|per (second|minute)|requests? rate|\b(qps|rpm|tpm)\b|concurren(t|cy)",
        _at(200, 403, 429),
        RateLimitError,
    ),
    # Money, an allowance or the limit of a plan: final, whatever the status is (6.4).
    Wording(
        r"insufficient.{0,20}(quota|credit|fund|balance)|balance.{0,20}(insufficient|not enough|too low|negative)"
        r"|current quota|quota.{0,40}(exceed|exhaust|used up|fail|insufficient|not.?enough|reached)"
        r"|exceed.{0,40}quota|out of .{0,20}(quota|credit)|budget.{0,30}exceed|exceed.{0,30}budget"
        r"|(no|not enough) (more )?credits?\b"
        r"|credits?.{0,20}(exhaust|deplet|used up)|\bbilling\b|\brecharge\b|arrear|overdue"
        r"|\b(please|to|must|need) top[ -]?up\b|\btop[ -]?up (your|the|my|balance|account|credit)"
        r"|used up your .{0,40}(allocation|allowance|quota|limit)"
        r"|free (tier|trial|quota|credits?|allowance).{0,80}(exhaust|used up|expire|exceed|deplet|reached|run out)"
        r"|payment required|account.{0,40}suspended|余额|欠费|额度|配额|充值"
        r"|(usage|spending|spend|monthly|weekly|plan.{0,20}) limit\b|limit (of|for) your (plan|subscription)",
        None,
        QuotaExceededError,
    ),
    # At 429 it is a rate of the day, which has a class of its own.
    Wording(
        r"\b(daily|total)\b.{0,20}\b(limit|allowance)|limit.{0,20}(per day|for today)|\bTPD\b|\bRPD\b",
        _at(200, 400, 402, 403),
        QuotaExceededError,
    ),
    Wording(r"\bbalance\b", _at(200, 402, 403, 429), QuotaExceededError),
    Wording(
        r"overloaded|over capacity|too busy|负载|繁忙|过载",
        _at(200, 429, 500, 502, 503),
        OverloadedError,
    ),
    Wording(
        r"rate.?limit|too many requests|限流|频繁|频率|请求过多|速率限制", _at(200), RateLimitError
    ),
    Wording(r"\bthrottl(ed|ing)", _at(400), RateLimitError),
    Wording(
        r"rate.?limit.{0,30}(exceed|reach|hit)|(exceed|reach|hit).{0,30}rate.?limit|too many requests|限流|频繁"
        r"|请求过多|速率限制",
        _at(400, 403, 500, 503),
        RateLimitError,
    ),
    Wording(
        r"(invalid|incorrect|wrong|missing|expired) (api.?|access.?)?(key|authentication|credential)|unauthorized"
        r"|login fail|access token.{0,10}(invalid|expired)"
        r"|(invalid|expired) (access )?token\b|无效的令牌|令牌.{0,4}(过期|无效)"
        r"|api.?key.{0,20}(invalid|incorrect|not valid|expired|missing|required)",
        _at(200, 400, 403),
        AuthenticationError,
    ),
    Wording(
        r"\bmodel\b.{0,60}(not found|not exist)|no such model|unknown model",
        _at(200, 400),
        NotFoundError,
    ),
    Wording(
        r"service (is )?(temporarily )?unavailable|at capacity",
        _at(200),
        OverloadedError,
    ),
    Wording(
        r"internal (server )?error|bad gateway|timed? ?out|upstream.{0,20}(error|fail|unavailable|reset|closed)"
        r"|connection (error|reset|refused|closed)|fetch failed",
        _at(200),
        ServerError,
    ),
)

STATUSES: Final[Mapping[int, type[APIError]]] = {
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
    # A request on which this one depends has failed: that of the host behind the host.
    424: ServerError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}


def class_of(
    words: Iterable[str], text: str, inner_status: int | None, status: int
) -> type[APIError]:
    """Return the class of an error.

    Args:
        words: Its codes and types, from the innermost error object to the outermost one.
        text: All that it says in words.
        inner_status: The status that the error object itself names, or ``None``.
        status: The HTTP status; 200 for an error inside a success.
    """
    said_words = [*words]
    words = [word.lower() for word in said_words]
    text = " ".join((re.sub(_NAMES, _without_name, text), *map(_spaced, said_words)))
    decided = next((CODES[word] for word in words if word in CODES), None)
    if decided is not None:
        return decided
    said = status if inner_status is None else inner_status
    for wording in WORDINGS:
        trusted = wording.statuses is None or said in wording.statuses
        if trusted and re.search(wording.pattern, text, re.IGNORECASE):
            return wording.kind
    if said < 400:
        joined = map(_joined, words)
        return next((_JOINED_HINTS[word] for word in joined if word in _JOINED_HINTS), APIError)
    return STATUSES.get(said, ServerError if said >= 500 else BadRequestError)


def _without_name(found: re.Match[str]) -> str:
    return found["kept"] or " "


def _spaced(word: str) -> str:
    """Return a code as words: ``ContextWindowExceeded`` and ``context_window_exceeded`` say the same."""
    if " " in word:
        return ""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_.]", " ", word)
