"""The capabilities of a provider as data that a user can read, check and override; pure.

Each value is a :class:`Fact`, with its basis, its source and its date. The file of a provider holds its own table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, Self, TypeVar, get_args, get_type_hints

from attrs import evolve, field, frozen
from msgspec import Struct
from msgspec.structs import replace

from kimi_async._errors import ConfigurationError

__all__ = [
    "SECOND_READING",
    "TOOL_CHOICES",
    "Basis",
    "Capabilities",
    "CapabilityTable",
    "Fact",
    "captured",
    "documented",
    "family_of",
    "inferred",
    "reported",
    "unknown",
]

#: How a value is known: the provider documents it, recorded replies show it, users have reported it, we conclude it, or
#: nobody knows it. An unknown value is the careful one.
Basis = Literal["documented", "captured", "reported", "inferred", "unknown"]

T = TypeVar("T")


class Fact(Struct, Generic[T], frozen=True):
    """One capability of a provider, with its evidence.

    Attributes:
        value: The value that the library uses.
        basis: How it is known.
        source: The section of the page Providers or the recording that says so.
        as_of: The day on which the source was read, such as ``"2026-11-28"``; ``None`` for a value of your own.
    """

    value: T
    basis: Basis
    source: str
    as_of: str | None = None

    def in_words(self) -> str:
        """Return the value for a reader: ``yes``, ``low, high, max``, ``n 1``, ``none``, ``not stated``."""
        value: object = self.value
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, Mapping):
            value = tuple(f"{name} {_amount(amount)}" for name, amount in value.items())
        if isinstance(value, tuple):
            value = ", ".join(value) or "none"
        return "not stated" if value is None else str(value)

    def evidence(self) -> str:
        """Return how the value is known, since when, and where that is written."""
        date = "" if self.as_of is None else f" {self.as_of}"
        return f"{self.basis}{date}; {self.source}"


def _amount(amount: object) -> str:
    """Return a number, a range of numbers or a text for a reader."""
    if not isinstance(amount, tuple):
        return str(amount)
    low, high = amount
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


class Capabilities(Struct, frozen=True, kw_only=True):
    """The capabilities of one model family at one provider.

    Attributes:
        partial_mode: A last assistant message with ``partial`` is continued.
        cache_key: ``prompt_cache_key`` keeps requests with the same beginning near one cache.
        json_object: ``response_format`` of type ``json_object``.
        json_schema: ``response_format`` of type ``json_schema``.
        thinking_switch: ``thinking`` can be switched on and off.
        effort: The words of ``reasoning_effort`` and of ``Thinking(effort=...)``; empty when none is accepted.
        tools: Tools can be called.
        tools_in_messages: A system message may carry ``tools``.
        tool_choice: The words of ``tool_choice``; ``"function"`` stands for one named as an object, and a word with
            ``" when not thinking"`` is accepted only then.
        media: The types of content parts.
        media_urls: Media may be given by an http(s) URL; otherwise only as a data URL or by an id of the provider.
        max_body_bytes: The largest request; ``None`` when none is stated.
        fixed_sampling: Sampling parameters that accept one value only, and that value.
        temperature: The lowest and the highest temperature, ``"thinking"`` and ``"not thinking"``; empty when every
            value of the parameter is accepted.
        max_output_tokens: The largest output limit; ``None`` when none is stated.
        default_output_tokens: The limit when none is sent; ``None`` when none is stated.
        stop_limit: The largest number of stop texts.
        stop_bytes: The longest of them; ``None`` when none is stated.
        reasoning_back: The thinking of a turn with tool calls has to be sent back.
        empty_reasoning: That thinking may be the empty text; otherwise a blank is sent in its place.
        retired: Families of models that the provider no longer has, and the day on which they went.
        refused: Codes of the findings (:class:`~kimi_async.Finding`) that are known to be answered with an error of
            status 400 or 404; the others are only likely to be.
        usage_place: The place of the usage in a stream: ``"last chunk"`` (with empty choices), ``"choice"`` (inside the
            choice of the finish), or ``"any"`` when nobody knows.
    """

    partial_mode: Fact[bool]
    cache_key: Fact[bool]
    json_object: Fact[bool]
    json_schema: Fact[bool]
    thinking_switch: Fact[bool]
    effort: Fact[tuple[str, ...]]
    tools: Fact[bool]
    tools_in_messages: Fact[bool]
    tool_choice: Fact[tuple[str, ...]]
    media: Fact[tuple[str, ...]]
    media_urls: Fact[bool]
    max_body_bytes: Fact[int | None]
    fixed_sampling: Fact[Mapping[str, float]]
    temperature: Fact[Mapping[str, tuple[float, float]]]
    max_output_tokens: Fact[int | None]
    default_output_tokens: Fact[int | None]
    stop_limit: Fact[int]
    stop_bytes: Fact[int | None]
    reasoning_back: Fact[bool]
    empty_reasoning: Fact[bool]
    retired: Fact[Mapping[str, str]]
    refused: Fact[tuple[str, ...]]
    usage_place: Fact[str]

    def facts(self) -> dict[str, Fact[Any]]:
        """Return the facts by name, in the order of the fields."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


#: The generations that have a family of their own; each pattern ends where another family could begin. Resellers rename
#: models (``MaaS_Kimi_K2.5_20260127``, ``moonshotai/Kimi-K2.6``), so the pattern may match anywhere in the name. Only
#: letters of ASCII match, because other scripts have letters that look alike.
_FAMILY: Final = r"\b(?ai:kimi-(?:k3(?:\.1)?|k2(?:\.[567]|-thinking)?)|moonshot-v1)(?![.\w])"


def family_of(model: str | None) -> str:
    """Return the family of *model*, a name; ``"*"`` if it belongs to none."""
    found = re.search(_FAMILY, (model or "").replace("_", "-"))
    return found.group().lower() if found else "*"


def _as_families(families: Mapping[str, Capabilities]) -> Mapping[str, Capabilities]:
    return dict(families)


@frozen(repr=False)
class CapabilityTable:
    """The capabilities of one provider, by model family.

    Attributes:
        default: The capabilities of every family without an entry.
        families: Entries by family (``"kimi-k3"``, see :func:`family_of`).
    """

    default: Capabilities
    families: Mapping[str, Capabilities] = field(factory=dict, converter=_as_families)

    def __repr__(self) -> str:
        # A line, because help() shows it as the default of each provider.
        return f"<CapabilityTable: {', '.join(['default', *self.families])}>"

    def by_family(self) -> dict[str, Capabilities]:
        """Return all entries by family; the default comes first, as ``"*"``."""
        return {"*": self.default, **self.families}

    def columns(self) -> dict[str, Capabilities]:
        """Return all entries by the head of their column; families with the same capabilities share one."""
        families = self.by_family()
        heads = {family: "default" if family == "*" else family for family in families}
        return {
            ", ".join(heads[other] for other in families if families[other] == known): known
            for known in families.values()
        }

    def for_model(self, model: str | None) -> Capabilities:
        """Return the capabilities of the family that *model* belongs to."""
        return self.families.get(family_of(model), self.default)

    def override(self, model: str | None = None, /, **values: Any) -> Self:
        """Return the same table with other values, for the family of one model or, without a model, for all.

        The new facts have the basis ``"documented"`` and the source ``"the caller"``.

        Args:
            model: A model's or a family's name.
            values: Fields of :class:`Capabilities` and their new values.

        Raises:
            ConfigurationError: A field does not exist or has a value of another type, or *model* is not a text.
        """
        if model is not None and not isinstance(model, str):
            raise ConfigurationError("override() takes the name of a model or a family")
        misspelt = values.keys() - set(Capabilities.__struct_fields__)
        if misspelt:
            names = ", ".join(map(_with_nearest, sorted(misspelt)))
            raise ConfigurationError(f"no such capability: {names}")
        changes = {
            name: Fact(_as_declared(name, value), "documented", "the caller")
            for name, value in values.items()
        }
        if model is not None:
            changed = replace(self.for_model(model), **changes)
            return evolve(self, families={**self.families, family_of(model): changed})
        families = {family: replace(known, **changes) for family, known in self.families.items()}
        return evolve(self, default=replace(self.default, **changes), families=families)


def _with_nearest(name: str) -> str:
    """Return *name*, which no capability has, with the capability that is likely meant."""
    import difflib

    near = difflib.get_close_matches(name, Capabilities.__struct_fields__, n=1)
    return f"{name} (did you mean {near[0]!r}?)" if near else name


def _as_declared(name: str, value: object) -> Any:
    """Return *value* in the type of the capability *name*; a list may stand for a tuple.

    Raises:
        ConfigurationError: It is of another type.
    """
    import msgspec

    (kind,) = get_args(get_type_hints(Capabilities)[name])
    try:
        return msgspec.convert(value, kind, strict=True)
    except (msgspec.ValidationError, UnicodeEncodeError):
        declared = Capabilities.__annotations__[name].removeprefix("Fact[").removesuffix("]")
        raise ConfigurationError(
            f"the capability {name} must be {declared}, not {value!r}"
        ) from None


#: The days on which the sources were read.
FIRST_READING: Final = "2026-11-22"
SECOND_READING: Final = "2026-11-28"


def documented(value: T, source: str, as_of: str = FIRST_READING) -> Fact[T]:
    """Return a fact that the provider writes in its documentation."""
    return Fact(value, "documented", source, as_of)


def captured(value: T, source: str) -> Fact[T]:
    """Return a fact that recorded replies show."""
    return Fact(value, "captured", source, FIRST_READING)


def reported(value: T, source: str) -> Fact[T]:
    """Return a fact that users have reported."""
    return Fact(value, "reported", source, SECOND_READING)


def inferred(value: T, source: str, as_of: str = FIRST_READING) -> Fact[T]:
    """Return a value that we conclude from others."""
    return Fact(value, "inferred", source, as_of)


def unknown(value: T, source: str) -> Fact[T]:
    """Return a careful value, because nobody knows the true one."""
    return Fact(value, "unknown", source, FIRST_READING)


#: All words of ``tool_choice``.
TOOL_CHOICES: Final = ("none", "auto", "required", "function")
