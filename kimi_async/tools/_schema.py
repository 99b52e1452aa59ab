"""Make the JSON Schema of a type, in Moonshot's flavour; pure."""

from __future__ import annotations

from typing import Any

from kimi_async._errors import ConfigurationError
from kimi_async._types import Definitions, reader_of
from kimi_async.tools._moonshot import moonshot_schema

__all__ = ["plain_schema_of", "schema_of"]


def schema_of(into: object) -> dict[str, Any]:
    """Return the JSON Schema of a type whose values are objects, in Moonshot's flavour.

    Args:
        into: A type that :func:`~kimi_async._types.reader_of` can read.

    Raises:
        ConfigurationError: A part of the type has no JSON Schema, or none in this flavour.
    """
    return moonshot_schema(plain_schema_of(into))


def plain_schema_of(into: object) -> dict[str, Any]:
    """Return the JSON Schema of a type, before it is written in Moonshot's flavour.

    Args:
        into: The type.

    Raises:
        ConfigurationError: A part of the type has no JSON Schema.
    """
    defs = Definitions()
    try:
        schema = reader_of(into).schema(defs)
    except ConfigurationError as error:
        problem = error.message
    else:
        return {**schema, "$defs": defs.schemas}
    raise ConfigurationError(f"no JSON Schema can be made: {problem}")
