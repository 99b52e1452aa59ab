"""Keep a conversation with its provider, whose cache has the beginning of the prompt; pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from kimi_async._providers import Provider

__all__ = ["Stay", "Stays"]

Providers: TypeAlias = tuple[Provider, ...]

#: The number of values of ``prompt_cache_key`` that are remembered, the last used ones.
_KEYS: Final = 1_024


class Stay:
    """The provider of one conversation, by its name.

    The first provider that answers is its home. After a fail-over, the turn stays with the provider that answered; the
    next turn tries the home again.
    """

    __slots__ = ("_first", "_home", "_last")

    def __init__(self, home: str | None = None) -> None:
        self._home = self._first = self._last = home

    def begin_turn(self) -> None:
        """Try the home first again."""
        self._first = self._home

    def answered(self, name: str) -> None:
        """Note that a provider has brought output."""
        self._home = self._home or name
        self._first = self._last = name

    def copy(self) -> Stay:
        """Return another conversation with the same home."""
        return Stay(self._home)

    def order(self, providers: Providers) -> tuple[Providers, Providers]:
        """Return the providers that the conversation has used, the one to stay with first, and the other ones."""
        by_name = {provider.name: provider for provider in providers}
        wanted = dict.fromkeys((self._first, self._last, self._home))
        kept = tuple(by_name.pop(name) for name in wanted if name in by_name)
        return kept, tuple(by_name.values())


class Stays:
    """The conversations of a client by their ``prompt_cache_key``."""

    def __init__(self) -> None:
        self._stays: OrderedDict[str, Stay] = OrderedDict()

    def of(self, key: str) -> Stay:
        """Return the conversation with a key, at the beginning of a turn. Only those used last are remembered."""
        stay = self._stays.pop(key, None) or Stay()
        stay.begin_turn()
        self._stays[key] = stay
        if len(self._stays) > _KEYS:
            self._stays.popitem(last=False)
        return stay
