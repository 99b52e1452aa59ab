"""``kimi-async batch``, against a real server on this machine: its files, and runs that are killed at any moment."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import define
from commands import run_command, serving_beside
from typer.testing import CliRunner

import kimi_async as kimi
from kimi_async.cli._app import app
from kimi_async.cli._batch import Job, is_final, is_unknown, run_batch
from kimi_async.cli._batch_files import Lines, drop_lines
from kimi_async.testing import ErrorReply, FakeProvider, ReceivedRequest, Reply


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "test-key")


def last_text(request: ReceivedRequest) -> str:
    return str(request.body["messages"][-1]["content"])


def answer(request: ReceivedRequest) -> Any:
    if "bad" in last_text(request):
        return ErrorReply(400, message="that cannot be")
    if "gone" in last_text(request):
        return ErrorReply(404, message="no such model")
    return Reply(f"{last_text(request)}!")


@define
class Files:
    """The folder of one test, and the server that its batches ask."""

    folder: Path
    fake: FakeProvider
    wait_until: Callable[[Callable[[], bool]], None]

    @property
    def output(self) -> Path:
        return self.folder / "out.jsonl"

    @property
    def errors(self) -> Path:
        return self.folder / "out.errors.jsonl"

    def write(self, *rows: object, name: str = "in.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        return path

    def arguments(self, source: Path, *options: str) -> list[str]:
        url = f"{self.fake.url}/acedata/kimi"
        files = [str(source), str(self.output)]
        return ["batch", *files, "--base-url", url, "--model", "kimi-k3", *options]

    def run(self, source: Path, *options: str) -> tuple[int, str]:
        """Run the program; give its exit code and its output."""
        code, stdout, stderr = run_command(*self.arguments(source, *options))
        return code, stdout + stderr

    def wait_for(self, requests: int) -> None:
        """Wait until the server has seen so many requests."""
        self.wait_until(lambda: len(self.fake.requests) >= requests)

    def replies(self) -> dict[str, str]:
        lines = list(map(json.loads, self.output.read_text("utf-8").splitlines()))
        texts = {
            line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"]
            for line in lines
        }
        assert len(texts) == len(lines)
        return texts


@pytest.fixture
def script() -> Callable[[ReceivedRequest], Any]:
    return answer


@pytest.fixture
def files(tmp_path: Path, script: Callable[[ReceivedRequest], Any]) -> Iterator[Files]:
    with serving_beside(FakeProvider(script)) as (fake, portal):
        # The start of a program takes long on a busy machine.
        wait = partial(fake.wait_until, timeout=120)
        yield Files(tmp_path, fake, partial(portal.call, wait))


def prompt(name: str, text: str) -> dict[str, str]:
    return {"custom_id": name, "prompt": text}


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


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """Let no file of this process grow further, as on a disk that is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path) -> None:
    path, line = tmp_path / "output", b"x" * 299_999 + b"\n"
    with files_of_at_most(2_000_000), pytest.raises(OSError, match="output"):
        with Lines(path) as lines:
            while True:
                lines.add(line)
    assert path.stat().st_size == 2_000_000
    with Lines(path) as lines:
        lines.add(line)
    assert path.read_bytes() == line * 7


def test_a_full_disk_leaves_the_failures_of_earlier_runs(tmp_path: Path) -> None:
    path = tmp_path / "errors"
    before = b"".join(b'{"custom_id":"%d"}\n' % number for number in range(9999))
    path.write_bytes(before)
    with files_of_at_most(50_000), pytest.raises(OSError, match=r"errors\.new"):
        drop_lines(path, frozenset({"a"}))
    assert (path.read_bytes(), [*tmp_path.iterdir()]) == (before, [path])


def test_a_run_continues_after_the_disk_was_full(files: Files) -> None:
    texts = {f"{number}": f"{'good' if number % 3 else 'bad'} {number}" for number in range(60)}
    source = files.write(*[prompt(name, text) for name, text in texts.items()])
    job = Job(
        source=source,
        output=files.output,
        errors=files.errors,
        providers=(kimi.AceDataCloud(base_url=f"{files.fake.url}/acedata/kimi"),),
        model="kimi-k3",
        system=None,
        concurrency=3,
    )
    for size in (6_000, 9_000, 12_000):
        # In a thread, for the reason that run_command() gives.
        with files_of_at_most(size), ThreadPoolExecutor() as thread:
            error = thread.submit(anyio.run, run_batch, job).exception()
        assert isinstance(error, OSError)
        assert error.filename in {str(files.output), str(files.errors)}
    code, shown = files.run(source)
    assert code == 1, shown
    assert "20 rows have no reply" in shown
    assert files.replies() == {name: f"{text}!" for name, text in texts.items() if "good" in text}
    failed = [json.loads(line)["custom_id"] for line in files.errors.read_bytes().splitlines()]
    assert sorted(failed) == sorted(name for name, text in texts.items() if "bad" in text)


ROWS, KILLS, CONCURRENCY = 300, 5, 20


@pytest.fixture
def faults() -> Counter[str]:
    return Counter()


class TestKilled:
    """A run that is killed at any moment and started again."""

    @pytest.fixture
    def script(self, faults: Counter[str]) -> Callable[[ReceivedRequest], Any]:
        def answer(request: ReceivedRequest) -> Any:
            """Fail the first request of each twentieth row."""
            number = int(last_text(request).split()[1])
            if number % 20 == 0 and f"{number}" not in faults:
                faults[f"{number}"] = 1
                return Reply("Hello", cut_after=1) if number % 40 else ErrorReply(503)
            return Reply(f"{last_text(request)}!")

        return answer

    def test_no_row_is_lost_or_answered_twice(self, files: Files, faults: Counter[str]) -> None:
        when = random.Random(17)
        rows = {f"row {number}": f"text {number}" for number in range(ROWS)}
        source = files.write(*[prompt(name, text) for name, text in rows.items()])
        options = ["--concurrency", str(CONCURRENCY)]
        program = [sys.executable, "-m", "kimi_async", *files.arguments(source, *options)]
        for _ in range(KILLS):
            enough = len(files.fake.requests) + when.randrange(1, ROWS // KILLS)
            with subprocess.Popen(program, stderr=subprocess.DEVNULL) as process:
                files.wait_for(enough)
                os.kill(process.pid, signal.SIGKILL)
        subprocess.run(program, check=True, capture_output=True)
        assert files.replies() == {name: f"{text}!" for name, text in rows.items()}
        most = ROWS + KILLS * CONCURRENCY + faults.total()
        assert len(files.fake.requests) <= most
