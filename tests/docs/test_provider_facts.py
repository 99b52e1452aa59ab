"""Each row of the tables in docs/providers.md has a test marked with its name, or a policy."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fact_rows import PAGE, fact_rows
from paths import ROOT

#: The rows that no test can show, with the reason.
POLICIES = {
    "1.4/usage-prompt-tokens-k3": "We pass the counts on and compute nothing from them.",
}


def marked(test: Path) -> Iterator[str]:
    """Yield the rows in the ``pytest.mark.fact`` decorators of the file *test*."""
    for node in ast.walk(ast.parse(test.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fact":
            yield from map(ast.literal_eval, node.args)


def test_each_row_has_a_test_or_a_policy_and_each_mark_names_a_row() -> None:
    facts = {fact for test in (ROOT / "tests").rglob("test_*.py") for fact in marked(test)}
    rows = fact_rows(PAGE.read_text("utf-8"))
    assert facts.isdisjoint(POLICIES)
    assert sorted(facts | POLICIES.keys()) == sorted(rows)


def test_the_name_of_a_row_is_its_section_and_the_first_words_of_its_cells() -> None:
    page = r"""
### 1.5 Errors: `{"a"}`
Text.

| HTTP | code | Meaning |
|---|---|---|
| 400 or 401 | (x402 body) | y |
| 409 | | z |

### 6.3 Tool calls

| Quirk | Behaviour |
|---|---|
| Marker tokens (`<\|begin\|>`) in text or in reasoning | hide |
## 7. At a glance
| not | a fact |
"""
    assert fact_rows(page) == [
        "1.5/400-or-401-x402-body",
        "1.5/409",
        "6.3/marker-tokens-begin-in-text",
    ]
