"""Checks of scripts when they are given, and the error of a script that fails while it runs. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from attrs import Attribute

__all__ = [
    "Headers",
    "ScriptError",
    "all_of",
    "as_headers",
    "is_bool",
    "is_header",
    "is_one_of",
    "is_seconds",
    "is_status",
    "is_typed",
    "is_wait",
    "named",
    "seconds_of",
    "their_errors",
]

T = TypeVar("T")

Headers = tuple[tuple[str, str], ...]

#: The characters of a header name, and those of a value that ASCII has: RFC 9110, 5.1 and 5.5.
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"([!-~]([ -~\t]*[!-~])?)?")


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
            raise TypeError(f"{attribute.name} of {owner} must be {words}, not {named(value)}")

    return check


def is_status(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Check that the value is an HTTP status with which a response can end: 200 to 599."""
    is_typed(int)(instance, attribute, value)
    if value not in range(200, 600):
        owner = type(instance).__name__
        raise ValueError(
            f"{attribute.name} of {owner} must be an HTTP status from 200 to 599, not {value}"
        )


def all_of(values: Iterable[T], *kinds: type, name: str) -> tuple[T, ...]:
    """Return *values* as a tuple.

    Raises:
        TypeError: *values* cannot be iterated, or one of them has none of *kinds*.
    """
    words = " or ".join(kind.__name__ for kind in kinds)
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a sequence of {words}, not {named(values)}")
    kept = tuple(values)
    for index, value in enumerate(kept):
        if not isinstance(value, kinds):
            raise TypeError(f"{name}[{index}] must be {words}, not {named(value)}")
    return kept


def is_bool(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Validate for attrs that the value is ``True`` or ``False``."""
    if not isinstance(value, bool):
        owner = type(instance).__name__
        raise TypeError(f"{attribute.name} of {owner} must be True or False, not {named(value)}")


def is_one_of(*words: object) -> Callable[[object, Attribute[Any], object], None]:
    """Return a validator for attrs: the value is one of *words*."""

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        if value not in words:
            owner, listed = type(instance).__name__, " or ".join(map(repr, words))
            raise ValueError(f"{attribute.name} of {owner} must be {listed}, not {value!r}")

    return check


def seconds_of(value: object, name: str) -> float:
    """Return *value* if it is a number of seconds: finite and not negative.

    Raises:
        TypeError: It is not a number.
        ValueError: It is negative, infinite or not a number of any size.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {named(value)}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number of seconds from 0, not {value}")
    return value


def is_seconds(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Validate for attrs that the value is a number of seconds."""
    seconds_of(value, f"{attribute.name} of {type(instance).__name__}")


def is_wait(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Validate for attrs that the value is a number of seconds, or ``None`` for a wait without end."""
    if value is not None:
        is_seconds(instance, attribute, value)


def is_header(name: str, value: str) -> bool:
    """Return whether HTTP can carry a header, with a value in ASCII."""
    return bool(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value))


def as_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Headers:
    """Convert an attribute that holds headers: a mapping, or pairs in which a name may come twice.

    Raises:
        TypeError: It holds something else than pairs of text.
        ValueError: A name or a value is not one that HTTP can carry.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    kept = all_of(pairs, tuple, list, name="headers")
    checked: list[tuple[str, str]] = []
    for index, pair in enumerate(kept):
        match pair:
            case (str() as name, str() as value):
                checked.append((name, value))
                if not is_header(name, value):
                    raise ValueError(
                        f"headers[{index}] is {pair!r}, and a header is a name without blanks and a line of ASCII text"
                    )
            case _:
                raise TypeError(
                    f"headers[{index}] must be a name and a value, both text, not {pair!r}"
                )
    return tuple(checked)


@contextmanager
def their_errors(whose: str) -> Generator[None]:
    """Turn an exception of code that the user gave into a :class:`ScriptError`.

    Args:
        whose: Names the code at the beginning of the message.
    """
    try:
        yield
    except Exception as error:
        raise ScriptError(f"{whose} raised {type(error).__name__}: {error}") from error
