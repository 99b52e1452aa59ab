"""``kimi-async providers``: print the capabilities of each provider and model family, with sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO

from msgspec import to_builtins
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kimi_async import AceDataCloud, Cloudsway, Moonshot, OpenAICompatible, Provider
from kimi_async.capabilities import CapabilityTable, Fact
from kimi_async.cli._json import json_line

__all__ = ["show_providers"]

_PROVIDERS: Final[tuple[Provider, ...]] = (
    AceDataCloud(),
    Cloudsway(),
    Moonshot(),
    OpenAICompatible(),
)


#: The cells of the first column, and the fewest of another one: fewer would break most words.
_FIRST_COLUMN: Final = 24
_COLUMN: Final = 18


def show_providers(file: TextIO, *, as_json: bool) -> None:
    """Write the capabilities of each provider.

    A terminal gets tables, a file one line for each value, and JSON has one line for each provider.

    Args:
        file: Where to write.
        as_json: Whether as JSON.
    """
    for provider in _PROVIDERS:
        if as_json:
            file.write(_as_json(provider.name, provider.capabilities))
        elif file.isatty():
            console = Console(file=file)
            console.print(*_as_tables(provider.name, provider.capabilities, console.width))
        else:
            file.write(_as_lines(provider.name, provider.capabilities))
    file.flush()


def _as_json(provider: str, table: CapabilityTable) -> str:
    families = {family: to_builtins(known) for family, known in table.by_family().items()}
    return json_line({"provider": provider, "families": families})


def _as_lines(provider: str, table: CapabilityTable) -> str:
    return "".join(
        f"{provider} {family} {name}: {fact.in_words()} ({fact.evidence()})\n"
        for family, known in table.by_family().items()
        for name, fact in known.facts().items()
    )


def _as_tables(provider: str, table: CapabilityTable, width: int) -> Iterator[Table]:
    """Yield the families side by side, in as many tables as *width* needs."""
    columns = [(head, known.facts()) for head, known in table.columns().items()]
    beside = max(1, (width - _FIRST_COLUMN) // _COLUMN)
    for start in range(0, len(columns), beside):
        yield _as_table(provider, dict(columns[start : start + beside]))


def _as_table(provider: str, columns: Mapping[str, Mapping[str, Fact[Any]]]) -> Table:
    shown = Table(title=provider, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    shown.padding, shown.pad_edge = (0, 1, 0, 0), False
    shown.add_column("capability", no_wrap=True)
    for head in columns:
        shown.add_column(head, overflow="fold")
    for name in next(iter(columns.values())):
        shown.add_row(name, *(_as_cell(facts[name]) for facts in columns.values()))
    return shown


def _as_cell(fact: Fact[Any]) -> Text:
    cell = Text(fact.in_words())
    return cell if fact.basis == "documented" else cell.append(f" ({fact.basis})", style="dim")
