"""Choose a provider from environment variables; pure: the caller passes the variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, cast

from attrs import evolve

from kimi_async._providers._acedata import AceDataCloud
from kimi_async._providers._base import Provider
from kimi_async._providers._cloudsway import Cloudsway
from kimi_async._providers._compatible import OpenAICompatible
from kimi_async._providers._moonshot import Moonshot

__all__ = ["provider_from_environment", "with_base_url"]

_BY_NAME: Final[Mapping[str, type[Provider]]] = {
    provider.kind: provider for provider in (AceDataCloud, Cloudsway, Moonshot, OpenAICompatible)
}
#: Never chosen because its key is set: that key may be meant for another model.
_ONLY_BY_NAME: Final = frozenset({OpenAICompatible})


def provider_from_environment(env: Mapping[str, str]) -> Provider | str:
    """Return the provider that *env* selects, not yet resolved or checked; or the reason why there is none, as text.

    ``KIMI_PROVIDER`` names the provider. Without it, the only provider whose key is set is chosen; if several keys are
    set, none is. ``openai`` is chosen only by its name. The reason is returned and not raised, so that no traceback
    holds a frame with the environment in it.
    """
    name = env.get("KIMI_PROVIDER", "").strip().lower()
    if name:
        chosen = _BY_NAME.get(name)
        return chosen() if chosen else f"KIMI_PROVIDER must be one of {', '.join(_BY_NAME)}"
    pickable = [kind for kind in _BY_NAME.values() if kind not in _ONLY_BY_NAME]
    present = [kind for kind in pickable if env.get(kind.environment["api_key"], "").strip()]
    if len(present) == 1:
        return present[0]()
    keys = ", ".join(kind.environment["api_key"] for kind in present or pickable)
    if present:
        return f"several providers have a key ({keys}): set KIMI_PROVIDER to {_names(present)}"
    return f"no provider: give one to AsyncKimi, or set a key ({keys})"


def with_base_url(
    providers: tuple[Provider, ...], env: Mapping[str, str]
) -> tuple[Provider, ...] | str:
    """Return *providers* with the base URL of *env* where the code gave none; or the reason why it cannot, as text.

    ``KIMI_BASE_URL`` is for a client with one provider, of any class, and replaces ``MOONSHOT_BASE_URL``. A base URL
    counts as given when it is not the default of its class.
    """
    url = env.get("KIMI_BASE_URL", "").strip()
    if not url or all(each.has_own_base_url for each in providers):
        return tuple(map(partial(_with_own_variable, env), providers))
    if len(providers) > 1:
        return "KIMI_BASE_URL is for one provider, and there are several: unset it, or give each its base_url=..."
    return tuple(evolve(cast(Any, each), base_url=url) for each in providers)


def _with_own_variable(env: Mapping[str, str], provider: Provider) -> Provider:
    url = env.get("MOONSHOT_BASE_URL", "").strip()
    if not url or provider.has_own_base_url or not isinstance(provider, Moonshot):
        return provider
    return evolve(provider, base_url=url)


def _names(kinds: Iterable[type[Provider]]) -> str:
    return " or ".join(kind.kind for kind in kinds)
