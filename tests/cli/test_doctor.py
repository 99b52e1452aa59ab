"""``kimi-async doctor``: its question, its screen, its lines and its exit codes, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from commands import Tty, run_command, serving_beside
from doctor_host import capable

from kimi_async import AceDataCloud, Cloudsway, ConfigurationError, Provider
from kimi_async.cli._doctor import Examination, agrees, examine, run_doctor, show_examination
from kimi_async.cli._probes import Finding
from kimi_async.testing import (
    ErrorReply,
    FakeProvider,
    FakeTransport,
    Faulty,
    NoHeaders,
    ReceivedRequest,
    Reply,
    ScriptedReply,
    virtual_time,
)

KEY = {"ACEDATACLOUD_API_TOKEN": "test-key"}
PARTIAL = Finding(aspect="partial mode", seen="continued", capability="partial_mode", value=True)
EVIL = Finding(aspect="JSON mode", seen="no: \x1b[31mred\nlines\u202e", capability="json_object")


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def fake() -> Iterator[FakeProvider]:

    def answer(request: ReceivedRequest) -> Reply | ErrorReply:
        if request.body.get("response_format", {}).get("type") == "json_schema":
            return ErrorReply(400, message="no \x1b[31mschemas")
        return capable(request)

    host = FakeProvider(answer, honours_prefix=True, oddities=["thinking-tags", "usage-in-choice"])
    with serving_beside(host) as (provider, _):
        yield provider


def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
    return run_command("doctor", *arguments, **variables)


OVERRIDE = 'AceDataCloud(capabilities=AceDataCloud().capabilities.override("kimi-k3", {}))'


def test_a_pipe_gets_a_line_for_each_finding_and_the_code_for_each_difference(
    fake: FakeProvider,
) -> None:
    options = ["--yes", "--model", "kimi-k3", "--base-url", f"{fake.url}/kimi"]
    code, stdout, stderr = run(*options, **KEY)
    assert (code, stderr) == (0, "")
    found, advice = stdout.split("\n\nTo make the library follow the provider:\n\n")
    lines = found.splitlines()
    assert len(lines) == 12
    assert "usage: choice (the table: last chunk, documented) DIFFERS" in lines
    assert "tool calls: yes: id get_weather:0 (the table: yes, documented)" in lines
    refused = "no: refused with status 400: no \\x1b[31mschemas"
    assert f"JSON schema: {refused} (the table: yes, documented) DIFFERS" in lines
    assert "partial mode: continued (the table: no, unknown) DIFFERS" in lines
    assert [line.strip() for line in advice.splitlines()] == [
        OVERRIDE.format('usage_place="choice"'),
        'AceDataCloud(thinking_tags="parse")',
        OVERRIDE.format("json_schema=False"),
        OVERRIDE.format("partial_mode=True"),
        OVERRIDE.format("thinking_switch=True"),
    ]


def test_json_is_one_line_for_each_finding(fake: FakeProvider) -> None:
    options = ["--yes", "--json", "--base-url", f"{fake.url}/kimi"]
    code, stdout, stderr = run(*options, KIMI_MODEL="kimi-k3", **KEY)
    assert (code, stderr) == (0, "")
    by_aspect = {line["aspect"]: line for line in map(json.loads, stdout.splitlines())}
    assert by_aspect["partial mode"] == {
        "aspect": "partial mode",
        "seen": "continued",
        "capability": "partial_mode",
        "value": True,
        "table": False,
        "basis": "unknown",
        "differs": True,
        "failed": False,
        "override": OVERRIDE.format("partial_mode=True"),
    }
    assert by_aspect["request id"]["table"] is by_aspect["request id"]["override"] is None


@pytest.mark.parametrize(("model", "name"), [(None, ""), ("kimi-k2.6", '"kimi-k2.6", ')])
@pytest.mark.parametrize("provider", [AceDataCloud(), Cloudsway()])
def test_the_code_that_is_shown_makes_the_difference_go(
    provider: Provider, model: str | None, name: str
) -> None:
    examination = Examination(provider=provider, model=model, findings=(PARTIAL,))
    code = examination.override(PARTIAL)
    assert code is not None
    assert f"override({name}partial_mode=True)" in code
    changed = eval(code, {type(provider).__name__: type(provider)})
    follows = Examination(provider=changed, model=model, findings=(PARTIAL,))
    assert follows.override(PARTIAL) is None


def test_the_place_any_is_never_contradicted() -> None:
    usage = Finding(aspect="usage", seen="choice", capability="usage_place", value="choice")
    assert not Examination(provider=Cloudsway(), model=None, findings=(usage,)).differs(usage)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("model", [None, "kimi-k3"])
def test_the_screen_has_a_table_whose_text_is_not_obeyed(
    width: int, model: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Tty()
    findings = (PARTIAL, EVIL)
    examination = Examination(provider=AceDataCloud(), model=model, findings=findings)
    show_examination(examination, screen, as_json=False)
    shown = screen.getvalue()
    assert "\\x1b[31mred lines\\u202e" in shown
    assert "\x1b[31m" not in shown
    table = shown.partition("To make")[0].splitlines()
    assert any("partial mode" in line and "differs" in line for line in table)
    assert ("acedata kimi-k3" in shown) is (model is not None)


def test_nothing_is_advised_where_nothing_differs() -> None:
    screen = Tty()
    examination = Examination(provider=AceDataCloud(), model="m", findings=(EVIL,))
    show_examination(examination, screen, as_json=False)
    assert "To make" not in screen.getvalue()


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        pytest.param([], {}, "no provider", id="no-provider"),
        pytest.param(["--yes"], KEY, "no model", id="no-model"),
        pytest.param(
            ["--yes", "--model", "m", "--provider", "moonshot"], KEY, "MOONSHOT", id="no-key"
        ),
        pytest.param(["--model", "m"], KEY, "--yes", id="no-terminal"),
    ],
)
def test_a_run_that_cannot_begin_is_a_usage_error(
    arguments: list[str], variables: dict[str, str], words: str
) -> None:
    code, stdout, stderr = run(*arguments, **variables)
    assert (code, stdout) == (2, "")
    assert words in stderr


def test_a_process_without_stdin_needs_yes() -> None:
    with pytest.raises(ConfigurationError, match="--yes"):
        agrees("acedata", None, Tty())


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False), ("", False)],
)
def test_the_question_says_what_it_costs(answer: str, agreed: bool) -> None:
    screen = Tty()
    assert agrees("acedata kimi-k3\x1b[31m", Tty(answer), screen) is agreed
    assert screen.getvalue() == (
        "doctor sends 7 requests to acedata kimi-k3\\x1b[31m.\n"
        "6 of them are billed: short prompts, and at most 800 tokens of output each.\n"
        "That is at most 4,800 tokens of output in all.\n"
        "Continue? [y/N] "
    )


def test_nothing_is_sent_without_agreement(
    fake: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Tty("no\n"))
    provider = AceDataCloud("test-key", base_url=f"{fake.url}/kimi")
    assert not run_doctor(provider, "m", yes=False, as_json=False)
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.endswith("[y/N] kimi-async: nothing was sent\n")
    assert fake.requests == []


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [virtual_time()])
@pytest.mark.parametrize("reply", [Reply(cut_at=0, end="stall"), Faulty(Reply(), NoHeaders())])
async def test_a_host_that_does_not_answer_gets_one_request(reply: ScriptedReply) -> None:
    silent = FakeTransport(reply)
    found = await examine(silent.client())
    assert [finding.aspect for finding in found][-1] == "other requests"
    assert found[0].failed
    assert len(silent.requests) == 1


def test_requests_that_fail_are_findings_and_exit_code_1(fake: FakeProvider) -> None:
    options = ["--yes", "--model", "m", "--base-url", f"{fake.url}/kimi"]
    code, stdout, stderr = run(*options, ACEDATACLOUD_API_TOKEN="wrong-key")
    assert (code, stderr) == (1, "")
    assert "streaming: failed: AuthenticationError: " in stdout
    assert "thinking off: failed: AuthenticationError: " in stdout
    assert "wrong-key" not in stdout
    assert "error: AuthenticationError, status 401" in stdout
