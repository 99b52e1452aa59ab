"""The recorded replies that ship with the package, byte for byte as the providers sent them."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

__all__ = ["recording", "recordings"]


def _index() -> dict[str, Traversable]:
    data = files("kimi_async.testing") / "data"
    return {
        f"{provider.name}/{file.name.rpartition('.')[0]}": file
        for provider in data.iterdir()
        if provider.is_dir()
        for file in provider.iterdir()
    }


def recordings() -> list[str]:
    """List the names of all recordings, sorted: ``"<provider>/<name>"``."""
    return sorted(_index())


def recording(name: str) -> bytes:
    """Return the body of one recording, byte for byte.

    Args:
        name: A name out of :func:`recordings`, such as ``"acedata/stream_reasoning_ko"``.

    Raises:
        KeyError: There is none of that name; the message lists those that there are.
    """
    known = _index()
    if name not in known:
        raise KeyError(f"no recording {name!r}; there are {', '.join(sorted(known))}")
    return known[name].read_bytes()
