"""Declare the settings of a client and of one call, each with its type and its check.

A setting has one line in a ``TypedDict``, one in :class:`ClientSettings` and one with its check. The ``TypedDict``
decides where the setting is accepted: those of :class:`CallOptions` in one call, those of :class:`ClientOptions` in
``with_options()``.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args

from msgspec import Struct
from msgspec.structs import replace

from kimi_async._errors import ConfigurationError
from kimi_async._hooks import Hook
from kimi_async._policies import DEFAULT_BREAKER, DEFAULT_RETRIES, Breaker, Retries
from kimi_async._providers import Provider
from kimi_async._record import OnComplete
from kimi_async._request._borrowed import refuse_unknown
from kimi_async._request._params import ChatParams, check_headers
from kimi_async._settings import Limits, Timeouts, is_seconds

__all__ = [
    "CallOptions",
    "CallParams",
    "Checks",
    "ClientOptions",
    "ClientSettings",
    "HedgeAfter",
    "NoOptions",
    "OnInterrupt",
    "chosen_providers",
    "refuse_settings",
]

#: The treatment of a request that the provider is known or likely to refuse.
Checks: TypeAlias = Literal["error", "warn", "off"]

#: The wait before a second request: seconds, a percentile from ``"p50"`` to ``"p99"``, or ``None`` for no hedge.
HedgeAfter: TypeAlias = float | str | None

#: The treatment of a reply that breaks after its first output.
OnInterrupt: TypeAlias = Literal["auto", "raise", "continue", "restart"]

#: Raises an error that names the setting if its value cannot work.
_Check: TypeAlias = Callable[[str, object], None]


class CallOptions(TypedDict, total=False):
    """The settings of a client that one call can replace; :class:`AsyncKimi` explains each of them.

    ``on_complete`` of a call is called in place of the client's own.
    """

    provider: Provider | Sequence[Provider]
    timeouts: Timeouts
    limits: Limits
    on_complete: OnComplete | None
    checks: Checks
    hooks: Sequence[Hook]
    retries: Retries
    on_interrupt: OnInterrupt
    hedge_after: HedgeAfter


class ClientOptions(CallOptions, total=False):
    """The settings that ``with_options()`` can replace; :class:`AsyncKimi` explains each of them."""

    model: str | None
    breaker: Breaker
    max_concurrency: int | None
    headers: Mapping[str, str]


class CallParams(ChatParams, CallOptions, total=False):
    """The parameters of one reply, and settings for this call only.

    :class:`ChatParams` and :class:`CallOptions` explain them.
    """


class NoOptions(TypedDict):
    """A ``TypedDict`` without keys: type checkers refuse every name, and the error at run time suggests a known one."""


_CALL_OPTIONS: Final = frozenset(CallOptions.__annotations__)
_CLIENT_OPTIONS: Final = frozenset(ClientOptions.__annotations__)


def refuse_settings(names: Collection[str], kind: str) -> None:
    """Refuse *names* of settings that a client does not have; *kind* is the word for one.

    Raises:
        ConfigurationError: There is one.
    """
    for name in names:
        if name in ChatParams.__annotations__:
            raise ConfigurationError(
                f"unknown {kind} {name!r}: it is a parameter; give it to each call, or to client.conversation()"
            )
    refuse_unknown(names, kind, _CLIENT_OPTIONS)


def _is_a(kind: type) -> _Check:
    def check(name: str, value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{name} must be a {kind.__name__}(...)")

    return check


def _is_name(name: str, value: object) -> None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a text, not {type(value).__name__}")


def _is_count(name: str, value: object) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigurationError(f"{name} must be a whole number above 0, or None for no limit")


def _is_plain(value: object) -> bool:
    return callable(value) and not inspect.iscoroutinefunction(value)


def _is_plain_callable(name: str, value: object) -> None:
    if value is not None and not _is_plain(value):
        raise ConfigurationError(f"{name} must be a callable that is not async")


def _are_hooks(name: str, value: object) -> None:
    if not isinstance(value, (list, tuple)) or not all(map(_is_plain, value)):
        raise ConfigurationError(f"{name} must be a list of callables that are not async")


def _are_headers(name: str, value: object) -> None:
    check_headers(value, name)


def _is_hedge_after(name: str, value: object) -> None:
    if isinstance(value, str):
        if re.fullmatch("p[5-9][0-9]", value):
            return
    elif value is None or is_seconds(value):
        return
    raise ConfigurationError(
        f'{name} must be a number of seconds above 0, a percentile from "p50" to "p99", '
        "or None for no hedge"
    )


def _is_one_of(words: tuple[str, ...]) -> _Check:
    def check(name: str, value: object) -> None:
        if value not in words:
            known = ", ".join(map(repr, words))
            raise ConfigurationError(f"{name} must be one of {known}")

    return check


#: The check of each setting.
_CHECKS: Final[Mapping[str, _Check]] = {
    "model": _is_name,
    "timeouts": _is_a(Timeouts),
    "limits": _is_a(Limits),
    "max_concurrency": _is_count,
    "on_complete": _is_plain_callable,
    "headers": _are_headers,
    "checks": _is_one_of(get_args(Checks)),
    "hooks": _are_hooks,
    "retries": _is_a(Retries),
    "on_interrupt": _is_one_of(get_args(OnInterrupt)),
    "breaker": _is_a(Breaker),
    "hedge_after": _is_hedge_after,
}


class ClientSettings(Struct, frozen=True, kw_only=True):
    """The settings of a client or of one call, complete and checked.

    Raises:
        ConfigurationError: A setting that cannot work.
    """

    providers: tuple[Provider, ...]
    model: str | None
    timeouts: Timeouts
    limits: Limits
    max_concurrency: int | None
    on_complete: OnComplete | None
    headers: Mapping[str, str]
    checks: Checks
    hooks: Sequence[Hook] = ()
    retries: Retries = DEFAULT_RETRIES
    on_interrupt: OnInterrupt = "auto"
    breaker: Breaker = DEFAULT_BREAKER
    hedge_after: HedgeAfter = None

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name, getattr(self, name))

    def with_options(self, options: Mapping[str, Any]) -> ClientSettings:
        """Return the same settings with those of ``with_options()`` replaced.

        Raises:
            ConfigurationError: An option that is unknown or cannot work.
        """
        refuse_settings(options.keys() - _CLIENT_OPTIONS, "option")
        return self._replaced(options)

    def for_call(self, params: Mapping[str, Any]) -> tuple[ClientSettings, Mapping[str, Any]]:
        """Return the settings of a call and the parameters of its reply, both taken from *params*.

        Raises:
            ConfigurationError: A setting that cannot work.
        """
        given = _CALL_OPTIONS & params.keys()
        if not given:
            return self, params
        settings = self._replaced({name: params[name] for name in given})
        return settings, {name: params[name] for name in params if name not in given}

    def _replaced(self, options: Mapping[str, Any]) -> ClientSettings:
        changes = dict(options)
        if "provider" in changes:
            changes["providers"] = chosen_providers(changes.pop("provider"))
        return replace(self, **changes)


def chosen_providers(provider: object) -> tuple[Provider, ...]:
    """Return the providers to use, complete and checked; ``None`` asks the environment.

    Args:
        provider: One provider, a sequence of them, or ``None``.

    Raises:
        ConfigurationError: There is none, one cannot work, or two have the same name.
    """
    if provider is None:
        from kimi_async._providers._environment import provider_from_environment

        found = provider_from_environment(os.environ)
        if isinstance(found, str):
            raise ConfigurationError(found)
        provider = found
    several: Iterable[object] = provider if isinstance(provider, (list, tuple)) else (provider,)
    given = tuple(map(_checked, several))
    if not given:
        raise ConfigurationError("provider must hold at least one provider")
    from kimi_async._providers._environment import with_base_url

    placed = with_base_url(given, os.environ)
    if isinstance(placed, str):
        raise ConfigurationError(placed)
    chosen = tuple(map(_complete, placed))
    names = [each.name for each in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"two providers have the name {name!r}: give one of them another name=..."
            )
    return chosen


def _checked(given: object) -> Provider:
    if not isinstance(given, Provider):
        kind = type(given).__name__
        raise ConfigurationError(f"provider must be a provider such as AceDataCloud(), not {kind}")
    return given


def _complete(provider: Provider) -> Provider:
    """Return *provider* with the values from the environment, checked."""
    provider = provider.resolve(os.environ)
    provider.check()
    return provider
