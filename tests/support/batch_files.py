"""The files of a batch on the command line, and the server that it asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define
from commands import run_command

from kimi_async.testing import ErrorReply, FakeProvider, ReceivedRequest, Reply

__all__ = ["Files", "answer", "last_text", "prompt"]


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


def prompt(name: str, text: str) -> dict[str, str]:
    return {"custom_id": name, "prompt": text}
