"""The facts about the distribution stand in one place each, and agree with each other."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from typing import Any

from paths import ROOT

import kimi_async

PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_version_stands_in_one_place() -> None:
    """A new release changes ``_version.py`` and nothing else; the build, the pages and the User-Agent read it."""
    places = [ROOT / "pyproject.toml", ROOT / "noxfile.py", ROOT / "docs/conf.py"]
    places += (ROOT / "kimi_async").rglob("*.py")
    literal = f'"{kimi_async.__version__}"'
    assert [path.name for path in places if literal in path.read_text("utf-8")] == ["_version.py"]
    assert importlib.metadata.version("kimi-async") == kimi_async.__version__


def test_the_oldest_python_is_the_same_everywhere() -> None:
    classifiers = "\n".join(PYPROJECT["project"]["classifiers"])
    oldest = min(re.findall(r":: Python :: (3\.[0-9]{2})$", classifiers, flags=re.MULTILINE))
    assert PYPROJECT["project"]["requires-python"] == f">={oldest}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest
    assert PYPROJECT["tool"]["basedpyright"]["pythonVersion"] == oldest
