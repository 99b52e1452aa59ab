"""The structure that ``docs/design.md`` 3 promises: imports run one way, and the pure parts are pure."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kimi_async
from kimi_async import testing

PACKAGE = Path(kimi_async.__file__).parent

#: The modules of the core from the bottom up; one may import those above it in this list, never those below.
LAYERS = (
    ("_version",),
    ("_errors", "_values"),
    ("_record", "_json_text", "_media", "_partial_json", "_prefix", "_schema", "_docstring"),
    ("_growing", "_models", "_tools"),
    ("_events", "_history", "_settings", "_sse", "_wire"),
    ("_tool_calls", "_tool_markers"),
    ("_params", "_providers", "_assembler", "_eventloop"),
    ("_framing",),
    ("_aiohttp", "_httpcore"),
    ("_clients",),
    ("_checks", "_pool", "_limiter"),
    ("_transport",),
    ("_attempts",),
    ("_stream", "_options", "_calls"),
    ("_run",),
    ("_structured",),
    ("_conversation",),
    ("_configuration",),
    ("_client",),
    ("__init__",),
)
#: Values and the pure core: bytes in, values out.
PURE = (
    *(
        "_errors",
        "_values",
        "_record",
        "_models",
        "_events",
        "_settings",
        "_sse",
        "_wire",
        "_params",
        "_framing",
    ),
    *(
        "_tool_calls",
        "_checks",
        "_json_text",
        "_tool_markers",
        "_partial_json",
        "_prefix",
        "_growing",
    ),
    *("_providers", "_assembler", "_schema", "_docstring", "_tools", "_history"),
)
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


def part_of(path: Path) -> str:
    """``_sse`` for ``_sse.py``, ``_providers`` for all that lies in that folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


SOURCES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
CORE = {
    path: tree
    for path, tree in SOURCES.items()
    if part_of(path) in {part for layer in LAYERS for part in layer}
}


def imported(tree: ast.AST) -> set[str]:
    """Full names of all modules that are imported when the code runs."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names.add(node.module or "")
    return names - {name for block in typing_only(tree) for name in imported(block)}


def typing_only(tree: ast.AST) -> list[ast.AST]:
    return [
        statement
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
    ]


def layer_of(part: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    own = part_of(path)
    for name in imported(CORE[path]):
        first, _, rest = name.partition(".")
        if first != "kimi_async":
            continue
        other = rest.partition(".")[0]
        assert other, f"{own} imports the package itself"
        assert other == own or layer_of(other) < layer_of(own), f"{own} imports {other}"


@pytest.mark.parametrize(
    "path",
    [path for path in CORE if part_of(path) in PURE],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_pure_part_does_no_io(path: Path) -> None:
    tree = CORE[path]
    assert not {name.partition(".")[0] for name in imported(tree)} & IMPURE
    kinds = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    assert not [node for node in ast.walk(tree) if isinstance(node, kinds)]


def test_every_module_of_the_core_has_its_layer() -> None:
    outside = {"testing", "cli"}
    parts = {part_of(path) for path in SOURCES}
    assert parts - outside == {part for layer in LAYERS for part in layer}


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def loaded_by(code: str) -> set[str]:
    return set(run(f"{code}\nimport sys; print(*sys.modules)").split())


#: What is loaded when it is used, and not with the package.
LATER = {f"kimi_async.{module}" for module in kimi_async._LATER.values()} | {
    "kimi_async._providers._environment",
    "kimi_async._aiohttp",
    "kimi_async._docstring",
    "kimi_async._history",
    "kimi_async._partial_json",
    "kimi_async.cli",
    "kimi_async.testing",
}


def test_importing_the_package_loads_its_dependencies_and_no_more() -> None:
    """No extra, and of the standard library what httpx loads; asyncio comes with whoever runs its loop.

    httpx comes with the first client, in a thread, or with whoever makes one of it.
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
    async with kimi.AsyncKimi(kimi.AceDataCloud("key"), model="kimi-k2.5", http_client=http) as client:
        before = set(sys.modules)
        async with client.stream([kimi.user("Hello")], temperature=1) as stream:
            assert [event.text async for event in stream if isinstance(event, kimi.ContentDelta)] == ["Hi"]
        assert (await client.chat("Hello", tools=TOOLS)).text == "Hi"
        print(*(set(sys.modules) - before))

asyncio.run(main())
"""


def test_a_reply_waits_for_no_import_of_ours() -> None:
    assert {name for name in run(REPLY).split() if name.startswith("kimi_async")} == set()


def test_what_is_loaded_later_is_where_the_type_checkers_see_it() -> None:
    seen = {
        alias.name: (node.module or "").removeprefix("kimi_async.")
        for node in typing_only(SOURCES[PACKAGE / "__init__.py"])
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == kimi_async._LATER
    assert seen.keys() <= set(kimi_async.__all__)


def test_names_that_are_loaded_later_can_be_seen_and_are_kept() -> None:
    fresh = run("import kimi_async; print(*dir(kimi_async))").split()
    assert {*fresh} & {*dir(kimi_async)} >= {*kimi_async.__all__}
    code = (
        "from kimi_async import *; import kimi_async; print(Deny is vars(kimi_async)['Deny'], Deny)"
    )
    assert run(code) == "True <class 'kimi_async._calls.Deny'>\n"


def test_a_name_that_is_not_there_is_none() -> None:
    with pytest.raises(AttributeError, match="'kimi_async' has no attribute 'nothing'"):
        getattr(kimi_async, "not" + "hing")


def test_attrs_compiles_no_comparison_of_a_value() -> None:
    """It takes half of the time that a class costs at import; see ``_values.py``."""
    code = """
import attrs, inspect, sys, kimi_async
for name in [name for name in sys.modules if name.startswith("kimi_async")]:
    for kind in vars(sys.modules[name]).values():
        if inspect.isclass(kind) and attrs.has(kind) and "__eq__" in vars(kind):
            print(kind)
"""
    assert run(code) == ""


@pytest.mark.parametrize("module", [kimi_async, testing], ids=lambda module: module.__name__)
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
        if part_of(path) not in {"_version", "__init__"}:
            assigned = {
                ast.unparse(node.targets[0]) for node in tree.body if isinstance(node, ast.Assign)
            }
            assert "__all__" in assigned, path


def test_the_distribution_has_its_types_and_recordings() -> None:
    """Of the installed package, which is the built wheel where CI runs this."""
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "testing/data/acedata/stream_reasoning_ko.sse").is_file()
    assert (PACKAGE / "testing/data/cloudsway/chat_tool_call.json").is_file()


def test_the_version_is_that_of_the_distribution() -> None:
    assert kimi_async.__version__ == importlib.metadata.version("kimi-async")
