"""Limits in ``Annotated``: those of msgspec, annotated_types and pydantic's ``Field``, as one kind of value.

The libraries are known by the modules of their classes: annotated_types and pydantic are never imported.
"""

from __future__ import annotations

import decimal
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from attrs import field, frozen

from kimi_async._errors import ConfigurationError
from kimi_async._types._reader import Definitions, Misfit, Reader, Schema

__all__ = ["Limit", "LimitedReader", "Notes", "is_of_pydantic", "notes_of"]


@frozen
class Limit:
    """One limit of the values of a type.

    Attributes:
        name: The name that annotated_types and msgspec give it, such as ``"ge"``.
        bound: The number, the pattern or the function.
    """

    name: str
    bound: Any


@frozen(kw_only=True)
class Notes:
    """The limits and words in the metadata of one ``Annotated``.

    Attributes:
        limits: The limits that are checked.
        words: Keywords for the schema: ``title``, ``description`` and more.
    """

    limits: tuple[Limit, ...] = ()
    words: Mapping[str, Any] = field(factory=dict)


#: The digits of the quotient of the largest float and the smallest.
_DIGITS: Final = 700


def _is_multiple(value: Any, bound: Any) -> bool:
    """Compare the numbers as they are written: 0.3 is a multiple of 0.1, though not of the float nearest to 0.1."""
    with decimal.localcontext(prec=_DIGITS):
        try:
            return decimal.Decimal(str(value)) % decimal.Decimal(str(bound)) == 0
        except decimal.InvalidOperation:  # the quotient has more digits
            return False


_COMPARED: Final[Mapping[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "ge": ("minimum", ">=", operator.ge),
    "gt": ("exclusiveMinimum", ">", operator.gt),
    "le": ("maximum", "<=", operator.le),
    "lt": ("exclusiveMaximum", "<", operator.lt),
    "multiple_of": ("multipleOf", "that's a multiple of", _is_multiple),
}
_LENGTHS: Final[Mapping[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "min_length": ("min", ">=", operator.ge),
    "max_length": ("max", "<=", operator.le),
}
#: How each family of values says its length in a schema.
_MEASURES: Final[Mapping[str, str]] = {
    "text": "Length",
    "bytes": "Bytes",
    "array": "Items",
    "object": "Properties",
}
_WORDS: Final = ("title", "description", "examples")
_NAMES: Final = (*_COMPARED, *_LENGTHS, "pattern", "tz")


def notes_of(metadata: Iterable[Any]) -> Notes:
    """Read the metadata of an ``Annotated``.

    Raises:
        ConfigurationError: An object in it is not understood, so a limit could be lost.
    """
    limits: list[Limit] = []
    words: dict[str, Any] = {}
    for each in metadata:
        if isinstance(each, str):
            words["description"] = each
        elif isinstance(each, msgspec.Meta):
            limits += _named_limits(each)
            words |= _named_words(each) | (each.extra_json_schema or {})
        elif type(each).__module__ == "annotated_types":
            limits += _limits_of(each)
        elif _is_field(each):
            limits += [limit for part in each.metadata for limit in _limits_of(part)]
            words |= _named_words(each)
        elif isinstance(getattr(each, "documentation", None), str):  # Doc of PEP 727
            words["description"] = each.documentation
        else:
            raise ConfigurationError(
                f"{each!r} in Annotated is not understood; limits are given by msgspec.Meta, annotated_types "
                "or pydantic.Field"
            )
    return Notes(limits=tuple(limits), words=words)


def _is_field(each: object) -> bool:
    return (type(each).__module__, type(each).__name__) == ("pydantic.fields", "FieldInfo")


def is_of_pydantic(each: Any) -> bool:
    """Return whether only pydantic knows the meaning of this metadata."""
    if _is_field(each):
        plain = all(type(part).__module__ == "annotated_types" for part in each.metadata)
        return each.discriminator is not None or not plain
    module = type(each).__module__.partition(".")[0]
    return module == "pydantic" or hasattr(each, "__get_pydantic_core_schema__")


def _named_words(each: object) -> dict[str, Any]:
    given = {name: getattr(each, name, None) for name in _WORDS}
    return {name: value for name, value in given.items() if value is not None}


def _named_limits(each: object) -> Iterator[Limit]:
    for name in _NAMES:
        bound = getattr(each, name, None)
        if bound is not None:
            yield Limit(name, bound)


def _limits_of(each: Any) -> Iterator[Limit]:
    """Yield the limits in one object of annotated_types."""
    match type(each).__name__:
        case "Interval" | "Len":
            for part in each:
                yield from _limits_of(part)
        case "Predicate":
            yield Limit("predicate", each.func)
        case "Timezone" if each.tz is None or each.tz is ...:
            yield Limit("tz", each.tz is ...)
        case "Ge" | "Gt" | "Le" | "Lt" | "MultipleOf" | "MinLen" | "MaxLen":
            yield from _named_limits(each)
        case "Unit" | "DocInfo":
            return
        case _:
            raise ConfigurationError(f"{each!r} in Annotated is not understood")


class LimitedReader(Reader):
    """Reads a value and holds it against limits.

    Args:
        inner: Reads the value.
        notes: The limits, and words for the schema.

    Raises:
        ConfigurationError: A limit cannot apply to values of the type.
    """

    def __init__(self, inner: Reader, notes: Notes) -> None:
        self.label, self.kinds = inner.label, inner.kinds
        self.bounds, self.tags = inner.bounds, inner.tags
        self._inner = inner
        self._notes = notes
        self._keywords: Schema = {}
        self._checks: list[Callable[[Any], str | None]] = []
        for limit in notes.limits:
            self._add(limit)

    def _add(self, limit: Limit) -> None:
        name, bound = limit.name, limit.bound
        if name in _COMPARED:
            keyword, sign, holds = _COMPARED[name]
            self._compare(keyword, sign, holds, bound)
        elif name in _LENGTHS:
            self._measure(name, bound)
        elif name == "pattern" and "text" in self.bounds:
            self._keywords["pattern"] = bound
            self._checks.append(
                lambda value: (
                    None
                    if not isinstance(value, str) or re.search(bound, value)
                    else f"Expected `str` matching regex {bound!r}"
                )
            )
        elif name == "tz" and "moment" in self.bounds:
            wanted = "with a time zone" if bound else "without a time zone"
            self._keywords["timezone"] = wanted
            self._checks.append(
                lambda value: (
                    None
                    if (getattr(value, "tzinfo", None) is not None) is bound
                    else f"Expected `{self.label}` {wanted}"
                )
            )
        elif name == "predicate":
            self._checks.append(
                lambda value: None if bound(value) else f"Expected `{self.label}` that is accepted"
            )
        else:
            raise self._senseless(limit.name)

    def _senseless(self, name: str) -> ConfigurationError:
        return ConfigurationError(f"{name!r} in Annotated does not apply to {self.label}")

    def _compare(
        self, keyword: str, sign: str, holds: Callable[[Any, Any], Any], bound: Any
    ) -> None:
        is_number = isinstance(bound, (int, float))
        if ("number" if is_number else "moment") not in self.bounds:
            raise self._senseless(keyword)
        if not is_number:
            # Not a keyword of JSON Schema: it is told in words.
            keyword = f"format{keyword[0].upper()}{keyword[1:]}"
        self._keywords[keyword] = bound if is_number else str(bound)

        def check(value: Any) -> str | None:
            applies = _is_number(value) if is_number else isinstance(value, type(bound))
            if not applies or holds(value, bound):
                return None
            return f"Expected `{self.label}` {sign} {bound}"

        self._checks.append(check)

    def _measure(self, name: str, bound: int) -> None:
        which, sign, holds = _LENGTHS[name]
        families = [family for family in _MEASURES if family in self.bounds]
        if not families:
            raise self._senseless(name)
        self._keywords |= {f"{which}{_MEASURES[family]}": bound for family in families}

        def check(value: Any) -> str | None:
            if not hasattr(value, "__len__") or holds(len(value), bound):
                return None
            return f"Expected `{self.label}` of length {sign} {bound}"

        self._checks.append(check)

    def read(self, value: Any) -> Any:
        result = self._inner.read(value)
        for check in self._checks:
            problem = check(result)
            if problem is not None:
                raise Misfit(problem)
        return result

    def schema(self, defs: Definitions, /) -> Schema:
        return {**self._inner.schema(defs), **self._keywords, **self._notes.words}


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__float__")
