"""The programs in examples/ run like those of a user, against a fake provider."""

from __future__ import annotations

import ast
import json
import runpy
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from example_programs import provider_of_the_environment
from paths import ROOT

from kimi_async import AceDataCloud, AsyncKimi, Cloudsway, Provider
from kimi_async.testing import FakeToolCall, Recording, Reply, ScriptedReply, recording

REQUESTS = ROOT / "tests/data/requests/cloudsway"
CAPTURED: dict[str, Any] = json.loads(recording("cloudsway/chat_tool_call"))
FIRST: dict[str, Any] = CAPTURED["choices"][0]["message"]
ANSWER: dict[str, Any] = json.loads(recording("cloudsway/chat_after_tool"))["choices"][0]["message"]


def first_reply() -> Reply:
    """Return the captured reply in the wire form of the provider that is asked."""
    (call,) = FIRST["tool_calls"]
    function = call["function"]
    return Reply(
        FIRST["content"],
        tool_calls=[FakeToolCall(function["name"], function["arguments"], id=call["id"])],
    )


SCRIPTS: dict[tuple[str, str], list[ScriptedReply]] = {
    ("cloudsway", "streamed"): [
        Recording("cloudsway/stream_tool_call"),
        Reply(ANSWER["content"], ANSWER["reasoning_content"]),
    ],
    ("cloudsway", "whole"): [
        Recording("cloudsway/chat_tool_call"),
        Recording("cloudsway/chat_after_tool"),
    ],
    ("acedata", "streamed"): [first_reply(), Reply(ANSWER["content"])],
    ("acedata", "whole"): [first_reply(), Reply(ANSWER["content"])],
}


@pytest.mark.parametrize(("provider", "form"), SCRIPTS, ids="-".join)
def test_the_tool_example(
    provider: str, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tools.py", *(["--whole"] if form == "whole" else [])])
    script = SCRIPTS[provider, form]
    with provider_of_the_environment(monkeypatch, script, provider) as fake:
        runpy.run_path(str(ROOT / "examples/tools.py"), run_name="__main__")
    asked, answered = [request.body for request in fake.requests]
    (call,) = FIRST["tool_calls"]
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    documented = json.loads((REQUESTS / "request_tools.json").read_bytes())

    assert asked["stream"] == (form == "streamed")
    assert asked["messages"] == documented["messages"]
    described = asked["tools"][0]["function"]["parameters"]
    assert described.pop("additionalProperties") is False
    assert (asked["tools"], asked["tool_choice"]) == (documented["tools"], "auto")
    assert answered["messages"] == [
        *documented["messages"],
        {
            "role": "assistant",
            "content": FIRST["content"],
            "tool_calls": [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": call["id"], "name": name, "content": "1000"},
    ]
    said = capsys.readouterr().out
    assert f"{name}({arguments}) = 1000" in said
    assert ANSWER["content"] in said
    assert "answer, Usage(" in said


# The other examples: the script of each, the request that each provider must receive, and the expected output.

HELLO = " Hello! How can I help you today?"
AS_JSON = Recording("cloudsway/chat_json_object")
PARTIAL = Recording("cloudsway/chat_partial")
WHO: dict[str, Any] = json.loads(recording("acedata/chat_multi_turn"))["choices"][0]["message"]


def shown(name: str) -> dict[str, Any]:
    """A request as Cloudsway shows it."""
    body: dict[str, Any] = json.loads((REQUESTS / f"{name}.json").read_bytes())
    return body


def run_example(
    name: str,
    provider: str,
    script: list[ScriptedReply],
    monkeypatch: pytest.MonkeyPatch,
    model: str = "kimi-k3",
) -> list[dict[str, Any]]:
    """Run a program, and give the bodies of its requests."""
    monkeypatch.setattr(sys, "argv", [name])
    with provider_of_the_environment(monkeypatch, script, provider, model) as fake:
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
    return [request.body for request in fake.requests]


both_resellers = pytest.mark.parametrize("provider", ["acedata", "cloudsway"])


@both_resellers
def test_the_example_of_several_turns(
    provider: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = [Reply(HELLO, "A greeting."), Reply(WHO["content"], WHO["reasoning_content"])]
    _, last = run_example("multi_turn.py", provider, [*script], monkeypatch)
    assert last["messages"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": HELLO, "reasoning_content": "A greeting."},
        {"role": "user", "content": "What model are you?"},
    ]
    said = capsys.readouterr().out
    assert WHO["content"].strip() in said
    assert "saved 4 messages" in said


@both_resellers
def test_the_example_of_a_system_prompt(
    provider: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (body,) = run_example("system_prompt.py", provider, [Reply("1+1=2")], monkeypatch)
    system, _, question = shown("request_json_object")["messages"]
    assert body["messages"] == [system, question]
    assert capsys.readouterr().out == "1+1=2\n3 messages\n"


@both_resellers
def test_the_example_of_json_mode(
    provider: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (body,) = run_example("json_mode.py", provider, [AS_JSON], monkeypatch)
    documented = shown("request_json_object")
    assert body["response_format"] == documented["response_format"]
    assert body["messages"][-1] == documented["messages"][-1]
    assert capsys.readouterr().out == "你好,李雷!1 + 1 = 2。\n"


@pytest.mark.parametrize(("provider", "honoured"), [("acedata", None), ("cloudsway", False)])
def test_the_example_of_partial_mode(
    provider: str,
    honoured: bool | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (body,) = run_example("partial_mode.py", provider, [PARTIAL], monkeypatch)
    assert body["messages"] == shown("request_partial")["messages"][1:]
    said = capsys.readouterr().out
    prefix = body["messages"][-1]["content"]
    # The captured reply starts afresh, and is not glued to the prefix where that is known.
    assert said.startswith("你好" if honoured is False else prefix)
    assert said.endswith(f"continues the prefix: {honoured}\n")


@pytest.mark.parametrize(("provider", "word"), [("acedata", "disabled"), ("cloudsway", "false")])
@pytest.mark.parametrize("answered", [True, False])
def test_the_example_of_thinking_off(
    provider: str,
    word: str,
    answered: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reply = Reply("Kimi") if answered else Reply(None, "Hm.", finish_reason="length")
    (body,) = run_example("thinking_off.py", provider, [reply], monkeypatch, "kimi-k2.6")
    assert body["messages"] == shown("request_thinking_off")["messages"]
    assert body["thinking"] == {"type": word}
    assert ("raise max_tokens" in capsys.readouterr().out) is not answered


@pytest.mark.parametrize(
    "name", ["request_json_object", "request_partial", "request_tool_result", "request_tools"]
)
@pytest.mark.parametrize("provider", [AceDataCloud("k"), Cloudsway("k", "path")], ids=repr)
def test_documented_requests_are_sent_through_unchanged(name: str, provider: Provider) -> None:
    documented = shown(name)
    given = {key: value for key, value in documented.items() if key != "messages"}
    wire = AsyncKimi(provider, model="m").preview(documented["messages"], wire="json", **given)
    assert {key: wire.body[key] for key in documented} == documented


def test_the_examples_of_tests_pass() -> None:
    """They run in a process of their own, as the tests of a user do."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(ROOT / "examples/testing")], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples/testing").glob("test_*.py")), ids=lambda path: path.stem
)
def test_the_examples_of_tests_are_short(path: Path) -> None:
    """Most tests have three lines, and none has more than four."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    tests = [node for node in functions if node.name.startswith("test_")]
    lengths = [len(ast.unparse(ast.Module(test.body, [])).splitlines()) for test in tests]
    assert max(lengths) <= 4
    assert statistics.median(lengths) <= 3
