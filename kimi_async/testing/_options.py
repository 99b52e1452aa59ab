"""The settings that all fakes have. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypedDict

from attrs import field, frozen

from kimi_async._models import ModelInfo
from kimi_async.testing._checks import is_bool, is_one_of, is_typed, named
from kimi_async.testing._latency import Latency
from kimi_async.testing._oddities import oddities_named
from kimi_async.testing._oddity import Oddities, Oddity
from kimi_async.testing._rate_limits import FakeRateLimits
from kimi_async.testing._routes import NAMES
from kimi_async.testing._script import ModelList, ScriptedReply
from kimi_async.testing._wire import ProviderName

__all__ = ["FakeOptions", "FakeSettings", "Models", "settings_of"]

#: The answer to ``GET .../models``: names and :class:`~kimi_async.ModelInfo`, or a reply to every such request.
Models: TypeAlias = Iterable[str | ModelInfo] | ScriptedReply


def _as_models(models: Models | None) -> ScriptedReply:
    if not isinstance(models, ScriptedReply):
        return ModelList(models)
    if isinstance(models, type):
        raise TypeError(f"models must be a sequence of names or a reply, not {named(models)}")
    return models


class FakeOptions(TypedDict, total=False):
    """The settings that all fakes have, by name: :class:`FakeProvider`, :class:`FakeTransport`, :func:`mock_kimi`.

    Attributes:
        models: The models that every provider lists, or a reply such as ``ErrorReply(404)`` to every request for the
            list; ``None`` (default) = the models that each provider documents. Such requests use up no reply of the
            script.
        answers_as: The provider that answers at paths that do not name one; ``None`` (default) = the first that has
            such a path.
        oddities: The oddities of :func:`oddities`, by name, and oddities of your own; none by default.
        honours_prefix: Whether a :class:`Reply` to a request with a prefix (``partial``) leaves the prefix out, if its
            content begins with it. ``False`` (default) = it is sent as scripted, as by a provider that starts anew.
        rate_limits: The limits that are refused with status 429; none by default.
        latency: The time that every answer takes; none by default.
    """

    models: Models | None
    answers_as: ProviderName | None
    oddities: Iterable[str | Oddity]
    honours_prefix: bool
    rate_limits: FakeRateLimits
    latency: Latency


@frozen(kw_only=True)
class FakeSettings:
    """The values of :class:`FakeOptions`, checked."""

    models: ScriptedReply = field(factory=ModelList, converter=_as_models)
    answers_as: ProviderName | None = field(default=None, validator=is_one_of(None, *NAMES))
    oddities: Oddities = field(factory=Oddities, converter=oddities_named)
    honours_prefix: bool = field(default=False, validator=is_bool)
    rate_limits: FakeRateLimits = field(
        default=FakeRateLimits(), validator=is_typed(FakeRateLimits)
    )
    latency: Latency = field(default=Latency(), validator=is_typed(Latency))


def settings_of(options: Mapping[str, Any]) -> FakeSettings:
    """Return the settings of a fake, checked.

    Raises:
        TypeError: There is no option of that name, or a value has the wrong type.
        ValueError: A value is out of range.
    """
    known = FakeOptions.__annotations__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(f"a fake has no option {unknown[0]!r}; there are {', '.join(known)}")
    return FakeSettings(**options)
