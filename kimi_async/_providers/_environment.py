"""Which provider the environment asks for; pure: the variables are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kimi_async._providers._acedata import AceDataCloud
from kimi_async._providers._base import Provider
from kimi_async._providers._cloudsway import Cloudsway
from kimi_async._providers._compatible import OpenAICompatible
from kimi_async._providers._moonshot import Moonshot

__all__ = ["provider_from_environment"]

_BY_NAME: Final[Mapping[str, type[Provider]]] = {
    provider.kind: provider for provider in (AceDataCloud, Cloudsway, Moonshot, OpenAICompatible)
}
#: Never picked by its key alone, which may be meant for another model altogether.
_ONLY_BY_NAME: Final = frozenset({OpenAICompatible})


def provider_from_environment(env: Mapping[str, str]) -> Provider | str:
    """The provider that *env* asks for, still to be resolved and checked; or, as text, why there is none.

    ``KIMI_PROVIDER`` names it. Without it the one provider whose key is there is taken; between several there is no
    guess, and ``openai`` is taken by its name alone. The reason is returned and not raised, so that no traceback
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


def _names(kinds: Iterable[type[Provider]]) -> str:
    return " or ".join(kind.kind for kind in kinds)
