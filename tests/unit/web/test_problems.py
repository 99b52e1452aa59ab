"""The status and the sentence of each error."""

from __future__ import annotations

import inspect
import logging

import pytest
from paths import ROOT

import kimi_async as kimi
from kimi_async import _errors
from kimi_async.web._problems import TABLE, error_answer, problem_of, shown

ERRORS = [
    kind
    for kind in vars(_errors).values()
    if inspect.isclass(kind) and issubclass(kind, kimi.KimiError)
]


def made(kind: type[kimi.KimiError]) -> kimi.KimiError:
    """Return an error of *kind* whose text holds a secret, without its constructor, which differs by class."""
    error = kind.__new__(kind)
    kimi.KimiError.__init__(error, "secret words")
    if isinstance(error, kimi.APIError):
        kimi.APIError.__init__(error, "secret words")
    if isinstance(error, kimi.ProviderUnavailableError):
        error.errors = ()
    return error


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_a_status_and_no_words_of_its_own(
    kind: type[kimi.KimiError], caplog: pytest.LogCaptureFixture
) -> None:
    answer = error_answer(made(kind))
    assert 400 <= answer.status < 600
    assert answer.status not in (401, 403)  # the browser would ask for another login
    assert b"secret" not in answer.body
    named = f"{kind.__name__}: secret words" if kind is kimi.ConfigurationError else kind.__name__
    line = ("kimi_async", logging.ERROR, f"answered with status 500: {named}")
    assert caplog.record_tuples == [line] * (answer.status == 500)


def test_the_log_names_the_cause_of_a_status_500(caplog: pytest.LogCaptureFixture) -> None:
    error = kimi.AuthenticationError("secret words", status=401, request_id="req-1", body="secret")
    error.provider = "acedata"
    error_answer(error)
    assert caplog.messages == [
        "answered with status 500: AuthenticationError [provider: acedata; status: 401; request id: req-1]"
    ]


def test_a_class_stands_before_its_parents() -> None:
    kinds = [row.kind for row in TABLE]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[place + 1 :])


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    page = (ROOT / "docs/fastapi.md").read_text("utf-8")
    for row in TABLE:
        wait = "yes" if row.wait else "no"
        assert f"| `{row.kind.__name__}` | {row.status} | {wait} | {row.message} |" in page


def test_the_shortest_wait_of_several_providers_is_told() -> None:
    errors = tuple(kimi.RateLimitError("busy", retry_after=wait) for wait in (None, 30.0, 2.1))
    problem = problem_of(kimi.ProviderUnavailableError("all failed", errors=errors))
    assert (problem.status, problem.retry_after) == (503, 3)
    assert problem_of(kimi.ProviderUnavailableError("none")).retry_after == 5


def test_a_limit_of_the_day_names_no_wait() -> None:
    error = kimi.RateLimitError("the limit of the day")
    error.retryable = False
    assert problem_of(error).retry_after is None


def test_the_words_of_an_unknown_class_are_not_shown() -> None:
    info = kimi.ErrorInfo(name="OtherError", message="secret words", retry_after=2.0)
    assert shown(info) == kimi.ErrorInfo(
        name="OtherError", message="The model provider failed.", retry_after=2.0
    )
