"""Python types as JSON: the schema that describes a type, and the check that reads a value into it.

:func:`reader_of` turns a type into a :class:`Reader`. One reader gives both the schema and the check, so the two agree.
"""

from kimi_async._types._build import reader_of
from kimi_async._types._reader import Definitions, Misfit, Reader, read_item

__all__ = ["Definitions", "Misfit", "Reader", "read_item", "reader_of"]
