"""``kimi-async batch``, against a real server on this machine: its rows and its files."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys

import pytest
from batch_files import Files, last_text, prompt
from commands import run_command
from typer.testing import CliRunner

import kimi_async as kimi
from kimi_async.cli._app import app
from kimi_async.cli._batch import is_final, is_unknown

pytestmark = pytest.mark.usefixtures("key")


def test_each_row_gets_its_reply(files: Files) -> None:
    source = files.write(prompt("a", "one"), prompt("b", "二"))
    code, shown = files.run(source)
    assert code == 0, shown
    assert files.replies() == {"a": "one!", "b": "二!"}
    assert "2 answered, in " in shown
    assert "acedata: 2 rows, 42 tokens" in shown
    assert not files.errors.exists()


def test_a_second_run_sends_only_the_new_rows(files: Files) -> None:
    files.run(files.write(prompt("a", "one")))
    code, shown = files.run(files.write(prompt("a", "one"), prompt("b", "two")))
    assert (code, list(map(last_text, files.fake.requests))) == (0, ["one", "two"])
    assert "1 answered, 1 answered before this run" in shown


def test_failures_are_an_input_again(files: Files) -> None:
    code, shown = files.run(files.write(prompt("a", "one"), prompt("b", "bad")))
    assert code == 1
    assert "1 x BadRequestError: " in shown
    assert "1 row has no reply" in shown
    (line,) = map(json.loads, files.errors.read_text("utf-8").splitlines())
    assert line["custom_id"] == "b"
    assert line["error"]["name"] == "BadRequestError"
    # A failure that does not pass is not sent again ...
    code, shown = files.run(files.folder / "in.jsonl")
    assert (code, len(files.fake.requests)) == (1, 2)
    assert "1 answered before this run, 1 failed before this run and not sent again, in" in shown
    # ... unless its row is an input.
    failed = files.errors.rename(files.folder / "failed.jsonl")
    files.output.unlink()
    assert files.run(failed)[0] == 1
    assert len(files.fake.requests) == 3


@pytest.mark.parametrize(("text", "code"), [("good", 0), ("bad", 1)])
def test_the_exit_code_is_right_when_nobody_reads_the_words(
    text: str, code: int, files: Files
) -> None:
    source = files.write(prompt("a", text))
    ours, theirs = os.pipe()
    os.close(ours)
    program = [sys.executable, "-m", "kimi_async", *files.arguments(source)]
    done = subprocess.run(program, check=False, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    assert done.returncode == code
    assert files.output.exists()


def test_a_failure_whose_row_changed_is_sent_again(files: Files) -> None:
    files.run(files.write(prompt("a", "bad")))
    code, shown = files.run(files.write(prompt("a", "good")))
    assert code == 0, shown
    assert files.replies() == {"a": "good!"}
    assert not files.errors.exists()


def test_a_torn_last_line_is_sent_again(files: Files) -> None:
    source = files.write(prompt("a", "one"), prompt("b", "two"))
    files.run(source, "--concurrency", "1")
    whole = files.output.read_bytes()
    for cut in (1, 10, len(whole) // 2 - 5):
        files.output.write_bytes(whole[:-cut])
        assert files.run(source)[0] == 0
        assert files.replies() == {"a": "one!", "b": "two!"}


@pytest.mark.parametrize("cut", [1, 10, 150])
def test_a_torn_failure_is_sent_again(cut: int, files: Files) -> None:
    source = files.write(prompt("a", "bad one"), prompt("b", "bad two"), prompt("c", "good"))
    files.run(source, "--concurrency", "1")
    files.errors.write_bytes(files.errors.read_bytes()[:-cut])
    assert files.run(source)[0] == 1
    failed = [json.loads(line)["custom_id"] for line in files.errors.read_bytes().splitlines()]
    assert (failed, files.replies()) == (["a", "b"], {"c": "good!"})
    assert len(files.fake.requests) == 4


def test_packed_input_and_plain_prompts(files: Files) -> None:
    packed = files.folder / "in.txt.gz"
    packed.write_bytes(gzip.compress("one\n\n二\n".encode()))
    assert files.run(packed)[0] == 0
    assert files.replies() == {"1": "one!", "3": "二!"}


def test_options_fill_in(files: Files) -> None:
    own = {"custom_id": "b", "messages": [{"role": "user", "content": "two"}], "max_tokens": 5}
    options = ["--system", "Be brief", "--max-tokens", "9", "--temperature", "0.5"]
    files.run(files.write(prompt("a", "one"), own), "--concurrency", "1", *options)
    first, second = (request.body for request in files.fake.requests)
    assert first["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (first["max_tokens"], second["max_tokens"]) == (9, 5)
    assert first["temperature"] == second["temperature"] == 0.5


def test_a_dry_run_sends_and_writes_nothing(files: Files) -> None:
    code, shown = files.run(files.write(prompt("a", "one")), "--dry-run")
    assert code == 0
    assert shown.splitlines() == [
        "1 row: 0 answered, 0 failed, 1 to send",
        "about 1 token of input, at 4 bytes for each",
    ]
    assert not files.output.exists()
    assert not files.fake.requests


def test_a_wrong_key_ends_the_run(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "other-key")
    source = files.write(*[prompt(f"{number}", "Hi") for number in range(500)])
    code, shown = files.run(source, "--concurrency", "5")
    assert code == 1
    assert "key" in shown
    assert len(files.fake.requests) <= 20
    assert files.output.read_bytes() == b""


def test_a_wrong_model_or_url_ends_the_run(files: Files) -> None:
    source = files.write(*[prompt(f"{number}", f"gone {number}") for number in range(500)])
    for at_least in (
        20,
        40,
    ):  # a refused row is sent again, because the next command may have the right URL
        code, shown = files.run(source, "--concurrency", "5")
        assert (code, files.output.read_bytes()) == (1, b"")
        assert not files.errors.exists()
        assert at_least <= len(files.fake.requests) <= at_least + 20
        assert "the first 20 rows were refused with 404, so no other row is sent" in shown
        assert "no such model" in shown
        assert "Check the model name and --base-url" in shown


@pytest.mark.parametrize(
    "kinds",
    [["gone"] * 19, ["gone"] * 19 + ["good"] + ["gone"] * 20, ["bad"] + ["gone"] * 20],
    ids=["few", "after-a-reply", "after-another-failure"],
)
def test_unknown_models_of_some_rows_are_failures_like_others(
    kinds: list[str], files: Files
) -> None:
    """A row may name a model of its own."""
    texts = {f"{number}": f"{kind} {number}" for number, kind in enumerate(kinds)}
    source = files.write(*[prompt(name, text) for name, text in texts.items()])
    code, shown = files.run(source, "--concurrency", "1")
    assert code == 1
    assert f"{kinds.count('gone')} x NotFoundError: " in shown
    assert list(map(last_text, files.fake.requests)) == list(texts.values())
    failed = [json.loads(line)["custom_id"] for line in files.errors.read_bytes().splitlines()]
    assert failed == [name for name, text in texts.items() if "good" not in text]


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_an_output_without_its_folder_is_told(options: list[str], files: Files) -> None:
    arguments = files.arguments(files.write(prompt("a", "one")), *options)
    arguments[2] = str(files.folder / "no" / "out.jsonl")
    code, _, shown = run_command(*arguments)
    assert (code, len(files.fake.requests)) == (2, 0), shown
    assert f"there is no folder {files.folder / 'no'}; make it first" in shown


def test_a_run_continues_with_another_provider(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = files.write(prompt("a", "one"))
    files.run(source)
    monkeypatch.setenv("MOONSHOT_API_KEY", "test-key")
    files.write(prompt("a", "one"), prompt("b", "two"))
    arguments = files.arguments(source, "--provider", "moonshot")
    arguments[arguments.index("--base-url") + 1] = f"{files.fake.url}/moonshot/v1"
    code, _, shown = run_command(*arguments)
    assert (code, files.replies()) == (0, {"a": "one!", "b": "two!"}), shown
    lines = map(json.loads, files.output.read_text("utf-8").splitlines())
    assert [line["kimi_async"]["provider"] for line in lines] == ["acedata", "moonshot"]


CHANGED = "has a reply to 'a', but {} changed since"


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([prompt("a", "other")], [], CHANGED.format("its body")),
        ([prompt("a", "one")], ["--max-tokens", "5"], CHANGED.format("the options")),
        ([prompt("b", "one"), prompt("b", "two")], [], "have the custom_id 'b'"),
        ([{"custom_id": 5}], [], "line 1: custom_id must be a text"),
        ([prompt("b", "x")], ["--errors", "{output}"], "must differ"),
        ([prompt("b", "x")], ["--errors", "{folder}/e.gz"], "leave out .gz"),
        ([prompt("b", "x")], ["--errors", "{source}"], "must differ"),
        ([prompt("b", "x")], ["--provider", "acedata", "--provider", "moonshot"], "one provider"),
        ([prompt("b", "x")], ["--errors", "{folder}/x.txt"], "not written by this command"),
        (
            [prompt("b", "x")],
            ["--errors", "{folder}/no/e.jsonl"],
            "there is no folder {folder}/no;",
        ),
        ([prompt("b", "x")], ["--errors", "{source}/e.jsonl"], "there is no folder {source};"),
    ],
)
def test_what_does_not_fit_is_told(
    rows: list[object], options: list[str], words: str, files: Files
) -> None:
    files.run(files.write(prompt("a", "one")))
    (files.folder / "x.txt").write_text("a shopping list\n")
    source = files.write(*rows)
    names = {"output": files.output, "folder": files.folder, "source": source}
    before = files.output.read_bytes()
    code, shown = files.run(source, *[option.format(**names) for option in options])
    assert (code, len(files.fake.requests)) == (2, 1), shown
    assert words.format(**names) in " ".join(shown.split())
    assert files.output.read_bytes() == before


PACKED = gzip.compress(b"one\n" * 99)


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe\n", PACKED[:-9], PACKED[:-8] + bytes(8), PACKED[:10] + b"\xff" * 20, PACKED + b"x"],
    ids=["bytes", "half", "checksum", "broken", "more"],
)
def test_a_file_that_is_not_text(body: bytes, files: Files) -> None:
    source = files.folder / ("in.jsonl" if body.startswith(b"\xff") else "in.txt.gz")
    source.write_bytes(body)
    code, shown = files.run(source)
    assert code == 2
    assert "not a whole file of UTF-8 text" in shown


@pytest.mark.parametrize("name", ["in.jsonl", "out.jsonl", "out.errors.jsonl"])
def test_a_pipe_is_refused(name: str, files: Files) -> None:
    """It can be read once only, and would wait for ever."""
    source = files.write(prompt("a", "one"))
    files.folder.joinpath(name).unlink(missing_ok=True)
    pytest.importorskip("posix").mkfifo(files.folder / name)
    code, shown = files.run(source)
    assert (code, len(files.fake.requests)) == (2, 0), shown
    assert "is not a file on a disk" in " ".join(shown.split())


@pytest.mark.parametrize("name", ["out.jsonl", "out.errors.jsonl"])
@pytest.mark.parametrize("body", [b"milk\neggs", b"milk", b'{"custom_id":"a","prompt":"Hi"}', b"5"])
def test_a_file_of_something_else_loses_nothing(name: str, body: bytes, files: Files) -> None:
    """Its last line has no line end, as the torn line of a killed run."""
    path = files.folder / name
    path.write_bytes(body)
    code, shown = files.run(files.write(prompt("a", "one")))
    assert (code, path.read_bytes(), list(files.fake.requests)) == (2, body, [])
    assert "not written by this command" in " ".join(shown.split())


def test_a_line_of_something_else_is_told(files: Files) -> None:
    source = files.write(prompt("a", "one"))
    files.run(source)
    written = files.output.read_bytes() + b"milk\n"
    files.output.write_bytes(written)
    code, shown = files.run(source)
    assert (code, files.output.read_bytes()) == (2, written)
    assert "line 2 of" in shown


def test_a_linked_error_file_stays_a_link(files: Files) -> None:
    target = files.folder / "elsewhere.jsonl"
    files.errors.symlink_to(target)
    files.run(files.write(prompt("a", "bad a"), prompt("b", "bad b")))
    files.run(files.write(prompt("a", "good a"), prompt("b", "bad b")))
    assert files.errors.is_symlink()
    assert [json.loads(line)["custom_id"] for line in target.read_bytes().splitlines()] == ["b"]


def test_failures_of_another_input_stay(files: Files) -> None:
    files.run(files.write(prompt("a", "bad a")))
    files.errors.chmod(0o600)
    mode = files.errors.stat().st_mode
    files.run(files.write(prompt("b", "bad b")))
    files.run(files.write(prompt("b", "good")))
    lines = files.errors.read_text("utf-8").splitlines()
    assert [json.loads(line)["custom_id"] for line in lines] == ["a"]
    assert files.errors.stat().st_mode == mode
    assert files.replies() == {"b": "good!"}


def test_the_error_file_of_another_process_is_left_alone(files: Files) -> None:
    fcntl = pytest.importorskip("fcntl")
    source = files.write(prompt("a", "bad"))
    files.run(source)
    files.write(prompt("a", "good"))
    before = files.errors.read_bytes()
    with files.errors.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, shown = files.run(source)
    assert (code, files.errors.read_bytes()) == (2, before)
    assert "another process writes to" in shown


REFUSED = kimi.AuthenticationError("no", status=401)
UNKNOWN = kimi.NotFoundError("no", status=404)


def of_the_day() -> kimi.RateLimitError:
    error = kimi.RateLimitError("no", status=429)
    error.retryable = False
    return error


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (REFUSED, True),
        (kimi.QuotaExceededError("no", status=402), True),
        (kimi.ServerError("no", status=500), False),
        (UNKNOWN, False),
        (kimi.RateLimitError("no", status=429), False),
        (of_the_day(), True),
        (kimi.ProviderUnavailableError("no"), False),
        (kimi.ProviderUnavailableError("no", errors=(REFUSED, REFUSED)), True),
        (kimi.ProviderUnavailableError("no", errors=(REFUSED, kimi.ConnectTimeout(1))), False),
    ],
)
def test_the_errors_that_every_row_would_have(error: kimi.KimiError, final: bool) -> None:
    assert is_final(error) is final


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (UNKNOWN, True),
        (REFUSED, False),
        (kimi.ProviderUnavailableError("no"), False),
        (kimi.ProviderUnavailableError("no", errors=(UNKNOWN, UNKNOWN)), True),
        (kimi.ProviderUnavailableError("no", errors=(UNKNOWN, kimi.ConnectTimeout(1))), False),
    ],
)
def test_the_errors_of_a_wrong_model_or_url(error: kimi.KimiError, unknown: bool) -> None:
    assert is_unknown(error) is unknown


def test_a_row_without_a_model(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    source = files.write(prompt("a", "one"))
    arguments = [each for each in files.arguments(source) if each not in {"--model", "kimi-k3"}]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "no model: give --model" in result.output


def test_two_processes_do_not_write_to_one_file(files: Files) -> None:
    fcntl = pytest.importorskip("fcntl")
    with files.output.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, shown = files.run(files.write(prompt("a", "one")))
    assert code == 2
    assert "another process writes to" in shown
