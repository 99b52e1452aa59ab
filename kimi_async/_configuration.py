"""The settings of a client, checked before anything is sent."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any, get_args

from attrs import evolve, frozen

from kimi_async._errors import ConfigurationError
from kimi_async._options import Checks
from kimi_async._providers import Provider
from kimi_async._reply import OnComplete
from kimi_async._request._params import check_headers
from kimi_async._settings import Limits, Timeouts

__all__ = ["ClientSettings", "chosen_provider"]


@frozen(kw_only=True)
class ClientSettings:
    """The settings of a client, complete and checked."""

    provider: Provider
    model: str | None
    timeouts: Timeouts
    limits: Limits
    max_concurrency: int | None
    on_complete: OnComplete | None
    headers: Mapping[str, str]
    checks: Checks

    def __attrs_post_init__(self) -> None:
        if self.checks not in get_args(Checks):
            known = ", ".join(map(repr, get_args(Checks)))
            raise ConfigurationError(f"checks must be one of {known}")
        check_headers(self.headers, "headers")
        for name, kind in (("timeouts", Timeouts), ("limits", Limits)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigurationError(f"{name} must be a {kind.__name__}(...)")
        limit = self.max_concurrency
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ConfigurationError(
                "max_concurrency must be a whole number above 0, or None for no limit"
            )
        if self.on_complete is not None and (
            not callable(self.on_complete) or inspect.iscoroutinefunction(self.on_complete)
        ):
            raise ConfigurationError("on_complete must be a plain callable, which nobody awaits")

    def changed(self, options: Mapping[str, Any]) -> ClientSettings:
        """The same settings with some replaced; raises ConfigurationError for what cannot work."""
        changes = dict(options)
        if "provider" in changes:
            changes["provider"] = chosen_provider(changes.pop("provider"))
        return evolve(self, **changes)


def chosen_provider(provider: object) -> Provider:
    """The provider to use, complete and checked; ``None`` asks the environment.

    Raises:
        ConfigurationError: There is none, or it cannot work.
    """
    if provider is None:
        from kimi_async._providers._environment import provider_from_environment

        found = provider_from_environment(os.environ)
        if isinstance(found, str):
            raise ConfigurationError(found)
        provider = found
    if not isinstance(provider, Provider):
        kind = type(provider).__name__
        raise ConfigurationError(f"provider must be a provider such as AceDataCloud(), not {kind}")
    provider = provider.resolve(os.environ)
    provider.check()
    return provider
