"""The capabilities of each provider: every value has a basis, a date, and a source that can be read."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import msgspec
import pytest
from capability_cases import DOCUMENTED, FAMILIES
from fact_rows import PAGE, sections
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec.structs import replace

from kimi_async import (
    AceDataCloud,
    Cloudsway,
    ConfigurationError,
    Moonshot,
    OpenAICompatible,
    Provider,
)
from kimi_async.capabilities import Basis, Capabilities, CapabilityTable, Fact, family_of
from kimi_async.testing import recording

ADAPTERS: dict[str, type[Provider]] = {
    kind.kind: kind for kind in (AceDataCloud, Cloudsway, Moonshot, OpenAICompatible)
}
TABLES: dict[str, CapabilityTable] = {name: kind().capabilities for name, kind in ADAPTERS.items()}
#: Every fact of every table, by provider, family and name.
FACTS: dict[str, Fact[Any]] = {
    f"{provider}/{family}/{name}": fact
    for provider, table in TABLES.items()
    for family, known in table.by_family().items()
    for name, fact in known.facts().items()
}
TYPES = get_type_hints(Capabilities)
SECTIONS = sections(PAGE.read_text("utf-8"))
CONF = runpy.run_path(str(PAGE.with_name("conf.py")))
#: Of a host that nobody has described.
ELSEWHERE = {"the OpenAI wire", "the host's own documentation"}

every_fact = pytest.mark.parametrize("place", FACTS)


# The facts.


@every_fact
def test_a_value_is_of_its_type(place: str) -> None:
    (kind,) = get_args(TYPES[place.rpartition("/")[2]])
    assert msgspec.convert(FACTS[place].value, kind, strict=True) == FACTS[place].value


@every_fact
def test_a_basis_is_one_of_five_and_has_its_day(place: str) -> None:
    fact = FACTS[place]
    assert fact.basis in get_args(Basis)
    assert fact.as_of in ("2026-11-22", "2026-11-28")
    assert fact.evidence() == f"{fact.basis} {fact.as_of}; {fact.source}"


@every_fact
def test_a_source_is_there(place: str) -> None:
    """A section of the page of wire facts, or a recording; notes stand after a colon."""
    sources = FACTS[place].source.partition(":")[0].split(", ")
    if set(sources) <= ELSEWHERE:
        assert place.startswith("openai/")
        return
    recorded = [source for source in sources if "/" in source]
    assert set(sources) - set(recorded) <= SECTIONS.keys()
    assert all(recording(name) for name in recorded)
    assert bool(recorded) == (FACTS[place].basis == "captured")


@pytest.mark.fact(
    "1.3/messages-content",
    "1.3/max-tokens",
    "1.3/n",
    "1.3/stop",
    "1.3/response-format",
    "1.3/tools-tool-choice-parallel-tool",
    "1.3/thinking",
    "1.3/reasoning-effort",
    "1.3/partial-message",
    "1.4/usage",
    "2.3/temperature",
    "2.3/max-tokens",
    "2.3/stop",
    "2.3/tools-tool-choice",
    "2.3/response-format",
    "2.3/messages-1-partial",
    "2.3/thinking",
    "3.3/max-completion-tokens",
    "3.3/top-p-n-penalties",
    "3.3/stop",
    "3.3/thinking",
    "3.3/reasoning-effort",
    "3.3/response-format",
    "3.3/tool-choice",
    "3.3/messages-1-partial",
    "3.3/content-parts",
    "6.4/prefill-ignored-by-a-reseller",
    "1.3/prompt-cache-key",
    "2.3/prompt-cache-key",
)
@pytest.mark.parametrize("row", DOCUMENTED)
def test_the_values_are_those_of_the_page(row: str) -> None:
    text, provider, model, values = DOCUMENTED[row]
    assert text in SECTIONS[row.partition("-")[0]]
    facts = TABLES[provider].for_model(model).facts()
    assert {name: facts[name].value for name in values} == values


def test_every_value_of_the_three_providers_is_in_that_table() -> None:
    checked = {
        (provider, name) for _, provider, _, values in DOCUMENTED.values() for name in values
    }
    assert checked == {
        (provider, name) for provider in ("acedata", "cloudsway", "moonshot") for name in TYPES
    }


def test_of_an_unknown_host_nothing_is_documented() -> None:
    bases = {fact.basis for place, fact in FACTS.items() if place.startswith("openai/")}
    assert bases == {"inferred", "unknown"}


# The families.


@pytest.mark.parametrize(
    ("model", "family"),
    [(model, family) for family, models in FAMILIES.items() for model in models],
)
def test_the_family_of_a_model(model: str | None, family: str) -> None:
    assert family_of(model) == family


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_its_own_family(family: str) -> None:
    assert family_of(family) == family


def test_every_model_that_the_page_names_has_a_family() -> None:
    named = set(re.findall(r"kimi-k[\w.-]*\w|moonshot-v\w+", SECTIONS["1.2"] + SECTIONS["3.2"]))
    assert len(named) > 10
    assert [model for model in named if family_of(model) == "*"] == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_the_families_of_a_table_can_be_reached(table: CapabilityTable) -> None:
    assert table.families.keys() <= FAMILIES.keys()


@given(model=st.text())
def test_any_name_has_a_family_and_capabilities(model: str) -> None:
    assert family_of(model) in FAMILIES
    table = TABLES["moonshot"]
    assert table.for_model(model) in table.by_family().values()


# What the caller knows better.


def test_override_for_one_family_leaves_the_others_alone() -> None:
    before = TABLES["acedata"]
    after = before.override("MaaS_Kimi_K2.5_20260127", partial_mode=True, stop_limit=9)
    changed = after.for_model("kimi-k2.5")
    assert changed.partial_mode == Fact(True, "documented", "the caller")
    assert changed.stop_limit.value == 9
    assert changed.media == before.default.media
    assert after.default == before.default
    assert after.families == {**before.families, "kimi-k2.5": changed}
    assert "kimi-k2.5" not in before.families


def test_override_for_a_family_with_values_of_its_own_keeps_them() -> None:
    known = TABLES["moonshot"].override("kimi-k3", partial_mode=True).for_model("kimi-k3")
    assert known == replace(
        TABLES["moonshot"].for_model("kimi-k3"), partial_mode=Fact(True, "documented", "the caller")
    )


def test_override_for_a_name_that_tells_nothing_is_for_all_such_names() -> None:
    after = TABLES["acedata"].override("my-model", effort=("max",))
    assert after.for_model("other").effort.value == after.for_model(None).effort.value == ("max",)
    assert after.for_model("kimi-k2.5").effort.value == ()


def test_override_for_all_reaches_every_family() -> None:
    after = TABLES["moonshot"].override(json_schema=False)
    assert {known.json_schema.value for known in after.by_family().values()} == {False}
    assert after.for_model("kimi-k3").effort.value == ("low", "high", "max")


@pytest.mark.parametrize("model", [None, "kimi-k3"])
def test_overriding_nothing_changes_nothing(model: str | None) -> None:
    assert TABLES["moonshot"].override(model) == TABLES["moonshot"]


@pytest.mark.parametrize("model", [5, b"kimi-k3", {"partial_mode": True}])
def test_a_model_that_is_not_a_text_is_refused(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes the name of a model or a family"):
        TABLES["acedata"].override(model)


@pytest.mark.parametrize("model", [None, "kimi-k3"])
def test_an_unknown_capability_is_refused(model: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TABLES["acedata"].override(model, vision=True, tools=True, partial=True)
    words = "no such capability: partial (did you mean 'partial_mode'?), vision"
    assert caught.value.message == words


#: Values that no capability has.
WRONG: dict[str, Any] = {"number": 0.5, "object": object(), "mapping": {5: 5}, "list": [5]}


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", TYPES)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TABLES["acedata"].override(**{name: value})
    assert caught.value.message.startswith(f"the capability {name} must be ")
    assert caught.value.message.endswith(f", not {value!r}")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("partial_mode", "yes", "must be bool, not 'yes'"),
        ("partial_mode", "\ud800", r"must be bool, not '\ud800'"),
        ("stop_limit", True, "must be int, not True"),
        ("effort", "max", "must be tuple[str, ...], not 'max'"),
    ],
)
def test_a_value_of_another_type_is_told_with_the_type(name: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        TABLES["acedata"].override("kimi-k3", **{name: value})


def test_a_list_may_stand_for_a_tuple() -> None:
    after = TABLES["acedata"].override(effort=["max"], partial_mode=True)
    assert after == TABLES["acedata"].override(effort=("max",), partial_mode=True)
    assert after.default.effort.value == ("max",)


def test_a_table_is_one_line_in_help() -> None:
    assert repr(TABLES["acedata"]) == "<CapabilityTable: default, kimi-k2.6, kimi-k3>"


@pytest.mark.parametrize("kind", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_can_be_given_another_table(kind: type[Provider]) -> None:
    own = kind()
    told = own.capabilities.override(partial_mode=True)
    other: Provider = cast("Any", kind)(capabilities=told)
    assert other.capabilities is told
    assert other != own
    assert "Fact" not in repr(other)


def test_a_table_is_not_changed_by_the_dict_that_it_was_made_of() -> None:
    families = {"kimi-k3": TABLES["acedata"].default}
    table = CapabilityTable(TABLES["acedata"].default, families)
    families.clear()
    assert table.families.keys() == {"kimi-k3"}


# How it is shown.

WORDS: dict[str, tuple[object, str]] = {
    "yes": (True, "yes"),
    "no": (False, "no"),
    "texts": (("low", "high"), "low, high"),
    "no-texts": ((), "none"),
    "numbers": ({"top_p": 0.95, "n": 1}, "top_p 0.95, n 1"),
    "no-numbers": ({}, "none"),
    "ranges": (
        {"thinking": (0, 1), "not thinking": (0.6, 0.6)},
        "thinking 0 to 1, not thinking 0.6",
    ),
    "days": ({"kimi-k2.5": "2026-08-31"}, "kimi-k2.5 2026-08-31"),
    "number": (1024, "1024"),
    "zero": (0, "0"),
    "text": ("any", "any"),
    "not-stated": (None, "not stated"),
}


@pytest.mark.parametrize(("value", "words"), WORDS.values(), ids=WORDS)
def test_a_value_in_words(value: object, words: str) -> None:
    assert Fact(value, "captured", "x").in_words() == words


def cells(table: CapabilityTable) -> list[list[str]]:
    """The cells of the Markdown of *table*, as a reader of Markdown sees them."""
    lines: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(CONF["as_markdown"](table)):
        if token.type == "tr_open":
            lines.append([])
        elif token.type == "inline":
            lines[-1].append(token.content)
    return lines


def test_the_markdown_of_a_table_has_families_side_by_side() -> None:
    head, *lines = cells(TABLES["acedata"])
    assert head == ["capability", "default", "kimi-k2.6", "kimi-k3"]
    assert [line[0].strip("`") for line in lines] == list(TYPES)
    assert lines[4][1:] == [
        "**no** (documented 2026-11-22; 1.3: marked for kimi-k2.6 only)",
        "**yes** (documented 2026-11-22; 1.3)",
        "**no** (documented 2026-11-22; 1.3: marked for kimi-k2.6 only)",
    ]


def test_families_that_can_do_the_same_share_a_column() -> None:
    families = {"kimi-k3": TABLES["acedata"].default, "kimi-k2.6": TABLES["cloudsway"].default}
    table = CapabilityTable(TABLES["acedata"].default, families)
    assert list(table.columns()) == ["default, kimi-k3", "kimi-k2.6"]
    assert table.columns()["default, kimi-k3"] == table.for_model("kimi-k3")
    other = table.override("kimi-k3", stop_limit=9)
    assert list(other.columns()) == ["default", "kimi-k3", "kimi-k2.6"]


def test_a_changed_table_changes_its_markdown() -> None:
    before = TABLES["cloudsway"]
    after = before.override("kimi-k3", effort=("a|b",))
    assert cells(after)[0] == ["capability", "default", "kimi-k3"]
    told = {line[0]: line[2] for line in cells(after)}
    assert told["`effort`"] == "**a|b** (documented; the caller)"


def test_the_page_of_the_documentation_shows_the_tables() -> None:
    pages = {"capabilities": ["# Capabilities\n"], "index": ["# Index\n"]}
    for name, source in pages.items():
        CONF["add_capabilities"](None, name, source)
    assert pages["index"] == ["# Index\n"]
    for table in TABLES.values():
        assert CONF["as_markdown"](table) in pages["capabilities"][0]
    assert [provider.name for provider in CONF["PROVIDERS"].values()] == list(ADAPTERS)
    assert Path(CONF["__file__"]).with_name("capabilities.md").is_file()
