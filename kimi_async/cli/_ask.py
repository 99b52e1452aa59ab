"""``kimi-async ask``: one prompt, one reply, from the provider that the options or the environment name."""

from __future__ import annotations

import os
from typing import TextIO

from attrs import frozen

from kimi_async import (
    AsyncKimi,
    Cloudsway,
    ConfigurationError,
    Message,
    Provider,
    system,
    user,
)
from kimi_async._providers._environment import provider_from_environment
from kimi_async.cli._render import Renderer
from kimi_async.cli._run import follow

__all__ = ["Question", "ask", "chosen_provider", "read_prompt"]


@frozen(kw_only=True)
class Question:
    """What is asked, and whom.

    Attributes:
        prompt: The user's message.
        system: The system message, or ``None``.
        provider: Name of the provider; ``None`` = from the environment.
        model: The model; ``None`` where the provider needs none.
        base_url: Replaces the provider's.
        endpoint_path: Cloudsway's; ``None`` = from the environment.
        reasoning: Whether the reasoning is shown.
    """

    prompt: str
    system: str | None = None
    provider: str | None = None
    model: str | None = None
    base_url: str | None = None
    endpoint_path: str | None = None
    reasoning: bool = True

    @property
    def messages(self) -> list[Message]:
        """The messages to send."""
        first = [] if self.system is None else [system(self.system)]
        return [*first, user(self.prompt)]


async def ask(question: Question, renderer: Renderer) -> None:
    """Send *question* and show the reply as it comes.

    Raises:
        ConfigurationError: Nothing could be sent.
        KimiError: The reply did not end well.
    """
    provider = chosen_provider(question.provider, question.base_url, question.endpoint_path)
    if provider.needs_model and not question.model:
        raise ConfigurationError("no model: give --model, or set KIMI_MODEL")
    async with AsyncKimi(provider, model=question.model) as client:
        await follow(client.stream(question.messages), renderer, reasoning=question.reasoning)


def chosen_provider(
    provider: str | None, base_url: str | None, endpoint_path: str | None
) -> Provider:
    """The provider that the options and the environment name, still without its key.

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
    """The prompt: *argument*, else all of *stdin* without its last line ends.

    Args:
        argument: What was given on the command line.
        stdin: ``None`` in a process that was started without.

    Raises:
        ConfigurationError: There is none, or it is not text.
    """
    if argument is not None:
        prompt = argument
    elif stdin is None or stdin.isatty():
        raise ConfigurationError("no prompt: give it as an argument or on stdin")
    else:
        prompt = _read(stdin).rstrip("\n")
    if not prompt.strip():
        raise ConfigurationError("the prompt is empty")
    return prompt


def _read(stdin: TextIO) -> str:
    try:
        return stdin.read()
    except UnicodeDecodeError as error:
        encoding = error.encoding
    raise ConfigurationError(f"the prompt on stdin is not {encoding} text")
