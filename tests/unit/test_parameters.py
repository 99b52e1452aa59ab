"""Every parameter of the public API is explained by a docstring, which an editor shows."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, get_origin, is_typeddict

import pytest
from paths import ROOT
from public_api import MODULES, fields_of, members_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC: dict[str, Any] = {
    name: getattr(module, name) for module in MODULES for name in module.__all__
}

#: The classes that users do not construct: the reference shows them with empty parentheses.
MADE_BY_US = {
    name
    for page in (ROOT / "docs" / "reference").glob("*.md")
    for name in re.findall(
        r"auto(?:class|exception):: (?:\w+\.)*(\w+)\(\)", page.read_text("utf-8")
    )
}


def test_every_parameter_is_explained() -> None:
    """By an entry of the docstring, or in its text as *name* or ``name``."""
    unexplained = {
        f"{place}({name})"
        for place, names in parameters_by_place()
        for name in names
        if not any(is_explained(name, text) for text in explanations(place))
    }
    assert sorted(unexplained) == []


def parameters_by_place() -> Iterator[tuple[str, set[str]]]:
    """Yield the dotted name of each public function, method and class, with the names that it has to explain."""
    for name, value in PUBLIC.items():
        if isinstance(value, type) and get_origin(value) is None:
            yield name, of_class(value)
            for member, kind in members_of(value):
                if kind == "def":
                    yield f"{name}.{member}", of_function(getattr(value, member))
        elif inspect.isroutine(value):
            yield name, of_function(value)


def of_class(cls: type) -> set[str]:
    """Return the public parameters of a class, or its fields if users do not construct it."""
    fields = set(fields_of(cls))
    if is_typeddict(cls):
        return fields
    names = of_function(cls)
    return names & fields if cls.__name__ in MADE_BY_US else names


def of_function(function: Any) -> set[str]:
    """Return the parameters that a caller may name."""
    if getattr(function, "_is_protocol", False):
        return set()  # it cannot be called
    try:
        names = inspect.signature(function).parameters
    except ValueError:  # built in: a warning without a constructor of its own
        return set()
    return {name for name in names if name != "self" and not name.startswith("_")}


def explanations(place: str) -> set[str]:
    """Return the docstrings of *place*, of the same in the parents of its class, and of all that these refer to."""
    found: set[str] = set()
    places = [place]
    while places:
        name, _, member = places.pop().partition(".")
        value = PUBLIC.get(name)
        parents = value.__mro__ if isinstance(value, type) else (value,)
        owners = [getattr(parent, member, None) for parent in parents] if member else parents
        for text in {inspect.getdoc(owner) or "" for owner in owners} - found:
            found.add(text)
            for target in re.findall(r":(?:class|func|meth):`(?:[^`<]*<)?~?([\w.]+)", text):
                *_, cls, last = f"{name}.{target}".split(".")
                places.append(last if last in PUBLIC else f"{cls}.{last}")
    return found


def is_explained(name: str, text: str) -> bool:
    entry = rf"^ +(?:\*?\w+, )*\*{{0,2}}{name}(?:, \w+)*: "
    return re.search(rf"{entry}|\*{name}\*|``{name}\b", text, re.MULTILINE) is not None


@pytest.mark.parametrize(
    ("text", "explained"),
    [
        ("Args:\n    wire: The way.", True),
        ("Args:\n    model, wire: Both.", True),
        ("Args:\n    **wire: Several.", True),
        ("Return the way of *wire*.", True),
        ("The key ``wire=``.", True),
        ("Return the wire.", False),
        ("Args:\n    wires: The ways.", False),
        ("Args:\n    model: The wire: another.", False),
    ],
)
def test_a_mention_is_not_an_explanation(text: str, explained: bool) -> None:
    assert is_explained("wire", text) is explained
