"""What is known of each provider: every value with a basis and a source that is there to be read."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from list_rows import PAGE, sections
from markdown_it import MarkdownIt

from kimi_async import (
    AceDataCloud,
    Basis,
    Capabilities,
    CapabilityTable,
    ChatAdapter,
    Cloudsway,
    ConfigurationError,
    Fact,
    Moonshot,
    OpenAICompatible,
    family_of,
)
from kimi_async._adapters import as_markdown
from kimi_async.testing import recording

ADAPTERS: dict[str, type[ChatAdapter]] = {
    kind.name: kind for kind in (AceDataCloud, Cloudsway, Moonshot, OpenAICompatible)
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
#: Of a host that nobody has described.
ELSEWHERE = {"the OpenAI wire", "the host's own documentation"}

every_fact = pytest.mark.parametrize("place", FACTS)


# The facts.


@every_fact
def test_a_value_is_of_its_type(place: str) -> None:
    (kind,) = get_args(TYPES[place.rpartition("/")[2]])
    assert msgspec.convert(FACTS[place].value, kind, strict=True) == FACTS[place].value


@every_fact
def test_a_basis_is_one_of_four(place: str) -> None:
    assert FACTS[place].basis in get_args(Basis)


@every_fact
def test_a_source_is_there(place: str) -> None:
    """A section of the page of wire facts, or a recording; notes stand behind a colon."""
    sources = FACTS[place].source.partition(":")[0].split(", ")
    if set(sources) <= ELSEWHERE:
        assert place.startswith("openai/")
        return
    recorded = [source for source in sources if "/" in source]
    assert set(sources) - set(recorded) <= SECTIONS.keys()
    assert all(recording(name) for name in recorded)
    assert bool(recorded) == (FACTS[place].basis == "captured")


# What the page says: a piece of its text, and the values that follow from it.
DOCUMENTED: dict[str, tuple[str, str, str | None, dict[str, Any]]] = {
    "1.3-partial": (
        "| partial (message) | bool | | | undocumented at Ace |",
        "acedata",
        None,
        {"partial_mode": False},
    ),
    "1.3-response_format": (
        "| object | older: text, json_object; newer: also json_schema |",
        "acedata",
        None,
        {"json_object": True, "json_schema": True},
    ),
    "1.3-thinking": (
        "| thinking | object | type enabled/disabled, keep \"all\" | | marked for kimi-k2.6 only |",
        "acedata",
        "kimi-k2.6",
        {"thinking_switch": True, "effort": ()},
    ),
    "1.3-thinking-of-others": (
        "marked for kimi-k2.6 only",
        "acedata",
        "kimi-k2.5",
        {"thinking_switch": False, "effort": ()},
    ),
    "1.3-reasoning_effort": (
        "| reasoning_effort | string | low/high/max | max | marked for kimi-k3;",
        "acedata",
        "kimi-k3",
        {"effort": ("low", "high", "max"), "thinking_switch": False},
    ),
    "1.3-tools": (
        "| tools, tool_choice, parallel_tool_calls | | none/auto/required/object |",
        "acedata",
        None,
        {"tools": True, "tool_choice": ("none", "auto", "required", "function")},
    ),
    "1.3-content": (
        "| string or parts | text, image_url, file |",
        "acedata",
        None,
        {"media": ("text", "image_url", "file")},
    ),
    "1.3-n": ("| older 1..128, newer exactly 1 |", "acedata", None, {"fixed_sampling": {"n": 1}}),
    "1.3-max_tokens": (
        "| max_tokens | number/null | | none |",
        "acedata",
        None,
        {"default_output_tokens": None},
    ),
    "7-max_tokens": (
        "one version of the guide gives 16,384 tokens",
        "acedata",
        "kimi-k3",
        {"max_output_tokens": None},
    ),
    "1.3-stop": ("| stop | string or array | up to 4 |", "acedata", None, {"stop_limit": 4}),
    "1.4-usage": (
        "| last chunk: `choices:[]` + usage, then `[DONE]` |",
        "acedata",
        None,
        {"usage_place": "last chunk"},
    ),
    "2.3-partial": (
        "documented, but the K2.5 capture starts afresh",
        "cloudsway",
        "kimi-k2.5",
        {"partial_mode": False},
    ),
    "2.3-response_format": (
        "| `json_object` shown | | json_schema not shown |",
        "cloudsway",
        None,
        {"json_object": True, "json_schema": False},
    ),
    "2.3-thinking": (
        '| thinking | object | `{"type":"false","budget_tokens":2000}` shown | on |',
        "cloudsway",
        None,
        {"thinking_switch": True},
    ),
    "4-effort": (
        "| reasoning_effort (K3) | unknown | reasoning_effort (K3) |",
        "cloudsway",
        "kimi-k3",
        {"effort": ()},
    ),
    "2.3-tools": (
        '| tools, tool_choice | | `"auto"` shown |',
        "cloudsway",
        None,
        {"tools": True, "tool_choice": ("auto",)},
    ),
    "4-media": (
        "| media | image, file | not shown | image, video |",
        "cloudsway",
        None,
        {"media": ("text",)},
    ),
    "2.3-temperature": ("| temperature | number | 0..2 |", "cloudsway", None, {"fixed_sampling": {}}),
    "2.3-max_tokens": (
        "| max_tokens | int | up to 128000 | **1024** |",
        "cloudsway",
        None,
        {"max_output_tokens": 128_000, "default_output_tokens": 1024},
    ),
    "2.3-stop": ("| stop | string/array | up to 4 |", "cloudsway", None, {"stop_limit": 4}),
    "5-usage": (
        "| last, empty choices | body; stream unknown |",
        "cloudsway",
        None,
        {"usage_place": "any"},
    ),
    "3.2-k3.1": (
        "| kimi-k3.1-pro, -highspeed | always | top-level `reasoning_effort` low/high/max,",
        "moonshot",
        "kimi-k3.1-pro",
        {"thinking_switch": False, "effort": ("low", "high", "max")},
    ),
    "3.2-k3": (
        "| kimi-k3 | always | same |",
        "moonshot",
        "kimi-k3",
        {"thinking_switch": False, "effort": ("low", "high", "max")},
    ),
    "3.2-k2.7": (
        "| kimi-k2.7-code, -highspeed | always |",
        "moonshot",
        "kimi-k2.7-code",
        {"thinking_switch": False, "effort": ()},
    ),
    "3.2-k2.6": (
        "| kimi-k2.6 | default on | `thinking.type` enabled/disabled,",
        "moonshot",
        "kimi-k2.6",
        {"thinking_switch": True, "effort": ()},
    ),
    "3.3-max_completion_tokens-of-k3": (
        "| K3 up to 1048576 | K3 131072; K2.x 32768 |",
        "moonshot",
        "kimi-k3",
        {"max_output_tokens": 1_048_576, "default_output_tokens": 131_072},
    ),
    "3.3-max_completion_tokens-of-k2": (
        "| K3 up to 1048576 | K3 131072; K2.x 32768 |",
        "moonshot",
        "kimi-k2.6",
        {"max_output_tokens": None, "default_output_tokens": 32_768},
    ),
    "3.3-fixed": (
        "| top_p / n / penalties | | fixed 0.95 / 1 / 0 |",
        "moonshot",
        None,
        {
            "fixed_sampling": {
                "top_p": 0.95,
                "n": 1,
                "presence_penalty": 0,
                "frequency_penalty": 0,
            }
        },
    ),
    "3.3-stop": ("| stop | string or array | 5 items,", "moonshot", None, {"stop_limit": 5}),
    "3.3-response_format": (
        "| response_format | object | text, json_object, json_schema |",
        "moonshot",
        None,
        {"json_object": True, "json_schema": True},
    ),
    "3.3-tool_choice-of-k3": (
        "required: K3 only",
        "moonshot",
        "kimi-k3",
        {"tools": True, "tool_choice": ("auto", "none", "required")},
    ),
    "3.3-tool_choice-of-k2": (
        "named function clashes with thinking (400) or is ignored",
        "moonshot",
        "kimi-k2.6",
        {"tools": True, "tool_choice": ("auto", "none")},
    ),
    "3.3-partial": (
        "| messages[-1].partial | bool | role assistant, last message |",
        "moonshot",
        "kimi-k2.6",
        {"partial_mode": True},
    ),
    "6.4-partial": (
        "K3 ends after reasoning when prefilled",
        "moonshot",
        "kimi-k3",
        {"partial_mode": False},
    ),
    "3.3-content": (
        "| content parts | array | text, image_url, video_url |",
        "moonshot",
        None,
        {"media": ("text", "image_url", "video_url")},
    ),
    "3.4-usage": (
        "recorded shape is `choices[0].usage` on the finish chunk",
        "moonshot",
        None,
        {"usage_place": "choice"},
    ),
}


@pytest.mark.parametrize("row", DOCUMENTED)
def test_the_values_are_those_of_the_page(row: str) -> None:
    text, provider, model, values = DOCUMENTED[row]
    assert text in SECTIONS[row.partition("-")[0]]
    facts = TABLES[provider].for_model(model).facts()
    assert {name: facts[name].value for name in values} == values


def test_every_value_of_the_three_providers_is_in_that_table() -> None:
    checked = {(provider, name) for _, provider, _, values in DOCUMENTED.values() for name in values}
    assert checked == {
        (provider, name) for provider in ("acedata", "cloudsway", "moonshot") for name in TYPES
    }


def test_of_an_unknown_host_nothing_is_documented() -> None:
    bases = {fact.basis for place, fact in FACTS.items() if place.startswith("openai/")}
    assert bases == {"inferred", "unknown"}


# The families.

FAMILIES: dict[str, list[str | None]] = {
    "kimi-k3.1": ["kimi-k3.1-pro", "kimi-k3.1-pro-highspeed", "kimi-k3.1"],
    "kimi-k3": ["kimi-k3", "KIMI-K3", "moonshotai/kimi-k3:free"],
    "kimi-k2.7": ["kimi-k2.7-code", "kimi-k2.7-code-highspeed"],
    "kimi-k2.6": ["kimi-k2.6", "moonshotai/Kimi-K2.6"],
    "kimi-k2.5": ["kimi-k2.5", "MaaS_Kimi_K2.5_20260127"],
    "kimi-k2-thinking": ["kimi-k2-thinking", "kimi-k2-thinking-turbo", "moonshotai.kimi-k2-thinking"],
    "kimi-k2": [
        "kimi-k2",
        "kimi-k2-instruct-0905",
        "kimi-k2-0905-preview",
        "kimi-k2-0711-preview",
        "kimi-k2-turbo-preview",
        "groq/moonshotai/Kimi-K2-Instruct",
    ],
    "*": [
        None,
        "",
        "kimi",
        "kimi-k",
        "kimi-latest",
        "MaaS_Kimi_X",
        "moonshot-v1-8k",
        "grok-4-0709",
        "kimi-k1.5",
        "kimi-k20",
        "kimi-k2.50",
        "kimi-k2.5.1",
        "kimi-k3.2",
        "kimi-k4",
        "accounts/fireworks/models/kimi-k2p5",
        "akimi-k2",
    ],
}


@pytest.mark.parametrize(
    ("model", "family"), [(model, family) for family, models in FAMILIES.items() for model in models]
)
def test_the_family_of_a_model(model: str | None, family: str) -> None:
    assert family_of(model) == family


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_its_own_family(family: str) -> None:
    assert family_of(family) == family


def test_every_model_that_the_page_names_has_a_family() -> None:
    named = set(re.findall(r"kimi-k[\w.-]*\w", SECTIONS["1.2"] + SECTIONS["3.2"]))
    assert len(named) > 10
    assert [model for model in named if family_of(model) == "*"] == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_the_families_of_a_table_can_be_reached(table: CapabilityTable) -> None:
    assert table.families.keys() <= FAMILIES.keys()


@given(model=st.text())
def test_any_name_has_a_family_and_capabilities(model: str) -> None:
    assert family_of(model) in FAMILIES
    assert TABLES["moonshot"].for_model(model)


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
    assert known == evolve(
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


@pytest.mark.parametrize("model", [None, "kimi-k3"])
def test_an_unknown_capability_is_refused(model: str | None) -> None:
    with pytest.raises(ConfigurationError, match="^no such capability: partial, vision$"):
        TABLES["acedata"].override(model, vision=True, tools=True, partial=True)


@pytest.mark.parametrize("kind", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_can_be_given_another_table(kind: type[ChatAdapter]) -> None:
    own = kind()
    told = own.capabilities.override(partial_mode=True)
    other = kind(capabilities=told)
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
    for token in MarkdownIt("commonmark").enable("table").parse(as_markdown(table)):
        if token.type == "tr_open":
            lines.append([])
        elif token.type == "inline":
            lines[-1].append(token.content)
    return lines


def test_the_markdown_of_a_table_has_families_side_by_side() -> None:
    head, *lines = cells(TABLES["acedata"])
    assert head == ["capability", "default", "kimi-k2.6", "kimi-k3"]
    assert [line[0].strip("`") for line in lines] == list(TYPES)
    assert lines[3][1:] == [
        "no (documented; 1.3: marked for kimi-k2.6 only)",
        "yes (documented; 1.3)",
        "no (documented; 1.3: marked for kimi-k2.6 only)",
    ]


def test_a_changed_table_changes_its_markdown() -> None:
    before = TABLES["cloudsway"]
    after = before.override("kimi-k3", effort=("a|b",))
    assert cells(after)[0] == ["capability", "default", "kimi-k3"]
    told = {line[0]: line[2] for line in cells(after)}
    assert told["`effort`"] == "a|b (documented; the caller)"


def test_the_page_of_the_documentation_shows_the_tables() -> None:
    conf = runpy.run_path(str(PAGE.with_name("conf.py")))
    pages = {"capabilities": ["# Capabilities\n"], "index": ["# Index\n"]}
    for name, source in pages.items():
        conf["add_capabilities"](None, name, source)
    assert pages["index"] == ["# Index\n"]
    for table in TABLES.values():
        assert as_markdown(table) in pages["capabilities"][0]
    assert [adapter.name for adapter in conf["PROVIDERS"].values()] == list(ADAPTERS)
    assert Path(conf["__file__"]).with_name("capabilities.md").is_file()
