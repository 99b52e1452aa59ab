"""The programs in examples/ run, as a user runs them, against a fake provider."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from diversion import provider_of_the_environment

from kimi_async.testing import FakeToolCall, Recording, Reply, ScriptedReply, recording

ROOT = Path(__file__).parent.parent
REQUESTS = ROOT / "tests/data/requests/cloudsway"
CAPTURED: dict[str, Any] = json.loads(recording("cloudsway/chat_tool_call"))
FIRST: dict[str, Any] = CAPTURED["choices"][0]["message"]
ANSWER: dict[str, Any] = json.loads(recording("cloudsway/chat_after_tool"))["choices"][0]["message"]


def first_reply() -> Reply:
    """The captured reply in the shapes of whoever is asked."""
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
