"""Write values as JSON, and find those that JSON cannot express; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

__all__ = ["encode_json", "problem_of_json", "problem_of_types"]


_IMPOSSIBLE: Final = "holds something that cannot be written as JSON"


def encode_json(value: object) -> bytes | None:
    """Return *value* as compact JSON; ``None`` when that is impossible, because the error may quote a message."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        return None


def problem_of_json(values: Mapping[str, Any]) -> str | None:
    """Say which of *values* JSON cannot express, or would express as something else; ``None`` when it can."""
    if encode_json(values) is None:
        culprit = next(name for name, value in values.items() if encode_json(value) is None)
        return f"{culprit} {_IMPOSSIBLE}"
    return problem_of_types(values)


def problem_of_types(values: Mapping[str, Any]) -> str | None:
    """Say which of *values* JSON would express as something else; ``None`` when there is none."""
    for name, value in values.items():
        try:
            changed = _changed_by_json(value)
        except RecursionError:
            return f"{name} {_IMPOSSIBLE}"
        if changed is not None:
            return f"{name} holds {changed}, which JSON does not have; give a finite number, a text or a list"
    return None


def _changed_by_json(value: object) -> str | None:
    """Name the first value in *value* that msgspec would write as another type, such as NaN as ``null``."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return _other_type(value)
    for inner in value:
        if type(inner) is not str:  # as most values of a long history are
            found = _changed_by_json(inner)
            if found is not None:
                return found
    return None


def _other_type(value: object) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else f"the number {value}"
    if isinstance(value, (Decimal, bytes, bytearray, memoryview, set, frozenset)):
        return f"a value of type {type(value).__name__}"
    return None
