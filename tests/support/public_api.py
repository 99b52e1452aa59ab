"""The public API as a text: each public name, with the signature of a function and the members of a class.

``python tests/support/public_api.py`` writes tests/data/public_api.txt after the API has changed on purpose.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType, UnionType
from typing import Any, Final, ForwardRef, get_args, get_origin, is_typeddict

from paths import DATA

import kimi_async
from kimi_async import batch, capabilities, conversation, structured, testing, tools, web

__all__ = ["MODULES", "SNAPSHOT", "as_text", "fields_of", "members_of"]

SNAPSHOT: Final = DATA / "public_api.txt"
MODULES: Final = (kimi_async, batch, capabilities, conversation, structured, testing, tools, web)
#: Defaults whose ``repr`` is what a caller would write.
_PLAIN: Final = (type(None), bool, int, float, str)


def as_text() -> str:
    """Return the text: a section for each module, a line for each name and an indented one for each member."""
    return "".join(f"{line}\n" for module in MODULES for line in _of_module(module))


def _of_module(module: ModuleType) -> Iterator[str]:
    yield f"[{module.__name__}]"
    for name in module.__all__:
        if name != "__version__":
            yield from _of_name(name, getattr(module, name))
    yield ""


def _of_name(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, type) and get_origin(value) is None:
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases}){_signature(value)}"
        yield from (f"    {line}" for line in _member_lines(value))
    elif inspect.isroutine(value):
        yield f"{_def(value)} {name}{_signature(value)}"
    else:
        yield f"{name} = {_annotation(value)}"


def _member_lines(cls: type) -> Iterator[str]:
    for name, kind in members_of(cls):
        made = inspect.getattr_static(cls, name)
        if kind == "def":
            yield f"{_def(made)} {name}{_signature(getattr(cls, name))}"
        elif kind == "property":
            result = inspect.signature(made.fget).return_annotation
            yield f"{name} -> {_annotation(result)}"
    for name, annotation in sorted(fields_of(cls).items()):
        yield f"{name}: {_annotation(annotation)}"


def members_of(cls: type) -> list[tuple[str, str]]:
    """Return the public methods and properties that *cls* or a private parent of ours defines."""
    names = {
        name
        for parent in cls.__mro__
        if parent.__module__.startswith("kimi_async")
        for name in vars(parent)
        if not name.startswith("_")
    }
    return [(name, _kind(inspect.getattr_static(cls, name))) for name in sorted(names)]


def _kind(member: object) -> str:
    if isinstance(member, property):
        return "property"
    return (
        "def"
        if isinstance(member, (classmethod, staticmethod)) or inspect.isroutine(member)
        else ""
    )


def _def(value: object) -> str:
    return "async def" if inspect.iscoroutinefunction(value) else "def"


def fields_of(cls: type) -> dict[str, Any]:
    """Return the annotated public names of *cls* and its parents: fields, and keys of a ``TypedDict``."""
    parents = [cls] if is_typeddict(cls) else reversed(cls.__mro__)
    return {
        name: annotation
        for parent in parents
        for name, annotation in inspect.get_annotations(parent).items()
        if not name.startswith("_") and parent.__module__.startswith("kimi_async")
    }


def _signature(value: Callable[..., Any]) -> str:
    try:
        signature = inspect.signature(value)
    except ValueError:  # built in: a TypedDict, an exception without a constructor of its own
        return ""
    shown = list(map(_parameter, signature.parameters.values()))
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = "" if isinstance(value, type) else f" -> {_annotation(signature.return_annotation)}"
    return f"({', '.join(shown)}){result}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
    shown = stars.get(parameter.kind.name, "") + parameter.name
    if parameter.annotation is not parameter.empty:
        shown += f": {_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        plain = isinstance(parameter.default, _PLAIN)
        shown += f" = {parameter.default!r}" if plain else " = ..."
    return shown


def _annotation(value: Any) -> str:
    """Return a type without the modules of its names, the same on each Python."""
    if isinstance(value, (str, ForwardRef)):
        return value if isinstance(value, str) else value.__forward_arg__
    if isinstance(value, UnionType) or repr(value).startswith(("typing.Optional", "typing.Union")):
        return " | ".join(map(_annotation, get_args(value)))
    shown = value.__name__ if isinstance(value, type) and not get_args(value) else repr(value)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", shown).replace("NoneType", "None")


if __name__ == "__main__":
    SNAPSHOT.write_text(as_text(), encoding="utf-8")
