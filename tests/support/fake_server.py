"""``kimi-async fake`` in a process of its own."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from typing import Final

from attrs import define, field

__all__ = ["ServedFake", "environment", "served_fake"]

_HELP_LINES: Final = 9


def environment(**more: str) -> dict[str, str]:
    """Return the environment without settings of the tester that a program would read, and with *more*."""
    unwanted = re.compile(r"proxy$|^KIMI_|_API_KEY$|_API_TOKEN$|_BASE_URL$", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not unwanted.search(name)}
    return kept | more


@define
class ServedFake:
    """The process, and the lines that it printed when it began.

    Attributes:
        process: The process.
        help: The lines.
    """

    process: subprocess.Popen[str]
    help: str = field(default="", init=False)

    def wait_until_it_listens(self) -> None:
        """Read the help, whose last line is the one for openai-python."""
        assert self.process.stdout is not None
        self.help = "".join(islice(self.process.stdout, _HELP_LINES))

    @property
    def url(self) -> str:
        """The root of the server."""
        (url,) = re.findall(r"listens at (\S+);", self.help)
        return str(url)

    @property
    def exports(self) -> dict[str, str]:
        """The variables that the help says to export."""
        (line,) = [line for line in self.help.splitlines() if line.startswith("  export ")]
        return dict(word.split("=", 1) for word in shlex.split(line)[1:])

    def stop(self) -> list[str]:
        """Press Ctrl-C, and return the lines that came after the help, without the blank ones."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGINT)
        # Not communicate(): a part of the text is in the buffer of the file already.
        lines = [line for line in self.process.stdout.read().splitlines() if line]
        assert (self.process.wait(), self.process.stderr.read()) == (0, "")
        return lines


@contextmanager
def served_fake(*arguments: str) -> Generator[ServedFake]:
    """Run ``kimi-async fake`` on a free port."""
    # A shell ignores SIGINT for its background programs, and their children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "kimi_async", "fake", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        try:
            served = ServedFake(process)
            served.wait_until_it_listens()
            yield served
        finally:
            process.kill()
            signal.signal(signal.SIGINT, before)
