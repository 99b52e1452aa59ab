from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from kimi_async._errors import ConfigurationError
from kimi_async._settings import Limits, Timeouts

SIZES = {
    "event_bytes": 8 * 1024 * 1024,
    "body_bytes": 32 * 1024 * 1024,
    "error_body_bytes": 64 * 1024,
    "choices": 128,
    "tool_calls": 1024,
    "nesting": 128,
}
NAMES = ["connect", "write", "first_output", "idle", "progress", "finish_grace", "total"]


@pytest.mark.fact("6.1/minutes-of-silence-before-a")
def test_the_defaults() -> None:
    assert attrs.asdict(Timeouts()) == {
        "connect": 10.0,
        "write": 30.0,
        "first_output": 300.0,
        "idle": 300.0,
        "progress": 300.0,
        "finish_grace": 5.0,
        "slot": None,
        "total": None,
    }


@pytest.mark.parametrize("seconds", [None, 1, 0.001, 3600.0], ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_accepted(name: str, seconds: float | None) -> None:
    limits: dict[str, Any] = {name: seconds}
    assert getattr(Timeouts(**limits), name) == seconds


@pytest.mark.parametrize(
    "seconds", [0, 0.0, -1, math.inf, -math.inf, math.nan, True, "5", (1,), {}, 10**309], ids=repr
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


def test_the_default_sizes() -> None:
    assert attrs.asdict(Limits()) == SIZES


@pytest.mark.parametrize("value", [0, -1, 1.0, math.inf, True, None, "5"], ids=repr)
@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_whole_numbers_from_1(name: str, value: object) -> None:
    sizes: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError) as caught:
        Limits(**sizes)
    assert str(caught.value) == f"Limits.{name} must be a whole number from 1"
    assert getattr(attrs.evolve(Limits(), **{name: 1}), name) == 1


def test_sizes_are_a_value_whose_parts_are_named() -> None:
    assert Limits(choices=1) == Limits(choices=1) != Limits()
    make: Any = Limits
    with pytest.raises(TypeError):
        make(10)
    for name in SIZES:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(Limits(), name, 2)
