"""``kimi-async doctor``: compare a provider with the things that the library believes of it."""

from __future__ import annotations

import json
import sys
from typing import Any, Final, TextIO

import anyio
from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kimi_async import (
    AsyncKimi,
    ConfigurationError,
    KimiError,
    Provider,
    Retries,
    Timeouts,
    TransportError,
)
from kimi_async.capabilities import Capabilities, Fact
from kimi_async.cli._json import json_line
from kimi_async.cli._output import clean, report
from kimi_async.cli._probes import MAX_TOKENS, PROBES, Finding, Heard, Probe, findings
from kimi_async.cli._waiting import SignOfLife

__all__ = [
    "Examination",
    "agrees",
    "examine",
    "run_doctor",
    "show_examination",
]

_TIMEOUTS: Final = Timeouts(first_output=120, idle=120, progress=120, total=300)


@frozen(kw_only=True)
class Examination:
    """One run of doctor.

    Attributes:
        provider: The provider.
        model: The model; ``None`` where the provider needs none.
        findings: The findings, in the order of the requests.
    """

    provider: Provider
    model: str | None
    findings: tuple[Finding, ...]

    @property
    def known(self) -> Capabilities:
        """The capabilities that the library believes in."""
        return self.provider.capabilities.for_model(self.model)

    def believed(self, finding: Finding) -> Fact[Any] | None:
        """Return the fact of the table that a finding is about; ``None`` if the table does not have it."""
        return None if finding.capability is None else self.known.facts()[finding.capability]

    def differs(self, finding: Finding) -> bool:
        """Return whether the finding contradicts the table."""
        believed = self.believed(finding)
        # The place "any" makes no claim that a finding could contradict.
        return (
            believed is not None and finding.value is not None and believed.value != finding.value
        ) and believed.value != "any"

    def override(self, finding: Finding) -> str | None:
        """Return the code that makes the library believe a finding; ``None`` if it needs none."""
        name = type(self.provider).__name__
        if finding.setting is not None:
            return f"{name}({finding.setting})"
        if not self.differs(finding):
            return None
        value = finding.value if isinstance(finding.value, bool) else json.dumps(finding.value)
        family = "" if self.model is None else f"{json.dumps(self.model)}, "
        change = f"override({family}{finding.capability}={value})"
        return f"{name}(capabilities={name}().capabilities.{change})"


def run_doctor(provider: Provider, model: str | None, *, yes: bool, as_json: bool) -> bool:
    """Ask, send the requests and show the findings.

    Args:
        provider: The provider; its key is taken from the environment.
        model: The model; ``None`` where the provider needs none.
        yes: Whether the user has agreed on the command line.
        as_json: Whether the findings are written as JSON.

    Returns:
        Whether every request had an answer.

    Raises:
        ConfigurationError: The key or the model is missing, or the question cannot be asked.
    """
    if provider.needs_model and not model:
        raise ConfigurationError("no model: give --model, or set KIMI_MODEL")
    # A continuation, a retry or a check would hide the things that the provider does.
    client = AsyncKimi(
        provider,
        model=model,
        timeouts=_TIMEOUTS,
        checks="off",
        on_interrupt="raise",
        retries=Retries.none(),
    )
    if not yes and not agrees(f"{provider.name} {model or ''}".strip(), sys.stdin, sys.stderr):
        report("nothing was sent")
        return False
    with SignOfLife():
        found = anyio.run(examine, client)
    examination = Examination(provider=provider, model=model, findings=found)
    show_examination(examination, sys.stdout, as_json=as_json)
    return not any(finding.failed for finding in found)


def agrees(name: str, stdin: TextIO | None, stderr: TextIO) -> bool:
    """Ask whether the requests may be sent.

    Args:
        name: The provider and the model that would get them.
        stdin: The file for the answer; ``None`` in a process that was started without.
        stderr: The file for the question.

    Returns:
        Whether the user agrees.

    Raises:
        ConfigurationError: The question cannot be asked, because *stdin* is not a terminal.
    """
    if stdin is None or not stdin.isatty():
        raise ConfigurationError("doctor spends tokens and cannot ask here; give --yes to agree")
    paid = sum(probe.costs for probe in PROBES)
    stderr.write(
        f"doctor sends {len(PROBES)} requests to {clean(name)}.\n"
        f"{paid} of them are billed: short prompts, and at most {MAX_TOKENS} tokens of output each.\n"
        f"That is at most {paid * MAX_TOKENS:,} tokens of output in all.\nContinue? [y/N] "
    )
    stderr.flush()
    return stdin.readline().strip().lower() in ("y", "yes")


async def examine(client: AsyncKimi) -> tuple[Finding, ...]:
    """Send the requests, one after the other, and return the findings in their replies; closes *client*."""
    found: list[Finding] = []
    plain: Heard | None = None
    async with client:
        for probe in PROBES:
            heard = await _send(client, probe)
            plain = plain or heard
            found += findings(probe, heard, plain)
            if isinstance(plain.error, TransportError):
                # Each of the others could wait as long.
                found.append(
                    Finding(aspect="other requests", seen="not sent: the host does not answer")
                )
                break
    return tuple(found)


async def _send(client: AsyncKimi, probe: Probe) -> Heard:
    """Send one request; an error is a part of the result."""
    events: list[str] = []
    stream = client.stream(probe.messages, **probe.params)
    failure: KimiError | None = None
    try:
        async for event in stream.sse():
            events.append(event.data)
    except KimiError as error:
        failure = error
    response = stream.response
    return Heard(
        events=tuple(events),
        reply=stream.snapshot,
        error=failure,
        headers={} if response is None else response.headers,
        request_id=None if response is None else response.request_id,
        first_output=stream.record.first_output_after,
    )


def show_examination(examination: Examination, file: TextIO, *, as_json: bool) -> None:
    """Write the findings beside the table, and the code for each difference.

    A terminal gets a table, a file one line for each finding, and JSON has one line for each finding.

    Args:
        examination: The findings.
        file: Where to write.
        as_json: Whether as JSON.
    """
    if as_json:
        file.writelines(_as_json(examination, finding) for finding in examination.findings)
    elif file.isatty():
        Console(file=file, highlight=False).print(_as_table(examination))
        file.write(_advice(examination))
    else:
        file.writelines(_as_line(examination, finding) for finding in examination.findings)
        file.write(_advice(examination))
    file.flush()


def _as_json(examination: Examination, finding: Finding) -> str:
    believed = examination.believed(finding)
    return json_line(
        {
            "aspect": finding.aspect,
            "seen": finding.seen,
            "capability": finding.capability,
            "value": finding.value,
            "table": None if believed is None else believed.value,
            "basis": None if believed is None else believed.basis,
            "differs": examination.differs(finding),
            "failed": finding.failed,
            "override": examination.override(finding),
        }
    )


def _as_line(examination: Examination, finding: Finding) -> str:
    table = _table_says(examination, finding)
    known = f" (the table: {table})" if table else ""
    differs = " DIFFERS" if examination.differs(finding) else ""
    return f"{finding.aspect}: {_one_line(finding.seen)}{known}{differs}\n"


def _one_line(text: str) -> str:
    return clean(" ".join(text.split()))


def _table_says(examination: Examination, finding: Finding) -> str:
    believed = examination.believed(finding)
    return "" if believed is None else f"{believed.in_words()}, {believed.basis}"


def _as_table(examination: Examination) -> Table:
    model = f" {examination.model}" if examination.model else ""
    shown = Table(
        title=Text(clean(f"{examination.provider.name}{model}")),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    shown.padding, shown.pad_edge = (0, 1, 0, 0), False
    shown.add_column("", no_wrap=True)
    shown.add_column("the provider does", overflow="fold")
    shown.add_column("the table says", overflow="fold")
    shown.add_column("", no_wrap=True)
    for finding in examination.findings:
        differs = examination.differs(finding)
        style = "bold" if differs or finding.failed else ""
        shown.add_row(
            Text(finding.aspect, style=style),
            Text(_one_line(finding.seen), style=style),
            Text(_table_says(examination, finding)),
            Text("differs" if differs else "", style="bold"),
        )
    return shown


def _advice(examination: Examination) -> str:
    overrides = [examination.override(finding) for finding in examination.findings]
    lines = [f"  {clean(line)}\n" for line in overrides if line is not None]
    if not lines:
        return ""
    return "\nTo make the library follow the provider:\n\n" + "".join(lines)
