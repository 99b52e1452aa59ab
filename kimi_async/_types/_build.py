"""Make the reader of a type.

A class that can say itself how strict it is decides for itself: a pydantic model by its ``ConfigDict``, a
``msgspec.Struct`` by ``forbid_unknown_fields``. Dataclasses, attrs classes and ``TypedDict`` cannot, so keys that they
do not know are refused, at any depth: a misspelt optional key would otherwise be lost without a word.
"""

from __future__ import annotations

import collections
import collections.abc
import enum
import functools
import operator
import pathlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from kimi_async._errors import ConfigurationError
from kimi_async._types._classes import (
    doc_of,
    has_fields,
    hints_of,
    is_qualifier,
    plans_of,
    substituted,
)
from kimi_async._types._containers import (
    AliasReader,
    ListReader,
    MappingReader,
    TupleReader,
    UnionReader,
)
from kimi_async._types._docstring import read_docstring
from kimi_async._types._foreign import MsgspecReader, PydanticReader, is_pydantic, last_line
from kimi_async._types._limits import LimitedReader, is_of_pydantic, notes_of
from kimi_async._types._objects import Field, ObjectReader
from kimi_async._types._reader import Reader
from kimi_async._types._scalars import ANYTHING, SCALARS, ChoiceReader, PathReader

__all__ = ["reader_of"]

_LISTS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    tuple: tuple,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
}
_SETS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    set: set,
    frozenset: frozenset,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_MAPPINGS: Final[Mapping[Any, Callable[[dict[Any, Any]], Any]]] = {
    dict: dict,
    collections.OrderedDict: collections.OrderedDict,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
}
#: ``Literal[1] | None`` and ``int | None`` are of two classes before Python 3.14.
_UNIONS: Final = (typing.get_origin(typing.Literal[1] | None), types.UnionType)


def reader_of(hint: Any) -> Reader:
    """Return the reader of a type.

    Args:
        hint: The type, as an annotation or a class.

    Raises:
        ConfigurationError: The type has no form in JSON, or metadata in it is not understood.
    """
    try:
        return _cached(hint)
    except TypeError:  # a part of it cannot be hashed
        return _made(hint)


@functools.lru_cache(maxsize=256)
def _cached(hint: Any) -> Reader:
    return _made(hint)


def _made(hint: Any) -> Reader:
    try:
        return _Builder().reader(hint)
    except (TypeError, ValueError, NameError, AttributeError, SyntaxError, RecursionError) as error:
        problem = last_line(error)
    raise ConfigurationError(f"a type cannot be read: {problem}")


class _Builder:
    """Builds the readers of one type; each class in it has one reader, so that types may refer to themselves."""

    def __init__(self) -> None:
        self._classes: dict[Any, Reader] = {}

    def reader(self, hint: Any) -> Reader:
        """Return the reader of a type."""
        origin = typing.get_origin(hint)
        if hint is Any or hint is object:
            return ANYTHING
        if hint is None:
            return SCALARS[type(None)]
        if origin is typing.Annotated:
            return self._annotated(hint)
        if origin in _UNIONS:
            return self._union(hint.__args__)
        if origin is typing.Literal:
            return _literal(hint)
        if is_qualifier(origin):
            return self.reader(hint.__args__[0])
        if isinstance(hint, typing.TypeVar):
            return self._variable(hint)
        if isinstance(hint, typing.NewType):
            return self.reader(hint.__supertype__)
        return self._named(hint, origin or hint, typing.get_args(hint))

    def _named(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Reader:
        """Return the reader of an alias, a container or a class."""
        if type(cls).__name__ == "TypeAliasType":
            return self._alias(hint, cls, args)
        if not isinstance(cls, type):
            raise ConfigurationError(f"type {hint!r} is not supported")
        if cls in SCALARS:
            return SCALARS[cls]
        if cls is tuple and hint is not tuple and args[-1:] != (...,):
            return self._tuple(args)
        if cls in _LISTS or cls in _SETS:
            item = self.reader(args[0]) if args else ANYTHING
            make = _LISTS.get(cls) or _SETS[cls]
            return ListReader(item, make, unique=cls in _SETS)
        if cls in _MAPPINGS:
            key, value = map(self.reader, args or (str, Any))
            return MappingReader(key, value, _MAPPINGS[cls])
        return self._class(hint, cls, args)

    def _class(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Reader:
        if hint in self._classes:
            return self._classes[hint]
        if is_pydantic(cls):
            return PydanticReader(hint)
        if issubclass(cls, enum.Enum):
            return self._enum(cls)
        if issubclass(cls, pathlib.PurePath):
            return PathReader(cls)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            return self._named_tuple(hint, cls, args)
        return self._object(hint, cls, args)

    def _annotated(self, hint: Any) -> Reader:
        base, *given = typing.get_args(hint)
        # None is an option of conint() that was not used.
        metadata = [each for each in given if each is not None]
        foreign = [each for each in metadata if is_of_pydantic(each)]
        notes = notes_of(each for each in metadata if not is_of_pydantic(each))
        inner = PydanticReader(_annotated_by(base, foreign)) if foreign else self.reader(base)
        if foreign and notes.limits:
            inner.bounds = self.reader(base).bounds
        return LimitedReader(inner, notes) if notes.limits or notes.words else inner

    def _union(self, args: Iterable[Any]) -> Reader:
        """Return the reader of a union; pydantic chooses between its own types, and int comes before float."""
        hints = [each for each in args if each is not msgspec.UnsetType]
        foreign = [each for each in hints if is_pydantic(typing.get_origin(each) or each)]
        if len(foreign) > 1:
            own = [each for each in hints if each not in foreign]
            members = [
                PydanticReader(functools.reduce(operator.or_, foreign)),
                *map(self.reader, own),
            ]
        else:
            members = [*map(self.reader, sorted(hints, key=lambda each: each is float))]
        return members[0] if len(members) == 1 else UnionReader(members)

    def _variable(self, hint: Any) -> Reader:
        if hint.__constraints__:
            return self._union(hint.__constraints__)
        return ANYTHING if hint.__bound__ is None else self.reader(hint.__bound__)

    def _alias(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Reader:
        """Return the reader of an alias, which is a definition of its own only if it refers to itself."""
        known = self._classes.get(hint)
        if isinstance(known, AliasReader):
            known.is_used = True
        if known is not None:
            return known
        self._classes[hint] = alias = AliasReader(cls.__name__)
        names = dict(zip(cls.__type_params__, args, strict=False))
        alias.target = self.reader(substituted(cls.__value__, names))
        if not alias.is_used:
            self._classes[hint] = alias.target
        return self._classes[hint]

    def _tuple(self, args: tuple[Any, ...]) -> Reader:
        reader = TupleReader("tuple", tuple)
        reader.items = [*map(self.reader, args)]
        reader.required = len(reader.items)
        return reader

    def _named_tuple(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Reader:
        reader = TupleReader(cls.__name__, lambda items: cls(*items), doc_of(cls))
        self._classes[hint] = reader
        hints = hints_of(cls, args)
        reader.items = [self.reader(hints.get(name, Any)) for name in cls._fields]
        reader.required = len(reader.items) - len(cls._field_defaults)
        return reader

    def _enum(self, cls: Any) -> Reader:
        choices = [(member.value, member) for member in cls]
        reader = ChoiceReader(cls.__name__, choices, cls, doc_of(cls))
        self._classes[cls] = reader
        return reader

    def _object(self, hint: Any, cls: Any, args: tuple[Any, ...]) -> Reader:
        """Return the reader of a class with fields; of any other class, msgspec is asked."""
        plans = plans_of(cls, hints_of(cls, args)) if has_fields(cls) else None
        if plans is None:
            return MsgspecReader(hint)
        text, texts = read_docstring(doc_of(cls))
        is_struct = issubclass(cls, msgspec.Struct)
        is_closed = not is_struct or cls.__struct_config__.forbid_unknown_fields
        make = dict if typing.is_typeddict(cls) else _maker(cls)
        reader = ObjectReader(cls.__name__, make, text, is_closed=is_closed)
        self._classes[hint] = reader
        for plan in plans:
            inner, said = self.reader(plan.hint), texts.get(plan.key, "")
            reader.add(Field(plan.key, plan.name, inner, plan.is_required, plan.default, said))
        return reader


def _literal(hint: Any) -> Reader:
    choices = [
        (each.value, each) if isinstance(each, enum.Enum) else (each, each)
        for each in typing.get_args(hint)
    ]
    return ChoiceReader("Literal", choices)


def _annotated_by(base: Any, metadata: list[Any]) -> Any:
    return functools.reduce(lambda hint, each: typing.Annotated[hint, each], metadata, base)


def _maker(cls: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda given: cls(**given)
