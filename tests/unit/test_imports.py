"""The structure that DESIGN.md describes: imports run in one direction, and the pure modules do no I/O."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kimi_async
from kimi_async import batch, capabilities, conversation, structured, testing, tools, web

PACKAGE = Path(kimi_async.__file__).parent

#: Rooms that are not part of the core: nothing in the core imports them.
OUTSIDE = {"testing", "cli", "web", "__main__"}

#: Rooms and modules that hold no I/O: bytes and values in, values out.
PURE = {
    *(
        "_codec",
        "_errors",
        "_events",
        "_finish_reasons",
        "_json_text",
        "_models",
        "_openai",
        "_openai_chunks",
        "_prefix",
        "_record",
    ),
    *("_rate_limits", "_settings", "_to_json", "_wire"),
    *("_protocol", "_providers", "_request", "_types", "capabilities"),
}
#: Pure modules inside rooms that do I/O.
PURE_MODULES = {
    "_http/_framing.py",
    *(f"_reply/_{name}.py" for name in ("backoff", "breaker", "breakers", "budget", "endpoints")),
    *(f"_reply/_{name}.py" for name in ("plan", "reactions", "retrying", "window")),
    "_reply/_hedge_state.py",
    "_reply/_rates.py",
    "_reply/_stay.py",
    "_reply/_shared.py",
    *(f"tools/_{name}.py" for name in ("call_ids", "moonshot", "schema", "tool")),
    *(f"web/_{name}.py" for name in ("ai_sdk", "ending", "event_stream", "formats")),
    *(f"web/_{name}.py" for name in ("openai_stream", "problems", "text")),
}
#: The one module of ``_providers`` that is handed the environment.
IMPURE = {
    "anyio",
    "asyncio",
    "httpx",
    "httpx_sse",
    "os",
    "random",
    "secrets",
    "socket",
    "time",
    "trio",
}

#: Errors carry a partial completion, whose methods raise errors: the one circle, for type checkers only.
TYPED_ONLY = {("_errors", "_models")}


def room_of(path: Path) -> str:
    """``_errors`` for ``_errors.py``, ``_providers`` for everything in that folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
CORE = {path: tree for path, tree in SOURCES.items() if room_of(path) not in OUTSIDE}


def names_in(tree: ast.AST) -> set[str]:
    """Full names of all modules that are imported, also those that only type checkers see."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names.add(node.module or "")
    return names


def imported(tree: ast.AST) -> set[str]:
    """Full names of all modules that are imported when the code runs."""
    return names_in(tree) - {name for block in typing_only(tree) for name in names_in(block)}


def typing_only(tree: ast.AST) -> list[ast.AST]:
    return [
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
    ]


def rooms() -> dict[str, set[str]]:
    """Each room of the core, with the rooms that it imports, for type checkers too."""
    graph: dict[str, set[str]] = {}
    for path, tree in CORE.items():
        own = room_of(path)
        others = graph.setdefault(own, set())
        for name in names_in(tree):
            first, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if first == "kimi_async" and other != own and (own, other) not in TYPED_ONLY:
                assert other or own == "__init__", f"{own} imports the package itself"
                others.add(other)
    return graph


def test_rooms_import_one_way() -> None:
    """The layers follow from the imports; a circle between two rooms raises CycleError and names them."""
    graph = rooms()
    assert list(graphlib.TopologicalSorter(graph).static_order())[-1] == "__init__"
    assert not {other for others in graph.values() for other in others} & OUTSIDE
    for own, other in TYPED_ONLY:
        assert not any(
            name.startswith(f"kimi_async.{other}") for name in imported(CORE[PACKAGE / f"{own}.py"])
        )


def is_pure(path: Path) -> bool:
    return room_of(path) in PURE or path.relative_to(PACKAGE).as_posix() in PURE_MODULES


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if is_pure(path)],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_pure_part_does_no_io(path: Path) -> None:
    tree = SOURCES[path]
    assert not {name.partition(".")[0] for name in imported(tree)} & IMPURE
    kinds = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    assert not [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_what_is_called_pure_is_there() -> None:
    assert {room_of(path) for path in CORE} >= PURE
    assert all((PACKAGE / module).is_file() for module in PURE_MODULES)


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def loaded_by(code: str) -> set[str]:
    return set(run(f"{code}\nimport sys; print(*sys.modules)").split())


#: Modules that are loaded when they are used, and not with the package.
LATER = {
    f"kimi_async.{name}"
    for name in (
        *("batch", "cli", "conversation", "structured", "testing", "tools", "web"),
        *(
            "_http._aiohttp",
            *(f"_http._{name}" for name in ("asyncio_stream", "connection", "own_client")),
            *(f"_http._{name}" for name in ("own_transport", "stream", "tls", "trio_stream")),
            "_providers._environment",
        ),
        *("_structured", "_types", "tools._call_ids"),
    )
}


def test_importing_the_package_loads_its_dependencies_and_no_more() -> None:
    """No extra, and of the standard library only the modules that httpx loads; the program itself imports asyncio.

    httpx is loaded with the first HTTP client, in a thread.
    """
    loaded = loaded_by("import kimi_async")
    assert not loaded & {"httpx", "httpcore", "h11"}
    own = {name for name in loaded if name.partition(".")[0] == "kimi_async"}
    assert loaded - own <= loaded_by("import anyio, attrs, httpx, msgspec")
    assert "kimi_async._client" in own
    assert not own & LATER
    assert all(map(importlib.util.find_spec, LATER)), "a name that is wrong would never be loaded"


REPLY = """
import asyncio, sys
import httpx
import kimi_async as kimi

BODY = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\\n\\ndata: [DONE]\\n\\n'
TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]
answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=BODY)

async def main():
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: answer))
    async with kimi.AsyncKimi(kimi.AceDataCloud("key"), model="kimi-k3", http_client=http) as client:
        before = set(sys.modules)
        async with client.stream([kimi.user("Hello")], temperature=1) as stream:
            assert [event.text async for event in stream if isinstance(event, kimi.ContentDelta)] == ["Hi"]
        assert (await client.chat("Hello", tools=TOOLS)).text == "Hi"
        print(*(set(sys.modules) - before))

asyncio.run(main())
"""


def test_a_reply_waits_for_no_import_of_ours() -> None:
    assert {name for name in run(REPLY).split() if name.startswith("kimi_async")} == set()


@pytest.mark.parametrize(
    "module",
    [kimi_async, batch, capabilities, conversation, structured, testing, tools, web],
    ids=lambda module: module.__name__,
)
def test_public_names_are_listed_once_in_order_and_are_there(module: ModuleType) -> None:
    names: list[str] = module.__all__
    assert sorted(names, key=_as_ruff_sorts) == names
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


def test_each_module_lists_what_it_makes_public() -> None:
    for path, tree in CORE.items():
        if path.stem not in {"_version", "__init__"}:
            assigned = {
                ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)
            }
            assert "__all__" in assigned, path


def test_the_distribution_has_its_types_and_recordings() -> None:
    """Of the installed package, which is the built wheel where CI runs this."""
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "testing/data/acedata/stream_reasoning_ko.sse").is_file()
    assert (PACKAGE / "testing/data/cloudsway/chat_tool_call.json").is_file()
