"""The console script: its steps before a command, and its message without the extra."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest

import kimi_async.cli
from kimi_async import __version__
from kimi_async.cli import main


@pytest.fixture(autouse=True)
def fresh_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import the commands again, so that a package can be missing; other tests keep their modules."""
    for name in [name for name in sys.modules if name.startswith("kimi_async.cli.")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(kimi_async.cli, name.rpartition(".")[2])


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["anything", *arguments])
    with pytest.raises(SystemExit) as exit_:
        sys.exit(main())
    return exit_.value.code


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"kimi-async {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["ask", "--help"], ["providers"]])
def test_a_command_loads_nothing_of_the_others(arguments: list[str]) -> None:
    """The fakes and the batches are half of the time to start."""
    code = (
        "import sys; from kimi_async.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stderr.split()
    assert "kimi_async.cli._app" in loaded
    assert not {"kimi_async.testing", "kimi_async.batch", "kimi_async.structured", "httpx"} & {
        *loaded
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--help"], ["Usage: kimi-async ", "--version", "ask", "demo"], id="program"),
        pytest.param(
            ["ask", "--help"],
            ["--provider", "--model", "--system", "--max-tokens", "--temperature", "--timeout"],
            id="ask-options",
        ),
        pytest.param(
            ["ask", "--help"],
            [
                "ACEDATACLOUD_API_TOKEN",
                "KIMI_MODEL",
                "A file or pipe gets",
                "stderr",
                "    130  Ctrl-C",
            ],
            id="ask-environment-streams-exit-codes",
        ),
        pytest.param(["demo", "--help"], ["--pace SECONDS", "no network"], id="demo"),
    ],
)
def test_help(
    arguments: list[str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().out
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert call(monkeypatch, "demo") == 2
    captured = capsys.readouterr()
    assert captured.err == f"kimi-async: {missing} is missing: pip install 'kimi-async[cli]'\n"
    assert captured.out == ""


def test_another_missing_module_is_not_blamed_on_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kimi_async.cli._render", None)
    with pytest.raises(ModuleNotFoundError, match="kimi_async"):
        main()


def test_ctrl_c_while_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        def find_spec(self, *_: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert call(monkeypatch, "demo") == 130


def test_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "--version"])
    # pytest rewrites the modules of a package with a plugin, and its loader has no code for runpy.
    finders = [each for each in sys.meta_path if type(each).__name__ != "AssertionRewritingHook"]
    monkeypatch.setattr(sys, "meta_path", finders)
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("kimi_async", run_name="__main__")
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("kimi-async ")
