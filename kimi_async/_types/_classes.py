"""The fields of a class: their names in JSON, their types, and which of them must be there.

Dataclasses and attrs classes are made through their ``__init__``, so its parameters are the fields: aliases, private
names, converters, ``InitVar`` and ``init=False`` have the same meaning as in Python.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs
import msgspec
from attrs import frozen

from kimi_async._errors import ConfigurationError

__all__ = [
    "Plan",
    "doc_of",
    "has_fields",
    "hints_of",
    "is_qualifier",
    "plans_of",
    "substituted",
    "written_name",
]

#: Words around the type of a field that say nothing of its values; by name, because typing_extensions has them, too.
_QUALIFIERS: Final = frozenset({"Required", "NotRequired", "ReadOnly", "Final", "ClassVar"})


@frozen
class Plan:
    """One field of a class.

    Attributes:
        key: The name in JSON.
        name: The name that the class knows; ``None`` for the tag of a ``msgspec.Struct``.
        hint: The type.
        is_required: Whether the field must be there.
        default: The default, where it is a plain value.
    """

    key: str
    name: str | None
    hint: Any
    is_required: bool
    default: Any = None


def is_qualifier(origin: object) -> bool:
    """Return whether this is ``Required``, ``Final`` or another word that stands around the type of a field."""
    return getattr(origin, "_name", None) in _QUALIFIERS


def doc_of(cls: type) -> str:
    """Return the docstring of a class, without one that was made for it."""
    # Not from vars(cls): since Python 3.15, a dataclass has an object there that makes the text when it is read.
    text = cls.__doc__ or ""
    return "" if text.startswith(f"{cls.__name__}(") else text


def written_name(name: str, owners: Iterable[type]) -> str:
    """Return *name* as it stands in the code: inside of a class ``C``, Python reads ``__y`` as ``_C__y``."""
    for owner in owners:
        start = f"_{owner.__name__.lstrip('_')}"
        if name.startswith(f"{start}__"):
            return name.removeprefix(start)
    return name


def substituted(hint: Any, names: Mapping[Any, Any]) -> Any:
    """Return *hint* with types in place of the variables in *names*."""
    if isinstance(hint, typing.TypeVar):
        return names.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    if not variables or isinstance(hint, type) or not any(each in names for each in variables):
        return hint
    return hint[tuple(names.get(each, each) for each in variables)]


def hints_of(cls: type, args: tuple[Any, ...]) -> dict[str, Any]:
    """Return the type of each name that a class, or a class below it, annotates.

    Args:
        cls: The class.
        args: The types in brackets after its name.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    for owner, names in _with_variables(cls, args):
        for name in inspect.get_annotations(owner):
            hints[name] = substituted(hints.get(name, Any), names)
    return hints


def _with_variables(cls: type, args: tuple[Any, ...]) -> Iterator[tuple[type, Mapping[Any, Any]]]:
    """Yield the bases of a class and the class itself, each with the meaning of its type variables."""
    names = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = typing.get_origin(base) or base
        if isinstance(origin, type) and origin not in (object, typing.Generic):
            inner = tuple(substituted(each, names) for each in typing.get_args(base))
            yield from _with_variables(origin, inner)
    yield cls, names


def has_fields(cls: Any) -> bool:
    """Return whether the fields of a class are known, and are an object in JSON."""
    if issubclass(cls, msgspec.Struct):
        config: Any = cls.__struct_config__
        return not config.array_like
    return typing.is_typeddict(cls) or dataclasses.is_dataclass(cls) or attrs.has(cls)


def plans_of(cls: Any, hints: Mapping[str, Any]) -> list[Plan]:
    """Return the fields of a class that has some."""
    if typing.is_typeddict(cls):
        return [
            Plan(name, name, hint, _is_required(cls, name, hint)) for name, hint in hints.items()
        ]
    if issubclass(cls, msgspec.Struct):
        return _plans_of_struct(cls, hints)
    if attrs.has(cls):
        hints = {each.alias: _hint_of(each, hints) for each in attrs.fields(cls)}
    return _plans_of_init(cls, hints)


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    """Return whether a key of a ``TypedDict`` must be there; its words may be nested, and stand in ``Annotated``."""
    while typing.get_origin(hint) is not None:
        word = getattr(typing.get_origin(hint), "_name", None)
        if word in ("Required", "NotRequired"):
            return bool(word == "Required")
        hint = hint.__args__[0] if word in _QUALIFIERS else getattr(hint, "__origin__", None)
    required: frozenset[str] = cls.__required_keys__
    return name in required


def _plans_of_struct(cls: Any, hints: Mapping[str, Any]) -> list[Plan]:
    config = cls.__struct_config__
    plans = [
        Plan(each.encode_name, each.name, hints[each.name], each.required, each.default)
        for each in msgspec.structs.fields(cls)
    ]
    if config.tag_field is not None:
        plans.insert(0, Plan(config.tag_field, None, typing.Literal[config.tag], is_required=True))
    return plans


def _plans_of_init(cls: Any, hints: Mapping[str, Any]) -> list[Plan]:
    plans: list[Plan] = []
    for each in inspect.signature(cls).parameters.values():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD, each.POSITIONAL_ONLY):
            raise ConfigurationError(f"{each} of {cls.__name__} cannot be given by name")
        hint = hints[each.name] if each.name in hints else _annotation(cls.__init__, each.name)
        if isinstance(hint, dataclasses.InitVar):
            hint = hint.type
        is_required = each.default is each.empty
        default = None if is_required or each.default is attrs.NOTHING else each.default
        key = written_name(each.name, cls.__mro__)
        plans.append(Plan(key, each.name, hint, is_required, default))
    return plans


def _hint_of(field: Any, hints: Mapping[str, Any]) -> Any:
    """Return the type that an attrs class takes for a field: that of the converter's parameter, if known."""
    own = hints.get(field.name, Any if field.type is None else field.type)
    if field.converter is None:
        return own
    converter = getattr(field.converter, "converter", field.converter)
    try:
        first = next(iter(inspect.signature(converter).parameters.values()))
    except (ValueError, TypeError, StopIteration):  # of a builtin such as int
        return own
    taken = _annotation(converter, first.name)
    return own if taken is Any else taken


def _annotation(function: Any, name: str) -> Any:
    """Return the type of a parameter; ``Any`` where nothing is known of it."""
    try:
        return typing.get_type_hints(function, include_extras=True).get(name, Any)
    except (NameError, TypeError):
        return Any
