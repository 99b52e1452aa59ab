"""``kimi-async ask``: send one prompt to the provider that the options or the environment name."""

from __future__ import annotations

import os
from typing import TextIO

from attrs import frozen

from kimi_async import (
    AsyncKimi,
    CallParams,
    Cloudsway,
    ConfigurationError,
    Message,
    Provider,
    Timeouts,
    system,
    user,
)
from kimi_async._providers._environment import provider_from_environment
from kimi_async.cli._render import Renderer
from kimi_async.cli._run import follow

__all__ = [
    "Question",
    "ask",
    "checked_text",
    "chosen_params",
    "chosen_provider",
    "read_prompt",
]


@frozen(kw_only=True)
class Question:
    """The question, and the provider that gets it.

    Attributes:
        prompt: The user's message.
        system: The system message, or ``None``.
        provider: Name of the provider; ``None`` = from the environment.
        model: The model; ``None`` where the provider needs none.
        base_url: Replaces the provider's.
        endpoint_path: Cloudsway's; ``None`` = from the environment.
        reasoning: Whether the reasoning is shown.
        max_tokens: The most tokens of the reply, or ``None`` for the provider's limit.
        temperature: The temperature, or ``None`` for the model's.
        timeout: The most seconds that the reply may take; ``None`` = the limits of :class:`~kimi_async.Timeouts`.
    """

    prompt: str
    system: str | None = None
    provider: str | None = None
    model: str | None = None
    base_url: str | None = None
    endpoint_path: str | None = None
    reasoning: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    timeout: float | None = None

    @property
    def params(self) -> CallParams:
        """The parameters that are set."""
        return chosen_params(self.max_tokens, self.temperature)

    @property
    def messages(self) -> list[Message]:
        """The messages to send."""
        first = [] if self.system is None else [system(self.system)]
        return [*first, user(self.prompt)]


async def ask(question: Question, renderer: Renderer) -> None:
    """Send *question* and show the reply while it arrives.

    Raises:
        ConfigurationError: Nothing could be sent.
        KimiError: The reply did not end well.
    """
    provider = chosen_provider(question.provider, question.base_url, question.endpoint_path)
    limit = question.timeout
    timeouts = (
        Timeouts()
        if limit is None
        else Timeouts(first_output=limit, idle=limit, progress=limit, total=limit)
    )
    if provider.needs_model and not question.model:
        raise ConfigurationError("no model: give --model, or set KIMI_MODEL")
    async with AsyncKimi(provider, model=question.model, timeouts=timeouts) as client:
        stream = client.stream(question.messages, **question.params)
        await follow(stream, renderer, reasoning=question.reasoning)


def chosen_params(max_tokens: int | None, temperature: float | None) -> CallParams:
    """Return the parameters that the options set."""
    params: CallParams = {}
    if max_tokens is not None:
        params["max_tokens"] = max_tokens
    if temperature is not None:
        params["temperature"] = temperature
    return params


def chosen_provider(
    provider: str | None, base_url: str | None, endpoint_path: str | None
) -> Provider:
    """Return the provider that the options and the environment name, still without its key.

    Args:
        provider: Its name; ``None`` = from the environment.
        base_url: Replaces the provider's.
        endpoint_path: Cloudsway's; ``None`` = from the environment.

    Raises:
        ConfigurationError: There is none, or *endpoint_path* is not for it.
    """
    chosen = {} if provider is None else {"KIMI_PROVIDER": provider}
    found = provider_from_environment({**os.environ, **chosen})
    if isinstance(found, str):
        raise ConfigurationError(found)
    settings = {}
    if base_url is not None:
        settings["base_url"] = base_url
    if endpoint_path is not None:
        if not isinstance(found, Cloudsway):
            raise ConfigurationError(f"--endpoint-path is for cloudsway, not for {found.name}")
        settings["endpoint_path"] = endpoint_path
    return type(found)(**settings)


def read_prompt(argument: str | None, stdin: TextIO | None) -> str:
    """Return the prompt: *argument*, and after it the text on *stdin* if that is a file or a pipe.

    Args:
        argument: The text on the command line; ``-`` stands for *stdin*, also if that is a terminal.
        stdin: ``None`` in a process that was started without. Line ends after its last line are left out.

    Raises:
        ConfigurationError: There is no prompt, or it is not text.
    """
    has_stdin = stdin is not None and (argument == "-" or not stdin.isatty())
    if argument in (None, "-") and not has_stdin:
        raise ConfigurationError("no prompt: give it as an argument or on stdin")
    parts = [] if argument in (None, "-") else [checked_text(argument, "the prompt")]
    if stdin is not None and has_stdin:
        parts.append(_read(stdin).rstrip("\n"))
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt:
        raise ConfigurationError("the prompt is empty")
    return prompt


def checked_text(text: str | None, name: str) -> str:
    """Return *text*, which the shell gave.

    Raises:
        ConfigurationError: It is empty, or its bytes are not text in the encoding of the system.
    """
    if not text or not text.strip():
        raise ConfigurationError(f"{name} is empty")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ConfigurationError(
            f"{name} is not UTF-8 text; convert it first, for example with iconv"
        )
    return text


def _read(stdin: TextIO) -> str:
    try:
        text = stdin.read()
    except UnicodeDecodeError:
        # The same characters as those that a lenient encoding of stdin gives for such bytes.
        text = "\udcff"
    return checked_text(text, "the text on stdin") if text.strip() else ""
