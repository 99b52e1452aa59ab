"""Sphinx configuration. ``nox -s docs`` builds the pages and runs their examples.

No intersphinx: the build needs no network.
"""

from __future__ import annotations

import re
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kimi_async import AceDataCloud, Cloudsway, Moonshot, OpenAICompatible, Provider
from kimi_async.capabilities import CapabilityTable, Fact

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "kimi_async"
author = "The kimi_async authors"
project_copyright = "2026, The kimi_async authors"
version = release = installed_version("kimi-async")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["figures"]  # parts of a page, written by the sessions that measure
html_theme = "furo"
html_title = f"kimi_async {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).with_name("_scorer.js"))

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes as one list: the signature above it has their types
python_maximum_signature_line_length = 88  # longer ones get a line for each parameter
toc_object_entries_show_parents = "hide"
myst_heading_anchors = 3  # pages link to each other's headings

# Dotted names that are not ours belong to other projects, whose pages we do not know.
# Every name of ours has to resolve.
nitpick_ignore_regex = [
    ("py:.*", r"(?!kimi_async\.)\w+\..*"),
    ("py:class", r"~?(kimi_async\.(.*\.)?)?[A-Z](_co)?"),  # type variables have no page
    (
        "py:class",
        r"(kimi_async\._(http\._clients|wire|configuration)\.)?(HttpClient|AiohttpClient|ToolDefinition|NoOptions|Said)",
    ),  # protocols and aliases of annotations, which have no page
    (
        "py:class",
        r"kimi_async\.testing\._(completion\.Completion|wire\.ErrorSpec|latency\.Distribution|oddity\.Oddities)",
    ),  # types of the values that only a fake of one's own reads
]


#: The public modules beside the package itself.
SUBMODULES = ("tools", "structured", "conversation", "capabilities")


def link_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: TextElement
) -> Element | None:
    """Link an object to where it is documented.

    Annotations name the module that defines it (``kimi_async._stream.ChatStream``), pages the one that exports it
    (``kimi_async.ChatStream``).
    """
    parts = str(node.get("reftarget", "")).split(".")
    public = [part for part in parts if not part.startswith("_")]
    # A page of a submodule, or of the package: the private name does not tell which of them exports it.
    targets = [".".join(public), *(f"kimi_async.{module}.{parts[-1]}" for module in SUBMODULES)]
    # A method: its class is the part before it.
    targets += [f"kimi_async.{module}.{'.'.join(parts[-2:])}" for module in SUBMODULES]
    python = env.domains.python_domain
    for target in targets:
        found = python.resolve_xref(
            env, node["refdoc"], app.builder, node["reftype"], target, node, contnode
        )
        if found is not None:
            return found
    return None


def shorten_types(*args: Any) -> None:
    """Print the last part of the names in the types of attributes, as ``autodoc_typehints_format`` does elsewhere."""
    lines: list[str] = args[-1]
    for number, line in enumerate(lines):
        if line.startswith(":vartype"):
            # Sphinx makes no links in a type that holds a literal, and prints the tilde that shortens them.
            short = "" if "Literal[" in line else r"~\g<0>"
            lines[number] = re.sub(r"(?<![\w.])(?:[a-z]\w*\.)+", short, line)


#: Defaults that nobody would write: those that attrs makes anew each time, functions, and tables of capabilities.
LONG_DEFAULTS = re.compile(r"NOTHING|<function .*?>+|<CapabilityTable: .*?>")


def shorten_defaults(*args: Any) -> tuple[str, str | None] | None:
    """Print ``...`` for a default that says nothing to a reader, and a class by its name."""
    signature, returns = args[-2:]
    short = re.sub(r"<class '(\w+)'>", r"\1", LONG_DEFAULTS.sub("...", signature or ""))
    return (short, returns) if signature else None


#: The providers of the page of capabilities, by heading.
PROVIDERS: dict[str, Provider] = {
    "Ace Data Cloud": AceDataCloud(),
    "Cloudsway": Cloudsway(),
    "Moonshot": Moonshot(),
    "Any other OpenAI-compatible host": OpenAICompatible(),
}


def as_markdown(table: CapabilityTable) -> str:
    """Return one table in Markdown: families side by side, each value with its evidence."""
    columns = {head: known.facts() for head, known in table.columns().items()}
    lines = [["capability", *columns], ["---"] * (len(columns) + 1)]
    for name in table.default.facts():
        lines.append([f"`{name}`", *(_as_cell(facts[name]) for facts in columns.values())])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _as_cell(fact: Fact[Any]) -> str:
    return f"**{fact.in_words()}** ({fact.evidence()})".replace("|", r"\|")


def add_capabilities(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the tables of capabilities onto their page."""
    if docname == "capabilities":
        source[0] += "".join(
            f"\n## {heading}\n\n{as_markdown(provider.capabilities)}"
            for heading, provider in PROVIDERS.items()
        )


def setup(app: Sphinx) -> None:
    """Connect the functions above to the events of Sphinx."""
    app.connect("missing-reference", link_public_name)
    app.connect("autodoc-process-signature", shorten_defaults)
    app.connect("autodoc-process-docstring", shorten_types, priority=600)  # after napoleon
    app.connect("source-read", add_capabilities)
