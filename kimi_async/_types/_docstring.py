"""The descriptions in a docstring: of a function or class, and of each parameter or attribute; pure.

Google's sections and the field lists of reST are read, because both say in one line which text belongs to which name.
A dependency for this would be larger than this module.
"""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["read_docstring"]

_ARGUMENTS: Final = frozenset(
    {"Args", "Arguments", "Parameters", "Params", "Attributes", "Other Parameters"}
    | {f"{word} {what}" for word in ("Keyword", "Other") for what in ("Args", "Arguments")}
)
_OTHER_SECTIONS: Final = (
    *("Returns?", "Yields?", "Raises", "Warns", "Examples?", "Notes?", "Warnings?", "See Also"),
    *("References", "Todo", "Methods"),
)
#: A line that begins a section; the text above the first one is the description.
_SECTION: Final = re.compile(rf"({'|'.join([*sorted(_ARGUMENTS), *_OTHER_SECTIONS])}):\s*$")
#: ``name (type, optional): text`` in Google's form.
_ENTRY: Final = re.compile(r"(\w+)\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*:(?:\s+(.*))?$")
_PARAMETER_FIELDS: Final = (
    *("param", "parameter", "arg", "argument", "key", "keyword", "kwarg", "kwparam"),
    *("ivar", "var", "cvar", "attribute"),
)
_OTHER_FIELDS: Final = (
    *("returns?", "rtype", "raises?", "except", "exception", "type", "vartype", "yields?", "ytype"),
    *("meta", "warns?", "deprecated", "since", "see", "example"),
)
#: ``:param type name: text`` in that of reST. A role, such as ``:class:`Foo```, is not a field.
_FIELD: Final = re.compile(
    rf":({'|'.join([*_PARAMETER_FIELDS, *_OTHER_FIELDS])})\b(?!:`)\s*([^:]*):(?:\s+(.*)|$)"
)


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Read a docstring.

    Args:
        text: As it stands in the code, or ``None``.

    Returns:
        The description, which is all above the first section or field, and the text of each parameter, as one line.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    starts = (at for at, line in enumerate(lines) if _SECTION.match(line) or _FIELD.match(line))
    begin = next(starts, len(lines))
    found: dict[str, list[str]] = {}
    _read_fields(lines[begin:], found)
    _read_sections(lines[begin:], found)
    texts = {name: " ".join(filter(None, pieces)) for name, pieces in found.items()}
    return "\n".join(lines[:begin]).strip(), {name: said for name, said in texts.items() if said}


def _read_fields(lines: list[str], found: dict[str, list[str]]) -> None:
    current: list[str] | None = None
    for line in lines:
        field = _FIELD.match(line)
        if field:
            kind, subject, text = field.groups()
            is_parameter = kind in _PARAMETER_FIELDS and subject.strip()
            pieces = [text or ""]
            current = found.setdefault(subject.split()[-1], pieces) if is_parameter else None
        elif current is not None and line[:1].isspace():
            current.append(line.strip())
        elif line:
            current = None


def _read_sections(lines: list[str], found: dict[str, list[str]]) -> None:
    """Read each entry: a line at the indentation of the first one, with the lines that are indented further."""
    inside, margin = False, 0
    current: list[str] | None = None
    for line in lines:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not indent:
            if text:
                section = _SECTION.match(line)
                inside = section is not None and section[1] in _ARGUMENTS
                margin, current = 0, None
        elif inside:
            margin = margin or indent
            entry = _ENTRY.match(text) if indent == margin else None
            if entry:
                current = found.setdefault(entry[1], [entry[2] or ""])
            elif indent <= margin:
                current = None
            elif current is not None:
                current.append(text)
