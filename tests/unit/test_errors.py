from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from reply_records import a_record

from kimi_async import _errors
from kimi_async._errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ConnectTimeout,
    ContentFilteredError,
    ContextLengthError,
    EmptyResponseError,
    ErrorInfo,
    FirstOutputTimeout,
    IdleTimeout,
    KimiError,
    KimiTimeoutError,
    NotFoundError,
    OutputError,
    OverloadedError,
    PermissionDeniedError,
    ProgressTimeout,
    ProtocolError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    SlotTimeout,
    StreamInterrupted,
    TotalTimeout,
    TransportError,
    WriteTimeout,
    over_limit,
)
from kimi_async._messages import Message
from kimi_async._models import ChatCompletion, Choice
from kimi_async._record import Usage, unsent_record

RECORD = a_record(
    outcome="interrupted",
    model="m",
    id="chatcmpl-1",
    request_id="req-1",
    headers_after=0.1,
    first_output_after=0.2,
    last_output_after=0.3,
    ended_after=0.4,
    chunks=3,
    bytes=99,
    usage=Usage(prompt_tokens=1),
    usage_origin="partial",
)
PARTIAL = ChatCompletion(
    provider="acedata",
    choices=(Choice(index=0, message=Message(role="assistant", content="half an ans")),),
    record=RECORD,
)

# class: (its parents, whether the same request may succeed later)
TREE: dict[type[KimiError], tuple[tuple[type[BaseException], ...], bool]] = {
    KimiError: ((Exception,), False),
    ConfigurationError: ((KimiError,), False),
    TransportError: ((KimiError,), True),
    KimiTimeoutError: ((TransportError, TimeoutError), True),
    ConnectTimeout: ((KimiTimeoutError,), True),
    WriteTimeout: ((KimiTimeoutError,), True),
    FirstOutputTimeout: ((KimiTimeoutError,), True),
    IdleTimeout: ((KimiTimeoutError,), True),
    ProgressTimeout: ((KimiTimeoutError,), True),
    SlotTimeout: ((KimiTimeoutError,), True),
    TotalTimeout: ((KimiTimeoutError,), False),
    APIError: ((KimiError,), False),
    BadRequestError: ((APIError,), False),
    AuthenticationError: ((APIError,), False),
    PermissionDeniedError: ((APIError,), False),
    NotFoundError: ((APIError,), False),
    ConflictError: ((APIError,), False),
    QuotaExceededError: ((APIError,), False),
    ContentFilteredError: ((APIError,), False),
    ContextLengthError: ((APIError,), False),
    RateLimitError: ((APIError,), True),
    OverloadedError: ((APIError,), True),
    ServerError: ((APIError,), True),
    ProtocolError: ((KimiError,), False),
    EmptyResponseError: ((ProtocolError,), True),
    StreamInterrupted: ((KimiError,), True),
    ProviderUnavailableError: ((KimiError,), False),
    OutputError: ((KimiError,), False),
}


def told(error: KimiError, **attributes: object) -> KimiError:
    """Return *error* with the fields that the library adds to it."""
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


RICH: dict[str, Any] = {
    "provider": "acedata",
    "partial": PARTIAL,
    "record": RECORD,
    "stage": "streaming",
}
API: dict[str, Any] = {
    "status": 429,
    "code": "too_many_requests",
    "type": "rate_limit_reached_error",
    "trace_id": "t-1",
    "request_id": "r-1",
    "body": {"error": {"code": "too_many_requests"}},
    "retry_after": 1.5,
}

# Constructors of errors with all fields; the classes of a branch are made like its head.
MAKERS: dict[type[KimiError], Callable[[Any], KimiError]] = {
    KimiError: lambda cls: cls("no luck"),
    TransportError: lambda cls: cls("no luck", stage="connecting", cause="ConnectError: refused"),
    KimiTimeoutError: lambda cls: cls(2.5, stage="streaming", cause="ReadTimeout: "),
    APIError: lambda cls: cls("no luck", **API),
    StreamInterrupted: lambda cls: cls("no luck", cause="ReadError: reset"),
    ProviderUnavailableError: lambda cls: cls("no luck", errors=(told(IdleTimeout(1.0), **RICH),)),
    OutputError: lambda cls: cls("no luck", text='{"a":'),
}


def make(cls: type[KimiError]) -> KimiError:
    maker = next(MAKERS[parent] for parent in cls.__mro__ if parent in MAKERS)
    return told(maker(cls), **RICH)


def facts(value: object) -> object:
    """All that an error holds, as something that can be compared."""
    if isinstance(value, KimiError):
        return type(value), value.args, str(value), facts(tuple(sorted(value.__dict__.items())))
    return tuple(map(facts, value)) if isinstance(value, tuple) else value


each_class = pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)


def tree_of(cls: type[KimiError]) -> Iterator[type[KimiError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from tree_of(child)


def test_every_error_is_in_the_tables() -> None:
    assert sorted([*(cls.__name__ for cls in TREE), "ErrorInfo", "KimiWarning"]) == _errors.__all__
    assert list(tree_of(KimiError)) == list(TREE) == list(ADVICE)


@each_class
def test_the_tree(cls: type[KimiError]) -> None:
    parents, retryable = TREE[cls]
    assert cls.__bases__ == parents
    assert make(cls).retryable is retryable


def drawn(tree: str) -> Iterator[tuple[int, list[str]]]:
    """The lines of a drawn tree: how deep its names stand, and the names."""
    for line in tree.splitlines():
        names = re.match(r"( *[│├└─ ]*)((?:[A-Z]\w+ {0,2})+)", line)
        assert names is not None
        yield len(names[1]), names[2].split()


def test_the_docstring_draws_the_tree() -> None:
    assert _errors.__doc__ is not None
    drawing = _errors.__doc__.split("::\n\n")[1].split("\n\n")[0]
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = [(-1, "Exception")]
    for depth, names in drawn(drawing):
        above = [entry for entry in above if entry[0] < depth]
        parents |= dict.fromkeys(names, above[-1][1])
        above.append((depth, names[-1]))
    assert parents == {cls.__name__: bases[0].__name__ for cls, (bases, _) in TREE.items()}


@each_class
def test_a_new_error_knows_nothing_of_a_reply(cls: type[KimiError]) -> None:
    error = next(MAKERS[parent] for parent in cls.__mro__ if parent in MAKERS)(cls)
    assert (error.provider, error.attempts) == (None, ())
    assert error.record == unsent_record("error", "")
    empty = ChatCompletion(provider="") if cls is StreamInterrupted else None
    assert error.partial == empty


def pickled(error: KimiError, protocol: int) -> object:
    return pickle.loads(pickle.dumps(error, protocol))


COPIES: dict[str, Callable[[KimiError], object]] = {
    **{
        f"pickle-{protocol}": partial(pickled, protocol=protocol)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@each_class
def test_a_copy_has_all_that_the_error_has(
    cls: type[KimiError], copied: Callable[[KimiError], object]
) -> None:
    error = make(cls)
    error.add_note("seen by the caller")
    error.retryable = not error.retryable
    twin = copied(error)
    assert twin is not error
    assert facts(twin) == facts(error)
    assert isinstance(twin, cls)
    # Equality of completions leaves their records out.
    assert twin.partial is not None
    assert twin.partial.record == RECORD


def test_a_deep_copy_shares_nothing_that_can_be_changed() -> None:
    error = APIError("no luck", body={"code": 1})
    twin = copy.deepcopy(error)
    error.body["code"] = 2
    assert twin.body == {"code": 1}


#: The advice of each class; empty if the message itself has it.
ADVICE: dict[type[KimiError], str] = {
    KimiError: "",
    ConfigurationError: "",
    TransportError: "Send it again; if that does not help, check base_url, the network and the proxy.",
    KimiTimeoutError: "Send it again, or raise the limit.",
    ConnectTimeout: "Send it again, or raise Timeouts(connect=...).",
    WriteTimeout: "Send it again, or raise Timeouts(write=...).",
    FirstOutputTimeout: "Send it again, or raise Timeouts(first_output=...).",
    IdleTimeout: "Send it again, or raise Timeouts(idle=...).",
    ProgressTimeout: "Send it again, or raise Timeouts(progress=...).",
    SlotTimeout: (
        "Nothing was sent. Ask for less at a time, close streams early, or raise max_concurrency."
    ),
    TotalTimeout: "Raise Timeouts(total=...) if it may take longer.",
    APIError: "Ask the provider, and quote the id.",
    BadRequestError: "Change the request.",
    AuthenticationError: "Check the key, and that it belongs to this provider and service.",
    PermissionDeniedError: "See to the key and the addresses it may be used from at the provider.",
    NotFoundError: "Check the model name and base_url; model ids are retired within months.",
    ConflictError: "Send it once more.",
    QuotaExceededError: "Top up or raise the allowance at the provider.",
    ContentFilteredError: "Change the messages.",
    ContextLengthError: "Shorten the messages, or lower the output limit.",
    RateLimitError: "Wait, then send fewer at a time.",
    OverloadedError: "Wait, then send it again.",
    ServerError: "Send it again.",
    ProtocolError: "Check base_url; if it is right, the provider broke the contract.",
    EmptyResponseError: "Send it again.",
    StreamInterrupted: "Sending it again begins anew.",
    ProviderUnavailableError: "The last error of each provider is in .errors.",
    OutputError: "The text of the model is in .text; tell the model what does not fit, or ask again.",
}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(KimiError("no luck"), "no luck", id="message-alone"),
        pytest.param(
            told(ConfigurationError("no key"), provider="acedata"),
            "no key [provider: acedata]",
            id="provider",
        ),
        pytest.param(
            told(ProtocolError("no JSON"), **RICH),
            "no JSON [provider: acedata; request id: req-1; stage: streaming]",
            id="request-id-of-the-record",
        ),
        pytest.param(
            told(EmptyResponseError("nothing"), record=RECORD, provider=""),
            "nothing [request id: req-1]",
            id="what-is-empty-is-left-out",
        ),
        pytest.param(
            told(TransportError("broke", cause="WriteError: reset"), **RICH),
            "broke [provider: acedata; request id: req-1; stage: streaming;"
            " cause: WriteError: reset]",
            id="transport",
        ),
        pytest.param(TransportError("broke"), "broke", id="transport-without-context"),
        pytest.param(
            told(StreamInterrupted("ended early", cause="ReadError: reset"), provider="cloudsway"),
            "ended early [provider: cloudsway; cause: ReadError: reset]",
            id="interrupted",
        ),
        pytest.param(
            told(APIError("slow down", **API), **RICH),
            "slow down [provider: acedata; stage: streaming; status: 429; code: too_many_requests;"
            " type: rate_limit_reached_error; trace id: t-1; request id: r-1; retry after: 1.5 s]",
            id="api",
        ),
        pytest.param(
            told(ServerError("oops", status=500), record=RECORD),
            "oops [status: 500; request id: req-1]",
            id="api-request-id-of-the-record",
        ),
        pytest.param(RateLimitError("now", retry_after=0.0), "now", id="api-retry-at-once"),
        pytest.param(
            OutputError("the arguments do not fit", text="model said"),
            "the arguments do not fit",
            id="output-is-not-printed",
        ),
        pytest.param(
            ProviderUnavailableError("all failed", errors=(IdleTimeout(1.0),)),
            "all failed",
            id="unavailable",
        ),
        pytest.param(
            ConnectTimeout(10, stage="connecting", cause="ConnectTimeout: "),
            "the limit 'connect' ran out: no connection within 10 s"
            " [stage: connecting; cause: ConnectTimeout: ]",
            id="connect",
        ),
        pytest.param(
            WriteTimeout(30.0),
            "the limit 'write' ran out: the request could not be sent within 30 s",
            id="write",
        ),
        pytest.param(
            FirstOutputTimeout(300.0),
            "the limit 'first_output' ran out: no model output came within 300 s",
            id="first-output",
        ),
        pytest.param(
            IdleTimeout(0.05),
            "the limit 'idle' ran out: not one byte came within 0.05 s",
            id="idle",
        ),
        pytest.param(
            ProgressTimeout(1.0),
            "the limit 'progress' ran out: no further model output came within 1 s",
            id="progress",
        ),
        pytest.param(
            SlotTimeout(1.0, stage="waiting for a slot"),
            "the limit 'slot' ran out: no slot was free within 1 s [stage: waiting for a slot]",
            id="slot",
        ),
        pytest.param(
            TotalTimeout(3600.0),
            "the limit 'total' ran out: the reply was not complete within 3600 s",
            id="total",
        ),
    ],
)
def test_what_an_error_says(error: KimiError, text: str) -> None:
    advice = ADVICE[type(error)]
    end = "" if text.endswith("]") or not advice else "."
    assert str(error) == f"{text}{end} {advice}".rstrip()
    assert error.args == (error.message,)


@each_class
def test_an_error_says_what_where_who_which_request_and_what_to_do(cls: type[KimiError]) -> None:
    error = make(cls)
    assert error.advice == ADVICE[cls]
    said = str(error)
    assert said.startswith(error.message)
    assert said.endswith(error.advice)
    request_id = "r-1" if isinstance(error, APIError) else "req-1"
    for fact in ("provider: acedata", "stage: streaming", f"request id: {request_id}"):
        assert fact in said


def test_more_than_a_limit_of_size_says_which_to_raise() -> None:
    error = over_limit("choices", 128, "the number of choices")
    assert (error.limit, ProtocolError("no JSON").limit) == ("choices", None)
    assert str(error) == (
        "the number of choices is over the limit 'choices' of 128."
        " Raise limits=Limits(choices=...) if replies like this are expected."
    )


@pytest.mark.parametrize(
    "cls",
    [cls for cls in TREE if issubclass(cls, KimiTimeoutError)],
    ids=lambda cls: cls.__name__,
)
def test_a_timeout_is_a_builtin_one(cls: type[KimiTimeoutError]) -> None:
    """And no other ``OSError``: it has no error number."""
    with pytest.raises(TimeoutError) as caught:
        raise cls(2.5, stage="streaming", cause="ReadTimeout: ")
    error = caught.value
    assert isinstance(error, cls)
    assert (error.seconds, error.stage, error.cause) == (2.5, "streaming", "ReadTimeout: ")
    assert error.errno is None


def test_the_facts_of_an_api_error() -> None:
    error = APIError("no luck", **API)
    assert {name: getattr(error, name) for name in API} == API
    bare = APIError("no luck")
    assert {name: getattr(bare, name) for name in API} == dict.fromkeys(API)


def test_the_facts_of_the_others() -> None:
    idle = IdleTimeout(1.0)
    assert ProviderUnavailableError("all failed", errors=(idle,)).errors == (idle,)
    assert ProviderUnavailableError("all off").errors == ()
    assert OutputError("no", text="said").text == "said"
    assert StreamInterrupted("ended").cause is None


@pytest.mark.parametrize(
    ("error", "info"),
    [
        pytest.param(
            RateLimitError("slow down", status=429, code="rate", retry_after=2.5),
            ErrorInfo(
                name="RateLimitError", message="slow down", status=429, code="rate", retry_after=2.5
            ),
            id="of-a-provider",
        ),
        pytest.param(
            IdleTimeout(2),
            ErrorInfo(
                name="IdleTimeout",
                message="the limit 'idle' ran out: not one byte came within 2 s",
            ),
            id="of-our-own",
        ),
    ],
)
def test_the_facts_of_an_error(error: KimiError, info: ErrorInfo) -> None:
    assert ErrorInfo.of(error) == info
    assert hash(ErrorInfo.of(error)) == hash(info)
