"""The commands, from their arguments to their output, against a real server on this machine."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from commands import Tty, serving_beside
from commands import run_command as run

from kimi_async._providers._environment import _BY_NAME
from kimi_async.cli import _demo
from kimi_async.cli._app import Provider, _renderer
from kimi_async.cli._json import JsonRenderer
from kimi_async.cli._render import PlainRenderer, TerminalRenderer
from kimi_async.cli._run import program_name
from kimi_async.cli._words import in_words_of_the_shell
from kimi_async.testing import ErrorReply, FakeProvider, Reply

KEY = {"ACEDATACLOUD_API_TOKEN": "test-key"}
#: Cuts off the chunk with the finish reason (which holds the last text too), the one with usage, and [DONE].
WITHOUT_FINISH = -3


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with serving_beside(FakeProvider()) as (provider, _):
        yield provider


def ask_acedata(
    fake: FakeProvider,
    *arguments: str,
    stdin: str | None = None,
    charset: str = "utf-8",
) -> tuple[int, str, str]:
    """Ask the fake."""
    options = ["--base-url", f"{fake.url}/kimi", "--model", "kimi-k3"]
    return run("ask", *options, *arguments, stdin=stdin, charset=charset, **KEY)


@pytest.mark.parametrize(
    ("arguments", "stdin", "messages"),
    [
        pytest.param(["Hello"], None, [("user", "Hello")], id="argument"),
        pytest.param([], "Hello\nyou\n\n", [("user", "Hello\nyou")], id="stdin"),
        pytest.param(["Explain:"], "a diff", [("user", "Explain:\n\na diff")], id="both"),
        pytest.param(["-"], "a diff", [("user", "a diff")], id="dash"),
        pytest.param(
            ["Hello", "--system", "Be short."],
            None,
            [("system", "Be short."), ("user", "Hello")],
            id="system",
        ),
    ],
)
def test_what_is_sent(
    arguments: list[str],
    stdin: str | None,
    messages: list[tuple[str, str]],
    fake: FakeProvider,
) -> None:
    fake.add(Reply("안녕", "So."))
    assert ask_acedata(fake, *arguments, stdin=stdin) == (0, "안녕\n", "")
    (request,) = fake.requests
    assert request.body["model"] == "kimi-k3"
    assert request.body["messages"] == [
        {"role": role, "content": content} for role, content in messages
    ]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        pytest.param(
            ["--provider", "cloudsway", "--endpoint-path", "some/path"],
            {"CLOUDSWAY_API_KEY": "test-key", "KIMI_PROVIDER": "acedata"},
            id="options",
        ),
        pytest.param(
            [],
            {
                "KIMI_PROVIDER": "cloudsway",
                "CLOUDSWAY_API_KEY": "test-key",
                "CLOUDSWAY_ENDPOINT_PATH": "some/path",
                "ACEDATACLOUD_API_TOKEN": "another",
            },
            id="environment",
        ),
    ],
)
def test_cloudsway(arguments: list[str], environment: dict[str, str], fake: FakeProvider) -> None:
    fake.add(Reply("Hi"))
    base_url = f"{fake.url}/v1/ai"
    code, stdout, stderr = run("ask", "--base-url", base_url, *arguments, "Hello", **environment)
    assert (code, stdout, stderr) == (0, "Hi\n", "")
    (request,) = fake.requests
    assert request.path == "/v1/ai/some/path/chat/completions"
    assert "model" not in request.body


def test_parameters(fake: FakeProvider) -> None:
    fake.add(Reply("Hi"))
    options = ["--max-tokens", "50", "--temperature", "0.5", "--timeout", "60"]
    assert ask_acedata(fake, *options, "Hello") == (0, "Hi\n", "")
    assert fake.requests[0].body.items() >= {"max_tokens": 50, "temperature": 0.5}.items()


def test_a_timeout_is_named_by_its_option(fake: FakeProvider) -> None:
    fake.add(Reply("Hi", cut_after=0, end="stall"))
    code, stdout, stderr = ask_acedata(fake, "--timeout", "0.05", "Hello")
    assert (code, stdout) == (1, "")
    assert "--timeout" in stderr
    assert "Timeouts(" not in stderr


def test_every_provider_can_be_asked_for() -> None:
    assert [provider.value for provider in Provider] == [*_BY_NAME]


def test_the_model_of_the_environment(fake: FakeProvider) -> None:
    fake.add(Reply("Hi"))
    code, *_ = run("ask", "--base-url", f"{fake.url}/kimi", "Hello", **KEY, KIMI_MODEL="kimi-k3")
    assert code == 0
    assert fake.requests[0].body["model"] == "kimi-k3"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        pytest.param(
            ["Hello"],
            {},
            "no provider: set a key (ACEDATACLOUD_API_TOKEN, CLOUDSWAY_API_KEY, MOONSHOT_API_KEY);"
            " to try without one, start kimi-async fake",
            id="no-provider",
        ),
        pytest.param(
            ["--provider", "cloudsway", "Hello"], KEY, "set CLOUDSWAY_API_KEY", id="no-key"
        ),
        pytest.param(["Hello"], KEY, "give --model, or set KIMI_MODEL", id="no-model"),
        pytest.param(
            ["--endpoint-path", "p", "Hello"], KEY, "for cloudsway, not for acedata", id="no-path"
        ),
        pytest.param(
            ["--model", "m", "--base-url", "nonsense", "Hello"],
            KEY,
            "kimi-async: --base-url (or KIMI_BASE_URL) must be a whole URL",
            id="bad-url",
        ),
        pytest.param(
            ["--model", "m", "--base-url", "http://host.invalid/kimi", "Hello"],
            KEY,
            "be sent without encryption\n",
            id="http",
        ),
        pytest.param(["--model", "m"], KEY, "the prompt is empty", id="empty-stdin"),
        pytest.param(["--model", "m", " "], KEY, "the prompt is empty", id="empty-argument"),
        pytest.param(
            ["--model", "m", "--system", "", "Hello"], KEY, "--system is empty", id="empty-system"
        ),
    ],
)
def test_configuration_errors(
    arguments: list[str], environment: dict[str, str], words: str
) -> None:
    code, stdout, stderr = run("ask", *arguments, **environment)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("kimi-async: ")
    assert words in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--provider", "nobody", "Hello"], id="provider"),
        pytest.param(["--nonsense", "Hello"], id="option"),
        pytest.param(["one", "two"], id="two-prompts"),
        pytest.param(["--max-tokens", "0", "Hello"], id="max-tokens"),
        pytest.param(["--temperature", "-1", "Hello"], id="temperature"),
        pytest.param(["--temperature", "3", "Hello"], id="temperature-high"),
        pytest.param(["--temperature", "nan", "Hello"], id="temperature-nan"),
        pytest.param(["--timeout", "0", "Hello"], id="timeout"),
        pytest.param(["--timeout", "nan", "Hello"], id="timeout-nan"),
    ],
)
def test_usage_errors(arguments: list[str]) -> None:
    code, stdout, stderr = run("ask", *arguments, **KEY)
    assert (code, stdout) == (2, "")
    assert "Usage: " in stderr
    assert "Traceback" not in stderr
    assert "$." not in stderr


def test_an_error_status(fake: FakeProvider) -> None:
    fake.add(ErrorReply(401, message="the key\nis wrong"))
    code, stdout, stderr = ask_acedata(fake, "Hello")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("kimi-async: the key is wrong [provider: acedata; ")
    assert "status: 401;" in stderr
    assert stderr.count("\n") == 1


def test_a_reply_that_breaks_leaves_what_came(fake: FakeProvider) -> None:
    fake.add(Reply("Hello there", "So.", chunk_chars=6, cut_after=WITHOUT_FINISH))
    code, stdout, stderr = ask_acedata(fake, "Hello")
    assert (code, stdout) == (1, "Hello \n")
    assert "before a finish reason came" in stderr
    assert ".partial" not in stderr


@pytest.mark.parametrize("shown", [True, False], ids=["reasoning", "no-reasoning"])
def test_json(shown: bool, fake: FakeProvider) -> None:
    fake.add(Reply("안녕하세요", "So."))
    arguments = ["--json"] if shown else ["--json", "--no-reasoning"]
    code, stdout, stderr = ask_acedata(fake, *arguments, "Hello")
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert (code, stderr) == (0, "")
    reasoning = ["ReasoningDelta", "ReasoningDone"] if shown else []
    assert [line["event"] for line in lines] == [
        "StreamStart",
        *reasoning,
        "ContentDelta",
        "ContentDone",
        "Finish",
        "UsageUpdate",
        "StreamEnd",
    ]
    message = lines[-1]["completion"]["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("안녕하세요", "So.")


@pytest.mark.parametrize(
    ("reply", "arguments", "code", "kind"),
    [
        pytest.param(
            Reply("Hello", chunk_chars=4, cut_after=WITHOUT_FINISH),
            [],
            1,
            "StreamInterrupted",
            id="broken",
        ),
        pytest.param(Reply("Hello"), ["--model", ""], 2, "ConfigurationError", id="configuration"),
    ],
)
def test_json_of_an_error(
    reply: Reply, arguments: list[str], code: int, kind: str, fake: FakeProvider
) -> None:
    fake.add(reply)
    got, stdout, stderr = ask_acedata(fake, "--json", *arguments, "Hello")
    assert got == code
    last = json.loads(stdout.splitlines()[-1])
    assert (last["event"], last["type"]) == ("error", kind)
    assert stderr == f"kimi-async: {in_words_of_the_shell(last['message'])}\n"


@pytest.mark.parametrize(
    ("arguments", "encoding", "words"),
    [
        pytest.param([], "latin-1", "caf\xe9 \\uc548", id="text-in-what-the-user-has"),
        pytest.param(["--json"], "utf-8", "caf\xe9 안", id="json-is-always-utf-8"),
    ],
)
def test_encodings(arguments: list[str], encoding: str, words: str, fake: FakeProvider) -> None:
    fake.add(Reply("caf\xe9 안"))
    code, stdout, _ = ask_acedata(fake, *arguments, "Hello", charset="latin-1")
    assert code == 0
    assert words in stdout.encode("latin-1").decode(encoding)


@pytest.mark.parametrize(
    ("file", "as_json", "kind"),
    [
        pytest.param(Tty(), False, TerminalRenderer, id="terminal"),
        pytest.param(io.StringIO(), False, PlainRenderer, id="file"),
        pytest.param(Tty(), True, JsonRenderer, id="json"),
    ],
)
def test_who_shows_a_reply(file: io.StringIO, as_json: bool, kind: type[object]) -> None:
    assert type(_renderer(file, as_json=as_json)) is kind


#: The screen of the demo: its first reply, and the others after their thinking.
THE_FIRST_REPLY = [
    "Ace Data Cloud: a reply written for this demo, not recorded",
    "> Why is the sky blue?",
    "",
    "Thinking...",
    "A short question. Scattering is the answer.",
    "...done thinking.",
    "",
    "Air scatters blue light more than red light, so blue reaches your eyes from every part of the sky.",
    "",
    "tokens 13 in, 31 out | first output _ s | total _ s",
]
THE_OTHER_ANSWERS = [
    "...done thinking.",
    "",
    " 안녕하세요! 어떻게 도와드릴까요 오늘?",
    "",
    "tokens 9 in, 135 out | first output _ s | total _ s",
    "",
    "Cloudsway: a tool call recorded there in July 2025, sent as a stream",
    "> 计算北京和上海的直线距离",
    "",
    "我来帮您计算北京和上海之间的直线距离。",
    "",
    'Tool call: get_distance(location1="北京", location2="上海")',
    "",
    "tokens 83 in, 33 out | first output _ s | total _ s",
    "",
    'With a key: ACEDATACLOUD_API_TOKEN=... kimi-async ask --model kimi-k3 "Hello"',
]


def test_the_demo_shows_its_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing listens there, so its use fails.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(sys, "argv", ["kimi-async", "demo"])
    code, stdout, stderr = run("demo", "--pace", "0")
    assert (code, stderr) == (0, "")
    lines = re.sub(r"\d+\.\d\d s", "_ s", stdout).splitlines()
    assert lines[:10] == THE_FIRST_REPLY
    lines = lines[11:]
    assert lines[:4] == [
        "Ace Data Cloud: a stream recorded there in February 2026, in Korean",
        "> 안녕하세요",
        "",
        "Thinking...",
    ]
    assert lines[4].startswith(
        ' 그 사용자가 "안녕하세요"라고 말했습니다. 이것은 간단한 인사입니다.'
    )
    assert lines[lines.index("...done thinking.") :] == THE_OTHER_ANSWERS


def test_the_pace_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    paces: list[float] = []

    def reply(pace: float) -> Reply:
        paces.append(pace)
        return Reply("Hi")

    scenes = tuple(evolve(scene, reply=reply) for scene in _demo._SCENES)
    monkeypatch.setattr(_demo, "_SCENES", scenes)
    code, *_ = run("demo", "--pace", "7.5")
    assert (code, paces) == (0, [7.5, 7.5, 7.5])


def test_the_demo_names_the_program_as_the_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kimi-async"
    program.touch(mode=0o755)
    assert program_name(str(program)) == str(program)
    assert program_name("/a b/kimi-async") == "'/a b/kimi-async'"
    assert program_name("/x/kimi_async/__main__.py") == "python -m kimi_async"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_name(str(program)) == "kimi-async"
    assert program_name("/other/kimi-async") == "/other/kimi-async"


@pytest.mark.parametrize("pace", ["-1", "nan", "inf", "61", "fast"])
def test_a_pace_for_the_demo_that_cannot_be(pace: str) -> None:
    code, stdout, stderr = run("demo", f"--pace={pace}")
    assert (code, stdout) == (2, "")
    assert "--pace" in stderr
