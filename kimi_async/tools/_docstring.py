"""What a docstring says of a function and of each of its parameters; pure.

Google's sections and the field lists of reST are read, the two that say what belongs to which parameter in one line.
A dependency for it would be larger than this.
"""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["read_docstring"]

#: A line that begins a section; what stands above the first of them is the description.
_SECTION: Final = re.compile(
    r"(Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Notes?|Attributes|Warnings?|See Also):\s*$"
)
_ARGUMENTS: Final = frozenset({"Args", "Arguments", "Parameters", "Params"})
#: ``name (type, optional): text`` in Google's form.
_ENTRY: Final = re.compile(r"(\w+)\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*:(?:\s+(.*))?$")
#: ``:param type name: text`` in that of reST.
_FIELD: Final = re.compile(r":(\w+)\s*([^:]*):\s*(.*)$")
_PARAMETER_FIELDS: Final = frozenset({"param", "parameter", "arg", "argument", "key", "keyword"})


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
            current = found.setdefault(subject.split()[-1], [text]) if is_parameter else None
        elif current is not None and line[:1].isspace():
            current.append(line.strip())
        elif line:
            current = None


def _read_sections(lines: list[str], found: dict[str, list[str]]) -> None:
    """An entry is a line at the indentation of the first one; what is indented further goes on with it."""
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
