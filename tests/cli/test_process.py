"""The program in its own process: Ctrl-C at a terminal, and a closed pipe."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from io import FileIO

import pytest
from attrs import define, field
from commands import serving_beside

from kimi_async.testing import FakeProvider, Reply

termios = pytest.importorskip("termios")  # there is none on Windows, nor pseudo-terminals

INTERRUPTED = b"\nkimi-async: interrupted\n"


@pytest.fixture(autouse=True)
def ctrl_c_works() -> Iterator[None]:
    """A shell ignores SIGINT for its background programs, and their children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@define
class Server:
    """A fake provider in a thread of its own."""

    fake: FakeProvider
    wait_until: Callable[[Callable[[], bool]], None]

    def ask(self, reply: Reply) -> list[str]:
        """Give the arguments that ask for *reply*."""
        self.fake.add(reply)
        return ["ask", "--base-url", f"{self.fake.url}/kimi", "Hi"]

    def wait_for_the_end(self) -> None:
        """Wait until every connection is closed."""
        self.wait_until(lambda: self.fake.open_connections == 0)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving_beside(FakeProvider()) as (fake, portal):
        yield Server(fake, partial(portal.call, fake.wait_until))


@define
class Screen:
    """Our end of the terminal or pipe that a program writes to."""

    file: FileIO
    shown: bytes = field(default=b"", init=False)

    def wait_for(self, text: str) -> None:
        """Read until *text* has come; fail when the program ends before."""
        while text.encode() not in self.shown:
            data = self.file.read(4_096)
            assert data, f"the program ended after {self.shown!r}"
            self.shown += data


@contextmanager
def running(
    ends: tuple[int, int], *arguments: str, shell: str | None = None
) -> Generator[tuple[subprocess.Popen[bytes], Screen]]:
    """Run the program with its stdout on the second of *ends*; the first is ours."""
    ours, theirs = ends
    unwanted = ("proxy", "no_color")
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith(unwanted)
    }
    key = {"ACEDATACLOUD_API_TOKEN": "test-key", "KIMI_PROVIDER": "acedata", "KIMI_MODEL": "m"}
    process = subprocess.Popen(
        shell or [sys.executable, "-m", "kimi_async", *arguments],
        shell=shell is not None,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment | key | {"TERM": "xterm"},
    )
    os.close(theirs)  # so that reading ends when the program does
    with FileIO(ours) as file, process:
        yield process, Screen(file)


def test_ctrl_c_in_the_middle_of_an_answer(server: Server) -> None:
    # All but the end of the answer, and then silence.
    ask = server.ask(Reply("Hello there", "So.", chunk_chars=6, cut_after=-3, end="stall"))
    terminal = os.openpty()
    modes = termios.tcgetattr(terminal[0])
    with running(terminal, *ask) as (process, screen):
        screen.wait_for("Hello")
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == INTERRUPTED
        assert process.returncode == 130
        assert termios.tcgetattr(terminal[0]) == modes
    server.wait_for_the_end()
    assert b"\x1b[0m" in screen.shown.rpartition(b"\x1b[2m")[2]
    assert b"\x1b[?" not in screen.shown  # no mode, such as a hidden cursor, was ever set


def test_ctrl_c_in_the_demo_before_its_first_output() -> None:
    with running(os.openpty(), "demo", "--pace", "60") as (process, screen):
        screen.wait_for("> Why is the sky blue?")
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == INTERRUPTED
        assert process.returncode == 130


def test_a_closed_stdout_is_quiet(server: Server) -> None:
    ask = server.ask(Reply("Hello"))
    command = shlex.join([sys.executable, "-m", "kimi_async", *ask])
    with running(os.pipe(), *ask, shell=f"exec {command} >&-") as (process, _):
        assert process.communicate()[1] == b""
        assert process.returncode == 0


def test_a_reader_that_leaves_ends_it_quietly(server: Server) -> None:
    # More than a pipe holds, so that the program has to notice.
    ask = server.ask(Reply("one line\n" * 50_000, chunk_chars=5_000))
    with running(os.pipe(), *ask) as (process, screen):
        screen.wait_for("one line\n")
        screen.file.close()
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    server.wait_for_the_end()
