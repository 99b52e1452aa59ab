"""The commands and their options; the work of each command is in a module of its own.

Most commands import their work when they run. Together these modules would be half of the start of each command.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, TextIO, TypeAlias

import anyio
import typer

from kimi_async import ConfigurationError, __version__
from kimi_async.cli._ask import (
    Question,
    checked_text,
    chosen_params,
    chosen_provider,
    read_prompt,
)
from kimi_async.cli._ask import ask as run_ask
from kimi_async.cli._help import (
    ASK_HELP,
    BATCH_EXIT_CODES,
    BATCH_HELP,
    DOCTOR_EXIT_CODES,
    DOCTOR_HELP,
    EXIT_CODES,
    FAKE_HELP,
    MODELS_HELP,
    PROVIDERS_HELP,
)
from kimi_async.cli._json import JsonRenderer
from kimi_async.cli._models import list_models
from kimi_async.cli._output import Output, never_fail_on_characters, shows_styles
from kimi_async.cli._providers import show_providers
from kimi_async.cli._render import PlainRenderer, Renderer, TerminalRenderer
from kimi_async.cli._run import exit_code, program_name
from kimi_async.cli._waiting import SignOfLife

__all__ = ["app"]

# Pretty exceptions would show local variables, and with them a key.
app = typer.Typer(
    name="kimi-async",
    help="Stream replies of the Kimi models of Ace Data Cloud, Cloudsway and others.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Provider(StrEnum):
    """The names that ``--provider`` takes."""

    acedata = "acedata"
    cloudsway = "cloudsway"
    moonshot = "moonshot"
    openai = "openai"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kimi-async {__version__}")
        raise typer.Exit


def _pace(seconds: float) -> float:
    # A range of typer's would let nan through.
    if not 0 <= seconds <= 60:
        raise typer.BadParameter("must be from 0 to 60 seconds")
    return seconds


def _timeout(seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < math.inf:
        raise typer.BadParameter("must be more than 0 seconds")
    return seconds


def _speed(factor: float) -> float:
    if not factor > 0:
        raise typer.BadParameter("must be more than 0")
    return factor


_Version: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
]
_Pace: TypeAlias = Annotated[
    float,
    typer.Option(metavar="SECONDS", callback=_pace, help="Time between two events of a reply."),
]
_Prompt: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="PROMPT",
        help="The question. The text on stdin is added after it; - stands for stdin.",
    ),
]
_Provider: TypeAlias = Annotated[
    Provider | None,
    typer.Option(help="The provider; else KIMI_PROVIDER, else the one whose key is set."),
]
_Model: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="KIMI_MODEL", help="The model; Cloudsway needs none."),
]
_System: TypeAlias = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="A system message.")
]
_MaxTokens: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", min=1, help="The most tokens of the reply, thinking included."),
]
_Temperature: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER", min=0, max=2, help="Some models accept less, or only one value."
    ),
]
_Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        callback=_timeout,
        help="The most seconds for the whole reply; without it, 300 seconds without output end it.",
    ),
]
_Input: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="INPUT", exists=True, dir_okay=False, readable=True, help="The file of requests."
    ),
]
_OutputFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="OUTPUT", dir_okay=False, help="The file of replies.")
]
_ErrorFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        dir_okay=False,
        help="The file of failures.",
        show_default="OUTPUT with .errors.jsonl",
    ),
]
_Providers: TypeAlias = Annotated[
    list[Provider] | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        help=(
            "The provider: acedata, cloudsway, moonshot or openai. Give it twice to ask the second one"
            " when the first one fails."
        ),
    ),
]
_Concurrency: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        min=1,
        help="The most requests at the same time.",
        show_default="20 for each provider",
    ),
]
_DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check the files, say what is left, and send nothing.")
]
_NoReasoning: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--no-reasoning", help="Do not show the thinking; the model thinks and bills it anyway."
    ),
]
_Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Write one line of JSON for each event.")
]
_JsonLines: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Write JSON, one line for each.")
]
_BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The URL of another host, without /chat/completions (Cloudsway: without the endpoint path).",
    ),
]
_EndpointPath: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="The endpoint path at Cloudsway; else CLOUDSWAY_ENDPOINT_PATH."
    ),
]


_FakeProvider: TypeAlias = Annotated[Provider, typer.Option(help="The provider that it imitates.")]
_Host: TypeAlias = Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")]
_Port: TypeAlias = Annotated[
    int,
    typer.Option(
        metavar="NUMBER", min=0, max=65_535, help="The port to listen on; 0 = a free one."
    ),
]
_Script: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A script in JSON, or a recording (.kimi).")
]
_Oddity: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="An oddity of the provider; may be given several times."),
]
_Yes: TypeAlias = Annotated[
    bool, typer.Option("--yes", help="Send the requests without asking; they cost tokens.")
]
_Speed: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="FACTOR", callback=_speed, help="The speed of a recording: 2 is twice as fast."
    ),
]


@app.callback()
def options(*, _version: _Version = False) -> None:
    """Take the options that stand before a command; their callbacks have done all by now."""


@app.command(
    help=(
        "Watch three replies stream, without a key.\n\n"
        "One was written for the demo, and two were recorded. It needs no network."
    )
)
def demo(*, pace: _Pace = 0.12) -> None:
    """Run the demo and exit."""
    never_fail_on_characters(sys.stdout)
    output = Output(sys.stdout, styled=shows_styles(sys.stdout))

    def command() -> None:
        from kimi_async.cli._demo import demo as run_demo

        anyio.run(run_demo, output, pace, program_name(sys.argv[0]))

    raise typer.Exit(exit_code(command, TerminalRenderer(output)))


@app.command(help=ASK_HELP, epilog=EXIT_CODES)
def ask(
    prompt: _Prompt = None,
    *,
    provider: _Provider = None,
    model: _Model = None,
    system_text: _System = None,
    max_tokens: _MaxTokens = None,
    temperature: _Temperature = None,
    timeout: _Timeout = None,
    no_reasoning: _NoReasoning = False,
    as_json: _Json = False,
    base_url: _BaseUrl = None,
    endpoint_path: _EndpointPath = None,
) -> None:
    """Send one prompt, show the reply and exit."""
    never_fail_on_characters(sys.stdout, "utf-8" if as_json else None)
    sign = SignOfLife()
    renderer = _renderer(sys.stdout, as_json=as_json, before=sign.stop)

    def command() -> None:
        question = Question(
            # Read here and not in the event loop, where Ctrl-C could not end it.
            prompt=read_prompt(prompt, sys.stdin),
            system=None if system_text is None else checked_text(system_text, "--system"),
            provider=provider,
            model=model,
            base_url=base_url,
            endpoint_path=endpoint_path,
            reasoning=not no_reasoning,
            max_tokens=max_tokens,
            temperature=temperature,
            timeout=timeout,
        )
        with sign:
            anyio.run(run_ask, question, renderer)

    raise typer.Exit(exit_code(command, renderer))


@app.command(help=BATCH_HELP, epilog=BATCH_EXIT_CODES)
def batch(
    source: _Input,
    output: _OutputFile,
    *,
    errors: _ErrorFile = None,
    provider: _Providers = None,
    model: _Model = None,
    system_text: _System = None,
    max_tokens: _MaxTokens = None,
    temperature: _Temperature = None,
    concurrency: _Concurrency = None,
    dry_run: _DryRun = False,
    base_url: _BaseUrl = None,
    endpoint_path: _EndpointPath = None,
) -> None:
    """Answer the requests of a file and exit."""
    never_fail_on_characters(sys.stderr)
    answered = True

    def command() -> None:
        from kimi_async.cli._batch import Job, estimate, run_batch

        nonlocal answered
        names: list[Provider | None] = [*provider] if provider else [None]
        if len(names) > 1 and (base_url or endpoint_path):
            raise ConfigurationError(
                "--base-url and --endpoint-path are for one provider; set the variables of each provider"
            )
        job = Job(
            source=source,
            output=output,
            errors=errors or output.with_suffix(".errors.jsonl"),
            providers=tuple(chosen_provider(name, base_url, endpoint_path) for name in names),
            model=model,
            system=None if system_text is None else checked_text(system_text, "--system"),
            params=chosen_params(max_tokens, temperature),
            concurrency=concurrency,
        )
        if dry_run:
            sys.stdout.writelines(f"{line}\n" for line in estimate(job))
        else:
            answered = anyio.run(run_batch, job)

    code = exit_code(command, _renderer(sys.stdout, as_json=False))
    raise typer.Exit(code or int(not answered))


@app.command(help=PROVIDERS_HELP)
def providers(*, as_json: _JsonLines = False) -> None:
    """Show the capabilities and exit."""
    never_fail_on_characters(sys.stdout, "utf-8" if as_json else None)
    renderer = _renderer(sys.stdout, as_json=as_json)
    raise typer.Exit(exit_code(lambda: show_providers(sys.stdout, as_json=as_json), renderer))


@app.command(help=MODELS_HELP, epilog=EXIT_CODES)
def models(
    *,
    provider: _Provider = None,
    as_json: _JsonLines = False,
    base_url: _BaseUrl = None,
    endpoint_path: _EndpointPath = None,
) -> None:
    """List the models and exit."""
    never_fail_on_characters(sys.stdout, "utf-8" if as_json else None)

    sign = SignOfLife()
    fetch = partial(list_models, file=sys.stdout, as_json=as_json, before=sign.stop)

    def command() -> None:
        chosen = chosen_provider(provider, base_url, endpoint_path)
        with sign:
            anyio.run(fetch, chosen)

    renderer = _renderer(sys.stdout, as_json=as_json)
    raise typer.Exit(exit_code(command, renderer))


@app.command(help=DOCTOR_HELP, epilog=DOCTOR_EXIT_CODES)
def doctor(
    *,
    provider: _Provider = None,
    model: _Model = None,
    yes: _Yes = False,
    as_json: _JsonLines = False,
    base_url: _BaseUrl = None,
    endpoint_path: _EndpointPath = None,
) -> None:
    """Examine a provider and exit."""
    never_fail_on_characters(sys.stdout, "utf-8" if as_json else None)
    never_fail_on_characters(sys.stderr)
    answered = False

    def command() -> None:
        from kimi_async.cli._doctor import run_doctor

        nonlocal answered
        chosen = chosen_provider(provider, base_url, endpoint_path)
        answered = run_doctor(chosen, model, yes=yes, as_json=as_json)

    code = exit_code(command, _renderer(sys.stdout, as_json=as_json))
    raise typer.Exit(code or int(not answered))


@app.command(help=FAKE_HELP)
def fake(
    *,
    provider: _FakeProvider = Provider.acedata,
    host: _Host = "127.0.0.1",
    port: _Port = 8080,
    script: _Script = None,
    oddity: _Oddity = None,
    speed: _Speed = 1.0,
) -> None:
    """Serve a fake provider and exit."""
    never_fail_on_characters(sys.stdout)
    # A pipe is read while the server runs.
    show = partial(print, flush=True)

    def command() -> None:
        from kimi_async.cli._fake import FakeServer, serve

        server = FakeServer(
            provider=provider.value,
            host=host,
            port=port,
            script=script,
            oddities=tuple(oddity or ()),
            speed=speed,
        )
        try:
            anyio.run(serve, server, program_name(sys.argv[0]), show)
        except KeyboardInterrupt:
            show("\nstopped")

    raise typer.Exit(exit_code(command, PlainRenderer(Output(sys.stdout, styled=False))))


def _renderer(
    stdout: TextIO, *, as_json: bool, before: Callable[[], object] = lambda: None
) -> Renderer:
    if as_json:
        return JsonRenderer(stdout, before)
    if stdout.isatty():
        return TerminalRenderer(Output(stdout, styled=shows_styles(stdout), before=before))
    return PlainRenderer(Output(stdout, styled=False, before=before))
