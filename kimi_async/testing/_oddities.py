"""The oddities that can be switched on by name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kimi_async.testing._checks import all_of
from kimi_async.testing._odd_answers import ANSWER_ODDITIES
from kimi_async.testing._odd_calls import CALL_ODDITIES
from kimi_async.testing._odd_chunks import CHUNK_ODDITIES
from kimi_async.testing._oddity import Oddities, Oddity

__all__ = ["oddities", "oddities_named"]

#: Every oddity by its name, in the order in which they are applied.
_BY_NAME: Final[Mapping[str, Oddity]] = {
    oddity.name: oddity for oddity in (*CALL_ODDITIES, *CHUNK_ODDITIES, *ANSWER_ODDITIES)
}


def oddities() -> list[Oddity]:
    """List the oddities of providers that a fake can have, in the order in which they are applied."""
    return [*_BY_NAME.values()]


def oddities_named(wanted: Iterable[str | Oddity]) -> Oddities:
    """Return the oddities that are wanted: those with a name in the order of :func:`oddities`, and then the others.

    Raises:
        TypeError: One of them is neither a name nor an oddity.
        ValueError: There is no oddity with one of the names; the message lists the names.
    """
    given = all_of(wanted, str, Oddity, name="oddities")
    names = [name for name in given if isinstance(name, str)]
    for name in names:
        if name not in _BY_NAME:
            raise ValueError(f"no oddity {name!r}; there are {', '.join(_BY_NAME)}")
    known = [oddity for name, oddity in _BY_NAME.items() if name in names]
    return Oddities((*known, *(oddity for oddity in given if isinstance(oddity, Oddity))))
