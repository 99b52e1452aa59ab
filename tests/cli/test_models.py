"""``kimi-async models``, against a real server on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from commands import run_command, serving_beside

from kimi_async import ModelInfo
from kimi_async.testing import FakeProvider

KEY = {"ACEDATACLOUD_API_TOKEN": "test-key"}
MODELS: list[str | ModelInfo] = [
    "kimi-k3",
    ModelInfo(id="kimi-k2.6\x1b[31m", created=7, owned_by="moonshot"),
]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with serving_beside(FakeProvider(models=MODELS)) as (provider, _):
        yield provider


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    return run_command("models", *arguments, **environment)


def test_the_ids_come_one_a_line_and_are_not_obeyed(fake: FakeProvider) -> None:
    assert run("--base-url", f"{fake.url}/kimi", **KEY) == (
        0,
        "kimi-k3\nkimi-k2.6\\x1b[31m\n",
        "",
    )


def test_json_is_one_line_for_each_model(fake: FakeProvider) -> None:
    code, stdout, stderr = run("--json", "--base-url", f"{fake.url}/kimi", **KEY)
    assert (code, stderr) == (0, "")
    first, second = map(json.loads, stdout.splitlines())
    assert first["id"] == first["raw"]["id"] == "kimi-k3"
    assert (second["created"], second["owned_by"]) == (7, "moonshot")
    assert second["supports_reasoning"] is None


def test_the_provider_is_that_of_the_options(fake: FakeProvider) -> None:
    options = ["--provider", "cloudsway", "--endpoint-path", "p", "--base-url", f"{fake.url}/v1/ai"]
    code, stdout, _ = run(*options, CLOUDSWAY_API_KEY="test-key", **KEY)
    assert (code, stdout.splitlines()[0]) == (0, "kimi-k3")


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        pytest.param([], {}, "no provider", id="no-provider"),
        pytest.param(["--provider", "moonshot"], KEY, "MOONSHOT_API_KEY", id="no-key"),
        pytest.param(["--endpoint-path", "p"], KEY, "is for cloudsway", id="endpoint-path"),
        pytest.param(["--provider", "other"], KEY, "Invalid value", id="unknown-provider"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    arguments: list[str], environment: dict[str, str], words: str
) -> None:
    code, stdout, stderr = run(*arguments, **environment)
    assert (code, stdout) == (2, "")
    assert words in stderr


def test_a_refusal_is_told_and_is_the_last_line_of_json(fake: FakeProvider) -> None:
    options = ["--base-url", f"{fake.url}/kimi"]
    code, stdout, stderr = run(*options, ACEDATACLOUD_API_TOKEN="wrong-key")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("kimi-async: ")
    assert "wrong-key" not in stderr
    code, stdout, _ = run("--json", *options, ACEDATACLOUD_API_TOKEN="wrong-key")
    assert (code, json.loads(stdout)["type"]) == (1, "AuthenticationError")
