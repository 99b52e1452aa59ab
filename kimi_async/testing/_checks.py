"""Checks of scripts when they are given, and the error of a script that fails while it runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from attrs import Attribute

__all__ = ["ScriptError", "all_of", "headers_of", "is_status", "is_typed", "named"]

T = TypeVar("T")


class ScriptError(BaseException):
    """Raised when a script fails: it is used up, or its function or one of its replies is wrong.

    It is not an :class:`Exception`, as the failures of pytest are not: no client takes it for a fault of the network,
    no retry repeats it, and no ``except Exception`` of the program under test hides it. :class:`FakeTransport` and
    :func:`mock_kimi` raise it from the request. :class:`FakeProvider` answers the request with status 400, which
    nothing retries, and raises it at the end of its ``async with`` block. The cause is the exception of the function.
    """


def named(value: object) -> str:
    """Return the type of *value* for a message; a class is named as a class."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def is_typed(*kinds: type | None) -> Callable[[object, Attribute[Any], object], None]:
    """Return a validator for attrs: the value has one of *kinds*, where ``None`` stands for itself."""
    types = tuple(type(None) if kind is None else kind for kind in kinds)
    words = " or ".join("None" if kind is None else kind.__name__ for kind in kinds)

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        # True is an int to Python, and a mistake here.
        if isinstance(value, bool) or not isinstance(value, types):
            owner = type(instance).__name__
            raise TypeError(f"{attribute.name} of {owner} is {words}, not {named(value)}")

    return check


def is_status(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Check that the value is an HTTP status with which a response can end: 200 to 599."""
    is_typed(int)(instance, attribute, value)
    if value not in range(200, 600):
        owner = type(instance).__name__
        raise ValueError(
            f"{attribute.name} of {owner} is an HTTP status from 200 to 599, not {value}"
        )


def all_of(values: Iterable[T], *kinds: type, name: str) -> tuple[T, ...]:
    """Return *values* as a tuple.

    Raises:
        TypeError: *values* cannot be iterated, or one of them has none of *kinds*.
    """
    words = " or ".join(kind.__name__ for kind in kinds)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is a sequence of {words}, not {named(values)}")
    kept = tuple(values)
    for index, value in enumerate(kept):
        if not isinstance(value, kinds):
            raise TypeError(f"{name}[{index}] is {words}, not {named(value)}")
    return kept


def headers_of(instance: object, attribute: Attribute[Any], pairs: object) -> None:
    """Validate header names and values for attrs: pairs of ASCII text."""
    for pair in pairs if isinstance(pairs, tuple) else (pairs,):
        match pair:
            case (str() as name, str() as value) if f"{name}{value}".isascii():
                continue
            case _:
                owner = type(instance).__name__
                raise TypeError(f"{attribute.name} of {owner} are pairs of ASCII text")
