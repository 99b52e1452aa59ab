from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from kimi_async._errors import ConfigurationError
from kimi_async._settings import Timeouts

NAMES = ["connect", "write", "first_output", "idle", "progress", "finish_grace", "total"]


def test_the_defaults() -> None:
    assert attrs.asdict(Timeouts()) == {
        "connect": 10.0,
        "write": 30.0,
        "first_output": 300.0,
        "idle": 300.0,
        "progress": 300.0,
        "finish_grace": 5.0,
        "total": None,
    }


@pytest.mark.parametrize("seconds", [None, 1, 0.001, 3600.0], ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_accepted(name: str, seconds: float | None) -> None:
    limits: dict[str, Any] = {name: seconds}
    assert getattr(Timeouts(**limits), name) == seconds


@pytest.mark.parametrize(
    "seconds", [0, 0.0, -1, math.inf, -math.inf, math.nan, True, "5", (1,), {}], ids=repr
)
@pytest.mark.parametrize("name", NAMES)
def test_refused(name: str, seconds: object) -> None:
    limits: dict[str, Any] = {name: seconds}
    with pytest.raises(ConfigurationError) as caught:
        Timeouts(**limits)
    assert str(caught.value) == (
        f"Timeouts.{name} must be a number of seconds above 0, or None for no limit"
    )


@pytest.mark.parametrize("name", NAMES)
def test_limits_are_a_value(name: str) -> None:
    limits = attrs.evolve(Timeouts(), **{name: 1})
    assert limits == attrs.evolve(Timeouts(), **{name: 1.0})
    assert limits != Timeouts()
    assert hash(limits) == hash(attrs.evolve(Timeouts(), **{name: 1.0}))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(limits, name, 2.0)


def test_limits_are_named() -> None:
    make: Any = Timeouts
    with pytest.raises(TypeError):
        make(10.0)
