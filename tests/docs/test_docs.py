"""Every Python example runs: those of the README, of the pages in docs/ and of the docstrings."""

from __future__ import annotations

import ast
import asyncio
import codeop
import doctest
import importlib
import inspect
import logging
import pkgutil
import shlex
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

import pytest
from example_programs import SETTINGS, provider_of_the_environment
from fake_server import served_fake
from markdown_it import MarkdownIt
from page_examples import PAGES, compiled, examples
from paths import ROOT

import kimi_async
from kimi_async.testing import FakeOptions, FakeProvider, Reply, script_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kimi_async.testing import ReceivedRequest

MODULES = ["kimi_async"] + [
    module.name
    for module in pkgutil.walk_packages(kimi_async.__path__, "kimi_async.")
    if not module.name.endswith("__main__")  # importing it runs it
]


def answer(request: ReceivedRequest) -> Reply:
    """Answer any question of the examples."""
    if "response_format" in request.body:
        return Reply('{"title": "Spaghetti", "minutes": 15}')
    return Reply(f"Hello from {request.provider}!", reasoning="They want a greeting.")


@pytest.fixture
def example_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """Give the provider that every example finds in its environment."""
    with provider_of_the_environment(monkeypatch, answer) as fake:
        yield fake


@pytest.fixture
def kept_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take back what an example changes of the loggers."""
    loggers = [logging.getLogger(name) for name in ("kimi_async", "httpx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        monkeypatch.setattr(logger, "handlers", [])
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("example_provider", "kept_logging")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    run(page.read_text(encoding="utf-8"), page, monkeypatch)


@pytest.mark.usefixtures("example_provider")
@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    """Doctests are synchronous; one that has to wait calls ``asyncio.run``."""
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_examples_reach_a_fake_provider(
    example_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the one of the environment, which is thought to be elsewhere, and one of their own."""
    page = """
```python
from kimi_async import AsyncKimi
from kimi_async.testing import FakeOptions, FakeProvider, Reply, script_from_json
async with AsyncKimi() as client:
    replies = [await client.chat("Hi")]
async with FakeProvider([Reply("Mine")]) as fake, AsyncKimi(fake.cloudsway()) as client:
    replies.append(await client.chat("Hi"))
```
"""
    replies = vars(run(page, Path("page.md"), monkeypatch))["replies"]
    assert [reply.text for reply in replies] == ["Hello from acedata!", "Mine"]
    assert example_provider.requests[0].headers["host"] == "api.acedata.cloud"


def test_blocks_of_a_page_share_a_namespace_and_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    page = """
```python
import asyncio
async def twice(number: int) -> int:
    return 2 * number
outside = asyncio.run(twice(1))
```
- in a list, too:
  ```python
  loop = asyncio.get_running_loop()
  inside = await twice(2)
  ```
```python
same = loop is asyncio.get_running_loop()
await twice(3)
```
"""
    namespace = vars(run(page, Path("page.md"), monkeypatch))
    assert (namespace["outside"], namespace["inside"], namespace["same"]) == (2, 4, True)


def test_a_failing_example_names_the_line_of_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "Text.\n\n```python\nfine = 1\nfine / 0\n```\n"
    with pytest.raises(ZeroDivisionError) as caught:
        run(page, Path("page.md"), monkeypatch)
    assert (str(caught.traceback[-1].path), caught.traceback[-1].lineno + 1) == ("page.md", 5)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_that_await_can_be_pasted(page: Path) -> None:
    """A blank line ends a block in ``python -m asyncio``, and a line that is not indented must follow one."""
    for block in examples(page.read_text(encoding="utf-8")):
        if compiled(block, page).co_flags & inspect.CO_COROUTINE:
            assert paste(block.content) == ""


@pytest.mark.parametrize(
    "text",
    ["if 1:\n    a = 1\n\n    b = 1\n", "if 1:\n    a = 1\nb = 1\n"],
    ids=["blank", "no-blank"],
)
def test_examples_that_cannot_be_pasted_are_found(text: str) -> None:
    with pytest.raises(SyntaxError):
        paste(text)


def paste(text: str) -> str:
    """Give *text* to an interactive interpreter line by line, and return the lines that wait for more."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        lines.append(line)
        if compiler("\n".join(lines)) is not None:
            lines = []
    return "\n".join(lines)


@pytest.mark.parametrize(
    "info", ["py", "python3", "pycon", "python no-run", "{code-block} python", "Python"]
)
def test_python_that_would_be_shown_but_not_run_is_refused(info: str) -> None:
    with pytest.raises(ValueError, match="fenced as"):
        examples(f"```{info}\n1 / 0\n```\n")


@pytest.mark.parametrize("info", ["", "text", "toml", "console", "{include} ../CHANGELOG.md"])
def test_other_blocks_are_left_alone(info: str) -> None:
    assert examples(f"```{info}\n1 / 0\n```\n") == []


def test_the_tutorial_is_walked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands and its Python, with the variables that ``kimi-async fake`` says to export."""
    page = ROOT / "docs/tutorial.md"
    text = page.read_text(encoding="utf-8")
    with served_fake("--provider", "acedata") as fake:
        for name in SETTINGS:
            monkeypatch.delenv(name, raising=False)
        for name, value in fake.exports.items():
            monkeypatch.setenv(name, value)
        outputs = [said(command) for command in commands(text)]
        run(text, page, monkeypatch)
        *log, _ = fake.stop()
    assert outputs[-1] == "Hello from the fake provider. Your request has 1 message.\n"
    assert len(log) > len(outputs)


def commands(page: str) -> list[str]:
    """Return the commands of *page* that start our program, but not the fake that runs already."""
    lines = [line for token in MarkdownIt().parse(page) for line in token.content.splitlines()]
    ours = [line for line in lines if line.startswith("kimi-async ")]
    return [line.partition(" ")[2] for line in ours if " fake " not in line]


def said(command: str) -> str:
    argv = [sys.executable, "-m", "kimi_async", *shlex.split(command)]
    done = subprocess.run(
        argv, capture_output=True, check=True, text=True, stdin=subprocess.DEVNULL, timeout=300
    )
    return done.stdout


def test_the_page_about_the_fake_is_right() -> None:
    """It shows the lines that the program prints, and a script that can be read."""
    page = (ROOT / "docs/serve-a-fake.md").read_text(encoding="utf-8")
    with served_fake("--provider", "acedata") as fake:
        printed = fake.help.replace(fake.url, "http://127.0.0.1:8080")
    assert printed.replace("python -m kimi_async", "kimi-async") in page
    (script,) = [token.content for token in MarkdownIt().parse(page) if token.info == "json"]
    assert script_from_json(script).options.keys() == FakeOptions.__annotations__.keys() - {
        "answers_as"
    }


def run(page: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run the Python blocks of *page* as one ``__main__`` module, with ``await`` allowed at top level."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)  # annotations are looked up there
    with asyncio.Runner() as runner:
        for block in examples(page):
            outcome = FunctionType(compiled(block, path), vars(module))()
            if inspect.iscoroutine(outcome):
                runner.run(outcome)
    return module
