"""The ways a command can end."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import pytest

from kimi_async import (
    AsyncKimi,
    ConfigurationError,
    ConnectTimeout,
    KimiError,
    KimiWarning,
    RateLimitError,
    StreamEvent,
)
from kimi_async.cli._output import Output
from kimi_async.cli._render import PlainRenderer
from kimi_async.cli._run import exit_code, follow
from kimi_async.cli._words import in_words_of_the_shell
from kimi_async.testing import FakeProvider, Reply


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@contextmanager
def broken_stdout() -> Generator[Output]:
    """Set a stdout whose reader has left, and which is written through a buffer as the real one."""
    reader, writer = os.pipe()
    os.close(reader)
    # Leaving the block writes the rest of the buffer, which must not fail a second time.
    with pytest.MonkeyPatch.context() as patch, os.fdopen(writer, "w") as stdout:
        patch.setattr(sys, "stdout", stdout)
        yield Output(stdout, styled=False)


ENDS = pytest.mark.parametrize(
    ("command", "code", "line"),
    [
        pytest.param(lambda: None, 0, "", id="well"),
        pytest.param(
            raising(RateLimitError("slow down", status=429)),
            1,
            "kimi-async: slow down [status: 429] Wait, then send fewer at a time.\n",
            id="kimi-error",
        ),
        pytest.param(
            raising(ConnectTimeout(10.0)),
            1,
            "kimi-async: no connection within 10 s. Send it again.\n",
            id="kimi-error-that-is-an-os-error-too",
        ),
        pytest.param(
            raising(ConfigurationError("no key")), 2, "kimi-async: no key\n", id="configuration"
        ),
        pytest.param(raising(KeyboardInterrupt()), 130, "\nkimi-async: interrupted\n", id="ctrl-c"),
    ],
)


@ENDS
def test_exit_codes(
    command: Callable[[], None], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(command, PlainRenderer(Output(io.StringIO(), styled=False))) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", line)


class Unwritable(io.StringIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, text: str, /) -> int:
        raise OSError(self._number, text)


@ENDS
@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC], ids=["closed", "full"])
def test_the_exit_code_does_not_depend_on_stderr(
    number: int,
    command: Callable[[], None],
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", Unwritable(number))
    assert exit_code(command, PlainRenderer(Output(io.StringIO(), styled=False))) == code


def test_a_warning_of_the_package_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        warnings.warn("base_url looks odd", KimiWarning, stacklevel=1)
        warnings.warn("of another package", UserWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        assert exit_code(command, PlainRenderer(Output(io.StringIO(), styled=False))) == 0
    assert capsys.readouterr().err == "kimi-async: warning: --base-url looks odd\n"
    assert [str(other.message) for other in others] == ["of another package"]


def test_a_warning_in_the_log_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("kimi_async")
    handlers = [*logger.handlers]

    def command() -> None:
        logger.warning("%s: the breaker opened", "acedata")
        logger.info("acedata, attempt 1")

    assert exit_code(command, PlainRenderer(Output(io.StringIO(), styled=False))) == 0
    assert capsys.readouterr().err == "kimi-async: warning: acedata: the breaker opened\n"
    assert logger.handlers == handlers


def test_no_advice_of_an_error_names_python() -> None:
    kinds: list[type[KimiError]] = [KimiError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    advice = " ".join(kind.advice for kind in kinds)
    assert "Timeouts(" in advice
    for word in ("Timeouts", "Limits(", ".errors", "base_url", "AsyncKimi", ".partial"):
        assert word not in in_words_of_the_shell(advice)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "bad parameter: Expected `float` <= 2.0 - at `$.temperature`",
            "--temperature: Expected `float` <= 2.0",
        ),
        (
            "bad parameter: Expected `int` >= 1 - at `$.max_tokens`",
            "--max-tokens: Expected `int` >= 1",
        ),
        (
            "Cloudsway: api_key holds blanks; give api_key=... or set CLOUDSWAY_API_KEY",
            "the key holds blanks; set CLOUDSWAY_API_KEY",
        ),
        ("Moonshot: base_url is missing", "--base-url (or KIMI_BASE_URL) is missing"),
        ("temperature: only 0 to 1 is accepted", "--temperature: only 0 to 1 is accepted"),
    ],
)
def test_a_problem_of_a_parameter_names_the_option(message: str, words: str) -> None:
    assert in_words_of_the_shell(message) == words


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code(raising(ZeroDivisionError()), PlainRenderer(Output(io.StringIO(), styled=False)))


@pytest.mark.anyio
async def test_a_reply_that_cannot_be_shown_is_closed() -> None:
    class FullDisk(PlainRenderer):
        def show(self, event: StreamEvent, /) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    reply = Reply("Hello there", chunk_chars=6, cut_after=-3, end="stall")
    async with FakeProvider([reply]) as fake:
        async with AsyncKimi(fake.acedata(), model="kimi-k3") as client:
            with pytest.raises(OSError, match="No space left"):
                await follow(client.stream("Hi"), FullDisk(Output(io.StringIO(), styled=False)))
            await fake.wait_until(lambda: fake.open_connections == 0)


def test_a_reader_that_left_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with broken_stdout() as output:
        assert exit_code(partial(output.write, "text"), PlainRenderer(output)) == 0
    assert capsys.readouterr().err == ""


def test_a_reader_that_left_before_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        with pytest.raises(BrokenPipeError):
            output.write("text")
        raise RateLimitError("slow down")

    with broken_stdout() as output:
        assert exit_code(command, PlainRenderer(output)) == 0
    assert capsys.readouterr().err == ""


def test_what_the_operating_system_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with broken_stdout() as output:
        assert exit_code(raising(full), PlainRenderer(output)) == 1
    assert capsys.readouterr().err == "kimi-async: [Errno 28] No space left on device\n"
