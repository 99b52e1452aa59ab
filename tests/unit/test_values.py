"""Values are compared, hashed and printed as attrs itself would have them."""

from __future__ import annotations

import copy
import pickle
import weakref
from collections.abc import Callable
from typing import Any
from unittest import mock

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from kimi_async._values import Value

VALUES = st.none() | st.integers(0, 3) | st.sampled_from(["", "a", "A"]) | st.just(float("nan"))


def folded(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def stars(value: object) -> str:
    return "*" * len(str(value))


@frozen(eq=False, repr=False)
class Ours(Value):
    plain: Any
    folded: Any = field(default=None, eq=folded)
    uncompared: Any = field(default=None, eq=False)
    hidden: Any = field(default=None, repr=False)
    shown: Any = field(default=None, repr=stars)


@frozen
class Theirs:
    plain: Any
    folded: Any = field(default=None, eq=folded)
    uncompared: Any = field(default=None, eq=False)
    hidden: Any = field(default=None, repr=False)
    shown: Any = field(default=None, repr=stars)


@frozen(eq=False, repr=False)
class Other(Ours):
    pass


FIELDS = st.tuples(*[VALUES] * len(attrs.fields(Ours)))


@given(FIELDS, FIELDS)
def test_they_do_what_attrs_does(one: tuple[Any, ...], two: tuple[Any, ...]) -> None:
    ours, theirs = Ours(*one), Theirs(*one)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert (ours == Ours(*two)) is (theirs == Theirs(*two))
    assert (ours != Ours(*two)) is (theirs != Theirs(*two))
    if ours == Ours(*two):
        assert hash(ours) == hash(Ours(*two))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Other(1), id="a-child"),
        pytest.param(Theirs(1), id="another-class"),
        pytest.param((1, None, None, None, None), id="a-tuple"),
        pytest.param(None, id="none"),
    ],
)
def test_values_of_two_classes_are_never_equal(other: object) -> None:
    assert Ours(1) != other
    assert hash(Ours(1)) != hash(other)


def test_what_compares_with_everything_may_do_so() -> None:
    assert Ours(1) == mock.ANY


def test_a_value_that_holds_itself_can_be_printed() -> None:
    held: list[object] = []
    value = Ours(held)
    held.append(value)
    assert repr(value).startswith("Ours(plain=[...], folded=None")


def pickled(value: Ours) -> Ours:
    again: Ours = pickle.loads(pickle.dumps(value))
    return again


def evolved(value: Ours) -> Ours:
    return attrs.evolve(value, uncompared=2)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled, evolved])
def test_a_value_made_again_is_equal(again: Callable[[Ours], Ours]) -> None:
    value = Ours(1, "a", hidden=("b",))
    assert again(value) == value
    assert weakref.ref(value)() is value
