"""The event loops of the tests with sockets: asyncio, trio, and uvloop."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, TypeAlias

import pytest

#: The backend as anyio names it, and its options.
Loop: TypeAlias = tuple[str, dict[str, Any]]

LOOPS: dict[str, Loop] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}

_MARKS = {
    "uvloop": [pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not made for it")]
}


def on_loop(loop: str, *values: object, id: str) -> Any:
    """A row of parameters for *loop*, which comes first."""
    return pytest.param(LOOPS[loop], *values, id=id, marks=_MARKS.get(loop, []))


#: The parameters of a module's own fixture ``anyio_backend``.
EVERY_LOOP = [on_loop(loop, id=loop) for loop in LOOPS]
