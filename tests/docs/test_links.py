"""Each link between the pages of the repository leads to a page, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from paths import ROOT

#: Pages that are read in the repository; Sphinx checks the links of those in docs/.
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "tests" / "README.md"])


def slugs(page: Path) -> set[str]:
    """Return the anchors of the headings, as the site and the hosts of repositories make them."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    titles = [
        tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [url for url in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in url]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in slugs(target), link


def test_the_readme_has_links() -> None:
    assert "docs/openai.md#a-reply-that-was-cut" in links(ROOT / "README.md")
