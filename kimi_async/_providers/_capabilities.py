"""The capabilities of each provider and model family, as data that a user can read, check and override.

A value is a :class:`Fact`: what we believe, on what basis, since when, and where it is written. Every source is a
section of the page Providers. A basis of ``unknown`` means that nobody has told us; the value is then the careful one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, Self, TypeVar

from attrs import evolve, field, fields, frozen

from kimi_async._errors import ConfigurationError

__all__ = [
    "ACEDATA",
    "CLOUDSWAY",
    "COMPATIBLE",
    "MOONSHOT",
    "Basis",
    "Capabilities",
    "CapabilityTable",
    "Fact",
    "as_markdown",
    "family_of",
]

#: How a value is known: the provider writes so, its replies show it, users tried it and told, we conclude it, or nobody
#: knows.
Basis = Literal["documented", "captured", "reported", "inferred", "unknown"]

T = TypeVar("T")


@frozen
class Fact(Generic[T]):
    """One thing that is known of a provider.

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


@frozen(kw_only=True)
class Capabilities:
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
        return {name.name: getattr(self, name.name) for name in fields(type(self))}


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


@frozen
class CapabilityTable:
    """The capabilities of one provider, by model family.

    Attributes:
        default: The capabilities of every family without an entry.
        families: Entries by family (``"kimi-k3"``, see :func:`family_of`).
    """

    default: Capabilities
    families: Mapping[str, Capabilities] = field(factory=dict, converter=_as_families)

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
            ConfigurationError: A field does not exist, or *model* is not a text.
        """
        _check_name(model)
        unknown = values.keys() - {name.name for name in fields(Capabilities)}
        if unknown:
            raise ConfigurationError(f"no such capability: {', '.join(sorted(unknown))}")
        changes = {name: Fact(value, "documented", "the caller") for name, value in values.items()}
        if model is not None:
            changed = evolve(self.for_model(model), **changes)
            return evolve(self, families={**self.families, family_of(model): changed})
        families = {family: evolve(known, **changes) for family, known in self.families.items()}
        return evolve(self, default=evolve(self.default, **changes), families=families)


def _check_name(model: object) -> None:
    if model is not None and not isinstance(model, str):
        raise ConfigurationError("override() takes the name of a model or a family")


def as_markdown(table: CapabilityTable) -> str:
    """Return one table in Markdown: families side by side, each value with its evidence."""
    columns = {head: known.facts() for head, known in table.columns().items()}
    lines = [["capability", *columns], ["---"] * (len(columns) + 1)]
    for name in table.default.facts():
        lines.append([f"`{name}`", *(_as_cell(facts[name]) for facts in columns.values())])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _as_cell(fact: Fact[Any]) -> str:
    return f"**{fact.in_words()}** ({fact.evidence()})".replace("|", r"\|")


#: The days on which the sources were read.
_FIRST: Final = "2026-11-22"
_NEWS: Final = "2026-11-28"


def _docs(value: T, source: str, as_of: str = _FIRST) -> Fact[T]:
    return Fact(value, "documented", source, as_of)


def _seen(value: T, source: str) -> Fact[T]:
    return Fact(value, "captured", source, _FIRST)


def _told(value: T, source: str) -> Fact[T]:
    return Fact(value, "reported", source, _NEWS)


def _unknown(value: T, source: str) -> Fact[T]:
    return Fact(value, "unknown", source, _FIRST)


def _inferred(value: T, source: str, as_of: str = _FIRST) -> Fact[T]:
    return Fact(value, "inferred", source, as_of)


_WORDS: Final = ("none", "auto", "required", "function")
_NOTHING_FIXED: Final[Mapping[str, float]] = {}
_ANY_TEMPERATURE: Final[Mapping[str, tuple[float, float]]] = {}
_NOTHING_RETIRED: Final[Mapping[str, str]] = {}

_ACE: Final = Capabilities(
    partial_mode=_unknown(False, "1.3: undocumented"),
    cache_key=_unknown(False, "1.3: undocumented"),
    json_object=_docs(True, "1.3"),
    json_schema=_docs(True, "1.3: newer spec only"),
    thinking_switch=_docs(False, "1.3: marked for kimi-k2.6 only"),
    effort=_docs((), "1.3: marked for kimi-k3 only"),
    tools=_docs(True, "1.3: newer spec only"),
    tools_in_messages=_unknown(False, "1.3"),
    tool_choice=_docs(_WORDS, "1.3: newer spec only"),
    media=_docs(("text", "image_url", "file"), "1.3"),
    media_urls=_unknown(True, "1.3"),
    max_body_bytes=_unknown(None, "1.3"),
    fixed_sampling=_docs({"n": 1}, "1.3: 1 to 128 in the older spec"),
    temperature=_docs(_ANY_TEMPERATURE, "1.3: 0 to 2; the quick start sends 0.7 to K2.5"),
    max_output_tokens=_unknown(None, "7: 16384 in one version of the guide for K3"),
    default_output_tokens=_docs(None, "1.3"),
    stop_limit=_docs(4, "1.3"),
    stop_bytes=_unknown(None, "1.3"),
    reasoning_back=_unknown(False, "1.3: sent back as received"),
    empty_reasoning=_unknown(True, "1.3"),
    retired=_unknown(_NOTHING_RETIRED, "1.2"),
    refused=_unknown((), "1.5"),
    usage_place=_seen("last chunk", "1.4, acedata/stream_reasoning_ko"),
)

ACEDATA: Final = CapabilityTable(
    _ACE,
    {
        "kimi-k2.6": evolve(
            _ACE,
            thinking_switch=_docs(True, "1.3"),
            reasoning_back=_inferred(True, "1.3, 6.4"),
        ),
        "kimi-k3": evolve(
            _ACE,
            effort=_docs(("low", "high", "max"), "1.3: the prose promises max alone"),
            reasoning_back=_inferred(True, "1.3, 6.4"),
            usage_place=_docs("last chunk", "1.4"),
        ),
    },
)

CLOUDSWAY: Final = CapabilityTable(
    Capabilities(
        # Documented and refuted: the K2.5 capture starts afresh instead of continuing the prefix.
        partial_mode=_seen(False, "2.3, cloudsway/chat_partial"),
        cache_key=_unknown(False, "2.3: not shown"),
        json_object=_seen(True, "2.3, cloudsway/chat_json_object"),
        json_schema=_unknown(False, "2.3: not shown"),
        thinking_switch=_docs(True, "2.3: accepted words unclear"),
        effort=_unknown((), "4"),
        tools=_seen(True, "2.3, cloudsway/chat_tool_call"),
        tools_in_messages=_unknown(False, "2.3"),
        tool_choice=_docs(("auto",), "2.3: only auto is shown"),
        media=_unknown(("text",), "4: not shown"),
        media_urls=_unknown(True, "4: not shown"),
        max_body_bytes=_unknown(None, "2.3"),
        fixed_sampling=_docs(_NOTHING_FIXED, "2.3"),
        temperature=_docs(_ANY_TEMPERATURE, "2.3: 0 to 2; the samples send 0.3 to K2.5"),
        max_output_tokens=_docs(128_000, "2.3"),
        default_output_tokens=_docs(1024, "2.3"),
        stop_limit=_docs(4, "2.3"),
        stop_bytes=_unknown(None, "2.3"),
        reasoning_back=_unknown(False, "2.3: the sample with a tool result has none"),
        empty_reasoning=_unknown(True, "2.3"),
        retired=_unknown(_NOTHING_RETIRED, "2.2"),
        refused=_unknown((), "2.5"),
        usage_place=_unknown("any", "5: no stream capture is known"),
    )
)

_FIXED: Final[Mapping[str, float]] = {
    "top_p": 0.95,
    "n": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}
_REFUSED_BY_MOONSHOT: Final = (
    "fixed-sampling",
    "temperature",
    "tool-choice",
    "tool-name",
    "repeated-tool",
    "tool-schema",
    "empty-message",
    "empty-text",
    "missing-reasoning",
    "empty-reasoning",
    "dangling-result",
    "missing-result",
    "tools-in-message",
    "schema-form",
    "retired-model",
    "media-url",
    "body-size",
)
_RETIRED_BY_MOONSHOT: Final[Mapping[str, str]] = {
    "kimi-k2": "2026-05-25",
    "kimi-k2-thinking": "2026-05-25",
    "kimi-k2.5": "2026-08-31",
    "moonshot-v1": "2026-08-31",
}
_K2: Final = Capabilities(
    partial_mode=_docs(True, "3.3"),
    cache_key=_docs(True, "3.3"),
    json_object=_docs(True, "3.3"),
    json_schema=_docs(True, "3.3"),
    thinking_switch=_docs(True, "3.2"),
    effort=_docs((), "3.3: K3 family only"),
    tools=_docs(True, "3.3"),
    tools_in_messages=_docs(False, "3.3: K3 only"),
    tool_choice=_docs(
        ("auto", "none", "function when not thinking"),
        "3.3: required is for K3 only, a named one clashes with thinking",
    ),
    media=_docs(("text", "image_url", "video_url"), "3.3"),
    media_urls=_docs(False, "3.3: a data URL or ms://id"),
    max_body_bytes=_docs(100_000_000, "3.3"),
    fixed_sampling=_docs(_FIXED, "3.3"),
    temperature=_docs({"thinking": (1, 1), "not thinking": (0.6, 0.6)}, "3.3"),
    max_output_tokens=_unknown(None, "3.3"),
    default_output_tokens=_docs(32_768, "3.3"),
    stop_limit=_docs(5, "3.3"),
    stop_bytes=_docs(32, "3.3"),
    reasoning_back=_docs(True, "3.3"),
    empty_reasoning=_told(False, "9.3: a blank is accepted"),
    retired=_docs(_RETIRED_BY_MOONSHOT, "3.2, 9.1", _NEWS),
    refused=_docs(_REFUSED_BY_MOONSHOT, "3.3, 3.5, 9.2, 9.3", _NEWS),
    usage_place=_docs("choice", "3.4"),
)
_K3: Final = evolve(
    _K2,
    partial_mode=_inferred(False, "6.4: K3 ends after reasoning when prefilled"),
    thinking_switch=_docs(True, "9.2", _NEWS),
    effort=_docs(("low", "high", "max"), "3.3"),
    tools_in_messages=_docs(True, "3.3, 9.2", _NEWS),
    tool_choice=_docs(("auto", "none", "required"), "3.3, 9.2: the named form is refused", _NEWS),
    temperature=_docs({"thinking": (0, 1), "not thinking": (0, 1)}, "9.2", _NEWS),
    max_output_tokens=_docs(1_048_576, "3.3"),
    default_output_tokens=_docs(131_072, "3.3"),
    empty_reasoning=_unknown(True, "9.3: K2.5 and K2.6 only"),
)
_K31: Final = evolve(
    _K3,
    thinking_switch=_docs(False, "3.2: always thinks"),
    tools_in_messages=_inferred(True, "9.2: told of K3", _NEWS),
    tool_choice=_inferred(_K3.tool_choice.value, "9.2: told of K3", _NEWS),
    temperature=_inferred(_K3.temperature.value, "9.2: told of K3", _NEWS),
)

MOONSHOT: Final = CapabilityTable(
    _K2,
    {
        "kimi-k2-thinking": evolve(_K2, empty_reasoning=_told(True, "9.3")),
        "kimi-k2.7": evolve(
            _K2,
            thinking_switch=_docs(False, "3.2: always thinks"),
            empty_reasoning=_unknown(True, "9.3: K2.5 and K2.6 only"),
        ),
        "kimi-k3": _K3,
        "kimi-k3.1": _K31,
    },
)

#: A host of which we know only that it has the OpenAI API.
COMPATIBLE: Final = CapabilityTable(
    Capabilities(
        partial_mode=_unknown(False, "the host's own documentation"),
        cache_key=_unknown(False, "the host's own documentation"),
        json_object=_inferred(True, "the OpenAI wire"),
        json_schema=_unknown(False, "the host's own documentation"),
        thinking_switch=_unknown(False, "the host's own documentation"),
        effort=_unknown((), "the host's own documentation"),
        tools=_inferred(True, "the OpenAI wire"),
        tools_in_messages=_unknown(False, "the host's own documentation"),
        tool_choice=_inferred(_WORDS, "the OpenAI wire"),
        media=_inferred(("text", "image_url"), "the OpenAI wire"),
        media_urls=_inferred(True, "the OpenAI wire"),
        max_body_bytes=_unknown(None, "the host's own documentation"),
        fixed_sampling=_unknown(_NOTHING_FIXED, "the host's own documentation"),
        temperature=_unknown(_ANY_TEMPERATURE, "the host's own documentation"),
        max_output_tokens=_unknown(None, "the host's own documentation"),
        default_output_tokens=_unknown(None, "the host's own documentation"),
        stop_limit=_inferred(4, "the OpenAI wire"),
        stop_bytes=_unknown(None, "the host's own documentation"),
        reasoning_back=_unknown(False, "the host's own documentation"),
        empty_reasoning=_unknown(True, "the host's own documentation"),
        retired=_unknown(_NOTHING_RETIRED, "the host's own documentation"),
        refused=_unknown((), "the host's own documentation"),
        usage_place=_inferred("last chunk", "the OpenAI wire"),
    )
)
