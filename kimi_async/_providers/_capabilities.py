"""What each provider and model family can do, and how we know: data that a user can read, check and override.

A value is a :class:`Fact`: what we believe, on what basis, and where it is written. ``docs/providers.md`` is the source
of all of them; a basis of ``unknown`` says that nobody has told us, and the value then is the careful one.
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

#: How a value is known: written by the provider, seen in what it sent, concluded by us, or not at all.
Basis = Literal["documented", "captured", "inferred", "unknown"]

T = TypeVar("T")


@frozen
class Fact(Generic[T]):
    """One thing that is known of a provider.

    Attributes:
        value: What we go by.
        basis: How it is known.
        source: Where that is written, as a section of ``docs/providers.md`` or a recording.
    """

    value: T
    basis: Basis
    source: str

    def in_words(self) -> str:
        """The value as a reader is told it: ``yes``, ``low, high, max``, ``n 1``, ``none``, ``not stated``."""
        value: object = self.value
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, Mapping):
            value = tuple(f"{name} {number}" for name, number in value.items())
        if isinstance(value, tuple):
            value = ", ".join(value) or "none"
        return "not stated" if value is None else str(value)


@frozen(kw_only=True)
class Capabilities:
    """What one model family can do at one provider.

    Attributes:
        partial_mode: A last assistant message with ``partial`` is continued.
        json_object: ``response_format`` of type ``json_object``.
        json_schema: ``response_format`` of type ``json_schema``.
        thinking_switch: ``thinking`` can be switched on and off.
        effort: The words of ``reasoning_effort``; none when it is not taken.
        tools: Tools can be called.
        tool_choice: The words of ``tool_choice``; ``"function"`` stands for one named as an object.
        media: The types of content parts.
        media_urls: Media may be given by an http(s) URL; else as a data URL or by the provider's own ids.
        max_body_bytes: The largest request; ``None`` when none is stated.
        fixed_sampling: Sampling parameters that accept one value only, and that value.
        fixed_temperature: The only temperatures, ``"thinking"`` and ``"not thinking"``.
        max_output_tokens: The largest output limit; ``None`` when none is stated.
        default_output_tokens: The limit when none is sent; ``None`` when none is stated.
        stop_limit: How many stop texts are taken.
        stop_bytes: The longest of them; ``None`` when none is stated.
        reasoning_back: The thinking of a turn with tool calls has to be sent back.
        refused: Codes of the findings (:class:`~kimi_async.Finding`) that are known to be answered with a 400; the
            others are only likely to be.
        usage_place: Where a stream says its usage: ``"last chunk"`` (with empty choices), ``"choice"`` (inside the
            choice of the finish), or ``"any"`` when nobody knows.
    """

    partial_mode: Fact[bool]
    json_object: Fact[bool]
    json_schema: Fact[bool]
    thinking_switch: Fact[bool]
    effort: Fact[tuple[str, ...]]
    tools: Fact[bool]
    tool_choice: Fact[tuple[str, ...]]
    media: Fact[tuple[str, ...]]
    media_urls: Fact[bool]
    max_body_bytes: Fact[int | None]
    fixed_sampling: Fact[Mapping[str, float]]
    fixed_temperature: Fact[Mapping[str, float]]
    max_output_tokens: Fact[int | None]
    default_output_tokens: Fact[int | None]
    stop_limit: Fact[int]
    stop_bytes: Fact[int | None]
    reasoning_back: Fact[bool]
    refused: Fact[tuple[str, ...]]
    usage_place: Fact[str]

    def facts(self) -> dict[str, Fact[Any]]:
        """The facts by name, in the order of the fields."""
        return {name.name: getattr(self, name.name) for name in fields(type(self))}


#: The generations that have a family of their own, each written so that no other one begins like it. Resellers rename
#: models (``MaaS_Kimi_K2.5_20260127``, ``moonshotai/Kimi-K2.6``), so it is searched for anywhere in the name;
#: letters of ASCII alone, because other scripts have some that are only nearly equal.
_FAMILY: Final = r"\b(?ai:kimi-(?:k3(?:\.1)?|k2(?:\.[567]|-thinking)?))(?![.\w])"


def family_of(model: str | None) -> str:
    """The family of a model's name; ``"*"`` for a name that tells nothing."""
    found = re.search(_FAMILY, (model or "").replace("_", "-"))
    return found.group().lower() if found else "*"


def _as_families(families: Mapping[str, Capabilities]) -> Mapping[str, Capabilities]:
    return dict(families)


@frozen
class CapabilityTable:
    """The capabilities of one provider, by model family.

    Attributes:
        default: What holds for every family without an entry.
        families: Entries by family (``"kimi-k3"``, see :func:`family_of`).
    """

    default: Capabilities
    families: Mapping[str, Capabilities] = field(factory=dict, converter=_as_families)

    def by_family(self) -> dict[str, Capabilities]:
        """All entries by family; what holds for every other one comes first, as ``"*"``."""
        return {"*": self.default, **self.families}

    def columns(self) -> dict[str, Capabilities]:
        """All entries by the head of their column; families that can do the same share one."""
        families = self.by_family()
        heads = {family: "default" if family == "*" else family for family in families}
        return {
            ", ".join(heads[other] for other in families if families[other] == known): known
            for known in families.values()
        }

    def for_model(self, model: str | None) -> Capabilities:
        """The capabilities of the family that *model* belongs to."""
        return self.families.get(family_of(model), self.default)

    def override(self, model: str | None = None, /, **values: Any) -> Self:
        """The same table with other values, for one model's family or, without one, for all.

        The new facts have the basis ``"documented"`` and the source ``"the caller"``.

        Args:
            model: A model's or a family's name.
            values: Fields of :class:`Capabilities` and their new values.

        Raises:
            ConfigurationError: There is no such field.
        """
        unknown = values.keys() - {name.name for name in fields(Capabilities)}
        if unknown:
            raise ConfigurationError(f"no such capability: {', '.join(sorted(unknown))}")
        changes = {name: Fact(value, "documented", "the caller") for name, value in values.items()}
        if model is not None:
            changed = evolve(self.for_model(model), **changes)
            return evolve(self, families={**self.families, family_of(model): changed})
        families = {family: evolve(known, **changes) for family, known in self.families.items()}
        return evolve(self, default=evolve(self.default, **changes), families=families)


def as_markdown(table: CapabilityTable) -> str:
    """One table in Markdown: families side by side, each value with its basis and its source."""
    columns = {head: known.facts() for head, known in table.columns().items()}
    lines = [["capability", *columns], ["---"] * (len(columns) + 1)]
    for name in table.default.facts():
        lines.append([f"`{name}`", *(_as_cell(facts[name]) for facts in columns.values())])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _as_cell(fact: Fact[Any]) -> str:
    return f"**{fact.in_words()}** ({fact.basis}; {fact.source})".replace("|", r"\|")


def _docs(value: T, source: str) -> Fact[T]:
    return Fact(value, "documented", source)


def _unknown(value: T, source: str) -> Fact[T]:
    return Fact(value, "unknown", source)


def _inferred(value: T, source: str) -> Fact[T]:
    return Fact(value, "inferred", source)


_WORDS: Final = ("none", "auto", "required", "function")
_NOTHING_FIXED: Final[Mapping[str, float]] = {}

_ACE: Final = Capabilities(
    partial_mode=_unknown(False, "1.3: undocumented"),
    json_object=_docs(True, "1.3"),
    json_schema=_docs(True, "1.3: newer spec only"),
    thinking_switch=_docs(False, "1.3: marked for kimi-k2.6 only"),
    effort=_docs((), "1.3: marked for kimi-k3 only"),
    tools=_docs(True, "1.3: newer spec only"),
    tool_choice=_docs(_WORDS, "1.3: newer spec only"),
    media=_docs(("text", "image_url", "file"), "1.3"),
    media_urls=_unknown(True, "1.3"),
    max_body_bytes=_unknown(None, "1.3"),
    fixed_sampling=_docs({"n": 1}, "1.3: 1 to 128 in the older spec"),
    fixed_temperature=_docs(_NOTHING_FIXED, "1.3: 0 to 2; the quick start sends 0.7 to K2.5"),
    max_output_tokens=_unknown(None, "7: 16384 in one version of the guide for K3"),
    default_output_tokens=_docs(None, "1.3"),
    stop_limit=_docs(4, "1.3"),
    stop_bytes=_unknown(None, "1.3"),
    reasoning_back=_unknown(False, "1.3: sent back as received"),
    refused=_unknown((), "1.5"),
    usage_place=Fact("last chunk", "captured", "1.4, acedata/stream_reasoning_ko"),
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
        # Documented and refuted: the K2.5 capture starts afresh instead of going on from the prefix.
        partial_mode=Fact(False, "captured", "2.3, cloudsway/chat_partial"),
        json_object=Fact(True, "captured", "2.3, cloudsway/chat_json_object"),
        json_schema=_unknown(False, "2.3: not shown"),
        thinking_switch=_docs(True, "2.3: accepted words unclear"),
        effort=_unknown((), "4"),
        tools=Fact(True, "captured", "2.3, cloudsway/chat_tool_call"),
        tool_choice=_docs(("auto",), "2.3: only auto is shown"),
        media=_unknown(("text",), "4: not shown"),
        media_urls=_unknown(True, "4: not shown"),
        max_body_bytes=_unknown(None, "2.3"),
        fixed_sampling=_docs(_NOTHING_FIXED, "2.3"),
        fixed_temperature=_docs(_NOTHING_FIXED, "2.3: 0 to 2; the samples send 0.3 to K2.5"),
        max_output_tokens=_docs(128_000, "2.3"),
        default_output_tokens=_docs(1024, "2.3"),
        stop_limit=_docs(4, "2.3"),
        stop_bytes=_unknown(None, "2.3"),
        reasoning_back=_unknown(False, "2.3: the sample with a tool result has none"),
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
    "empty-message",
    "empty-text",
    "missing-reasoning",
    "dangling-result",
    "media-url",
    "body-size",
)
_K2: Final = Capabilities(
    partial_mode=_docs(True, "3.3"),
    json_object=_docs(True, "3.3"),
    json_schema=_docs(True, "3.3"),
    thinking_switch=_docs(True, "3.2"),
    effort=_docs((), "3.3: K3 family only"),
    tools=_docs(True, "3.3"),
    tool_choice=_docs(
        ("auto", "none"), "3.3: required is for K3 only, a named one clashes with thinking"
    ),
    media=_docs(("text", "image_url", "video_url"), "3.3"),
    media_urls=_docs(False, "3.3: a data URL or ms://id"),
    max_body_bytes=_docs(100_000_000, "3.3"),
    fixed_sampling=_docs(_FIXED, "3.3"),
    fixed_temperature=_docs({"thinking": 1.0, "not thinking": 0.6}, "3.3"),
    max_output_tokens=_unknown(None, "3.3"),
    default_output_tokens=_docs(32_768, "3.3"),
    stop_limit=_docs(5, "3.3"),
    stop_bytes=_docs(32, "3.3"),
    reasoning_back=_docs(True, "3.3"),
    refused=_docs(_REFUSED_BY_MOONSHOT, "3.3, 3.5"),
    usage_place=_docs("choice", "3.4"),
)
_K3: Final = evolve(
    _K2,
    partial_mode=_inferred(False, "6.4: K3 ends after reasoning when prefilled"),
    thinking_switch=_docs(False, "3.2: always thinks"),
    effort=_docs(("low", "high", "max"), "3.3"),
    tool_choice=_docs(("auto", "none", "required"), "3.3"),
    max_output_tokens=_docs(1_048_576, "3.3"),
    default_output_tokens=_docs(131_072, "3.3"),
)

MOONSHOT: Final = CapabilityTable(
    _K2,
    {
        "kimi-k2.7": evolve(_K2, thinking_switch=_docs(False, "3.2: always thinks")),
        "kimi-k3": _K3,
        "kimi-k3.1": _K3,
    },
)

#: A host of which nothing is known but that it speaks the wire.
COMPATIBLE: Final = CapabilityTable(
    Capabilities(
        partial_mode=_unknown(False, "the host's own documentation"),
        json_object=_inferred(True, "the OpenAI wire"),
        json_schema=_unknown(False, "the host's own documentation"),
        thinking_switch=_unknown(False, "the host's own documentation"),
        effort=_unknown((), "the host's own documentation"),
        tools=_inferred(True, "the OpenAI wire"),
        tool_choice=_inferred(_WORDS, "the OpenAI wire"),
        media=_inferred(("text", "image_url"), "the OpenAI wire"),
        media_urls=_inferred(True, "the OpenAI wire"),
        max_body_bytes=_unknown(None, "the host's own documentation"),
        fixed_sampling=_unknown(_NOTHING_FIXED, "the host's own documentation"),
        fixed_temperature=_unknown(_NOTHING_FIXED, "the host's own documentation"),
        max_output_tokens=_unknown(None, "the host's own documentation"),
        default_output_tokens=_unknown(None, "the host's own documentation"),
        stop_limit=_inferred(4, "the OpenAI wire"),
        stop_bytes=_unknown(None, "the host's own documentation"),
        reasoning_back=_unknown(False, "the host's own documentation"),
        refused=_unknown((), "the host's own documentation"),
        usage_place=_inferred("last chunk", "the OpenAI wire"),
    )
)
