"""Readers of types that another library checks: pydantic's own, and those that only msgspec knows.

pydantic is never imported: a type of pydantic can only be there when somebody else imported it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from kimi_async._errors import ConfigurationError
from kimi_async._types._reader import Definitions, Misfit, Reader, Schema

__all__ = ["MsgspecReader", "PydanticReader", "is_pydantic", "last_line"]


def is_pydantic(cls: object) -> bool:
    """Return whether pydantic knows how to read this class: a model, a dataclass of pydantic, or a type of its own."""
    return "pydantic" in sys.modules and (
        hasattr(cls, "__pydantic_core_schema__") or hasattr(cls, "__get_pydantic_core_schema__")
    )


def last_line(error: Exception) -> str:
    """Return the last line of a message, which names the problem: msgspec puts the path before it."""
    return str(error).rpartition("\n")[2] or type(error).__name__


class PydanticReader(Reader):
    """Reads a type of pydantic, by the configuration of its models.

    The value is given to pydantic as JSON, because a strict model takes a date, an enum or a set from JSON only.

    Args:
        hint: The type.

    Raises:
        ConfigurationError: pydantic cannot read it.
    """

    def __init__(self, hint: Any) -> None:
        pydantic: Any = sys.modules["pydantic"]
        self.hint = hint
        self.label = getattr(hint, "__name__", str(hint))
        self._misuse: type[Exception] = pydantic.errors.PydanticUserError
        try:
            self._adapter: Any = pydantic.TypeAdapter(hint)
        except (TypeError, ValueError, NameError, RuntimeError) as error:
            problem = str(error).partition("\n")[0]
        else:
            return
        raise ConfigurationError(f"pydantic cannot read {self.label}: {problem}")

    def read(self, value: Any) -> Any:
        problem = unread = ""
        try:
            return self._adapter.validate_json(json.dumps(value))
        except (TypeError, ValueError) as error:
            problem = _found(error)
        except self._misuse as error:  # of a model that refers to a class that is not there yet
            unread = str(error).partition("\n")[0]
        if unread:
            raise ConfigurationError(f"pydantic cannot read {self.label}: {unread}")
        raise Misfit(problem)

    def schema(self, defs: Definitions, /) -> Schema:
        try:
            schema = self._adapter.json_schema(ref_template="#/$defs/{model}")
        except (TypeError, ValueError, self._misuse) as error:
            problem = str(error).partition("\n")[0]
        else:
            return defs.absorb(schema)
        raise ConfigurationError(f"no JSON Schema can be made of {self.label}: {problem}")


def _found(error: Any) -> str:
    """Return all that pydantic found, without the values and the link to its own pages."""
    if not hasattr(error, "errors"):  # of a validator that raises a TypeError
        return str(error) or type(error).__name__
    found = error.errors(include_url=False)
    return "; ".join(
        f"{each['msg']} - at `{'.'.join(map(str, each['loc']))}`" if each["loc"] else each["msg"]
        for each in found
    )


class MsgspecReader(Reader):
    """Reads a type of which only msgspec knows the form in JSON.

    Args:
        hint: The type.

    Raises:
        ConfigurationError: msgspec does not know it either.
    """

    def __init__(self, hint: Any) -> None:
        self.label = getattr(hint, "__name__", str(hint))
        self._hint = hint
        try:
            (self._schema,), self._defs = msgspec.json.schema_components([hint])
        except (TypeError, ValueError, NameError, RecursionError):
            self._schema = {}
        if not self._schema:
            raise ConfigurationError(f"type {hint!r} is not supported")

    def read(self, value: Any) -> Any:
        try:
            return msgspec.convert(value, self._hint, str_keys=True)
        except msgspec.ValidationError as error:
            problem = str(error)
        raise Misfit(problem)

    def schema(self, defs: Definitions, /) -> Schema:
        return defs.absorb({**self._schema, "$defs": {**self._defs}})
