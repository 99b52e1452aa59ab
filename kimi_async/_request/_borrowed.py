"""Names and values of other SDKs, each with the name that means the same here."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from typing import Final, NoReturn

from kimi_async._errors import ConfigurationError

__all__ = ["refuse_functions", "refuse_name", "refuse_unknown"]

#: Spellings of openai-python. Each text follows the name and a colon.
_OURS: Final = {
    "api_key": "give the key to the provider, such as AceDataCloud(api_key=...)",
    "base_url": "give the URL to the provider, such as OpenAICompatible(base_url=...)",
    "max_retries": "the number of requests for a reply is retries=Retries(attempts=3); Retries.none() sends one",
    "timeout": "each wait has a limit of its own, such as timeouts=Timeouts(idle=60, total=600)",
    "stream": 'client.stream() gives events; wire="json" asks for the reply as one JSON body',
    "stream_options": "the token counts are always asked for",
    "functions": "give tools=[...]",
    "function_call": "give tool_choice=...",
    "into": "client.parse(messages, into=Type) gives a value of a type; in a batch it belongs to BatchRequest(...)",
    "proxy": "give http_client=kimi_async.http_client(proxy=...)",
    "verify": "give http_client=kimi_async.http_client(verify=...)",
    "response_model": "client.parse(messages, into=Type) gives a value of a type",
    "system_prompt": "give a message, such as [kimi_async.system(...), kimi_async.user(...)]",
    "system": "give a message, such as [kimi_async.system(...), kimi_async.user(...)]",
    "instructions": "give a message, such as [kimi_async.system(...), kimi_async.user(...)]",
    "prompt": 'it is the first argument, as in client.chat("Hello")',
    "input": 'it is the first argument, as in client.chat("Hello")',
}
#: Names of the module ``openai``, each with the name here.
_NAMES: Final = {
    "OpenAI": "AsyncKimi, with asyncio.run()",
    "AsyncOpenAI": "AsyncKimi",
    "AzureOpenAI": "AsyncKimi, with asyncio.run()",
    "AsyncAzureOpenAI": "AsyncKimi",
    "AsyncStream": "ChatStream",
    "Stream": "ChatStream",
    "Timeout": "Timeouts",
    "OpenAIError": "KimiError",
    "APIStatusError": "APIError",
    "APIConnectionError": "TransportError, or StreamInterrupted after the first output",
    "APITimeoutError": "KimiTimeoutError",
    "APIResponseValidationError": "ProtocolError",
    "UnprocessableEntityError": "BadRequestError",
    "InternalServerError": "ServerError or OverloadedError",
}
#: Parameters of other SDKs that are like one of ours, and mean something else.
_NOT_OURS: Final = frozenset(
    ("top_k", "min_p", "repetition_penalty", "store", "tool_resources", "extra_query")
)


def refuse_name(name: str) -> NoReturn:
    """Refuse a name that the module ``kimi_async`` does not have.

    Raises:
        AttributeError: It names ours, if *name* is one of openai-python.
    """
    ours = f"; in place of openai.{name} use {_NAMES[name]}" if name in _NAMES else ""
    raise AttributeError(f"module 'kimi_async' has no attribute {name!r}{ours}")


def refuse_functions(tools: Iterable[object]) -> None:
    """Refuse a function in place of a tool.

    Raises:
        ConfigurationError: One of *tools* is a function that ``@tool`` did not decorate.
    """
    if any(inspect.isroutine(each) for each in tools):
        raise ConfigurationError(
            "tools holds a function that is not a tool; decorate it with @kimi_async.tools.tool"
        )


def refuse_unknown(
    names: Collection[str], kind: str, known: Collection[str], more: str = ""
) -> None:
    """Refuse names that mean nothing here; do nothing when there are none.

    Args:
        names: The unknown names.
        kind: The word for such a name, such as ``"parameter"``.
        known: The names that mean something.
        more: Advice for a name that is like none of *known*.

    Raises:
        ConfigurationError: It names the first one, and the spelling that is likely meant.
    """
    if not names:
        return
    name = next((each for each in names if each in _OURS), next(iter(names)))
    raise ConfigurationError(f"unknown {kind} {name!r}{_advice(name, known, more)}")


def _advice(name: str, known: Collection[str], more: str) -> str:
    if name in _OURS:
        return f": {_OURS[name]}"
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    if near and name not in _NOT_OURS:
        return f"; did you mean {near[0]!r}?"
    return more and f"; {more}"
