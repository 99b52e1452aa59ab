"""The parts that every reader shares: the reader itself, the error of a value that does not fit, and definitions."""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from kimi_async._errors import ConfigurationError

__all__ = [
    "EVERY_KIND",
    "Definitions",
    "Misfit",
    "Reader",
    "Schema",
    "expected",
    "kind_of",
    "read_item",
]

#: A JSON Schema, of draft 2020-12.
Schema: TypeAlias = dict[str, Any]

_KINDS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "array",
    dict: "object",
}
#: The kinds of JSON values, in the words of the errors.
EVERY_KIND: Final = frozenset(_KINDS.values())


def kind_of(value: object) -> str:
    """Return the kind of a value that was read from JSON."""
    return _KINDS[type(value)]


class Misfit(ValueError):
    """Raised when a value does not fit a type; the text names the expected type and the place.

    Args:
        problem: The expected type, and the value that arrived.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        #: The way from the whole value to this one, each step as it is written in a path.
        self.steps: list[str] = []

    def __str__(self) -> str:
        return f"{self.problem} - at `${''.join(self.steps)}`" if self.steps else self.problem


def expected(label: str, value: object) -> Misfit:
    """Return the error for a value of another kind."""
    return Misfit(f"Expected `{label}`, got `{kind_of(value)}`")


class Reader(abc.ABC):
    """Reads JSON values into one type, and describes that type as a JSON Schema.

    Attributes:
        label: The type in the words of the errors.
        kinds: The kinds of JSON values that can fit.
        bounds: The families of limits that can apply to the values: ``"number"``, ``"text"``, ``"bytes"``,
            ``"array"``, ``"object"`` and ``"moment"``.
        tags: The fields of an object that have fixed values, with these: they tell the types of a union apart.
    """

    label: str
    kinds: frozenset[str] = EVERY_KIND
    bounds: frozenset[str] = frozenset()
    tags: Mapping[str, Sequence[object]] = MappingProxyType({})

    @abc.abstractmethod
    def read(self, value: Any) -> Any:
        """Return *value*, which was read from JSON, as a value of the type.

        Raises:
            Misfit: The value does not fit.
        """

    @abc.abstractmethod
    def schema(self, defs: Definitions, /) -> Schema:
        """Return the schema of the type; schemas of classes with a name are put into *defs*.

        Raises:
            ConfigurationError: A part of the type has no JSON Schema.
        """


def read_item(reader: Reader, value: Any, step: str) -> Any:
    """Read a part of a value.

    Args:
        reader: Reads the part.
        value: The part.
        step: The way to it, such as ``.name`` or ``[0]``; ``""`` for a whole value.

    Raises:
        Misfit: The part does not fit, or the caller's own class raised an exception; the step is in its path.
        ConfigurationError: Nothing can be read into the type.
        RecursionError: The value is nested too deeply.
    """
    try:
        return reader.read(value)
    except Misfit as error:
        misfit = error
    except (ConfigurationError, RecursionError):
        raise
    except (TypeError, ValueError) as error:  # of the class's own checks
        misfit = Misfit(str(error) or type(error).__name__)
    except Exception as error:  # its text is not meant for the model
        misfit = Misfit(f"Reading it raised {type(error).__name__}")
    misfit.steps[:0] = [step] if step else []
    raise misfit


class Definitions:
    """The definitions of one schema, each with a name of its own.

    Two classes may have one name: the second gets a number, as in ``Point_2``.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._names: dict[Reader, str] = {}
        self._foreign: dict[str, Schema] = {}

    def refer(self, reader: Reader, name: str, describe: Callable[[Definitions], Schema]) -> Schema:
        """Return a reference to the definition of *reader*, which is made by *describe* at the first use."""
        if reader not in self._names:
            own = self._free(re.sub(r"\W+", "_", name))
            self._names[reader] = own
            self.schemas[own] = {}
            self.schemas[own] = describe(self)
        return {"$ref": f"#/$defs/{self._names[reader]}"}

    def _free(self, name: str) -> str:
        number = 1
        free = name
        while free in self.schemas:
            number += 1
            free = f"{name}_{number}"
        return free

    def absorb(self, schema: Schema) -> Schema:
        """Take the definitions out of a schema that another library made, and return the rest.

        They keep their names where these are free or mean the same. Otherwise all of them get the same number, so that
        they still refer to each other.
        """
        given: dict[str, Schema] = schema.pop("$defs", {})
        number = 1
        while any(not self._is_free_for(_numbered(name, number), given[name]) for name in given):
            number += 1
        for name, definition in given.items():
            own = _numbered(name, number)
            self._foreign[own] = definition
            self.schemas[own] = _renumbered(definition, number)
        rest: Schema = _renumbered(schema, number)
        return rest

    def _is_free_for(self, name: str, definition: Schema) -> bool:
        return name not in self.schemas or self._foreign.get(name) == definition


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _renumbered(part: Any, number: int) -> Any:
    """Return *part* of a schema with references to the definitions with that number."""
    if isinstance(part, list):
        return [_renumbered(each, number) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _numbered(each, number)
        if key == "$ref" and isinstance(each, str)
        else _renumbered(each, number)
        for key, each in part.items()
    }
