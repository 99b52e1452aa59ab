"""The descriptions in a docstring: of a function or class, and of each parameter or attribute; pure.

Google's sections, those of numpy and the field lists of reST are read, because they say which text belongs to which
name. A dependency for this would be larger than this module.
"""

from __future__ import annotations

import inspect
import re
from typing import Final

from attrs import define, field

__all__ = ["read_docstring"]

_ARGUMENTS: Final = frozenset(
    {"Args", "Arguments", "Parameters", "Params", "Attributes", "Other Parameters"}
    | {f"{word} {what}" for word in ("Keyword", "Other") for what in ("Args", "Arguments")}
)
_OTHER_SECTIONS: Final = (
    *("Returns?", "Yields?", "Receives", "Raises", "Warns", "Examples?", "Notes?", "Warnings?"),
    *("See Also", "References", "Todo", "Methods"),
)
_TITLES: Final = "|".join([*sorted(_ARGUMENTS), *_OTHER_SECTIONS])
#: A line that begins a section of Google's form; the text above the first one is the description.
_SECTION: Final = re.compile(rf":?({_TITLES}):\s*$")
#: A line that begins a section of numpy's form, if the next line underlines it.
_UNDERLINED: Final = re.compile(rf"({_TITLES})\s*:?\s*$")
_UNDERLINE: Final = re.compile(r"(-{3,}|={3,})\s*$")
#: ``name (type, optional): text`` in Google's form; a list's mark may stand before it, and marks of code around it.
_ENTRY: Final = re.compile(
    r"(?:[-*+•]\s+)?(?P<mark>`{0,2}|\*{0,2})(?P<names>\w+(?:\s*,\s*\w+)*)(?P=mark)"
    r"\s*(?:\((?:[^()]|\([^()]*\))*\))?\s*(?::|\s--?|\s[–—])(?:\s+(?P<text>.*))?$"
)
#: ``name, name : type`` in numpy's form; the text is in the lines below.
_NUMPY_ENTRY: Final = re.compile(r"(?P<names>\w+(?:\s*,\s*\w+)*)\s*(?::.*)?(?P<text>$)")
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
    rf"[:@]({'|'.join([*_PARAMETER_FIELDS, *_OTHER_FIELDS])})\b(?!:`)\s*([^:]*):(?:\s+(.*)|$)"
)


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Read a docstring.

    Args:
        text: As it stands in the code, or ``None``.

    Returns:
        The description, which is all above the first section or field, and the text of each parameter, as one line.
    """
    lines = inspect.cleandoc(text or "").splitlines()
    entries = _Entries()
    begin = len(lines)
    for at, line in enumerate(lines):
        if entries.begins(line, (lines[at + 1 : at + 2] or [""])[0], is_first=at == 0):
            begin = min(begin, at)
        elif at > begin:
            entries.take(line)
    texts = {name: " ".join(filter(None, pieces)) for name, pieces in entries.found.items()}
    return "\n".join(lines[:begin]).strip(), {name: said for name, said in texts.items() if said}


@define
class _Entries:
    """The texts of the parameters, read line by line.

    Attributes:
        found: The pieces of the text of each parameter.
    """

    found: dict[str, list[str]] = field(factory=dict)
    #: The pieces that the next line of text belongs to.
    _current: list[str] | None = None
    #: The form of the entries of this section; ``None`` outside of a section of parameters.
    _entry: re.Pattern[str] | None = None
    #: The smallest indentation of a line of this section.
    _margin: int = 0
    #: Whether the first entry is still to come, which decides the indentation of all.
    _is_fresh: bool = False
    #: Whether a line that is not indented still belongs to the field above it.
    _is_lazy: bool = False

    def begins(self, line: str, below: str, *, is_first: bool) -> bool:
        """Return whether *line* begins a section or a field, which is then the current one.

        Args:
            line: The line.
            below: The line below it, or ``""``.
            is_first: Whether it is the first line of the docstring: the indentation of the entries below is then lost.
        """
        found = _FIELD.match(line)
        if found:
            kind, subject, text = found.groups()
            is_parameter = kind in _PARAMETER_FIELDS
            self._start(subject.split()[-1:] if is_parameter else [], text)
            self._entry, self._is_lazy = None, True
            return True
        is_numpy = _UNDERLINE.match(below) is not None
        section = (_UNDERLINED if is_numpy else _SECTION).match(line)
        if section is None:
            return False
        self._current, self._entry, self._is_lazy = None, None, False
        if section[1] in _ARGUMENTS:
            self._entry = _NUMPY_ENTRY if is_numpy else _ENTRY
        self._margin, self._is_fresh = 0 if is_numpy or is_first else 1, True
        return True

    def take(self, line: str) -> None:
        """Take a line of a section or below a field."""
        text, indent = line.strip(), len(line) - len(line.lstrip())
        if self._entry is not None:
            self._take_entry(text, indent, self._entry)
        elif not text:
            self._is_lazy = False
        elif self._current is not None and (indent or self._is_lazy):
            self._current.append(text)
        else:
            self._current = None

    def _take_entry(self, text: str, indent: int, entry: re.Pattern[str]) -> None:
        """Read a line at the indentation of the first entry, and the lines that are indented further."""
        if not text or _UNDERLINE.match(text):
            return
        if self._is_fresh:
            self._margin, self._is_fresh = max(indent, self._margin), False
        named = entry.match(text) if indent == self._margin else None
        if named:
            self._start(re.split(r"\s*,\s*", named["names"]), named["text"])
        elif indent > self._margin and self._current is not None:
            self._current.append(text)
        else:
            self._current = None
            self._entry = entry if indent >= self._margin else None

    def _start(self, names: list[str], text: str | None) -> None:
        """Start an entry; the first text about a parameter counts."""
        self._current = [text or ""] if names else None
        for name in names:
            self.found.setdefault(name, self._current or [])
