"""The names under which the state of a key and of a model is kept, and the number that is kept; pure."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from kimi_async._providers import Provider

__all__ = ["Account", "Endpoint", "account_of", "endpoint_of", "keep"]

#: The base URL and the key.
Account: TypeAlias = tuple[str, str | None]
#: The base URL, the key, and the model as it is sent.
Endpoint: TypeAlias = tuple[str, str | None, str | None]

K = TypeVar("K")
V = TypeVar("V")


def account_of(provider: Provider) -> Account:
    """Return the account that the requests to *provider* are sent with."""
    return provider.base_url, provider.api_key


def endpoint_of(provider: Provider, model: str | None) -> Endpoint:
    """Return the endpoint of *model*, by the name that the caller gave."""
    sent = None if model is None else provider.models.get(model, model)
    return (*account_of(provider), sent)


def keep(values: dict[K, V], key: K, value: V, *, most: int) -> V:
    """Add *value* to *values* and return it; of more than *most* values the oldest is dropped.

    A caller may make up any number of names, so each state under a name has a limit.
    """
    if len(values) >= most:
        del values[next(iter(values))]
    values[key] = value
    return value
