"""Commands that run in this process, the hosts that they ask, and a terminal for their output."""

from __future__ import annotations

import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from anyio.from_thread import BlockingPortal, start_blocking_portal
from typer.testing import CliRunner

from kimi_async.cli._app import app
from kimi_async.testing import FakeProvider

__all__ = ["Tty", "run_command", "serving_beside"]


class Tty(io.StringIO):
    """A terminal that remembers everything."""

    def isatty(self) -> bool:
        return True


@contextmanager
def serving_beside(host: FakeProvider) -> Generator[tuple[FakeProvider, BlockingPortal]]:
    """Serve *host* from a thread of its own, because a command runs an event loop itself; the portal reaches it."""
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(host):
        yield host, portal


def run_command(
    *arguments: str, stdin: str | None = None, charset: str = "utf-8", **variables: str
) -> tuple[int, str, str]:
    """Run the program; return its exit code, stdout and stderr.

    It runs in a thread of its own: on CPython 3.11 the frames around an event loop are lost to coverage when anything
    is cancelled in the loop (https://github.com/python/cpython/issues/106749).
    """
    invoke = partial(
        CliRunner(charset=charset).invoke, input=stdin, env=variables, catch_exceptions=False
    )
    with ThreadPoolExecutor() as thread:
        result = thread.submit(invoke, app, arguments).result()
    return result.exit_code, result.stdout, result.stderr
