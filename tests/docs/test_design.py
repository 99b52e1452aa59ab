"""The module map in DESIGN.md names each module of the package."""

from __future__ import annotations

import re
from pathlib import Path

from paths import ROOT

import kimi_async

PACKAGE = Path(kimi_async.__file__).parent
#: The folders that have one line for all of their modules.
ONE_LINE = {"testing", "cli"}


def test_the_map_is_that_of_the_package() -> None:
    page = (ROOT / "DESIGN.md").read_text("utf-8")
    (tree,) = re.findall(r"```text\nkimi_async/\n(.*?)```", page, flags=re.DOTALL)
    folder, mapped = "", list[str]()
    for indent, name in re.findall(r"^( +)(\S+)", tree, flags=re.MULTILINE):
        folder = folder if len(indent) > 2 else ""
        mapped.append(folder + name)
        folder = name if name.endswith("/") else folder
    modules = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    parts = {
        f"{module.parts[0]}/" if module.parts[0] in ONE_LINE else module.as_posix()
        for module in modules
        if module.name != "__init__.py" or len(module.parts) == 1
    }
    assert [name for name in mapped if (PACKAGE / name).exists()] == mapped
    assert set(mapped) >= parts
