"""``kimi-async fake`` as a real process, asked by openai-python, by curl and by our own command."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest
from fake_server import ServedFake, environment, served_fake
from openai import AsyncOpenAI
from typer.testing import CliRunner

import kimi_async as kimi
from kimi_async.cli._app import app
from kimi_async.cli._fake import FakeServer, serve
from kimi_async.testing import FakeTransport, ProviderName, Reply, record

pytestmark = pytest.mark.anyio

SCRIPT = {
    "replies": [
        {"reply": {"content": "Hello, Ada!", "reasoning": "A greeting.", "chunk_chars": 4}},
        {
            "reply": {
                "tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}],
                "chunk_chars": 4,
            }
        },
    ]
}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
PROVIDERS = get_args(ProviderName)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(SCRIPT), "utf-8")
    return path


@pytest.fixture
def anyio_backend() -> str:
    """Return asyncio, which openai-python needs."""
    return "asyncio"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_openai_streams_a_reply_and_a_call(provider: str, script: Path) -> None:
    with served_fake("--provider", provider, "--script", str(script)) as fake:
        base = f"{fake.url}/v1/ai/any" if provider == "cloudsway" else f"{fake.url}/v1"
        assert f'AsyncOpenAI(base_url="{base}", api_key="any")' in fake.help
        async with AsyncOpenAI(base_url=base, api_key="any", max_retries=0) as client:
            text, calls = await openai_reply(client), await openai_reply(client)
    assert text == ("Hello, Ada!", {}, "stop")
    assert calls == ("", {0: ["get_weather:0", "get_weather", '{"city": "Oslo"}']}, "tool_calls")


async def openai_reply(client: AsyncOpenAI) -> tuple[str, dict[int, list[str]], str | None]:
    """Stream a reply, and return its text, its calls and its finish reason."""
    text, calls, reason = "", dict[int, list[str]](), None
    stream = await client.chat.completions.create(
        model="kimi-k3", messages=[{"role": "user", "content": "Hi"}], tools=[TOOL], stream=True
    )
    async for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reason = choice.finish_reason or reason
            for piece in choice.delta.tool_calls or []:
                function = piece.function
                assert function is not None
                call = calls.setdefault(piece.index, [piece.id or "", function.name or "", ""])
                call[2] += function.arguments or ""
    return text, calls, reason


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_streams_a_reply_and_a_call(script: Path) -> None:
    with served_fake("--script", str(script)) as fake:
        (command,) = [line for line in fake.help.splitlines() if line.startswith("  curl ")]
        replies = [
            subprocess.run(
                ["sh", "-c", f"{command} -s"],
                capture_output=True,
                check=True,
                text=True,
                env=environment(),
            ).stdout
            for _ in range(2)
        ]
    text, call = (
        [event.removeprefix("data: ") for event in reply.split("\n\n")] for reply in replies
    )
    assert text[-2:] == call[-2:] == ["[DONE]", ""]
    deltas = [json.loads(data)["choices"][0]["delta"] for data in text[:-3]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello, Ada!"
    pieces = [json.loads(data)["choices"][0]["delta"].get("tool_calls") or [] for data in call[:-3]]
    arguments = [piece["function"]["arguments"] for calls in pieces for piece in calls]
    assert "".join(arguments) == '{"city": "Oslo"}'


def ask(fake: ServedFake, prompt: str) -> subprocess.CompletedProcess[str]:
    """Ask *fake* with our own command, which gets the variables that it exports."""
    return subprocess.run(
        [sys.executable, "-m", "kimi_async", "ask", prompt],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(**fake.exports),
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_our_own_command_needs_only_the_exports(provider: str) -> None:
    with served_fake("--provider", provider, "--oddity", "keep-alive-comments") as fake:
        done = ask(fake, "My name is Ada")
        assert (done.stderr, done.returncode) == ("", 0)
        *log, stopped = fake.stop()
    assert done.stdout == "Hello from the fake provider. Your request has 1 message.\n"
    assert stopped == "stopped"
    path = "/v1/ai/any" if provider == "cloudsway" else "/v1"
    (line,) = log
    assert line.startswith(f'POST {path}/chat/completions 200 provider={provider} model="kimi-k3" ')
    assert "Ada" not in line


def test_a_recording_is_served(tmp_path: Path) -> None:
    path = tmp_path / "file.kimi"
    anyio.run(record_one, path)
    with served_fake("--script", str(path), "--speed", "1000") as fake:
        done = ask(fake, "Hi")
    assert (done.stdout, done.stderr) == ("From the recording.\n", "")


async def record_one(path: Path) -> None:
    fake = FakeTransport([Reply("From the recording.")])
    async with record(path, over=fake) as recorder:
        client = kimi.AsyncKimi(fake.acedata(), model="kimi-k3", http_client=recorder.http_client)
        await client.chat("Hi")


async def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_is_the_usual_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kimi_async.cli._fake.serve", interrupt)
    result = CliRunner().invoke(app, ["fake", "--port", "0"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "\nstopped\n", "")


@pytest.mark.parametrize("provider", get_args(ProviderName))
@pytest.mark.parametrize("source", ["none", "script", "recording"])
async def test_a_server_is_served_until_it_is_cancelled(
    provider: ProviderName, source: str, script: Path, tmp_path: Path
) -> None:
    file = {"none": None, "script": script, "recording": tmp_path / "file.kimi"}[source]
    await record_one(tmp_path / "file.kimi")
    server = FakeServer(
        provider=provider, host="127.0.0.1", port=0, script=file, oddities=("crlf",), speed=1000
    )
    lines, texts, send = list[str](), list[str](), anyio.Event()

    def write(line: str) -> None:
        lines.append(line)
        send.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, server, "kimi-async", write)
        await send.wait()
        (line,) = re.findall("AsyncKimi.*", lines[0])
        async with eval(line, {**vars(kimi)}) as client:
            texts.append((await client.chat("Hi")).text)
        tasks.cancel_scope.cancel()
    assert texts[0].startswith(
        {"none": "Hello", "script": "Hello, Ada!", "recording": "From"}[source]
    )


async def test_a_server_whose_log_nobody_reads_ends() -> None:
    server = FakeServer(
        provider="acedata", host="127.0.0.1", port=0, script=None, oddities=(), speed=1
    )

    async def ask_at(url: str) -> None:
        async with kimi.AsyncKimi(kimi.AceDataCloud("any", base_url=url), model="m") as client:
            await client.chat("Hi")

    lines: list[str] = []

    def write(line: str) -> None:
        if lines:
            raise BrokenPipeError
        lines.append(line)
        url = re.findall(r"KIMI_BASE_URL=(\S+)", line)[0]
        tasks.start_soon(ask_at, url)

    async with anyio.create_task_group() as tasks:
        with pytest.raises(BrokenPipeError):
            await serve(server, "kimi-async", write)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--oddity", "no-dome"], "no oddity 'no-dome'"),
        (["--script", "{folder}/none.json"], "No such file"),
        (["--script", "{folder}/wrong.json"], "replies must be a list, not int"),
        (["--script", "{folder}/wrong.kimi"], "the first line of a recording"),
        (["--speed", "0"], "must be more than 0"),
        (["--port", "70000"], "less than or equal to 65535"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "wrong.json").write_text('{"replies": 5}')
    (tmp_path / "wrong.kimi").write_text("{}")
    given = [argument.format(folder=tmp_path) for argument in arguments]
    result = CliRunner().invoke(app, ["fake", "--port", "0", *given])
    assert result.exit_code in (1, 2)
    assert said in result.stderr


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["fake", "--port", str(port)])
    assert result.exit_code == 2
    assert f"cannot listen at 127.0.0.1:{port} (Address already in use); choose" in result.stderr
