"""Sphinx configuration. ``nox -s docs`` builds the pages and runs their examples.

No intersphinx: the build needs no network.
"""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

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
html_theme = "furo"
html_title = f"kimi_async {release}"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
myst_heading_anchors = 3  # pages link to each other's headings

# Dotted names that are not ours belong to other projects, whose pages we do not know.
# Every name of ours has to resolve.
nitpick_ignore_regex = [
    ("py:.*", r"(?!kimi_async\.)\w+\..*"),
    ("py:class", r"kimi_async\.(.*\.)?[A-Z]"),  # type variables have no page
]


def link_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: TextElement
) -> Element | None:
    """Link an object to where it is documented.

    Annotations name the module that defines it (``kimi_async._stream.ChatStream``), pages the one that exports it
    (``kimi_async.ChatStream``).
    """
    parts = str(node.get("reftarget", "")).split(".")
    target = ".".join(part for part in parts if not part.startswith("_"))
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], target, node, contnode
    )


def setup(app: Sphinx) -> None:
    """Connect what is above."""
    app.connect("missing-reference", link_public_name)
